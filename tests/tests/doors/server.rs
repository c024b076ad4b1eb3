//! A server with its stand-ins and its store, whichever it is.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use mediator_tests::running::{
    self, INBOUND_PASSWORD, INBOUND_USER, Mediator, config, environment, eventually, sandbox, skipped, store_path,
    workspace,
};
use reqwest::Response;
use sandbox::Sandbox;
use serde_json::{Map, Value, json};
use sqlx::{Connection, Row, SqliteConnection};
use tempfile::TempDir;

pub const CLAIM: &str = "/mediator/claim-response";
pub const FEEDBACK: &str = "/mediator/claims-feedback";
pub const DRAIN: &str = "/mediator/drain";

/// Which server a test runs on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum On {
    /// The native host, in this process.
    Host,
    /// The edge component in `edge-harness`.
    Edge,
    /// The edge component under `spin up`.
    Spin,
}

/// The Spin program, if there is one: the file in `$SPIN`, or `spin` on the PATH.
pub fn spin() -> Option<&'static Path> {
    static SPIN: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = SPIN.get_or_init(|| {
        let named = std::env::var_os("SPIN");
        let program = PathBuf::from(named.clone().unwrap_or_else(|| "spin".into()));
        let version = Command::new(&program).arg("--version").output();
        // Other programs are called so, too.
        let is_spin = version.is_ok_and(|version| String::from_utf8_lossy(&version.stdout).starts_with("spin "));
        assert!(is_spin || named.is_none(), "$SPIN names {}, which is no Spin", program.display());
        is_spin.then_some(program)
    });
    if found.is_none() {
        skipped("tests/tests/doors under `spin up`", "there is no Spin in $SPIN or on the PATH");
    }
    found.as_deref()
}

/// A message as it is kept.
#[derive(Debug)]
pub struct Kept {
    pub state: String,
    pub attempts: i64,
    pub reason: String,
    pub issues: usize,
    pub received: Option<Vec<u8>>,
    pub is_settled: bool,
}

/// A running server and what it speaks to.
pub struct World {
    pub on: On,
    pub url: String,
    pub client: reqwest::Client,
    pub sandbox: Sandbox,
    pub dir: TempDir,
    changes: Vec<(String, String)>,
    manifest: fn(&str) -> String,
    /// The composed file instead of the manifest's component.
    composed: bool,
    /// No folder to keep anything in.
    stateless: bool,
    server: Server,
}

enum Server {
    Host(Box<Mediator>),
    App(App),
    Gone,
}

impl World {
    /// Starts it with sandbox peers; `changes` are keys of the configuration over those of every test, or variables of the edge.
    pub async fn start(on: On, changes: &[(&str, &str)]) -> Self {
        Self::start_with(on, changes, str::to_owned).await
    }

    /// The composed file, in the tests' own runtime.
    pub async fn start_composed() -> Self {
        let mut world = Self::new(On::Edge, &[], str::to_owned).await;
        world.composed = true;
        world.begin().await;
        world
    }

    /// The edge where the runtime has no folder for its database.
    pub async fn start_stateless(on: On) -> Self {
        let mut world = Self::new(on, &[], str::to_owned).await;
        world.stateless = true;
        world.begin().await;
        world
    }

    /// The same with changes to the edge's manifest.
    pub async fn start_with(on: On, changes: &[(&str, &str)], manifest: fn(&str) -> String) -> Self {
        let mut world = Self::new(on, changes, manifest).await;
        world.begin().await;
        world
    }

    async fn new(on: On, changes: &[(&str, &str)], manifest: fn(&str) -> String) -> Self {
        let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
        let changes = changes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (url, client) = (String::new(), reqwest::Client::new());
        Self {
            on,
            url,
            client,
            sandbox,
            dir,
            changes,
            manifest,
            composed: false,
            stateless: false,
            server: Server::Gone,
        }
    }

    async fn begin(&mut self) {
        let changes: Vec<(&str, &str)> =
            self.changes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        match self.on {
            On::Host => {
                let changes: Vec<_> = changes.into_iter().filter(|(key, _)| !VARIABLES.contains(key)).collect();
                let mediator = Mediator::start(config(&self.sandbox, &self.dir, &changes)).await;
                self.url.clone_from(&mediator.url);
                self.server = Server::Host(Box::new(mediator));
            }
            On::Edge | On::Spin => {
                write_manifest(self.dir.path(), self.manifest);
                let mut command = command(self.on, self.dir.path());
                command.envs(variables(&self.sandbox, &self.dir, &changes));
                let state_dir = if self.stateless { Path::new("") } else { self.dir.path() };
                command.arg("--state-dir").arg(state_dir);
                if self.composed {
                    command.arg("--component").arg(target().join("edge/openimis-mediator.wasm"));
                }
                let app = App::start(command, self.dir.path());
                self.url.clone_from(&app.url);
                self.server = Server::App(app);
                eventually("the edge listens", || async {
                    self.client.get(format!("{}/health/live", self.url)).send().await.ok()
                })
                .await;
            }
        }
    }

    /// Ends it without any time for anything, and starts it anew on the same store.
    pub async fn kill_and_start(&mut self) {
        match std::mem::replace(&mut self.server, Server::Gone) {
            // In this process there is nothing to kill: its tests of that are in loop.rs and chaos. A stop comes nearest.
            Server::Host(mediator) => mediator.stop().await,
            Server::App(app) => drop(app),
            Server::Gone => {}
        }
        self.client = reqwest::Client::new();
        self.begin().await;
    }

    /// Posts JSON with the right credentials.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Response {
        running::post(&self.client, &format!("{}{path}", self.url), body).await
    }

    /// What `GET` of a path answers.
    pub async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.expect("an answer")
    }

    /// Where its messages are.
    pub fn database(&self) -> PathBuf {
        match self.on {
            On::Host => store_path(&self.dir),
            On::Edge | On::Spin => self.dir.path().join("sqlite_db.db"),
        }
    }

    /// All messages, oldest first.
    pub async fn messages(&self) -> Vec<Kept> {
        if let Server::Host(mediator) = &self.server {
            let views = mediator.messages().await;
            return views.into_iter().map(Kept::from).collect();
        }
        // Before the first request there is no file, and at its beginning there are no tables.
        if !self.database().exists() {
            return Vec::new();
        }
        let mut database =
            SqliteConnection::connect(self.database().to_str().expect("a path")).await.expect("its store");
        let asked = "SELECT state, attempts, reason, issues, received, settled_at FROM message ORDER BY id";
        match sqlx::query(asked).fetch_all(&mut database).await {
            Err(error) if error.to_string().contains("no such table") => Vec::new(),
            rows => rows.expect("messages").iter().map(Kept::from_row).collect(),
        }
    }

    /// Waits until every message is settled; the edge is drained as by a cron.
    pub async fn settled(&self) -> Vec<Kept> {
        eventually("every message is settled", || async {
            if self.on != On::Host {
                self.post(DRAIN, "").await;
            }
            let messages = self.messages().await;
            (!messages.is_empty() && messages.iter().all(|message| message.is_settled)).then_some(messages)
        })
        .await
    }

    /// What the server and its component printed, for a test that fails.
    pub fn log(&self) -> String {
        let logs = ["log", "spin-logs/edge_stderr.txt"];
        logs.map(|log| std::fs::read_to_string(self.dir.path().join(log)).unwrap_or_default()).concat()
    }
}

impl From<store::View> for Kept {
    fn from(view: store::View) -> Self {
        Self {
            state: view.summary.state,
            attempts: view.summary.attempts.into(),
            reason: view.summary.reason.unwrap_or_default(),
            issues: view.issues.len(),
            received: view.body,
            is_settled: view.summary.settled_at.is_some(),
        }
    }
}

impl Kept {
    fn from_row(row: &sqlx::sqlite::SqliteRow) -> Self {
        let issues: Option<String> = row.get("issues");
        let issues: Vec<Value> = issues.map(|json| serde_json::from_str(&json).expect("JSON")).unwrap_or_default();
        Self {
            state: row.get("state"),
            attempts: row.get("attempts"),
            reason: row.get::<Option<String>, _>("reason").unwrap_or_default(),
            issues: issues.len(),
            received: row.get("received"),
            is_settled: row.get::<Option<i64>, _>("settled_at").is_some(),
        }
    }
}

/// What the edge has variables of its own for, beside those that are made of the host's settings.
const VARIABLES: [&str; 2] = ["budget", "drain_budget"];

/// The edge's variables from the keys of the host's settings, as the runtime reads them.
fn variables(sandbox: &Sandbox, dir: &TempDir, changes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = ["openimis.url", "openimis.username", "openimis.password", "cht.url", "cht.username", "cht.password"];
    let (mut variables, mut settings) = (BTreeMap::new(), json!({}));
    for (name, value) in environment(sandbox, dir, changes) {
        let key = name.trim_start_matches("OPENIMIS_MEDIATOR__").to_lowercase().replace("__", ".");
        if VARIABLES.contains(&key.as_str()) || own.contains(&key.as_str()) || key.starts_with("inbound.") {
            // An address without a path: Spin allows hosts, not paths.
            let value = if key.ends_with(".url") { origin(&value) } else { value };
            variables.insert(key.replace('.', "_"), value);
        } else if ["retry", "tasks", "mapping", "cht", "openimis"].contains(&key.split('.').next().unwrap_or_default())
        {
            set(&mut settings, &key, value);
        }
    }
    variables.insert("settings".to_owned(), settings.to_string());
    // What a test wants to be without.
    variables.retain(|_, value| value != "(unset)");
    variables.into_iter().map(|(name, value)| (format!("SPIN_VARIABLE_{}", name.to_uppercase()), value)).collect()
}

fn origin(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

fn set(settings: &mut Value, key: &str, value: String) {
    let mut place = settings;
    for part in key.split('.') {
        place = place.as_object_mut().expect("a section").entry(part).or_insert_with(|| Value::Object(Map::new()));
    }
    let typed = serde_json::from_str(&value).ok().filter(|value: &Value| !value.is_string());
    *place = typed.unwrap_or(Value::String(value));
}

/// The edge in a process of its own. Killed when this is dropped.
struct App {
    url: String,
    child: Child,
}

impl App {
    fn start(mut command: Command, dir: &Path) -> Self {
        let address = format!("127.0.0.1:{}", port());
        let log = File::options().create(true).append(true).open(dir.join("log")).expect("a log");
        command.arg("--listen").arg(&address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // `spin up` starts another process, which has to end with it.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().expect("the runtime starts");
        Self { url: format!("http://{address}"), child }
    }
}

/// The manifest in a folder, with the files that were built.
pub fn write_manifest(dir: &Path, change: fn(&str) -> String) {
    let manifest = std::fs::read_to_string(workspace().join("spin.toml")).expect("spin.toml");
    let manifest = change(&manifest).replace("\"target/", &format!("\"{}/", target().display()));
    std::fs::write(dir.join("spin.toml"), manifest).expect("a manifest");
}

/// A runtime with the manifest of a folder.
pub fn command(on: On, dir: &Path) -> Command {
    let mut command = match on {
        On::Spin => {
            let mut spin = Command::new(spin().expect("a test that runs under Spin"));
            spin.arg("up").arg("--log-dir").arg(dir.join("spin-logs"));
            spin
        }
        _ => Command::new(harness()),
    };
    command.arg("--from").arg(dir.join("spin.toml"));
    command
}

/// A port that is free, and that the system gives to nobody who asks for any: those begin at 32768.
fn port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id().wrapping_mul(101);
    loop {
        let port = 20_000 + (own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000) as u16;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let killed = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        assert!(killed.is_ok(), "kill runs");
        drop(self.child.wait());
    }
}

/// Where cargo and xtask put what they build.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), |dir| workspace().join(dir))
}

/// The tests' own runtime for the edge.
fn harness() -> PathBuf {
    let harness = target().join("debug/edge-harness");
    assert!(harness.is_file(), "{} is not there: `cargo xtask test` builds it", harness.display());
    harness
}

/// User and password as the doors want them.
pub const CREDENTIALS: (&str, &str) = (INBOUND_USER, INBOUND_PASSWORD);
