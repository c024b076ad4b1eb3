//! The configuration: one typed struct from a TOML file and the environment, read once. All mistakes are told together.

mod components;
mod load;
mod playground;
mod server;
mod store;

pub use playground::Playground;
pub use server::{Admin, Client, ClientCertificates, Scope, Server, ServerTls};
pub use store::{Place, Retention, StoreSettings};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use flow::settings as peers;
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use toml::Table;

use crate::mapper::Interface;
use load::{and_further, merged, parsed};

/// Everything the host can be told. `config.example.toml` shows every key.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the mediator listens. Default 127.0.0.1:8080.
    pub listen: SocketAddr,
    /// The one user of openIMIS, CHT and OpenHIM, where no more are needed.
    pub inbound: Inbound,
    /// TLS and limits of the mediator's own listeners.
    pub server: Server,
    /// The admin API.
    pub admin: Admin,
    /// Further clients, each with its own credentials and scopes.
    pub clients: Vec<Client>,
    /// Where messages are kept.
    pub store: StoreSettings,
    /// How long they are kept.
    pub retention: Retention,
    /// The mapping components.
    pub components: Components,
    /// The page that maps in the browser.
    pub playground: Playground,
    /// Certificates.
    pub tls: Tls,
    /// Background work.
    pub worker: Worker,
    /// What is written about it.
    pub log: Log,
    /// The insurer.
    pub openimis: peers::OpenImis,
    /// Where community health workers get their tasks.
    pub cht: peers::Cht,
    /// Which claims become a task.
    pub tasks: peers::Tasks,
    /// Looking for claims.
    pub poll: peers::Poll,
    /// Being told about claims.
    pub subscription: peers::Subscription,
    /// When to try again.
    pub retry: peers::Retry,
    /// How documents are written.
    pub mapping: peers::Mapping,
}

/// HTTP Basic credentials that openIMIS, CHT or OpenHIM show to the mediator.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Inbound {
    /// User.
    pub username: String,
    /// Password.
    pub password: Option<SecretString>,
}

/// The mapping components.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Components {
    /// Directory whose `.wasm` files are the mappings. Default: `components` beside the program or one above it.
    pub dir: Option<PathBuf>,
    /// Whose mappings go before those of `dir`: those in `<dir>/<system>/<country>`. Default empty: none.
    pub country: String,
    /// The system that openIMIS is connected with. Default `cht`.
    pub system: String,
    /// Version of the interfaces: `<dir>/<system>/<country>/<interface>` goes before the country's folder. Default `0.1`.
    pub interface: String,
    /// Where compiled components are kept, so that a start takes less time. Default none.
    pub cache_dir: Option<PathBuf>,
    /// How often the files are looked at; 0 s: only when asked to. Default 2 s.
    pub watch: SignedDuration,
    /// Whether a component must keep the contract before it is used. Default true.
    pub check: bool,
    /// Memory of one call, in bytes. Default 64 MiB.
    pub memory_limit_bytes: usize,
    /// Time of one call. Default 1 s.
    pub time_limit: SignedDuration,
    /// Calls at the same time. Default 32.
    pub instances: u32,
}

/// TLS to the peers. Verification cannot be switched off.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file of further certificate authorities. Default none: the system's only.
    pub ca_file: Option<PathBuf>,
}

/// Background work.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worker {
    /// Messages of a kind delivered at the same time. Default 8.
    pub concurrency: u32,
    /// Requests to a peer at the same time, whatever they are for. Default 16.
    pub requests_per_peer: u32,
    /// How long a stop waits for what is on its way. Default 30 s.
    pub drain: SignedDuration,
}

/// Logs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Default `human`.
    pub format: LogFormat,
    /// Default `info`.
    pub level: LogLevel,
}

/// Shape of the logs.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// A JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            inbound: Inbound::default(),
            server: Server::default(),
            admin: Admin::default(),
            clients: Vec::new(),
            store: StoreSettings::default(),
            retention: Retention::default(),
            components: Components::default(),
            playground: Playground::default(),
            tls: Tls::default(),
            worker: Worker::default(),
            log: Log::default(),
            openimis: peers::OpenImis::default(),
            cht: peers::Cht::default(),
            tasks: peers::Tasks::default(),
            poll: peers::Poll::default(),
            subscription: peers::Subscription::default(),
            retry: peers::Retry::default(),
            mapping: peers::Mapping::default(),
        }
    }
}

impl Default for Components {
    fn default() -> Self {
        let crate::mapper::Limits { memory_bytes, time, instances } = crate::mapper::Limits::default();
        let time_limit = SignedDuration::try_from(time).unwrap_or(SignedDuration::from_secs(1));
        Self {
            dir: None,
            country: String::new(),
            system: "cht".to_owned(),
            interface: Interface::VERSION.to_owned(),
            cache_dir: None,
            watch: SignedDuration::from_secs(2),
            check: true,
            memory_limit_bytes: memory_bytes,
            time_limit,
            instances,
        }
    }
}

impl Default for Worker {
    fn default() -> Self {
        Self { concurrency: 8, requests_per_peer: 16, drain: SignedDuration::from_secs(30) }
    }
}

/// Everything that is wrong with a configuration, a sentence each, with its key.
#[derive(Debug, thiserror::Error)]
#[error("{} problem(s) in the configuration:\n{}", .0.len(), .0.iter().map(|problem| format!("  - {problem}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads the file (if there is one) and the environment over it. Tells all problems at once; what is returned can be used.
    pub fn load(file: Option<&Path>, env: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let (config, mut problems) = Self::read(file, env);
        and_further(&mut problems, config.problems());
        if problems.is_empty() { Ok(config) } else { Err(ConfigError(problems)) }
    }

    /// Reads without asking whether all that is needed is there: enough for work on the store. Mistakes are still told.
    pub fn load_partial(file: Option<&Path>, env: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let (config, problems) = Self::read(file, env);
        if problems.is_empty() { Ok(config) } else { Err(ConfigError(problems)) }
    }

    /// Reads a configuration from text. Tells all problems at once; what is returned can be used.
    pub fn from_toml(text: &str, env: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let config = merged(parsed(text, "the configuration", &mut problems), env, &mut problems);
        and_further(&mut problems, config.problems());
        if problems.is_empty() { Ok(config) } else { Err(ConfigError(problems)) }
    }

    fn read(file: Option<&Path>, env: &BTreeMap<String, String>) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let table = match file.map(|path| (path, std::fs::read_to_string(path))) {
            None => Table::new(),
            Some((path, Err(error))) => {
                problems.push(format!("{}: {error}", path.display()));
                Table::new()
            }
            Some((path, Ok(text))) => parsed(&text, &path.display().to_string(), &mut problems),
        };
        (merged(table, env, &mut problems), problems)
    }

    /// What is missing or does not fit together.
    fn problems(&self) -> Vec<String> {
        let mut problems = self.settings().problems();
        problems.extend(server::problems(self));
        problems.extend(self.store_problems());
        // Clients of their own can take the simple one's place; half of it is a mistake anyway.
        let simple = !self.has_ingest_client() || !self.inbound.username.is_empty() || self.inbound.password.is_some();
        if simple && self.inbound.username.is_empty() {
            problems
                .push("inbound.username: is missing (MEDIATOR_USERNAME): openIMIS and CHT sign in with it".to_owned());
        }
        if self.inbound.username.contains(':') {
            problems.push("inbound.username: holds a colon, which HTTP Basic cannot carry".to_owned());
        }
        let no_password = self.inbound.password.as_ref().is_none_or(|password| password.expose_secret().is_empty());
        if simple && no_password {
            problems.push("inbound.password: is missing (MEDIATOR_PASSWORD or MEDIATOR_PASSWORD_FILE)".to_owned());
        }
        if self.subscription.username.is_some() != self.subscription.password.is_some() {
            problems.push("subscription.username and subscription.password: set both or neither".to_owned());
        }
        if !simple && self.subscription.callback.is_some() && self.subscription.username.is_none() {
            let text = "is missing: without [inbound], which client is openIMIS to be?";
            problems.push(format!("subscription.username: {text}"));
        }
        problems.extend(components::problems(&self.components));
        // Below that the contract's input of a megabyte does not fit.
        if self.components.memory_limit_bytes < 4 << 20 {
            problems.push("components.memory_limit_bytes: expected at least 4194304".to_owned());
        }
        if !self.components.time_limit.is_positive() {
            problems.push("components.time_limit: expected a time longer than 0, for example 1s".to_owned());
        }
        if !(1..=1000).contains(&self.components.instances) {
            problems.push("components.instances: expected 1 to 1000".to_owned());
        }
        if !(1..=256).contains(&self.worker.concurrency) {
            problems.push("worker.concurrency: expected 1 to 256".to_owned());
        }
        if self.worker.drain.is_negative() {
            problems.push("worker.drain: expected a time of 0s or longer".to_owned());
        }
        if !(1..=1024).contains(&self.worker.requests_per_peer) {
            problems.push("worker.requests_per_peer: expected 1 to 1024".to_owned());
        }
        problems
    }

    /// What does not fit in where messages are kept, and how long.
    pub fn store_problems(&self) -> Vec<String> {
        store::problems(&self.store, &self.retention)
    }

    /// The part that `flow` works with.
    pub fn settings(&self) -> flow::Settings {
        let mut subscription = self.subscription.clone();
        if subscription.username.is_none() && !self.inbound.username.is_empty() {
            subscription.username = Some(self.inbound.username.clone());
            subscription.password = subscription.password.or_else(|| self.inbound.password.clone());
        }
        flow::Settings {
            openimis: self.openimis.clone(),
            cht: self.cht.clone(),
            tasks: self.tasks.clone(),
            poll: self.poll.clone(),
            subscription,
            retry: self.retry.clone(),
            mapping: self.mapping.clone(),
        }
    }

    /// Where the components are: as set, else beside the program or one above it.
    pub fn components_dir(&self) -> PathBuf {
        if let Some(dir) = &self.components.dir {
            return dir.clone();
        }
        let program = std::env::current_exe().unwrap_or_default();
        let mut candidates = program.ancestors().skip(1).take(3).map(|directory| directory.join("components"));
        candidates.find(|candidate| candidate.is_dir()).unwrap_or_else(|| PathBuf::from("components"))
    }
}
