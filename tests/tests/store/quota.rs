//! What a client has in the store.

use store::Held;

use super::*;

pub async fn what_a_client_has_here_is_counted<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let held = async |client| store.held_of(client).await.expect("a store");
    let of =
        |key: &str, client: &str| NewMessage { sender: Some(client.into()), body: vec![b'x'; 100], ..message(key) };
    assert_eq!(held("a").await, Held::default());
    in_state(&store, of("1", "a"), State::Delivered).await;
    let dead = in_state(&store, of("2", "a"), State::Dead).await;
    add(&store, of("3", "a"), 1).await;
    in_state(&store, of("4", "b"), State::Dead).await;
    add(&store, message("polled"), 1).await;
    assert_eq!(held("a").await, Held { dead_letters: 1, bytes: 300 });
    assert_eq!(held("b").await, Held { dead_letters: 1, bytes: 100 });
    assert!(store.discard(dead, "a test", "an admin", at(2)).await.expect("a store"));
    assert_eq!(held("a").await, Held { dead_letters: 0, bytes: 300 });
    store.prune(at(3), at(0), |_| {}).await.expect("a store");
    assert_eq!(held("a").await, Held { dead_letters: 0, bytes: 100 }, "documents that are gone do not count");
}
