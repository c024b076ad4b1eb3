//! SQLite's log: what is written ahead goes into the database while more is written, and the log does not grow with it.

use futures_util::future::join_all;

use super::*;

/// Of the file beside the database.
fn log_bytes(file: &Path) -> u64 {
    std::fs::metadata(file.with_extension("db-wal")).map_or(0, |log| log.len())
}

#[tokio::test]
async fn the_log_stays_short_however_much_is_written() {
    const EACH: usize = 20_000;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mediator.db");
    let store = SqlStore::open(&StoreSettings::file(&file)).await.expect("a store");
    let mut longest = 0;
    for round in 0..100 {
        let some = (0..32).map(|one| {
            let new = NewMessage { body: vec![b'x'; EACH], ..message(&format!("{round}-{one}")) };
            store.accept(new, at(1))
        });
        assert!(join_all(some).await.iter().all(Result::is_ok));
        longest = longest.max(log_bytes(&file));
    }
    let written = 100 * 32 * EACH as u64;
    assert!(longest > 1_000_000 && longest < written / 2, "the log had {longest} bytes, of {written}");
    // The database has what the log no longer has, also for who opens it anew.
    let database = std::fs::metadata(&file).expect("the database").len();
    assert!(database > written / 2, "{database} bytes, of {written}");
    drop(store);
    let again = SqlStore::open(&StoreSettings::file(&file)).await.expect("a store");
    assert_eq!(again.counts().await.expect("a store"), [(State::Pending, 3200)]);
}
