//! What is kept how long.

use store::Pruned;

use super::*;

const STATES: [(&str, State); 6] = [
    ("pending", State::Pending),
    ("leased", State::Leased),
    ("delivered", State::Delivered),
    ("skipped", State::Skipped),
    ("dead", State::Dead),
    ("discarded", State::Discarded),
];

async fn prune(store: &SqlStore, documents_before: i64, messages_before: i64) -> (u64, u64) {
    let Pruned { documents, messages } =
        store.prune(at(documents_before), at(messages_before), |_| {}).await.expect("a store");
    (documents, messages)
}

/// Which messages there are, and of which the document.
async fn kept(store: &SqlStore) -> Vec<(String, bool)> {
    let all = messages(store).await.into_iter();
    let mut all: Vec<_> = all.map(|view| (view.summary.claim_uuid.expect("its key"), view.body.is_some())).collect();
    all.sort();
    all
}

pub async fn documents_go_first_then_messages_and_dead_letters_stay<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    for (key, state) in STATES.iter().rev() {
        let id = in_state(&store, message(key), *state).await;
        if *state == State::Discarded {
            assert!(store.discard(id, "a test", "an admin", at(0)).await.expect("a store"));
        }
    }
    let settled = ["delivered", "skipped", "discarded"];
    assert_eq!(prune(&store, 0, 0).await, (0, 0), "what was settled at that very moment is kept");
    assert_eq!(prune(&store, 1, 0).await, (3, 0));
    for (key, has_document) in kept(&store).await {
        assert_eq!(has_document, !settled.contains(&key.as_str()), "{key}");
    }
    assert_eq!(prune(&store, 1, 0).await, (0, 0), "nothing is left to do");
    assert_eq!(prune(&store, 1, 1).await, (0, 3));
    let left: Vec<_> = kept(&store).await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, ["dead", "leased", "pending"]);
    // Later ones are found as well, although documents were looked at up to a moment before.
    settle(&store, MessageId(first_id(&store, "leased").await), delivered(), 50).await;
    assert_eq!(prune(&store, 51, 1).await, (1, 0));
}

async fn first_id(store: &SqlStore, key: &str) -> i64 {
    let all = messages(store).await;
    all.iter().find(|view| view.summary.claim_uuid.as_deref() == Some(key)).expect("a message").summary.id.0
}

pub async fn a_clock_that_was_ahead_does_not_keep_documents_from_being_pruned<K: Kind<Store = SqlStore>>(
    folder: &Path,
) {
    let store = K::open(folder).await;
    assert_eq!(prune(&store, 1_000_000, 0).await, (0, 0), "the clock is days ahead");
    in_state(&store, message("a"), State::Delivered).await;
    assert_eq!(prune(&store, 10, 0).await, (1, 0), "the clock is right again");
}

pub async fn what_is_no_longer_kept_is_still_recognised<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let delivered = in_state(&store, message("delivered"), State::Delivered).await;
    in_state(&store, message("skipped"), State::Skipped).await;
    let pruned = in_state(&store, message("document pruned"), State::Skipped).await;
    assert_eq!(prune(&store, 1, 0).await.0, 3);
    assert!(!store.retry(pruned, "an admin", at(2)).await.expect("a store"), "there is nothing to send");
    assert_eq!(prune(&store, 1, 1).await.1, 3);
    let again = store.accept(message("delivered"), at(5)).await.expect("a store");
    assert_eq!(again, Acceptance::Duplicate(delivered, State::Delivered));
    let keys = ["claim/delivered", "claim/skipped", "claim/other"].map(str::to_owned);
    assert_eq!(store.settled_keys(&keys).await.expect("a store"), ["claim/delivered"]);
    assert!(lease(&store, 5).await.is_empty());
    // A skipped one may be selected yet.
    let selected = NewMessage { origin: Origin::Selected, ..message("skipped") };
    let id = add(&store, selected, 6).await;
    assert_eq!(leased_ids(&store, 6).await, [id]);
}

pub async fn many_messages_of_one_moment_are_pruned<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let accepted = (0..700).map(|number| store.accept(message(&number.to_string()), at(0)));
    assert!(futures_util::future::join_all(accepted).await.iter().all(Result::is_ok));
    let taken = take(&store, 0, long(), 1000).await;
    // 600 of one moment, 100 spread over others.
    let done = delivered();
    let settled = taken.iter().enumerate().map(|(number, message)| {
        store.settle(message, &done, None, &[], at(if number < 600 { 1 } else { number as i64 }))
    });
    assert!(futures_util::future::join_all(settled).await.into_iter().all(|settled| settled.expect("a store")));
    assert_eq!(prune(&store, 650, 0).await, (650, 0));
    assert_eq!(prune(&store, 2_000, 650).await, (50, 650));
    assert_eq!(prune(&store, 2_000, 2_000).await, (0, 50));
    assert!(kept(&store).await.is_empty());
}
