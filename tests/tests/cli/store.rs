//! A store that cannot be used: what is told, and that nothing is made or given away.

use std::path::Path;

use base64::Engine;
use mediator_tests::running::store_path;
use openimis_mediator::config::StoreSettings;
use store::SqlStore;
use tokio::net::TcpSocket;

use crate::{Env, folder, run};

/// All that works on the store.
const COMMANDS: [&[&str]; 8] = [
    &["list"],
    &["show", "1"],
    &["retry", "1"],
    &["retry", "--all"],
    &["discard", "1", "--reason", "a test"],
    &["export", "--output", "export.ndjson"],
    &["prune"],
    &["audit"],
];

fn messages<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&["messages"], args].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_there_is_told_and_not_made() {
    let dir = folder();
    for args in COMMANDS {
        let ran = run(&messages(args), "", &Env::new(), &dir).await;
        assert!(ran.code == Some(1) && ran.out.is_empty(), "{args:?} {ran}");
        assert!(
            ran.err.contains("mediator.db") && ran.err.contains("store.path"),
            "what is missing and which key names it: {ran}"
        );
    }
    assert_eq!(std::fs::read_dir(&dir).expect("a folder").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_store_is_told_and_left_as_it_is() {
    let dir = folder();
    let text = "a letter to the ministry\n".repeat(100);
    std::fs::write(store_path(&dir), &text).expect("a file");
    let ran = run(&messages(&["list"]), "", &Env::new(), &dir).await;
    assert!(ran.code == Some(1) && ran.out.is_empty(), "{ran}");
    assert!(ran.err.contains("mediator.db") && ran.err.contains("not a database"), "{ran}");
    assert_eq!(std::fs::read_to_string(store_path(&dir)).expect("the file"), text);
}

/// A file with a key made of one byte.
fn key_file(folder: &Path, byte: u8) -> String {
    let path = folder.join(format!("key-{byte}"));
    std::fs::write(&path, base64::engine::general_purpose::STANDARD.encode([byte; 32])).expect("a file");
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_that_does_not_fit_the_store_is_told() {
    let dir = folder();
    let right = key_file(dir.path(), 1);
    let sealed = StoreSettings { key_file: Some(right.clone().into()), ..StoreSettings::file(store_path(&dir)) };
    drop(SqlStore::open(&sealed).await.expect("a store"));
    let missing = dir.path().join("no-such-key").display().to_string();
    let short = dir.path().join("short-key").display().to_string();
    std::fs::write(&short, "c2VjcmV0\n").expect("a file");
    for (key, told) in [
        (None, "a key that store.key_file does not hold"),
        (Some(key_file(dir.path(), 2)), "a key that store.key_file does not hold"),
        (Some(missing), "no-such-key"),
        (Some(short), "openssl rand -base64 32"),
    ] {
        let env: Env = key.map(|key| ("OPENIMIS_MEDIATOR__STORE__KEY_FILE".to_owned(), key)).into_iter().collect();
        for args in [&["list"][..], &["retry", "--all"]] {
            let ran = run(&messages(args), "", &env, &dir).await;
            assert!(ran.code == Some(1) && ran.out.is_empty(), "{args:?} {ran}");
            assert!(ran.err.contains(told) && !ran.err.contains("c2VjcmV0"), "{told}: {ran}");
        }
    }
    let env = Env::from([("OPENIMIS_MEDIATOR__STORE__KEY_FILE".to_owned(), right)]);
    assert_eq!(run(&messages(&["list"]), "", &env, &dir).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_url_that_cannot_be_used_is_told_without_its_password() {
    let dir = folder();
    // Bound, but not listening: whoever connects is refused, and nobody else can take the port.
    let refusing = TcpSocket::new_v4().expect("a socket");
    refusing.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = refusing.local_addr().expect("an address");
    for (url, told) in [
        ("mysql://mediator:tops3cret@db.example.org/mediator".to_owned(), "expected postgres://"),
        ("tops3cret".to_owned(), "expected postgres://"),
        ("postgres://mediator:tops3cret@db.example.org:port/mediator".to_owned(), "store.url"),
        ("postgres://mediator:tops3cret@[::1/mediator".to_owned(), "store.url"),
        (format!("postgres://mediator:tops3cret@{address}/mediator"), "refused"),
        ("sqlite:elsewhere.db".to_owned(), "elsewhere.db is not there"),
    ] {
        let env = Env::from([("DATABASE_URL".to_owned(), url.clone())]);
        let ran = run(&messages(&["list"]), "", &env, &dir).await;
        assert!(ran.code == Some(1) && ran.out.is_empty() && ran.err.contains(told), "{url} {ran}");
        assert!(!ran.err.contains("tops3cret"), "{ran}");
    }
    assert_eq!(std::fs::read_dir(&dir).expect("a folder").count(), 0);
}
