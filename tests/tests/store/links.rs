//! Links, watermarks, and what is there after a restart.

use super::*;

pub async fn a_poll_passes_over_what_needs_nothing<K: Kind>(folder: &Path) {
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

pub async fn the_first_link_of_an_insuree_counts<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    assert_eq!(store.link("insuree").await.expect("a store"), None);
    assert_eq!(store.save_link("insuree", "contact", "created", at(1)).await.expect("a store"), "contact");
    assert_eq!(store.save_link("insuree", "another", "matched", at(2)).await.expect("a store"), "contact");
    assert_eq!(store.link("insuree").await.expect("a store").as_deref(), Some("contact"));
    assert_eq!(store.link("somebody").await.expect("a store"), None);
    assert_eq!(store.save_link("somebody", "contact", "matched", at(3)).await.expect("a store"), "contact");
}

pub async fn a_watermark_is_kept_by_name<K: Kind>(folder: &Path) {
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

pub async fn all_of_it_is_there_after_a_restart<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let waits = in_state(&store, message("waits"), State::Leased).await;
    settle(&store, waits, retry(10, true), 1).await;
    let done = in_state(&store, message("done"), State::Delivered).await;
    store.save_link("insuree", "contact", "created", at(1)).await.expect("a store");
    store.save_watermark("one", at(1)).await.expect("a store");
    drop(store);
    let store = K::open(folder).await;
    let again = store.accept(message("done"), at(2)).await.expect("a store");
    assert_eq!(again, Acceptance::Duplicate(done, State::Delivered));
    let [leased] = &lease(&store, 10).await[..] else { panic!("one message") };
    assert_eq!((leased.id, leased.attempt, leased.uncertain.is_some()), (waits, 2, true));
    assert_eq!(store.link("insuree").await.expect("a store").as_deref(), Some("contact"));
    assert_eq!(store.watermark("one").await.expect("a store"), Some(at(1)));
}
