//! The PostgreSQL that other tests stand on, and a mediator whose PostgreSQL goes away and comes back. The store itself is tested in
//! `store.rs`, losses and doubles in `chaos`.

use std::collections::BTreeMap;

use mediator_tests::postgres::{Cluster, Stop};
use mediator_tests::running::{
    Process, environment, eventually, post, program, sample_claim, sample_feedback, sandbox,
};
use sandbox::Sandbox;
use serde_json::Value;
use tempfile::TempDir;

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";

/// As other tests have it, but on PostgreSQL.
fn on_postgresql(sandbox: &Sandbox, dir: &TempDir, url: &str, changes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut environment = environment(sandbox, dir, changes);
    environment.remove("OPENIMIS_MEDIATOR__STORE__PATH");
    environment.insert("DATABASE_URL".to_owned(), url.to_owned());
    environment
}

/// What `messages list --json` prints, oldest first.
async fn listed(environment: &BTreeMap<String, String>) -> Vec<Value> {
    let mut list = tokio::process::Command::new(program());
    list.args(["messages", "list", "--json"]).env_clear().envs(environment);
    let output = list.output().await.expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("text");
    let mut messages: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    messages.reverse();
    messages
}

async fn delivered(environment: &BTreeMap<String, String>, count: usize) {
    eventually(&format!("{count} messages are delivered"), || async {
        let messages = listed(environment).await;
        (messages.len() == count && messages.iter().all(|message| message["state"] == "delivered")).then_some(())
    })
    .await;
}

#[test]
#[ignore = "needs PostgreSQL: cargo xtask test"]
fn a_cluster_restarts_with_what_was_committed_and_leaves_nothing_behind() {
    let cluster = Cluster::start();
    let (one, other) = (cluster.database(), cluster.database());
    assert_eq!(cluster.sql(&one, "SHOW fsync; SHOW synchronous_commit"), "on\non");
    cluster.sql(&one, "CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)");
    for how in [Stop::Fast, Stop::Immediate] {
        cluster.restart(how);
        assert_eq!(cluster.sql(&one, "SELECT id FROM kept"), "7", "{how:?}");
    }
    assert_eq!(cluster.sql(&other, "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'"), "0");
    let folder = cluster.folder().to_owned();
    assert!(folder.join("data/postmaster.pid").exists());
    drop(cluster);
    assert!(!folder.exists());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: cargo xtask test"]
async fn the_program_delivers_with_its_messages_on_postgresql() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let environment = on_postgresql(&sandbox, &dir, &Cluster::shared().database(), &[]);
    let process = Process::serve(&environment, &dir).await;
    let client = reqwest::Client::new();
    for (path, body) in [(CLAIM, sample_claim()), (FEEDBACK, sample_feedback())] {
        assert_eq!(post(&client, &format!("{}{path}", process.url), body).await.status(), 202);
    }
    delivered(&environment, 2).await;
    assert_eq!((sandbox.cht.records().len(), sandbox.openimis.communications().len()), (1, 1));
    let (status, log) = process.terminate().await;
    assert!(status.success(), "{log}");
    assert!(!dir.path().join("mediator.db").exists(), "nothing is kept in a file");
}

/// Nothing is acknowledged that is not stored, and nobody has to restart the mediator.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: cargo xtask test"]
async fn without_its_postgresql_the_mediator_refuses_and_afterwards_it_goes_on() {
    let (sandbox, dir, cluster) = (sandbox().await, tempfile::tempdir().expect("a folder"), Cluster::start());
    // What was being leased as the database went away waits until its lease runs out: as short as the settings allow.
    let changes = [("cht.timeout", "1s"), ("openimis.timeout", "1s"), ("retry.lease", "5100ms")];
    let environment = on_postgresql(&sandbox, &dir, &cluster.database(), &changes);
    let process = Process::serve(&environment, &dir).await;
    let client = reqwest::Client::new();
    let ready = || async {
        let asked = client.get(format!("{}/health/ready", process.url)).send().await;
        asked.expect("an answer").status().as_u16()
    };
    let url = format!("{}{CLAIM}", process.url);
    let claim = || post(&client, &url, sample_claim());
    for (round, how) in [Stop::Fast, Stop::Immediate].into_iter().enumerate() {
        cluster.stop(how);
        assert_eq!(claim().await.status(), 503, "{how:?}");
        // The answer before may hold for a quarter of a second.
        eventually("it is not ready", || async { (ready().await == 503).then_some(()) }).await;
        let live = client.get(format!("{}/health/live", process.url)).send().await.expect("an answer");
        assert_eq!(live.status(), 200, "a supervisor must not restart it: {how:?}");
        cluster.start_again();
        eventually("it is ready again", || async { (ready().await == 200).then_some(()) }).await;
        let answer = claim().await;
        assert_eq!(answer.status(), 202, "{how:?}");
        let answer: Value = answer.json().await.expect("JSON");
        assert_eq!(
            answer["duplicate"],
            round > 0,
            "what was refused was not stored, what was accepted stays: {answer}"
        );
    }
    delivered(&environment, 1).await;
    assert_eq!(sandbox.cht.records().len(), 1);
}

/// A database that is there and does not answer is no reason to keep callers waiting for ever, nor to say what is not true.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: cargo xtask test"]
async fn a_database_that_hangs_makes_no_false_answer() {
    let (sandbox, dir, cluster) = (sandbox().await, tempfile::tempdir().expect("a folder"), Cluster::start());
    let url = cluster.database();
    let environment = on_postgresql(&sandbox, &dir, &url, &[]);
    let process = Process::serve(&environment, &dir).await;
    let client = reqwest::Client::new();
    let claims = format!("{}{CLAIM}", process.url);
    // Longer than the mediator waits for its database (10 s): refused, and not stored behind the caller's back.
    let refused = while_locked(&cluster, &url, 25, || post(&client, &claims, sample_claim())).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(listed(&environment).await.len(), 0);
    // A moment only: the caller waits.
    let accepted = while_locked(&cluster, &url, 3, || post(&client, &claims, sample_claim())).await;
    assert_eq!(accepted.status(), 202);
    assert_eq!(accepted.json::<Value>().await.expect("JSON")["duplicate"], false);
    delivered(&environment, 1).await;
    assert_eq!(sandbox.cht.records().len(), 1);
    process.terminate().await;
}

/// What is done while nobody can use the table of messages; returns when the lock is gone, too.
async fn while_locked<T, F: Future<Output = T>>(
    cluster: &Cluster,
    url: &str,
    seconds: u32,
    work: impl FnOnce() -> F,
) -> T {
    let lock = format!("BEGIN; LOCK TABLE message IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({seconds}); COMMIT");
    std::thread::scope(|scope| {
        let locking = scope.spawn(move || cluster.sql(url, &lock));
        let done = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                eventually("the table is locked", || async {
                    let locks = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted \
                                 AND relation = 'message'::regclass";
                    (cluster.sql(url, locks) == "1").then_some(())
                })
                .await;
                work().await
            })
        });
        locking.join().expect("the lock was held");
        done
    })
}
