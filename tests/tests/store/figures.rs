//! What the metrics tell of what waits.

use std::collections::BTreeMap;

use store::Backlog;

use super::*;

/// Kind and state, with how many and since when.
async fn backlog(store: &SqlStore, now: i64) -> BTreeMap<(&'static str, &'static str), (i64, Option<Timestamp>)> {
    let found = store.backlog(at(now)).await.expect("a store");
    found.iter().map(|Backlog { kind, state, count, oldest }| ((kind.word(), *state), (*count, *oldest))).collect()
}

pub async fn what_waits_is_counted_by_why_it_waits<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    assert_eq!(backlog(&store, 0).await, BTreeMap::new());
    let failed = in_state(&store, message("failed"), State::Leased).await;
    settle(&store, failed, retry(100, true), 1).await;
    let put_off = in_state(&store, message("put off"), State::Leased).await;
    settle(&store, put_off, waiting(500), 1).await;
    for state in [State::Delivered, State::Skipped, State::Discarded, State::Dead] {
        in_state(&store, message(state.word()), state).await;
    }
    in_state(&store, message("leased"), State::Leased).await;
    add(&store, NewMessage { kind: What::Feedback, ..message("new") }, 7).await;
    add(&store, NewMessage { kind: What::Feedback, ..message("newer") }, 8).await;

    let (claim, feedback) = (What::ClaimResponse.word(), What::Feedback.word());
    let mut expected = BTreeMap::from([
        ((claim, "retrying"), (1, Some(at(0)))),
        ((claim, "put-off"), (1, Some(at(0)))),
        // In its first try: it may have been put off before, and is no old backlog.
        ((claim, "leased"), (1, None)),
        // `in_state` discards nothing: both are dead letters.
        ((claim, "dead"), (2, Some(at(0)))),
        ((feedback, "due"), (2, Some(at(7)))),
    ]);
    assert_eq!(backlog(&store, 10).await, expected);
    // Their time has come.
    expected.remove(&(claim, "retrying"));
    expected.remove(&(claim, "put-off"));
    expected.insert((claim, "due"), (2, Some(at(0))));
    assert_eq!(backlog(&store, 500).await, expected);
}
