//! A disk that is full: nothing is acknowledged that is not kept, nothing is delivered twice, and with room again it goes on by itself.
//!
//! The disk is a small one in memory, really mounted, which needs root; otherwise these tests are skipped and say so.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mediator_tests::raw_peer::{Gateway, Request, Spoil};
use mediator_tests::running::{
    PATIENCE, Process, config, environment, eventually, messages, notification, post, sample_claim, sandbox, settled,
    skipped, states, story,
};
use sandbox::Sandbox;
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};
use store::SqlStore;
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::time::timeout;

const CLAIM: &str = "/mediator/claim-response";
const RECORDS: &str = "POST /api/v2/records";

/// A file system of its own.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// None, said aloud: it may not be mounted here.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs"]).arg(dir.path());
        match mount.stderr(Stdio::null()).status() {
            Ok(status) if status.success() => Some(Self(dir)),
            _ => {
                skipped("a full disk", "a small file system cannot be mounted here (it needs root)");
                None
            }
        }
    }

    fn store(&self) -> String {
        self.0.path().join("mediator.db").display().to_string()
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = std::fs::File::options().create(true).append(true).open(self.ballast()).expect("a file");
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a mediator that is being killed may still have a file open.
        drop(Command::new("umount").arg("--lazy").arg(self.0.path()).status());
    }
}

/// A mediator whose store is on a small disk.
struct Cramped {
    process: Process,
    sandbox: Sandbox,
    store: SqlStore,
    client: reqwest::Client,
    dir: TempDir,
    disk: SmallDisk, // last: unmounted when all else is gone
}

impl Cramped {
    async fn start(changes: &[(&str, &str)], sandbox: Sandbox) -> Option<Self> {
        let disk = SmallDisk::mount()?;
        let dir = tempfile::tempdir().expect("a folder");
        let path = disk.store();
        let changes: Vec<_> = [("store.path", path.as_str())].into_iter().chain(changes.iter().copied()).collect();
        let process = Process::serve(&environment(&sandbox, &dir, &changes), &dir).await;
        let store = SqlStore::open(&config(&sandbox, &dir, &changes).store).await.expect("the store");
        Some(Self { process, sandbox, store, client: reqwest::Client::new(), dir, disk })
    }

    /// Posts a new claim; its number in the store if it was acknowledged.
    async fn post(&self, code: &str) -> Option<i64> {
        let claim = notification(&self.sandbox, self.sandbox.openimis.enter_claim(code)).await;
        let answer = post(&self.client, &format!("{}{CLAIM}", self.process.url), claim).await;
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.expect("JSON");
        match status {
            202 => Some(body["id"].as_i64().expect("a number")),
            503 => {
                assert_eq!(body["issue"][0]["code"], "transient", "{body}");
                None
            }
            status => panic!("{status}: {body}"),
        }
    }

    async fn ready(&self) -> (u16, String) {
        let answer = self.client.get(format!("{}/health/ready", self.process.url)).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    async fn ready_with(&self, status: u16) -> String {
        eventually(&format!("/health/ready answers {status}"), || async {
            let (now, body) = self.ready().await;
            (now == status).then_some(body)
        })
        .await
    }

    /// Ends it; the file must be whole.
    async fn end(self) {
        drop(self.store);
        let (status, log) = self.process.terminate().await;
        assert!(status.success(), "{log}");
        let file = format!("sqlite:{}", self.disk.store());
        let mut connection = SqliteConnection::connect(&file).await.expect("the store");
        let found: String =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.expect("a check");
        assert_eq!(found, "ok");
        connection.close().await.expect("a closed store");
        drop(self.dir);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_full_disk_nothing_is_acknowledged_and_with_room_it_goes_on_by_itself() {
    let Some(cramped) = Cramped::start(&[], sandbox().await).await else { return };
    let mut acknowledged = Vec::new();
    for number in 0..5 {
        acknowledged.push(cramped.post(&format!("BEFORE{number}")).await.expect("room at first"));
    }
    settled(&cramped.store).await;
    assert_eq!(cramped.ready().await.0, 200);

    cramped.disk.fill();
    // What is allotted to the log already may still be written; not for long.
    let mut refused = 0;
    for number in 0..1000 {
        match cramped.post(&format!("FULL{number}")).await {
            Some(id) => acknowledged.push(id),
            None => refused += 1,
        }
        if refused == 20 {
            break;
        }
    }
    assert_eq!(refused, 20, "the disk was full");
    // A probe may still fit into the log; until the next one fails, the disk is only nearly full.
    eventually("/health/ready says that the store cannot be written", || async {
        let (status, body) = cramped.ready().await;
        (status == 503 && body == r#"{"status":"the store cannot be written"}"#).then_some(())
    })
    .await;
    let live = cramped.client.get(format!("{}/health/live", cramped.process.url)).send().await.expect("an answer");
    assert_eq!(live.status(), 200);

    cramped.disk.make_room();
    cramped.ready_with(200).await;
    for number in 0..5 {
        let taken = cramped.post(&format!("AFTER{number}")).await;
        acknowledged.push(taken.unwrap_or_else(|| panic!("there is room again:\n{}", cramped.process.log())));
    }
    let messages = settled(&cramped.store).await;
    let kept: Vec<i64> = messages.iter().map(|message| message.summary.id.0).collect();
    assert_eq!(kept, acknowledged, "what was acknowledged is there, and nothing else");
    assert_eq!(states(&messages), vec!["delivered"; kept.len()], "{}", story(&messages));
    assert_eq!(cramped.sandbox.cht.records().len(), kept.len(), "each has one report");
    cramped.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_as_the_disk_became_full_is_not_delivered_again() {
    let sandbox = sandbox().await;
    let release = Arc::new(Notify::new());
    let held = release.clone();
    let hold = move |request: &Request, first| match request.line() == RECORDS && first {
        true => Spoil::Hold(held.clone()),
        false => Spoil::Pass,
    };
    let cht = Gateway::before(&sandbox.cht.url(), hold).await;
    // The lease is as short as the settings allow.
    let changes =
        [("cht.url", cht.url.as_str()), ("cht.timeout", "1s"), ("openimis.timeout", "1s"), ("retry.lease", "5100ms")];
    let Some(cramped) = Cramped::start(&changes, sandbox).await else { return };
    let id = post(&cramped.client, &format!("{}{CLAIM}", cramped.process.url), sample_claim()).await;
    assert_eq!(id.status(), 202);
    // CHT has the report, and the mediator has no answer yet.
    eventually("CHT has the report", || async { (cramped.sandbox.cht.records().len() == 1).then_some(()) }).await;
    cramped.disk.fill();
    cramped.ready_with(503).await;
    release.notify_one();
    eventually("the outcome could not be stored", || async {
        cramped.process.log().contains("an outcome could not be stored yet").then_some(())
    })
    .await;
    cramped.disk.make_room();

    let messages = match timeout(PATIENCE - Duration::from_secs(1), settled(&cramped.store)).await {
        Ok(messages) => messages,
        Err(_) => panic!("{}\n{}", story(&messages(&cramped.store).await), cramped.process.log()),
    };
    assert_eq!(states(&messages), ["delivered"], "{}", story(&messages));
    // Stored a moment later, or looked up, if CHT's answer had not come within its second: sent once either way.
    assert_eq!((cht.count(RECORDS), cramped.sandbox.cht.records().len()), (1, 1));
    cramped.end().await;
}
