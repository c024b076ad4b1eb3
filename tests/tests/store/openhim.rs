//! Transactions of OpenHIM that are to be told what became of their messages.

use store::Pending;

use super::*;

const A: &str = "6b00f59fbc94ec5852f61b6e";
const B: &str = "6b00f59fbc94ec5852f61b83";

async fn take(store: &SqlStore, now: i64) -> Vec<Pending> {
    let (mut taken, _) = store.take_reports(at(now), at(now + 100), 10).await.expect("a store");
    taken.sort_by_key(|report| report.id);
    taken
}

pub async fn what_is_to_be_told_is_there_until_it_was_told<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let id = in_state(&store, message("a"), State::Delivered).await;
    assert!(store.add_report(id, A, at(0), at(5)).await.expect("a store"));
    assert!(store.add_report(id, B, at(1), at(5)).await.expect("a store"));
    assert!(store.add_report(id, A, at(2), at(5)).await.expect("a store"), "the same once more");
    assert!(!store.add_report(MessageId(4711), A, at(2), at(5)).await.expect("a store"), "of a message that is gone");
    drop(store);

    let store = K::open(folder).await;
    assert_eq!(store.count_reports().await.expect("a store"), 2);
    assert!(take(&store, 4).await.is_empty(), "not due yet");
    let taken = take(&store, 5).await;
    assert_eq!(taken.iter().map(|report| report.transaction.as_str()).collect::<Vec<_>>(), [A, B]);
    assert!(taken.iter().all(|report| report.message == id && report.tries == 1 && report.told.is_none()));
    assert_eq!(taken[0].created_at, at(0));
    assert!(take(&store, 50).await.is_empty(), "in a reporter's hands");
    store.remove_report(&taken[0]).await.expect("a store");
    store.put_report_off(&taken[1], at(60), Some(State::Dead), true).await.expect("a store");
    let [again] = take(&store, 60).await.try_into().expect("one is left");
    assert_eq!((again.transaction.as_str(), again.told, again.tries), (B, Some(State::Dead), 2));
    assert_eq!(store.count_reports().await.expect("a store"), 0, "it was told something");
    let [abandoned] = take(&store, 160).await.try_into().expect("its reporter died");
    assert_eq!(abandoned.tries, 3);
    store.put_report_off(&abandoned, at(200), None, false).await.expect("a store");
    assert_eq!(take(&store, 200).await[0].tries, 1, "a look is no try");
}

pub async fn what_has_not_ended_is_looked_at_less_and_less_often<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let id = add(&store, message("a"), 0).await;
    assert!(store.add_report(id, A, at(0), at(0)).await.expect("a store"));
    let [leased] = lease(&store, 0).await.try_into().expect("a message");
    assert!(take(&store, 100).await.is_empty(), "it is on its way; looked at again after half of its age");
    settle(&store, leased.id, delivered(), 101).await;
    assert!(take(&store, 149).await.is_empty());
    assert_eq!(take(&store, 150).await.len(), 1);
}

pub async fn of_many_reporters_one_takes_it<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    for number in 0..20 {
        let id = in_state(&store, message(&format!("m{number}")), State::Delivered).await;
        assert!(store.add_report(id, A, at(0), at(0)).await.expect("a store"));
    }
    let (a, b, c, d) = tokio::join!(take(&store, 1), take(&store, 1), take(&store, 1), take(&store, 1));
    let mut all: Vec<i64> = [a, b, c, d].concat().iter().map(|report| report.id).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(count, all.len(), "each once");
    assert_eq!(count + take(&store, 2).await.len(), 20, "and none is left out");
}

pub async fn what_the_console_said_last_is_kept_for_each_mediator<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    assert_eq!(store.openhim_settings("urn:a").await.expect("a store"), None);
    for (urn, settings) in [("urn:a", "{}"), ("urn:b", r#"{"b": 1}"#), ("urn:a", r#"{"a": "ने"}"#)] {
        store.save_openhim_settings(urn, settings).await.expect("a store");
    }
    drop(store);

    let store = K::open(folder).await;
    assert_eq!(store.openhim_settings("urn:a").await.expect("a store").as_deref(), Some(r#"{"a": "ने"}"#));
    assert_eq!(store.openhim_settings("urn:b").await.expect("a store").as_deref(), Some(r#"{"b": 1}"#));
}
