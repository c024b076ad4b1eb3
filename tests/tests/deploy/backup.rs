//! `store backup` while messages come in, and the way back.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mediator_tests::running::{Process, environment, messages, post, program, sandbox, settled, store_path};
use openimis_mediator::config::StoreSettings;
use serde_json::Value;
use store::SqlStore;
use tempfile::TempDir;
use tokio::process::Command;

async fn command(arguments: &[&str], env: &BTreeMap<String, String>, dir: &TempDir) -> (Option<i32>, String) {
    let ran = Command::new(program()).args(arguments).env_clear().envs(env).current_dir(dir).output().await;
    let ran = ran.expect("the program runs");
    (ran.status.code(), String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr))
}

/// Feedback on a claim of its own.
fn feedback(number: u32) -> String {
    let mut document: Value = serde_json::from_str(&mediator_tests::running::sample_feedback()).expect("JSON");
    document["claimuuid"] = format!("d3256498-0000-4000-8000-{number:012}").into();
    document.as_object_mut().expect("an object").remove("doc");
    document.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_holds_all_that_was_acknowledged_before_it_and_comes_back() {
    let dir = TempDir::new().expect("a folder");
    let sandbox = sandbox().await;
    let env = environment(&sandbox, &dir, &[]);
    let mediator = Process::serve(&env, &dir).await;
    let client = reqwest::Client::new();
    let url = format!("{}/mediator/claims-feedback", mediator.url);
    let mut before = 0;
    for number in 0..50 {
        assert_eq!(post(&client, &url, feedback(number)).await.status(), 202);
        before += 1;
    }

    // Messages go on coming in while the copy is made.
    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn({
        let (stop, client, url) = (stop.clone(), client.clone(), url.clone());
        async move {
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(post(&client, &url, feedback(1000 + sent)).await.status(), 202);
                sent += 1;
            }
            sent
        }
    });
    let (code, told) = command(&["store", "backup", "copy.db"], &env, &dir).await;
    assert_eq!(code, Some(0), "{told}");
    stop.store(true, Ordering::Relaxed);
    assert!(load.await.expect("the load") > 0, "nothing came in meanwhile");
    mediator.kill().await;

    let copy = dir.path().join("copy.db");
    assert_eq!(std::fs::metadata(&copy).expect("a copy").permissions().mode() & 0o777, 0o600);
    // The way back: the file in its place, without what belonged to the old one.
    let path = store_path(&dir);
    for end in ["-wal", "-shm"] {
        drop(std::fs::remove_file(format!("{}{end}", path.display())));
    }
    std::fs::rename(&copy, &path).expect("the backup in its place");
    let store = SqlStore::open(&StoreSettings::file(&path)).await.expect("a store");
    let kept = messages(&store).await;
    assert!(kept.len() >= before, "{} of {before}", kept.len());
    assert!(told.contains(&format!("{} messages", kept.len())), "{told}");
    drop(store);
    let mediator = Process::serve(&env, &dir).await;
    let store = SqlStore::open(&StoreSettings::file(&path)).await.expect("a store");
    let all = settled(&store).await;
    assert!(all.len() == kept.len(), "what the backup holds is worked on");
    assert_eq!(
        post(&client, &format!("{}/mediator/claims-feedback", mediator.url), feedback(7777)).await.status(),
        202
    );
}

#[tokio::test]
async fn a_backup_replaces_nothing_and_changes_nothing() {
    let dir = TempDir::new().expect("a folder");
    let sandbox = sandbox().await;
    let env = environment(&sandbox, &dir, &[]);
    let (code, told) = command(&["store", "backup", "copy.db"], &env, &dir).await;
    assert!(code == Some(1) && told.contains("there is no such file"), "{told}");
    assert!(!store_path(&dir).exists(), "a store was made");
    drop(SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("a store"));
    std::fs::write(dir.path().join("copy.db"), "precious").expect("a file");
    let (code, told) = command(&["store", "backup", "copy.db"], &env, &dir).await;
    assert!(code == Some(1) && told.contains("is there already"), "{told}");
    assert_eq!(std::fs::read_to_string(dir.path().join("copy.db")).expect("the file"), "precious");
    let (code, told) = command(&["store", "backup", "no-such-folder/copy.db"], &env, &dir).await;
    assert!(code == Some(1) && told.contains("no-such-folder"), "{told}");
}

#[tokio::test]
async fn a_store_of_an_older_program_is_backed_up_as_it_is() {
    use sqlx::Connection;
    let dir = TempDir::new().expect("a folder");
    let sandbox = sandbox().await;
    let env = environment(&sandbox, &dir, &[]);
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}?mode=rwc", store_path(&dir).display());
    let mut old = sqlx::AnyConnection::connect(&url).await.expect("a file");
    sqlx::query("CREATE TABLE message (id INTEGER PRIMARY KEY)").execute(&mut old).await.expect("a table of long ago");
    sqlx::query("INSERT INTO message (id) VALUES (1), (2)").execute(&mut old).await.expect("two messages");
    let (code, told) = command(&["store", "backup", "copy.db"], &env, &dir).await;
    assert!(code == Some(0) && told.contains("2 messages"), "{told}");
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master").fetch_one(&mut old).await.expect("tables");
    assert_eq!(tables, 1, "the store was brought up to date");
}

#[tokio::test]
async fn postgresql_is_left_to_its_own_tools() {
    let dir = TempDir::new().expect("a folder");
    let sandbox = sandbox().await;
    let mut env = environment(&sandbox, &dir, &[]);
    env.insert("DATABASE_URL".to_owned(), "postgres://mediator@127.0.0.1:1/mediator".to_owned());
    let (code, told) = command(&["store", "backup", "copy.db"], &env, &dir).await;
    assert!(code == Some(1) && told.contains("pg_dump"), "{told}");
}
