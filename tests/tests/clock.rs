//! The machine's clock jumps while the mediator runs: what waits is neither stuck nor given up, and nothing is done twice.
//!
//! libfaketime (Debian: `apt-get install faketime`) gives the program another time than the machine's; where it is missing, these tests
//! are skipped and say so.

use std::collections::BTreeMap;

use std::path::PathBuf;

use mediator_tests::running::{
    Process, config, environment, eventually, messages, notification, post, program, reason, sample_feedback, sandbox,
    settled, skipped, states, story,
};
use sandbox::{Fault, Sandbox};
use store::SqlStore;
use tempfile::TempDir;
use tokio::process::Command;

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";

/// Where the library is. None, said aloud: it is not installed.
fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file());
    if found.is_none() {
        skipped("a clock that jumps", "libfaketime is missing (apt-get install faketime)");
    }
    found
}

/// A mediator whose clock can be set; the peers' clocks stay right.
struct Timed {
    library: PathBuf,
    dir: TempDir,
    sandbox: Sandbox,
    env: BTreeMap<String, String>,
    client: reqwest::Client,
    store: SqlStore,
    process: Process,
}

impl Timed {
    async fn start() -> Option<Self> {
        let library = faketime()?;
        let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
        let changes = [("retry.longest", "1s")];
        let env = environment(&sandbox, &dir, &changes);
        std::fs::write(dir.path().join("clock"), "+0").expect("a written file");
        let process = spawned(&library, &dir, &env).await;
        let store = SqlStore::open(&config(&sandbox, &dir, &changes).store).await.expect("the store");
        Some(Self { library, dir, sandbox, env, client: reqwest::Client::new(), store, process })
    }

    /// Sets the clock so far from the right time, for example `-1d`.
    fn set_clock(&self, offset: &str) {
        std::fs::write(self.dir.path().join("clock"), offset).expect("a written file");
    }

    async fn restart(mut self) -> Self {
        let (status, log) = self.process.terminate().await;
        assert!(status.success(), "{log}");
        self.process = spawned(&self.library, &self.dir, &self.env).await;
        self
    }

    /// `messages prune` by the clock that is set: its exit code and what it said.
    async fn prune(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = faked(&self.library, &self.dir, &self.env);
        let done = command.args(["messages", "prune"]).args(arguments).output().await.expect("a process");
        let told = [done.stdout, done.stderr].concat();
        (done.status.code(), String::from_utf8_lossy(&told).into_owned())
    }

    async fn claim(&self, code: &str) -> String {
        let claim = self.sandbox.openimis.enter_claim(code);
        let body = notification(&self.sandbox, claim).await;
        assert_eq!(post(&self.client, &format!("{}{CLAIM}", self.process.url), body).await.status(), 202);
        claim.to_string()
    }

    /// Waits until the newest message was tried so often.
    async fn tried(&self, times: u32) {
        eventually("the message was tried", || async {
            let message = messages(&self.store).await.pop()?;
            (message.summary.attempts >= times).then_some(())
        })
        .await;
    }

    async fn delivered(&self, reports: usize) {
        let messages = settled(&self.store).await;
        assert!(states(&messages).iter().all(|state| *state == "delivered"), "{}", story(&messages));
        assert_eq!(self.sandbox.cht.records().len(), reports, "{}", story(&messages));
    }
}

async fn spawned(library: &PathBuf, dir: &TempDir, env: &BTreeMap<String, String>) -> Process {
    let mut command = faked(library, dir, env);
    command.arg("serve");
    Process::spawn(command, dir).await
}

/// The program with the clock that is set.
fn faked(library: &PathBuf, dir: &TempDir, env: &BTreeMap<String, String>) -> Command {
    let mut command = Command::new(program());
    command.env_clear().envs(env).env("LD_PRELOAD", library);
    command.env("FAKETIME_TIMESTAMP_FILE", dir.path().join("clock")).env("FAKETIME_NO_CACHE", "1");
    // As on a real machine: setting the clock moves neither timers nor what files say.
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_by_a_day_holds_nothing_up() {
    let Some(timed) = Timed::start().await else { return };
    timed.sandbox.cht.fail_next(usize::MAX, Fault::Status(503));
    let claim = timed.claim("BEFORE").await;
    timed.tried(2).await;
    timed.set_clock("-1d");
    timed.claim("BEHIND").await;
    timed.tried(1).await;
    timed.sandbox.cht.fail_next(0, Fault::Reset);
    timed.delivered(2).await;
    let feedback = sample_feedback().replace("d3256498-ad16-4482-a2d2-4a6d9c78ba81", &claim);
    assert_eq!(post(&timed.client, &format!("{}{FEEDBACK}", timed.process.url), feedback).await.status(), 202);
    timed.delivered(2).await;
    assert_eq!(timed.sandbox.openimis.communications().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_time_that_a_wrong_clock_set_is_delivered_after_a_restart() {
    let Some(timed) = Timed::start().await else { return };
    timed.sandbox.cht.fail_next(usize::MAX, Fault::Status(503));
    // Days ahead: the moments that are stored now are far away. Up to a day and an hour may be meant, as for a claim that is not submitted.
    timed.set_clock("+3d");
    timed.claim("AHEAD").await;
    timed.tried(2).await;
    timed.set_clock("+0");
    let timed = timed.restart().await;
    timed.sandbox.cht.fail_next(0, Fault::Reset);
    timed.delivered(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_ahead_for_a_while_gives_nothing_up() {
    let Some(timed) = Timed::start().await else { return };
    timed.sandbox.cht.fail_next(usize::MAX, Fault::Status(503));
    timed.claim("BEFORE").await;
    timed.tried(2).await;
    timed.set_clock("+7d"); // half of retry.give_up_after
    timed.claim("AHEAD").await;
    timed.tried(1).await;
    timed.set_clock("+0");
    timed.claim("AGAIN").await;
    timed.tried(1).await;
    timed.sandbox.cht.fail_next(0, Fault::Reset);
    timed.delivered(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_asked_for_a_slower_pace_is_asked_again_when_a_minute_has_passed() {
    let Some(timed) = Timed::start().await else { return };
    timed.sandbox.cht.fail_next(1, Fault::Status(429));
    timed.claim("SLOWER").await;
    let paused = eventually("CHT is left alone", || async {
        let message = messages(&timed.store).await.remove(0);
        reason(&message).contains("slower pace").then_some(message)
    })
    .await;
    assert_eq!((paused.summary.state.as_str(), timed.sandbox.cht.requests().len()), ("pending", 1));
    timed.set_clock("+2m");
    timed.delivered(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_clock_that_is_far_ahead_prunes_nothing_until_somebody_says_that_it_is_right() {
    for ahead in ["+60d", "+800d"] {
        let Some(timed) = Timed::start().await else { return };
        timed.claim("KEPT").await;
        timed.delivered(1).await;
        timed.set_clock(ahead);
        let timed = timed.restart().await;
        // It prunes at its start, if it does.
        timed.claim("AHEAD").await;
        timed.delivered(2).await;
        let kept = messages(&timed.store).await;
        assert_eq!(kept.len(), 2, "{ahead}: {}", story(&kept));
        assert!(kept.iter().all(|message| message.body.is_some()), "{ahead}: the documents are there");
        assert!(timed.process.log().contains("--accept-clock"), "{}", timed.process.log());
        // The command is as careful.
        let (code, told) = timed.prune(&[]).await;
        assert!(code != Some(0) && told.contains("--accept-clock"), "{told}");
        assert_eq!(messages(&timed.store).await.len(), 2);
        // Another start does not end the doubt; the right time does, and the documents are there.
        let timed = timed.restart().await;
        assert!(timed.process.log().contains("--accept-clock"), "{}", timed.process.log());
        timed.set_clock("+0");
        let timed = timed.restart().await;
        assert!(!timed.process.log().contains("--accept-clock"), "{}", timed.process.log());
        assert!(messages(&timed.store).await.iter().all(|message| message.body.is_some()));
        // Somebody says that it is right.
        timed.set_clock(ahead);
        let (code, told) = timed.prune(&["--accept-clock"]).await;
        assert_eq!(code, Some(0), "{told}");
        let first = messages(&timed.store).await.into_iter().find(|message| message.summary.id.0 == 1);
        assert!(first.is_none_or(|message| message.body.is_none()), "{ahead}: it is old by this clock");
    }
}
