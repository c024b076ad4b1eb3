//! Where the mediator of a scenario keeps its messages, and what is in there afterwards.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mediator_tests::postgres::Cluster;
use mediator_tests::running::{environment, eventually, program, store_path};
use sandbox::Sandbox;
use serde::Deserialize;
use tempfile::TempDir;

/// SQLite or PostgreSQL.
pub struct Store {
    pub name: &'static str,
    url: Option<String>,
}

/// Peers give up early, and waits are short, so that much happens in little time. A lease must outlast a delivery's requests.
const SETTINGS: [(&str, &str); 9] = [
    ("cht.timeout", "1s"),
    ("openimis.timeout", "1s"),
    ("cht.resend_after", "3s"), // longer than a stall
    ("retry.first", "300ms"),
    ("retry.longest", "1s"),
    ("retry.probe_longest", "1s"),
    ("retry.pause", "500ms"),
    ("retry.lease", "5500ms"),
    ("log.format", "json"),
];

/// One message, as `messages list --json` has it.
#[derive(Clone, Debug, Deserialize)]
#[expect(dead_code, reason = "some of it is only shown when the books do not balance")]
pub struct Listed {
    pub id: i64,
    pub kind: String,
    pub state: String,
    pub claim_uuid: Option<String>,
    pub attempts: u32,
    pub reason: Option<String>,
}

impl Store {
    /// A file in the scenario's folder.
    pub fn sqlite() -> Self {
        Self { name: "SQLite", url: None }
    }

    /// A database of its own.
    pub fn postgresql(cluster: &Cluster) -> Self {
        Self { name: "PostgreSQL", url: Some(cluster.database()) }
    }

    /// The environment of a mediator on this store, and of its commands.
    pub fn environment(&self, sandbox: &Sandbox, dir: &TempDir) -> BTreeMap<String, String> {
        let mut environment = environment(sandbox, dir, &SETTINGS);
        if let Some(url) = &self.url {
            environment.remove("OPENIMIS_MEDIATOR__STORE__PATH");
            environment.insert("DATABASE_URL".to_owned(), url.clone());
        }
        environment
    }

    /// Waits until a mediator that was killed has let go of its file.
    pub async fn released(&self, dir: &TempDir) {
        if self.url.is_some() {
            return; // replicas may share a database
        }
        let lock: PathBuf = store_path(dir).with_extension("lock");
        eventually("the killed mediator is gone", || async {
            let Ok(file) = std::fs::File::open(&lock) else { return Some(()) }; // never taken
            file.try_lock().ok()
        })
        .await;
    }
}

/// Lists messages through the program, as an operator does.
pub async fn list(environment: &BTreeMap<String, String>, args: &[&str]) -> Vec<Listed> {
    let mut list = tokio::process::Command::new(program());
    list.args(["messages", "list", "--json"]).args(args).env_clear().envs(environment);
    let output = list.output().await.expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("text");
    lines.lines().map(|line| serde_json::from_str(line).expect("a message as JSON")).collect()
}

/// Waits until nothing is on its way any more; returns all messages.
pub async fn settled(environment: &BTreeMap<String, String>, limit: Duration) -> Vec<Listed> {
    let begun = Instant::now();
    loop {
        let mut unsettled = list(environment, &["--limit", "3", "--state", "pending"]).await;
        if unsettled.is_empty() {
            // Once more in one look: one may have been leased a moment ago and wait again by now.
            let all = list(environment, &["--limit", "10000000"]).await;
            unsettled.extend(all.iter().find(|one| matches!(one.state.as_str(), "pending" | "leased")).cloned());
            if unsettled.is_empty() {
                return all;
            }
        }
        assert!(begun.elapsed() < limit, "not settled {limit:?} after the peers were healed: {unsettled:#?}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}
