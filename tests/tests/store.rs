//! What every store has to do, asked through the port. A further store is a further [`Kind`] and one more line at [`contract`].

use std::path::Path;

use flow::message::{Accepted, Kind as What, Message, NewMessage, Outcome, TrailEntry};
use flow::ports::Store;
use flow::{MessageId, Origin, State};
use jiff::{SignedDuration, Timestamp};
use mapping::Issue;
use mediator_tests::running::{messages, reason};
use openimis_mediator::store::{Filter, SqliteStore};

/// A kind of store.
trait Kind {
    type Store: Store;

    /// Opens the store of a folder; makes it if it is not there.
    async fn open(folder: &Path) -> Self::Store;
}

struct Sqlite;

impl Kind for Sqlite {
    type Store = SqliteStore;

    async fn open(folder: &Path) -> SqliteStore {
        SqliteStore::open(&folder.join("mediator.db")).await.expect("a store")
    }
}

/// All rules as tests of one kind of store.
macro_rules! contract {
    ($module:ident, $kind:ident) => {
        contract! { $module, $kind:
            a_message_is_stored_once,
            a_message_that_cannot_be_mapped_is_a_dead_letter_from_the_start,
            a_lease_gives_a_message_as_it_came,
            the_longest_due_come_first_and_no_more_than_asked_for,
            messages_of_one_lane_come_one_at_a_time_in_their_order,
            a_message_that_waits_holds_its_lane,
            a_settled_message_is_not_given_out_again,
            a_wait_is_no_attempt,
            an_uncertain_attempt_is_never_forgotten,
            a_lease_that_ran_out_is_given_out_again_as_uncertain,
            a_late_outcome_changes_nothing,
            the_next_due_time_is_that_of_the_first_message_that_could_be_given_out,
            what_was_left_out_or_parked_is_revived_by_news,
            what_waits_is_revived_by_its_selection_only,
            what_is_on_its_way_or_delivered_is_not_revived,
            a_revived_message_begins_anew,
            a_selection_outlives_a_poll,
        a_poll_passes_over_what_needs_nothing,
            the_first_link_of_an_insuree_counts,
            a_watermark_is_kept_by_name,
            of_many_at_once_one_is_new,
            no_message_is_leased_twice,
            all_of_it_is_there_after_a_restart,
        }
    };
    ($module:ident, $kind:ident: $($rule:ident),+ $(,)?) => {
        mod $module {
            $(#[tokio::test]
            async fn $rule() {
                let folder = tempfile::tempdir().expect("a folder");
                super::$rule::<super::$kind>(folder.path()).await;
            })+
        }
    };
}

contract!(sqlite, Sqlite);

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
    }
}

async fn add(store: &impl Store, new: NewMessage, now: i64) -> MessageId {
    match store.accept(new, at(now)).await.expect("a store") {
        Accepted::New(id) => id,
        other => panic!("{other:?}"),
    }
}

/// Where a message is: asked by sending it again.
async fn state(store: &impl Store, new: NewMessage) -> State {
    match store.accept(new, at(0)).await.expect("a store") {
        Accepted::Duplicate(_, state) => state,
        other => panic!("{other:?}"),
    }
}

async fn lease(store: &impl Store, now: i64) -> Vec<Message> {
    store.lease(at(now), long(), 100).await.expect("a store")
}

async fn leased_ids(store: &impl Store, now: i64) -> Vec<MessageId> {
    lease(store, now).await.iter().map(|message| message.id).collect()
}

async fn settle(store: &impl Store, id: MessageId, outcome: Outcome, now: i64) {
    let line = TrailEntry {
        at: at(now),
        event: "tried".into(),
        detail: "a test".into(),
        status: Some(200),
        duration_ms: Some(1),
    };
    store.settle(id, &outcome, Some("mapped"), &[line], at(now)).await.expect("a store");
}

fn delivered() -> Outcome {
    Outcome::Delivered { note: "there".into() }
}

fn skipped() -> Outcome {
    Outcome::Skipped { reason: "left out".into() }
}

fn retry(until: i64, uncertain: bool) -> Outcome {
    Outcome::Retry { at: at(until), reason: "not now".into(), uncertain }
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
        State::Dead => settle(store, id, Outcome::dead("no"), 0).await,
    }
    id
}

async fn a_message_is_stored_once<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let (first, second) = (add(&store, message("a"), 1).await, add(&store, message("b"), 1).await);
    assert!(first < second, "numbers are in the order of arrival");
    let again = store.accept(message("a"), at(2)).await.expect("a store");
    assert_eq!(again, Accepted::Duplicate(first, State::Pending));
    let feedback = NewMessage { kind: What::Feedback, dedupe_key: "feedback/a".into(), ..message("a") };
    assert_eq!(
        add(&store, feedback, 2).await,
        MessageId(second.0 + 1),
        "the key tells messages apart; a duplicate takes no number"
    );
}

async fn a_message_that_cannot_be_mapped_is_a_dead_letter_from_the_start<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let issues = vec![Issue::missing("ClaimResponse.patient", "a patient")];
    let dead = NewMessage { issues, ..message("a") };
    let id = add(&store, dead.clone(), 1).await;
    assert!(lease(&store, 2).await.is_empty());
    assert_eq!(store.accept(dead, at(3)).await.expect("a store"), Accepted::Duplicate(id, State::Dead));
    assert_eq!(store.next_due().await.expect("a store"), None);
}

async fn a_lease_gives_a_message_as_it_came<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let body = b"\x00\xff not text \xf0\x9f\x92\x8a".to_vec();
    let new = NewMessage { kind: What::Feedback, origin: Origin::Push, body: body.clone(), ..message("a") };
    let id = add(&store, new.clone(), 7).await;
    let [leased] = &lease(&store, 8).await[..] else { panic!("one message") };
    assert_eq!((leased.id, leased.kind, leased.origin), (id, What::Feedback, Origin::Push));
    assert_eq!((leased.lane.as_str(), leased.claim_uuid.as_deref(), &leased.body), ("a", Some("a"), &body));
    assert_eq!((leased.received_at, leased.attempt, leased.uncertain), (at(7), 1, false));
    assert_eq!(state(&store, new).await, State::Leased);
    assert!(lease(&store, 9).await.is_empty(), "it is in somebody's hands");
}

async fn the_longest_due_come_first_and_no_more_than_asked_for<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let mut ids = Vec::new();
    for (key, due) in [("a", 30), ("b", 10), ("c", 20), ("d", 40)] {
        let id = add(&store, message(key), 0).await;
        ids.push((id, due));
    }
    for message in lease(&store, 0).await {
        let due = ids.iter().find(|(id, _)| *id == message.id).expect("its id").1;
        settle(&store, message.id, retry(due, false), 1).await;
    }
    let [a, b, c, d] = [ids[0].0, ids[1].0, ids[2].0, ids[3].0];
    let take = async |now, limit| {
        let taken = store.lease(at(now), long(), limit).await.expect("a store");
        taken.iter().map(|message| message.id).collect::<Vec<_>>()
    };
    assert_eq!(take(9, 10).await, []);
    assert_eq!(take(35, 1).await, [b]);
    assert_eq!(take(35, 0).await, []);
    assert_eq!(take(35, 2).await, [a, c], "both, as they came; d is not due");
    assert_eq!(take(40, 10).await, [d]);
}

async fn messages_of_one_lane_come_one_at_a_time_in_their_order<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    for outcome in [delivered(), skipped(), Outcome::dead("no")] {
        let lane = format!("lane {outcome:?}");
        let in_lane = |key: &str| NewMessage { lane: lane.clone(), ..message(&format!("{key} {lane}")) };
        let (first, second) = (add(&store, in_lane("1"), 0).await, add(&store, in_lane("2"), 0).await);
        let beside = add(&store, message(&format!("beside {lane}")), 0).await;
        assert_eq!(leased_ids(&store, 1).await, [first, beside], "the second waits for the first");
        assert_eq!(leased_ids(&store, 2).await, []);
        settle(&store, first, outcome, 3).await;
        assert_eq!(leased_ids(&store, 4).await, [second]);
        settle(&store, second, delivered(), 5).await;
        settle(&store, beside, delivered(), 5).await;
    }
}

async fn a_message_that_waits_holds_its_lane<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let in_lane = |key: &str| NewMessage { lane: "lane".into(), ..message(key) };
    let (first, second) = (add(&store, in_lane("1"), 0).await, add(&store, in_lane("2"), 0).await);
    for (now, outcome) in [(0, retry(100, false)), (100, waiting(200))] {
        assert_eq!(leased_ids(&store, now).await, [first]);
        settle(&store, first, outcome, now).await;
        assert_eq!(leased_ids(&store, now + 99).await, []);
    }
    assert_eq!(leased_ids(&store, 200).await, [first]);
    settle(&store, first, delivered(), 200).await;
    assert_eq!(leased_ids(&store, 200).await, [second]);
}

async fn a_settled_message_is_not_given_out_again<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    for (key, expected) in [("a", State::Delivered), ("b", State::Skipped), ("c", State::Dead)] {
        in_state(&store, message(key), expected).await;
        assert_eq!(state(&store, message(key)).await, expected);
    }
    assert!(store.lease(at(2_000_000), at(3_000_000), 100).await.expect("a store").is_empty(), "at no time");
    assert_eq!(store.next_due().await.expect("a store"), None);
}

async fn a_wait_is_no_attempt<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let id = add(&store, message("a"), 0).await;
    for (now, outcome, attempt) in [
        (0, waiting(10), 1),
        (10, waiting(20), 1),
        (20, retry(30, false), 1),
        (30, waiting(40), 2),
        (40, retry(50, false), 2),
    ] {
        assert_eq!(lease(&store, now).await[0].attempt, attempt, "at {now}");
        settle(&store, id, outcome, now).await;
    }
    assert_eq!(lease(&store, 50).await[0].attempt, 3);
}

async fn an_uncertain_attempt_is_never_forgotten<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let id = add(&store, message("a"), 0).await;
    let unsure = Outcome::Dead { reason: "given up".into(), issues: Vec::new(), uncertain: true };
    let steps = [
        (retry(10, false), false),
        (retry(20, true), false),
        (waiting(30), true),
        (retry(40, false), true),
        (unsure, true),
    ];
    for (step, (outcome, uncertain)) in steps.into_iter().enumerate() {
        assert_eq!(lease(&store, step as i64 * 10).await[0].uncertain, uncertain, "before {outcome:?}");
        settle(&store, id, outcome, step as i64 * 10).await;
    }
    let news = NewMessage { body: b"news".to_vec(), ..message("a") };
    assert_eq!(store.accept(news, at(60)).await.expect("a store"), Accepted::Revived(id));
    assert!(lease(&store, 60).await[0].uncertain, "the peer may have it from before");
}

async fn a_lease_that_ran_out_is_given_out_again_as_uncertain<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let in_lane = |key: &str| NewMessage { lane: "lane".into(), ..message(key) };
    let (first, _second) = (add(&store, in_lane("1"), 0).await, add(&store, in_lane("2"), 0).await);
    let taken = store.lease(at(0), at(10), 100).await.expect("a store");
    assert_eq!(taken.iter().map(|message| message.id).collect::<Vec<_>>(), [first]);
    assert_eq!(leased_ids(&store, 9).await, []);
    assert_eq!(store.next_due().await.expect("a store"), Some(at(10)));
    let [again] = &lease(&store, 10).await[..] else { panic!("one message") };
    assert_eq!((again.id, again.attempt, again.uncertain), (first, 2, true));
    assert_eq!(leased_ids(&store, 11).await, [], "its lane is held as before");
}

async fn a_late_outcome_changes_nothing<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let id = in_state(&store, message("a"), State::Delivered).await;
    for late in [retry(5, true), Outcome::dead("no"), waiting(5)] {
        settle(&store, id, late, 4).await;
        assert_eq!(state(&store, message("a")).await, State::Delivered);
    }
    assert!(lease(&store, 10).await.is_empty());
}

async fn the_next_due_time_is_that_of_the_first_message_that_could_be_given_out<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let next = async || store.next_due().await.expect("a store");
    assert_eq!(next().await, None);
    let in_lane = |key: &str| NewMessage { lane: "lane".into(), ..message(key) };
    let first = add(&store, in_lane("1"), 5).await;
    assert_eq!(next().await, Some(at(5)));
    leased_ids(&store, 5).await;
    settle(&store, first, retry(100, false), 6).await;
    add(&store, in_lane("2"), 7).await; // due at once, and behind the first
    assert_eq!(next().await, Some(at(100)));
    add(&store, message("beside"), 50).await;
    assert_eq!(next().await, Some(at(50)));
    store.lease(at(50), at(80), 100).await.expect("a store");
    assert_eq!(next().await, Some(at(80)), "when the lease runs out");
}

/// A second message of the same key that differs as told.
fn second(origin: Origin, news: bool) -> NewMessage {
    let mut new = NewMessage { origin, ..message("a") };
    if news {
        new.body = b"news".to_vec();
    }
    new
}

async fn what_was_left_out_or_parked_is_revived_by_news<K: Kind>(folder: &Path) {
    use Origin::{Poll, Push, Selected};
    for (number, old_state) in [State::Skipped, State::Dead].into_iter().enumerate() {
        for (case, (old, new, news, revived)) in [
            (Poll, Poll, false, false),
            (Poll, Push, false, false),
            (Poll, Poll, true, true),
            (Push, Push, true, true),
            (Poll, Selected, false, true),
            (Push, Selected, false, true),
            (Selected, Selected, false, false),
            (Selected, Selected, true, true),
            (Selected, Poll, false, false),
        ]
        .into_iter()
        .enumerate()
        {
            let folder = folder.join(format!("{number}-{case}"));
            let store = K::open(&folder).await;
            let id = in_state(&store, NewMessage { origin: old, ..message("a") }, old_state).await;
            let accepted = store.accept(second(new, news), at(10)).await.expect("a store");
            let expected = if revived { Accepted::Revived(id) } else { Accepted::Duplicate(id, old_state) };
            assert_eq!(accepted, expected, "{old_state}: {old}, then {new}, news: {news}");
            assert_eq!(leased_ids(&store, 10).await.len(), usize::from(revived));
        }
    }
}

async fn what_waits_is_revived_by_its_selection_only<K: Kind>(folder: &Path) {
    use Origin::{Poll, Push, Selected};
    let cases = [
        (Poll, Push, true, false),
        (Push, Poll, true, false),
        (Poll, Selected, false, true),
        (Selected, Selected, true, false),
    ];
    for (case, (old, new, news, revived)) in cases.into_iter().enumerate() {
        let store = K::open(&folder.join(case.to_string())).await;
        let id = in_state(&store, NewMessage { origin: old, ..message("a") }, State::Leased).await;
        settle(&store, id, waiting(1000), 1).await;
        let accepted = store.accept(second(new, news), at(10)).await.expect("a store");
        let expected = if revived { Accepted::Revived(id) } else { Accepted::Duplicate(id, State::Pending) };
        assert_eq!(accepted, expected, "{old}, then {new}, news: {news}");
        let leased = lease(&store, 10).await;
        assert_eq!(leased.len(), usize::from(revived), "{old}, then {new}: selected means now");
        assert!(leased.iter().all(|message| message.origin == Selected));
    }
}

async fn what_is_on_its_way_or_delivered_is_not_revived<K: Kind>(folder: &Path) {
    for (number, old_state) in [State::Leased, State::Delivered].into_iter().enumerate() {
        let store = K::open(&folder.join(number.to_string())).await;
        let id = in_state(&store, message("a"), old_state).await;
        for origin in [Origin::Push, Origin::Poll, Origin::Selected] {
            let accepted = store.accept(second(origin, true), at(10)).await.expect("a store");
            assert_eq!(accepted, Accepted::Duplicate(id, old_state), "{origin}");
        }
        assert!(lease(&store, 10).await.is_empty());
    }
}

async fn a_revived_message_begins_anew<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let id = in_state(&store, message("a"), State::Dead).await;
    let news = second(Origin::Selected, true);
    assert_eq!(store.accept(news.clone(), at(50)).await.expect("a store"), Accepted::Revived(id));
    let [leased] = &lease(&store, 50).await[..] else { panic!("one message") };
    assert_eq!(
        (leased.body.as_slice(), leased.origin, leased.received_at),
        (b"news".as_slice(), Origin::Selected, at(50))
    );
    settle(&store, id, Outcome::dead("no"), 51).await;
    // News that cannot be mapped take the place of the old ones, and nothing is tried.
    let issues = vec![Issue::missing("ClaimResponse.patient", "a patient")];
    let worse = NewMessage { body: b"worse".to_vec(), issues, ..news };
    assert_eq!(store.accept(worse.clone(), at(60)).await.expect("a store"), Accepted::Revived(id));
    assert!(lease(&store, 60).await.is_empty());
    assert_eq!(state(&store, worse).await, State::Dead);
}

async fn a_selection_outlives_a_poll<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let id = in_state(&store, NewMessage { origin: Origin::Selected, ..message("a") }, State::Dead).await;
    assert_eq!(store.accept(second(Origin::Poll, true), at(10)).await.expect("a store"), Accepted::Revived(id));
    assert_eq!(lease(&store, 10).await[0].origin, Origin::Selected);
}

async fn a_poll_passes_over_what_needs_nothing<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let mut settled = Vec::new();
    let mut keys = vec!["claim/unknown".to_owned()];
    for (number, state) in State::ALL.iter().enumerate() {
        for origin in [Origin::Push, Origin::Poll, Origin::Selected] {
            let key = format!("{number}-{origin}");
            in_state(&store, NewMessage { origin, ..message(&key) }, *state).await;
            keys.push(format!("claim/{key}"));
            let needs_nothing = matches!(state, State::Leased | State::Delivered) || origin == Origin::Selected;
            if needs_nothing {
                settled.push(format!("claim/{key}"));
            }
            if *state == State::Pending {
                // Not yet due: the next ones are to be leased without it.
                for message in lease(&store, 0).await {
                    settle(&store, message.id, waiting(1_000), 0).await;
                }
            }
        }
    }
    let mut found = store.settled_keys(&keys).await.expect("a store");
    found.sort();
    settled.sort();
    assert_eq!(found, settled);
    assert!(store.settled_keys(&[]).await.expect("a store").is_empty());
}

async fn the_first_link_of_an_insuree_counts<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    assert_eq!(store.link("insuree").await.expect("a store"), None);
    assert_eq!(store.save_link("insuree", "contact", "created", at(1)).await.expect("a store"), "contact");
    assert_eq!(store.save_link("insuree", "another", "matched", at(2)).await.expect("a store"), "contact");
    assert_eq!(store.link("insuree").await.expect("a store").as_deref(), Some("contact"));
    assert_eq!(store.link("somebody").await.expect("a store"), None);
    assert_eq!(store.save_link("somebody", "contact", "matched", at(3)).await.expect("a store"), "contact");
}

async fn a_watermark_is_kept_by_name<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    assert_eq!(store.watermark("one").await.expect("a store"), None);
    let moment = at(1) + SignedDuration::from_millis(234);
    store.save_watermark("one", moment).await.expect("a store");
    store.save_watermark("two", at(2)).await.expect("a store");
    assert_eq!(store.watermark("one").await.expect("a store"), Some(moment));
    store.save_watermark("one", at(3)).await.expect("a store");
    assert_eq!(store.watermark("one").await.expect("a store"), Some(at(3)));
    assert_eq!(store.watermark("two").await.expect("a store"), Some(at(2)));
}

async fn of_many_at_once_one_is_new<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let one = || store.accept(message("a"), at(1));
    let (a, b, c, d, e) = tokio::join!(one(), one(), one(), one(), one());
    let accepted = [a, b, c, d, e].map(|accepted| accepted.expect("a store"));
    assert_eq!(accepted.iter().filter(|accepted| matches!(accepted, Accepted::New(_))).count(), 1, "{accepted:?}");
    assert!(accepted.iter().all(|other| other.id() == accepted[0].id()), "{accepted:?}");
}

async fn no_message_is_leased_twice<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    for number in 0..40 {
        add(&store, message(&number.to_string()), 0).await;
    }
    let take = || store.lease(at(1), long(), 15);
    let (a, b, c, d) = tokio::join!(take(), take(), take(), take());
    let mut ids: Vec<MessageId> =
        [a, b, c, d].into_iter().flat_map(|taken| taken.expect("a store")).map(|message| message.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
}

async fn all_of_it_is_there_after_a_restart<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let waits = in_state(&store, message("waits"), State::Leased).await;
    settle(&store, waits, retry(10, true), 1).await;
    let done = in_state(&store, message("done"), State::Delivered).await;
    store.save_link("insuree", "contact", "created", at(1)).await.expect("a store");
    store.save_watermark("one", at(1)).await.expect("a store");
    drop(store);
    let store = K::open(folder).await;
    let again = store.accept(message("done"), at(2)).await.expect("a store");
    assert_eq!(again, Accepted::Duplicate(done, State::Delivered));
    let [leased] = &lease(&store, 10).await[..] else { panic!("one message") };
    assert_eq!((leased.id, leased.attempt, leased.uncertain), (waits, 2, true));
    assert_eq!(store.link("insuree").await.expect("a store").as_deref(), Some("contact"));
    assert_eq!(store.watermark("one").await.expect("a store"), Some(at(1)));
}

#[tokio::test]
async fn what_a_killed_process_had_in_its_hands_is_uncertain_and_due_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(folder.path()).await;
    let held = in_state(&store, message("held"), State::Leased).await;
    in_state(&store, message("done"), State::Delivered).await;
    assert_eq!(store.release_leases(at(5)).await.expect("a store"), 1);
    let [again] = &lease(&store, 5).await[..] else { panic!("one message") };
    assert_eq!((again.id, again.attempt, again.uncertain), (held, 2, true));
}

#[tokio::test]
async fn an_admin_puts_back_what_is_settled_or_waits_but_not_what_is_delivered_or_on_its_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(folder.path()).await;
    for (key, state, put_back) in [
        ("dead", State::Dead, true),
        ("skipped", State::Skipped, true),
        ("delivered", State::Delivered, false),
        ("leased", State::Leased, false),
    ] {
        let id = in_state(&store, message(key), state).await;
        assert_eq!(store.retry(id, at(5)).await.expect("a store"), put_back, "{key}");
        let leased = lease(&store, 5).await;
        assert_eq!(leased.len(), usize::from(put_back), "{key}");
        assert!(leased.iter().all(|message| message.received_at == at(5)), "giving up counts from now");
    }
    let waits = in_state(&store, message("waits"), State::Leased).await;
    settle(&store, waits, retry(1000, false), 5).await;
    assert!(store.retry(waits, at(6)).await.expect("a store"));
    assert_eq!(leased_ids(&store, 6).await, [waits]);
    assert!(!store.retry(MessageId(4711), at(6)).await.expect("a store"));
}

#[tokio::test]
async fn an_admin_sees_what_became_of_a_message_and_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(folder.path()).await;
    let id = in_state(&store, message("a"), State::Leased).await;
    settle(&store, id, Outcome::dead("CHT refused it"), 3).await;
    let feedback = NewMessage { kind: What::Feedback, dedupe_key: "feedback/a".into(), ..message("a") };
    let related = add(&store, feedback, 4).await;
    let views = messages(&store).await;
    let view = &views[0];
    assert_eq!(
        (view.summary.state.as_str(), reason(view), view.summary.settled_at),
        ("dead", "CHT refused it", Some(at(3)))
    );
    assert_eq!((view.mapped.as_deref(), view.related[0].id), (Some("mapped"), related));
    let events: Vec<_> = view.trail.iter().map(|line| (line.at, line.event.as_str(), line.status)).collect();
    assert_eq!(events, [(at(0), "received", None), (at(3), "tried", Some(200))]);

    let list = async |filter: Filter| {
        let found = store.list(&Filter { limit: 10, ..filter }).await.expect("a store");
        found.iter().map(|summary| summary.id).collect::<Vec<_>>()
    };
    assert_eq!(list(Filter::default()).await, [related, id], "newest first");
    assert_eq!(list(Filter { state: Some(State::Dead), ..Filter::default() }).await, [id]);
    assert_eq!(list(Filter { kind: Some(What::Feedback), ..Filter::default() }).await, [related]);
    assert_eq!(
        list(Filter { claim: Some("CODE-a".into()), kind: Some(What::ClaimResponse), ..Filter::default() }).await,
        [id]
    );
    assert_eq!(
        list(Filter { claim: Some("A".into()), ..Filter::default() }).await,
        [related, id],
        "a uuid in any case"
    );
    assert_eq!(store.list(&Filter { limit: 1, ..Filter::default() }).await.expect("a store").len(), 1);
    let mut counts = store.counts().await.expect("a store");
    counts.sort_by_key(|(state, _)| state.word());
    assert_eq!(counts, [(State::Dead, 1), (State::Pending, 1)]);
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
