//! A mediator that really runs: the host on a free port, a store in a temporary folder, stand-ins or other peers.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openimis_mediator::Host;
use openimis_mediator::config::Config;
use openimis_mediator::sandbox::{CHT_PASSWORD, OPENIMIS_PASSWORD, Sandbox, USER};
use openimis_mediator::store::{Filter, SqliteStore, View};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// User of the mediator's doors.
pub const INBOUND_USER: &str = "interop-client";
/// Its password.
pub const INBOUND_PASSWORD: &str = "interop-password";

/// Where `cargo xtask build` puts the components.
pub fn components_dir() -> PathBuf {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |dir| workspace.join(dir));
    let dir = target.join("components");
    assert!(dir.is_dir(), "{} is not there: `cargo xtask test` builds it", dir.display());
    dir
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

/// A mediator's settings for a test: sandbox peers, polling off, quick retries; `changes` are keys and values over that.
pub fn config(sandbox: &Sandbox, dir: &TempDir, changes: &[(&str, &str)]) -> Config {
    let store = dir.path().join("mediator.db");
    let mut values = BTreeMap::from([
        ("inbound.username".to_owned(), INBOUND_USER.to_owned()),
        ("inbound.password".to_owned(), INBOUND_PASSWORD.to_owned()),
        ("store.path".to_owned(), store.display().to_string()),
        ("components.dir".to_owned(), components_dir().display().to_string()),
        ("openimis.url".to_owned(), sandbox.openimis.url()),
        ("openimis.username".to_owned(), USER.to_owned()),
        ("openimis.password".to_owned(), OPENIMIS_PASSWORD.to_owned()),
        ("openimis.timeout".to_owned(), "2s".to_owned()),
        ("cht.url".to_owned(), sandbox.cht.url()),
        ("cht.username".to_owned(), USER.to_owned()),
        ("cht.password".to_owned(), CHT_PASSWORD.to_owned()),
        ("cht.timeout".to_owned(), "2s".to_owned()),
        ("poll.enabled".to_owned(), "false".to_owned()),
        ("retry.first".to_owned(), "50ms".to_owned()),
        ("retry.pause".to_owned(), "300ms".to_owned()),
        ("mapping.patient.default_place".to_owned(), "sandbox-village".to_owned()),
        ("mapping.patient.phone_prefix".to_owned(), "+977".to_owned()),
    ]);
    values.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    let env = values
        .into_iter()
        .map(|(key, value)| (format!("OPENIMIS_MEDIATOR__{}", key.to_uppercase().replace('.', "__")), value))
        .collect();
    Config::from_toml("", &env).unwrap_or_else(|error| panic!("{error}"))
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
        self.client
            .post(format!("{}{path}", self.url))
            .basic_auth(INBOUND_USER, Some(INBOUND_PASSWORD))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .expect("an answer")
    }

    /// The store.
    pub fn store(&self) -> &SqliteStore {
        &self.host.flow.store
    }

    /// All messages, oldest first.
    pub async fn messages(&self) -> Vec<View> {
        let list = self.store().list(&Filter { limit: 1000, ..Filter::default() }).await.expect("a list");
        let mut views = Vec::new();
        for summary in list.iter().rev() {
            views.push(self.store().view(summary.id).await.expect("a view").expect("a message"));
        }
        views
    }

    /// Waits until every message is settled (delivered, skipped or dead); returns them.
    pub async fn settled(&self) -> Vec<View> {
        eventually("every message is settled", || async {
            let messages = self.messages().await;
            let all = messages.iter().all(|message| message.summary.settled_at.is_some());
            (all && !messages.is_empty()).then_some(messages)
        })
        .await
    }
}

/// Asks until there is an answer, for at most 20 seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "waited 20 s in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
