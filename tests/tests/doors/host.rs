//! What only the native host has: a disk that the operating system keeps from it.

use mediator_tests::running::{Process, environment, eventually, messages, post, sandbox, store_path};
use openimis_mediator::config::StoreSettings;
use reqwest::StatusCode;
use serde_json::{Value, json};
use store::SqlStore;
use tokio::process::Command;

use crate::answers::read;
use crate::server::FEEDBACK;

/// The process may not write files beyond 2 MiB, as on a full disk: what it acknowledged is there, what it refused is not.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_only_what_is_kept_is_acknowledged() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let mut command = Command::new("bash");
    let program = mediator_tests::running::program();
    command.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" serve"]).arg(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").envs(environment(&sandbox, &dir, &[]));
    let process = Process::spawn(command, &dir).await;
    let client = reqwest::Client::new();
    let mut kept = Vec::new();
    let mut sizes = [100_000, 10_000, 1].into_iter().peekable();
    for number in 0..500 {
        let Some(size) = sizes.peek() else { break };
        let report = format!("report-{number}");
        let body = json!({"doc": {"_id": report}, "filling": "x".repeat(*size)}).to_string();
        match read(post(&client, &format!("{}{FEEDBACK}", process.url), body).await).await.0 {
            StatusCode::ACCEPTED => kept.push(report),
            StatusCode::SERVICE_UNAVAILABLE => drop(sizes.next()), // perhaps a smaller one still fits
            other => panic!("{other}"),
        }
    }
    assert!(sizes.peek().is_none() && !kept.is_empty(), "{} were kept and none was refused", kept.len());
    eventually("it says that it is not ready", || async {
        let ready = client.get(format!("{}/health/ready", process.url)).send().await.expect("an answer");
        (read(ready).await.0 == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    process.kill().await;

    let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("the store");
    let stored: Vec<String> = messages(&store)
        .await
        .iter()
        .map(|message| {
            let body: Value = serde_json::from_slice(message.body.as_deref().expect("a document")).expect("JSON");
            body["doc"]["_id"].as_str().expect("an id").to_owned()
        })
        .collect();
    assert_eq!(stored, kept);
}
