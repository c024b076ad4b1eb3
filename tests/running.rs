//! A mediator that really runs: the host in this process or the program itself, a store in a temporary folder, stand-ins or other
//! peers.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use openimis_mediator::Host;
use openimis_mediator::config::Config;
use sandbox::{CHT_PASSWORD, OPENIMIS_PASSWORD, Sandbox, USER};
use store::{Filter, SqlStore, View};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::fixtures;

/// How long anything may take that has to happen: a machine that is busy with other things is slow, and only who waits in vain has to
/// wait so long. No test may be about a shorter time, unless that is the least that something takes.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// User of the mediator's doors.
pub const INBOUND_USER: &str = "interop-client";
/// Its password.
pub const INBOUND_PASSWORD: &str = "interop-password";

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace")
}

fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), |dir| workspace().join(dir))
}

/// Where `cargo xtask build` puts the components.
pub fn components_dir() -> PathBuf {
    let dir = target_dir().join("components");
    assert!(dir.is_dir(), "{} is not there: `cargo xtask test` builds it", dir.display());
    dir
}

/// The program, as its sources are now: a test must not pass or fail because of an older one.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = std::process::Command::new(cargo);
        build.args(["build", "--quiet", "--bins", "--test", "architecture"]).current_dir(workspace());
        // With the features that `cargo xtask test` has: with other packages, without a test, or in another environment, cargo would build
        // every library again. One small suite is enough for that.
        build.args(
            ["openimis-mediator", "mapping", "flow", "mediator-tests"].iter().flat_map(|name| ["--package", name]),
        );
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                build.env_remove(&*name);
            }
        }
        assert!(build.status().expect("cargo runs").success(), "the program cannot be built");
        target_dir().join("debug/openimis-mediator")
    })
}

/// Says aloud that something cannot be tested here: past the test harness, which keeps what a passing test prints to itself, and into the
/// file from which `cargo xtask test` counts.
pub fn skipped(what: &str, why: &str) {
    use std::io::Write;
    writeln!(std::io::stderr(), "SKIPPED {what}: {why}").expect("standard error");
    if let Some(file) = std::env::var_os("MEDIATOR_SKIPPED") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(file);
        writeln!(file.expect("the file of what is skipped"), "{what}: {why}").expect("a line");
    }
}

/// Peers in memory, on free ports.
pub async fn sandbox() -> Sandbox {
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    Sandbox::start(free, free).await.expect("free ports")
}

/// A running mediator.
pub struct Mediator {
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    /// The host itself.
    pub host: Arc<Host>,
    /// For the tests' own requests.
    pub client: reqwest::Client,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

/// Where the store of a test's mediator is.
pub fn store_path(dir: &TempDir) -> PathBuf {
    dir.path().join("mediator.db")
}

/// A mediator's settings for a test: sandbox peers, polling off, quick retries; `changes` are keys and values over that.
pub fn config(sandbox: &Sandbox, dir: &TempDir, changes: &[(&str, &str)]) -> Config {
    Config::from_toml("", &environment(sandbox, dir, changes)).unwrap_or_else(|error| panic!("{error}"))
}

/// The same as environment variables, for the program.
pub fn environment(sandbox: &Sandbox, dir: &TempDir, changes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut values = BTreeMap::from([
        ("listen".to_owned(), "127.0.0.1:0".to_owned()),
        ("inbound.username".to_owned(), INBOUND_USER.to_owned()),
        ("inbound.password".to_owned(), INBOUND_PASSWORD.to_owned()),
        ("store.path".to_owned(), store_path(dir).display().to_string()),
        ("components.dir".to_owned(), components_dir().display().to_string()),
        // Hundreds of mediators start in these tests: with nothing to compile and nothing to try, each in milliseconds.
        ("components.cache_dir".to_owned(), target_dir().join("compiled-components").display().to_string()),
        ("components.check".to_owned(), "false".to_owned()),
        ("openimis.url".to_owned(), sandbox.openimis.url()),
        ("openimis.username".to_owned(), USER.to_owned()),
        ("openimis.password".to_owned(), OPENIMIS_PASSWORD.to_owned()),
        ("openimis.timeout".to_owned(), "20s".to_owned()),
        ("cht.url".to_owned(), sandbox.cht.url()),
        ("cht.username".to_owned(), USER.to_owned()),
        ("cht.password".to_owned(), CHT_PASSWORD.to_owned()),
        ("cht.timeout".to_owned(), "20s".to_owned()),
        // No idle connection of a test is closed while something else takes its time.
        ("server.header_timeout".to_owned(), "300s".to_owned()),
        // What is asked for on the way of a claim is told by the tests of patients; the others count requests.
        ("cht.match_by".to_owned(), "[]".to_owned()),
        // The peers do at once what they do: whoever lets one stall says for how long it is waited for.
        ("cht.resend_after".to_owned(), "0s".to_owned()),
        ("poll.enabled".to_owned(), "false".to_owned()),
        ("retry.first".to_owned(), "50ms".to_owned()),
        ("retry.pause".to_owned(), "300ms".to_owned()),
        ("mapping.patient.default_place".to_owned(), "sandbox-village".to_owned()),
        ("mapping.patient.phone_prefix".to_owned(), "+977".to_owned()),
    ]);
    values.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    values
        .into_iter()
        .map(|(key, value)| (format!("OPENIMIS_MEDIATOR__{}", key.to_uppercase().replace('.', "__")), value))
        .collect()
}

impl Mediator {
    /// Starts on a free port.
    pub async fn start(config: Config) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        Self::start_on(listener, config).await
    }

    /// Starts on a listener, for tests that have to know the port before.
    pub async fn start_on(listener: TcpListener, config: Config) -> Self {
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let host = Host::build(config).await.unwrap_or_else(|error| panic!("{error}"));
        let (stop, stopping) = watch::channel(false);
        let running = host.clone();
        let served = tokio::spawn(async move { running.run(listener, stopping).await.expect("serving") });
        Self { url, host, client: reqwest::Client::new(), stop, served }
    }

    /// Stops as on SIGTERM: what is on its way is finished first.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        drop(self.client); // its idle connections would hold the server
        self.served.await.expect("a clean stop");
    }

    /// Posts JSON with the right credentials.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
        post(&self.client, &format!("{}{path}", self.url), body).await
    }

    /// The store.
    pub fn store(&self) -> &SqlStore {
        &self.host.flow.store
    }

    /// All messages, oldest first.
    pub async fn messages(&self) -> Vec<View> {
        messages(self.store()).await
    }

    /// Waits until every message is settled (delivered, skipped or dead); returns them.
    pub async fn settled(&self) -> Vec<View> {
        settled(self.store()).await
    }
}

/// Posts JSON with the mediator's inbound credentials.
pub async fn post(client: &reqwest::Client, url: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
    client
        .post(url)
        .basic_auth(INBOUND_USER, Some(INBOUND_PASSWORD))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .expect("an answer")
}

/// The ClaimResponse of CHT's documentation: claim CHT979.
pub fn sample_claim() -> String {
    fixtures::text("claim-response/documented-sample/input.json")
}

/// The answers of CHT's documentation, on claim CHT979.
pub fn sample_feedback() -> String {
    fixtures::text("feedback/documented/input.json")
}

/// What the openIMIS stand-in has under a FHIR path, as text.
pub async fn openimis(sandbox: &Sandbox, path: &str) -> String {
    let asked = reqwest::Client::new().get(format!("{}{path}", sandbox.openimis.url()));
    let answer = asked.basic_auth(USER, Some(OPENIMIS_PASSWORD)).send().await.expect("an answer");
    answer.error_for_status().expect("a resource").text().await.expect("text")
}

/// What openIMIS notifies of a claim: its ClaimResponse.
pub async fn notification(sandbox: &Sandbox, claim: impl Display) -> String {
    openimis(sandbox, &format!("ClaimResponse/{claim}/")).await
}

/// How many requests a stand-in got that begin so, for example `POST /api/v2/records`.
pub fn count(requests: &[(String, u16)], beginning: &str) -> usize {
    requests.iter().filter(|(line, _)| line.starts_with(beginning)).count()
}

/// All messages of a store, oldest first.
pub async fn messages(store: &SqlStore) -> Vec<View> {
    let list = store.list(&Filter { limit: 1000, ..Filter::default() }).await.expect("a list");
    let mut views = Vec::new();
    for summary in list.iter().rev() {
        views.push(store.view(summary.id).await.expect("a view").expect("a message"));
    }
    views
}

/// The states of messages, in their order.
pub fn states(messages: &[View]) -> Vec<&str> {
    messages.iter().map(|message| message.summary.state.as_str()).collect()
}

/// Why a message is where it is.
pub fn reason(message: &View) -> &str {
    message.summary.reason.as_deref().unwrap_or_default()
}

/// What became of messages, for a test that fails.
pub fn story<'a>(messages: impl IntoIterator<Item = &'a View>) -> String {
    let mut story = String::new();
    for View { summary, trail, .. } in messages {
        story.push_str(&format!("\n{} {} {}: {:?}", summary.id, summary.kind, summary.state, summary.reason));
        for line in trail {
            story.push_str(&format!("\n    {} {} {:?}: {}", line.at, line.event, line.status, line.detail));
        }
    }
    story
}

/// Waits until every message of a store is settled; returns them.
pub async fn settled(store: &SqlStore) -> Vec<View> {
    eventually("every message is settled", || async {
        let messages = messages(store).await;
        let all = messages.iter().all(|message| message.summary.settled_at.is_some());
        (all && !messages.is_empty()).then_some(messages)
    })
    .await
}

/// The program itself, serving. Killed when this is dropped.
pub struct Process {
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `openimis-mediator serve` with nothing in its environment but `env`; what it logs goes to a file in `dir`.
    pub async fn serve(env: &BTreeMap<String, String>, dir: &TempDir) -> Self {
        let mut command = Command::new(program());
        command.arg("serve").env_clear().envs(env);
        Self::spawn(command, dir).await
    }

    /// The same for a command that ends up as the program.
    pub async fn spawn(mut command: Command, dir: &TempDir) -> Self {
        let (file, log) =
            tempfile::Builder::new().suffix(".log").tempfile_in(dir).expect("a log").keep().expect("a log");
        let child =
            command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).kill_on_drop(true).spawn();
        let mut process = Self { url: String::new(), child: child.expect("the program starts"), log };
        process.url = eventually("the program listens", || async {
            let log = process.log();
            assert!(!log.contains("openimis-mediator: "), "the program gave up:\n{log}");
            let line = log.lines().find(|line| line.contains("listening"))?;
            let (_, port) = line.split_once("127.0.0.1:")?;
            let port = port.split(|character: char| !character.is_ascii_digit()).next()?;
            Some(format!("http://127.0.0.1:{port}"))
        })
        .await;
        process
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }

    /// Its process id, for signals.
    pub fn id(&self) -> String {
        self.child.id().expect("a running process").to_string()
    }

    /// Where it logs to.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// SIGKILL, sent before this returns; the process may take a moment to be gone.
    pub fn kill_now(&mut self) {
        self.child.start_kill().expect("a process to kill");
    }

    /// SIGKILL: it has no time for anything.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("a process to kill");
    }

    /// SIGTERM, and waits until it has ended.
    pub async fn terminate(mut self) -> (ExitStatus, String) {
        let id = self.id();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs");
        assert!(sent.success(), "SIGTERM could not be sent");
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.expect("the program ends after SIGTERM").expect("a status");
        (status, self.log())
    }
}

/// Asks until there is an answer.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
