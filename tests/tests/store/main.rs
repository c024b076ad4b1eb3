//! What every store has to do. The rules are asked through the port, of every kind of store; a further one is a further [`Kind`] and one
//! more line at [`contract`].

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use flow::message::{Acceptance, Kind as What, Message, NewMessage, Outcome, TrailEntry};
use flow::ports::{Lease, Store};
use flow::{MessageId, Origin, State};
use jiff::{SignedDuration, Timestamp};
use mapping::Issue;
use mediator_tests::postgres::Cluster;
use mediator_tests::running::{messages, reason};
use openimis_mediator::config::StoreSettings;
use store::SqlStore;

mod admin;
mod conflict;
mod facilities;
mod figures;
mod inbox;
mod links;
mod log;
mod migrated;
mod openhim;
mod patients;
mod plans;
mod queue;
mod quota;
mod retention;
mod seal;

/// A kind of store.
trait Kind {
    type Store: Store;

    /// Settings for the store of a folder.
    fn settings(folder: &Path) -> StoreSettings;

    /// Opens the store of a folder; makes it if it is not there.
    async fn open(folder: &Path) -> Self::Store;
}

struct Sqlite;

impl Kind for Sqlite {
    type Store = SqlStore;

    fn settings(folder: &Path) -> StoreSettings {
        StoreSettings::file(folder.join("mediator.db"))
    }

    async fn open(folder: &Path) -> SqlStore {
        SqlStore::open(&Self::settings(folder)).await.expect("a store")
    }
}

struct Postgres;

impl Kind for Postgres {
    type Store = SqlStore;

    fn settings(folder: &Path) -> StoreSettings {
        static DATABASES: Mutex<Option<HashMap<PathBuf, String>>> = Mutex::new(None);
        let mut databases = DATABASES.lock().expect("no test failed in here");
        let database = databases.get_or_insert_default().entry(folder.to_owned());
        let url = database.or_insert_with(|| Cluster::shared().database()).clone();
        StoreSettings { url: Some(url.into()), ..StoreSettings::default() }
    }

    async fn open(folder: &Path) -> SqlStore {
        SqlStore::open(&Self::settings(folder)).await.expect("a store")
    }
}

/// All rules as tests of one kind of store.
macro_rules! contract {
    ($module:ident, $kind:ident $(, #[$attribute:meta])?) => {
        contract! { $module, $kind $(, #[$attribute])?:
            inbox::a_message_is_stored_once,
            inbox::a_message_that_cannot_be_mapped_is_a_dead_letter_from_the_start,
            inbox::what_was_left_out_or_parked_is_revived_by_news,
            inbox::what_waits_is_revived_by_its_selection_only,
            inbox::what_is_on_its_way_or_delivered_is_not_revived,
            inbox::a_revived_message_begins_anew,
            inbox::a_selection_outlives_a_poll,
            inbox::of_many_at_once_one_is_new,
            inbox::a_message_of_many_at_once_is_told_which_it_is,
            inbox::text_that_a_database_does_not_take_is_taken,
            conflict::another_document_is_stored_with_a_key_of_its_own_and_both_are_named,
            conflict::what_corrects_a_document_still_takes_its_place,
            conflict::a_document_that_is_no_longer_stored_is_still_told_from_another,
            conflict::one_of_two_documents_with_the_same_key_is_sent_and_only_after_a_decision,
            conflict::what_was_stored_without_digests_is_compared_by_its_document,
            conflict::digests_are_of_the_stores_key,
            conflict::since_when_an_outcome_is_unknown_is_written_down,
            migrated::a_database_of_the_first_release_opens_and_loses_nothing,
            migrated::every_step_of_the_sources_is_taken_as_it_is_written,
            quota::what_a_client_has_here_is_counted,
            queue::a_lease_gives_a_message_as_it_came,
            queue::the_longest_due_come_first_and_no_more_than_asked_for,
            queue::messages_of_one_lane_come_one_at_a_time_in_their_order,
            queue::a_message_that_waits_holds_its_lane,
            queue::a_settled_message_is_not_given_out_again,
            queue::a_wait_is_no_attempt,
            queue::an_uncertain_attempt_is_never_forgotten,
            queue::a_lease_that_ran_out_is_given_out_again_as_uncertain,
            queue::a_late_outcome_changes_nothing,
            queue::the_next_due_time_is_that_of_the_first_message_that_could_be_given_out,
            queue::no_message_is_leased_twice,
            queue::a_kind_is_taken_by_itself,
            queue::what_a_worker_is_still_at_is_not_given_to_it_again,
            queue::an_outcome_after_the_lease_went_to_another_is_not_written,
            queue::many_outcomes_at_once_are_all_written,
            links::a_poll_passes_over_what_needs_nothing,
            links::the_first_link_of_an_insuree_counts,
            links::a_watermark_is_kept_by_name,
            links::all_of_it_is_there_after_a_restart,
            openhim::what_is_to_be_told_is_there_until_it_was_told,
            openhim::of_many_reporters_one_takes_it,
            openhim::what_the_console_said_last_is_kept_for_each_mediator,
            openhim::what_has_not_ended_is_looked_at_less_and_less_often,
            patients::a_proposal_is_kept_once_until_it_is_decided,
            patients::a_confirmed_match_is_a_link_and_what_waits_is_due,
            patients::a_refused_match_is_remembered,
            patients::a_link_settles_what_was_proposed,
            patients::a_message_does_not_wait_for_what_is_decided_by_then,
            patients::a_contact_is_matched_to_one_insuree,
            patients::a_proposal_goes_with_the_last_message_that_asked_for_it,
            patients::a_decision_reaches_a_message_that_is_just_being_put_down,
            patients::a_table_of_places_is_imported_as_a_whole,
            facilities::a_run_is_taken_up_where_it_was_and_ends_once,
            facilities::each_interruption_in_a_row_is_waited_for_longer,
            facilities::what_openimis_was_brought_to_stays_known_while_news_fail,
            facilities::what_an_admin_asks_for_is_due_and_audited,
            facilities::one_has_the_lease_until_it_gives_it_back_or_it_runs_out,
            admin::what_a_killed_process_had_in_its_hands_is_uncertain_and_due_at_once,
            admin::an_admin_puts_back_what_is_settled_or_waits_but_not_what_is_delivered_or_on_its_way,
            admin::an_admin_sees_what_became_of_a_message_and_why,
            admin::a_discarded_message_stays_away_until_an_admin_brings_it_back,
            admin::all_that_fit_are_put_back,
            admin::what_admins_did_is_kept,
            admin::a_list_goes_on_where_it_stopped,
            admin::what_a_wrong_clock_set_far_off_is_pulled_forward,
            admin::an_admin_finds_an_insurees_claims_with_their_feedback_and_what_came_in_a_time,
            admin::messages_are_counted_by_state_and_kind_with_the_age_of_the_oldest,
            figures::what_waits_is_counted_by_why_it_waits,
            retention::documents_go_first_then_messages_and_dead_letters_stay,
            retention::a_clock_that_was_ahead_does_not_keep_documents_from_being_pruned,
            retention::what_is_no_longer_kept_is_still_recognised,
            retention::many_messages_of_one_moment_are_pruned,
            seal::documents_are_sealed_at_rest_and_read_as_they_came,
            seal::another_key_is_noticed_at_the_start,
            seal::an_older_key_still_opens,
            seal::a_changed_document_is_a_dead_letter_and_holds_nobody_up,
        }
    };
    ($module:ident, $kind:ident, #[$attribute:meta]: $($room:ident::$rule:ident),+ $(,)?) => {
        mod $module {
            $(#[tokio::test]
            #[$attribute]
            async fn $rule() {
                let folder = tempfile::tempdir().expect("a folder");
                super::$room::$rule::<super::$kind>(folder.path()).await;
            })+
        }
    };
    ($module:ident, $kind:ident: $($room:ident::$rule:ident),+ $(,)?) => {
        mod $module {
            $(#[tokio::test]
            async fn $rule() {
                let folder = tempfile::tempdir().expect("a folder");
                super::$room::$rule::<super::$kind>(folder.path()).await;
            })+
        }
    };
}

contract!(sqlite, Sqlite);
contract!(postgres, Postgres, #[ignore = "needs PostgreSQL: cargo xtask test"]);

/// Seconds of a day of which nobody knows the date.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + seconds).expect("a time")
}

fn long() -> Timestamp {
    at(1_000_000)
}

fn message(key: &str) -> NewMessage {
    NewMessage {
        kind: What::ClaimResponse,
        origin: Origin::Poll,
        dedupe_key: format!("claim/{key}"),
        lane: key.to_owned(),
        claim_uuid: Some(key.to_owned()),
        claim_code: Some(format!("CODE-{key}")),
        insuree_uuid: None,
        body: format!("body of {key}").into_bytes(),
        issues: Vec::new(),
        sender: None,
        agreement: Default::default(),
    }
}

async fn add(store: &impl Store, new: NewMessage, now: i64) -> MessageId {
    match store.accept(new, at(now)).await.expect("a store") {
        Acceptance::New(id) => id,
        other => panic!("{other:?}"),
    }
}

/// Where a message is: asked by sending it again.
async fn state(store: &impl Store, new: NewMessage) -> State {
    match store.accept(new, at(0)).await.expect("a store") {
        Acceptance::Duplicate(_, state) => state,
        other => panic!("{other:?}"),
    }
}

async fn leased_ids(store: &impl Store, now: i64) -> Vec<MessageId> {
    lease(store, now).await.iter().map(|message| message.id).collect()
}

fn delivered() -> Outcome {
    Outcome::Delivered { note: "there".into() }
}

fn skipped() -> Outcome {
    Outcome::Skipped { reason: "left out".into() }
}

fn retry(until: i64, uncertain: bool) -> Outcome {
    Outcome::Retry { at: at(until), reason: "not now".into(), uncertain: uncertain.then(|| at(until)) }
}

fn waiting(until: i64) -> Outcome {
    Outcome::Waiting { at: at(until), reason: "for something".into() }
}

/// Adds a message and brings it to a state.
async fn in_state(store: &impl Store, new: NewMessage, state: State) -> MessageId {
    let id = add(store, new, 0).await;
    if state != State::Pending {
        assert!(leased_ids(store, 0).await.contains(&id));
    }
    match state {
        State::Pending | State::Leased => {}
        State::Delivered => settle(store, id, delivered(), 0).await,
        State::Skipped => settle(store, id, skipped(), 0).await,
        State::Dead | State::Discarded => settle(store, id, Outcome::dead("no"), 0).await,
    }
    id
}

thread_local! {
    /// The last lease of each message: a test is a thread.
    static LEASES: RefCell<HashMap<MessageId, Message>> = RefCell::default();
}

/// Takes messages of all kinds.
async fn take(store: &impl Store, now: i64, until: Timestamp, limit: u32) -> Vec<Message> {
    let mut taken = Vec::new();
    for kind in What::ALL {
        let wanted = Lease { kind: *kind, now: at(now), until, limit, held: &[] };
        taken.extend(store.lease(&wanted).await.expect("a store"));
    }
    taken.sort_by_key(|message| message.id);
    LEASES.with_borrow_mut(|leases| leases.extend(taken.iter().map(|message| (message.id, message.clone()))));
    taken
}

async fn lease(store: &impl Store, now: i64) -> Vec<Message> {
    take(store, now, long(), 100).await
}

async fn next_due(store: &impl Store) -> Option<Timestamp> {
    let (claims, feedback) = (store.next_due(What::ClaimResponse).await, store.next_due(What::Feedback).await);
    claims.expect("a store").into_iter().chain(feedback.expect("a store")).min()
}

fn trail_line(now: i64) -> TrailEntry {
    let (event, detail) = ("tried".into(), "a test".into());
    TrailEntry { at: at(now), event, detail, status: Some(200), duration_ms: Some(1) }
}

async fn settle(store: &impl Store, id: MessageId, outcome: Outcome, now: i64) {
    let message = LEASES.with_borrow(|leases| leases[&id].clone());
    store.settle(&message, &outcome, Some("mapped"), &[trail_line(now)], at(now)).await.expect("a store");
}

#[tokio::test]
async fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(folder.path()).await;
    add(&store, message("a"), 0).await;
    let files: Vec<_> =
        std::fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("a file")).collect();
    assert!(files.len() > 1, "the write-ahead log as well");
    for file in files {
        let mode = file.metadata().expect("its mode").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
    }
}
