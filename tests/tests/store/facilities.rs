//! Facilities of a registry: what was last sent, how far a run is, whose turn it is.

use flow::facilities::{Action, Counts, Decision, Ledger, Record, RunEnd, RunRequest, State as Where};
use store::{FacilityFilter, FacilityLine};

use super::*;

fn record(source: &str, state: Where) -> Record {
    Record {
        source: source.to_owned(),
        national_id: None,
        code: Some(source.to_uppercase()),
        name: Some("A\0 Post".to_owned()),
        fingerprint: Some(format!("of {source}")),
        state,
        action: (state == Where::Done).then_some(Action::Create),
        changes: Vec::new(),
        reason: (state != Where::Done).then(|| "no district".to_owned()),
        issues: vec![Issue::missing("Location.partOf", "an area")],
        document: format!("{{\"source\": \"{source}\"}}"),
    }
}

fn asked(whole: bool) -> RunRequest {
    RunRequest { whole, dry_run: false, actor: "ann".to_owned() }
}

async fn open(store: &SqlStore) -> Vec<FacilityLine> {
    let filter = FacilityFilter { state: None, before: None, limit: 100 };
    store.facilities(&filter).await.expect("a store")
}

pub async fn a_run_is_taken_up_where_it_was_and_ends_once<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    assert_eq!(store.last_facility_sync().await.expect("a store"), None);
    let mut run = store.begin_facility_run(&asked(false), None, at(1)).await.expect("a store");
    assert!(!run.resumed);
    run.next_page = Some("http://registry.example.org/fhir?page=2".to_owned());
    run.read_up_to = Some(at(5));
    run.counts = Counts { listed: 2, created: 1, failed: 1, ..Counts::default() };
    let records = [record("one", Where::Done), record("two", Where::Failed), record("two", Where::Failed)];
    store.record_facilities(Some(&run), &records, at(6)).await.expect("a store");
    let end = RunEnd::Interrupted { reason: "the registry is away".to_owned(), next_at: at(70) };
    store.end_facility_run(&run, &end, at(10)).await.expect("a store");
    assert_eq!(store.last_facility_sync().await.expect("a store"), None, "it is not done");
    let line = store.facility_runs(5).await.expect("a store").remove(0);
    assert_eq!((line.state.as_str(), line.next_at), ("interrupted", Some(at(70))));

    // Another process, later.
    drop(store);
    let store = K::open(folder).await;
    let again = store.begin_facility_run(&asked(false), Some(at(3)), at(80)).await.expect("a store");
    assert!(again.resumed && again.id == run.id);
    assert_eq!((&again.next_page, again.counts, again.started_at), (&run.next_page, run.counts, at(1)));
    assert_eq!(again.since, None, "it asks for what it asked for");
    // One that asks for more does not take it up.
    let whole = store.begin_facility_run(&asked(true), None, at(81)).await.expect("a store");
    assert!(!whole.resumed && whole.whole);
    let mut done = whole.clone();
    done.read_up_to = Some(at(82));
    store.end_facility_run(&done, &RunEnd::Done, at(90)).await.expect("a store");
    assert_eq!(store.last_facility_sync().await.expect("a store"), Some(at(82)));
    let states: Vec<String> =
        store.facility_runs(5).await.expect("a store").into_iter().map(|line| line.state).collect();
    assert_eq!(states, ["done", "given-up"]);
}

pub async fn each_interruption_in_a_row_is_waited_for_longer<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let run = store.begin_facility_run(&asked(false), None, at(0)).await.expect("a store");
    let mut waits = Vec::new();
    for _ in 0..9 {
        let end = RunEnd::Interrupted { reason: "away".to_owned(), next_at: at(60) };
        store.end_facility_run(&run, &end, at(0)).await.expect("a store");
        waits.push(
            store.facility_runs(1).await.expect("a store")[0].next_at.expect("a time").as_second() - at(0).as_second(),
        );
    }
    assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    store.record_facilities(Some(&run), &[], at(1)).await.expect("a store");
    let end = RunEnd::Interrupted { reason: "away".to_owned(), next_at: at(61) };
    store.end_facility_run(&run, &end, at(1)).await.expect("a store");
    assert_eq!(store.facility_runs(1).await.expect("a store")[0].next_at, Some(at(61)), "a page came between");
}

pub async fn what_openimis_was_brought_to_stays_known_while_news_fail<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    store.record_facilities(None, &[record("one", Where::Done)], at(1)).await.expect("a store");
    let kept = async || store.kept_facilities(&["one".to_owned(), "never".to_owned()]).await.expect("a store");
    assert_eq!(kept().await.len(), 1);
    assert!(open(&store).await.is_empty());
    let news = Record { fingerprint: Some("another".to_owned()), code: None, ..record("one", Where::Failed) };
    for (time, attempts) in [(2, 1), (3, 2)] {
        store.record_facilities(None, std::slice::from_ref(&news), at(time)).await.expect("a store");
        let line = open(&store).await.remove(0);
        assert_eq!((line.attempts, line.since, line.updated_at), (attempts, at(2), at(time)));
        assert_eq!((line.code.as_deref(), line.name.as_deref()), (Some("ONE"), Some("A\u{FFFD} Post")));
    }
    assert_eq!(kept().await[0].fingerprint.as_deref(), Some("of one"));
    let view = store.facility(open(&store).await[0].id).await.expect("a store").expect("a facility");
    assert_eq!(view.issues.len(), 1);
    assert_eq!(view.document.as_deref(), Some("{\"source\": \"one\"}"));
    store.record_facilities(None, &[record("one", Where::Done)], at(4)).await.expect("a store");
    let filter = FacilityFilter { state: Some(Where::Done), before: None, limit: 1 };
    let line = store.facilities(&filter).await.expect("a store").remove(0);
    assert_eq!((line.attempts, line.reason, line.action.as_deref()), (0, None, Some("create")));
    let view = store.facility(line.id).await.expect("a store").expect("a facility");
    assert_eq!(view.document, None, "a done one's is not kept");
}

pub async fn what_an_admin_asks_for_is_due_and_audited<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let records = [record("one", Where::Failed), record("two", Where::PossibleDuplicate), record("three", Where::Done)];
    store.record_facilities(None, &records, at(1)).await.expect("a store");
    let id = |lines: &[FacilityLine], source: &str| lines.iter().find(|line| line.source == source).expect("a line").id;
    let lines = open(&store).await;
    let (one, two) = (id(&lines, "one"), id(&lines, "two"));
    assert!(!store.is_facility_due().await.expect("a store"));
    assert_eq!(store.ask_facilities_again(None, "ann", at(2)).await.expect("a store"), 1, "only what failed");
    assert_eq!(store.ask_facilities_again(Some(one), "ann", at(2)).await.expect("a store"), 0, "it is due already");
    assert!(!store.decide_facility(one, "ONE", None, "ann", at(3)).await.expect("a store"));
    assert!(store.decide_facility(two, "TWO", Some("HF1"), "ann", at(3)).await.expect("a store"));
    let decision = Decision { national_id: "TWO".to_owned(), code: Some("HF1".to_owned()) };
    assert_eq!(store.facility_decisions().await.expect("a store"), [decision]);
    let due = store.unsettled_facilities(true, at(0), 0, 10).await.expect("a store");
    assert_eq!(due.iter().map(|one| one.source.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(store.unsettled_facilities(false, at(3), 0, 10).await.expect("a store").len(), 1, "tried before then");
    assert_eq!(store.unsettled_facilities(true, at(0), one.max(two), 10).await.expect("a store").len(), 0);
    let actions: Vec<String> =
        store.audit(None, 10).await.expect("a store").into_iter().map(|line| line.action).collect();
    assert_eq!(actions, ["decide facility", "retry facilities"]);
}

pub async fn one_has_the_lease_until_it_gives_it_back_or_it_runs_out<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let take = async |owner: &str, now: i64, until: i64| {
        store.lease_facilities(owner, at(now), at(until)).await.expect("a store").map_err(|holder| holder.owner)
    };
    assert_eq!(take("one", 0, 10).await, Ok(()));
    assert_eq!(take("two", 5, 15).await, Err("one".to_owned()));
    assert_eq!(take("one", 9, 20).await, Ok(()), "it is kept");
    assert_eq!(take("two", 15, 25).await, Err("one".to_owned()));
    store.give_facilities_back("two").await.expect("a store");
    assert_eq!(take("two", 16, 26).await, Err("one".to_owned()), "nobody gives back what is another's");
    assert_eq!(take("two", 20, 30).await, Ok(()), "it ran out");
    assert_eq!(take("one", 21, 31).await, Err("two".to_owned()));
    store.give_facilities_back("two").await.expect("a store");
    assert_eq!(take("one", 22, 32).await, Ok(()));
}
