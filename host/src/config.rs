//! The configuration: one typed struct from a TOML file and the environment, read once. All mistakes are told together.

mod components;
mod console_problems;
mod facilities;
mod load;
mod log;
mod metrics;
mod openhim;
mod playground;
mod retention;
mod server;
mod tables;
mod telemetry;
mod tokens;
mod warnings;

pub use auth::settings::{Client, Issuer, Scope, Tokens};
pub use components::Components;
pub use console::{ConsoleSettings, Language};
pub use facilities::Facilities;
pub use load::NAMED;
pub(crate) use load::settings_of;
pub use log::{Log, LogFormat, LogLevel};
pub use metrics::Metrics;
pub use openhim::{Auth, OpenHim};
pub use playground::Playground;
pub use retention::Retention;
pub use server::{Admin, ClientCertificates, Server, ServerTls};
pub use store::{Place, StoreSettings};
pub use tables::Tables;
pub use telemetry::Telemetry;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use flow::settings as peers;
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use toml::Table;

use load::{and_further, merged, parsed};

/// Everything the host can be told. `config.example.toml` shows every key.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port on which the mediator listens. Plain HTTP unless `[server.tls]` is set: on another address than
    /// this machine's own, set it, or put a reverse proxy or OpenHIM with TLS in front. Use "0.0.0.0:8080" in a
    /// container.
    ///
    /// Default: `"127.0.0.1:8080"`.
    pub listen: SocketAddr,
    /// Who may post to the mediator, in the simplest case: one user, shown by openIMIS, CHT and OpenHIM with HTTP
    /// Basic. May be left out if `[[clients]]` post instead.
    pub inbound: Inbound,
    /// Both listeners, the mediator's and the admin API's: docs/security.md.
    pub server: Server,
    /// The admin API: docs/operations.md. It is served if a client has the scope "admin".
    pub admin: Admin,
    /// Clients with credentials and scopes of their own: docs/security.md. One such block a client.
    ///
    /// Optional, for example
    /// ```toml
    /// [[clients]]
    /// name = "admin"
    /// username = "admin"
    /// password_hash = "$argon2id$v=19$m=19456,t=2,p=1$RVepKn9AGguD6Nt999aRzg$jerzTCuK8Tu4OBy62LnyNa1BCntutNYqmJDpxTlQkR8"
    /// scopes = ["admin"]
    /// [[clients]]
    /// name = "openhim"
    /// certificate_sha256 = "54:78:1F:0B:A1:5C:9E:71:3F:66:0A:19:D2:C4:6B:28:9D:E0:35:F4:8A:77:BE:13:42:C6:5D:90:0F:EB:A8:31"
    /// scopes = ["claim-response", "feedback"]
    /// [[clients]]
    /// name = "bahmni"
    /// issuer = "hospitals"
    /// subject = "bahmni-patan"
    /// scopes = ["eclaim", "eligibility"]
    /// signature_jwks_url = "https://bahmni.example.org/.well-known/jwks.json"
    /// [[clients]]
    /// name = "patan-hospital"
    /// issuer = "patan-hospital"
    /// subject = "patan-hospital"
    /// scopes = ["eclaim", "eligibility"]
    /// signature_jwks_file = "/etc/openimis-mediator/patan-hospital.jwks.json"
    /// signature_optional = true
    /// ```
    pub clients: Vec<Client>,
    /// Tokens of callers (JWT), and the keys that signatures are verified with: docs/security.md.
    pub tokens: Tokens,
    /// Where messages are kept.
    pub store: StoreSettings,
    /// How long messages are kept once they are delivered, skipped or discarded. Dead letters stay until an admin acts.
    pub retention: Retention,
    /// The mapping components (WebAssembly).
    pub components: Components,
    /// The pages for admins at /console of the admin listener: docs/console.md.
    pub console: ConsoleSettings,
    /// The page at /playground/, on which documents are mapped in the browser (docs/playground.md).
    pub playground: Playground,
    /// TLS to openIMIS and CHT. Certificates are always verified; there is no switch to turn that off.
    pub tls: Tls,
    /// Deliveries in the background.
    pub worker: Worker,
    /// Logs, on standard error. They hold numbers and outcomes, no personal data.
    pub log: Log,
    /// Prometheus metrics: docs/monitoring.md.
    pub metrics: Metrics,
    /// OpenTelemetry traces: docs/monitoring.md.
    pub telemetry: Telemetry,
    /// OpenHIM, where the mediator is one of its mediators: docs/openhim.md.
    pub openhim: OpenHim,
    /// openIMIS: docs/openimis.md.
    pub openimis: peers::OpenImis,
    /// CHT: docs/cht.md.
    pub cht: peers::Cht,
    /// Which claims become a task for a health worker: docs/tasks.md.
    pub tasks: peers::Tasks,
    /// Looking for claims that openIMIS does not tell about.
    pub poll: peers::Poll,
    /// Being told about claims by openIMIS.
    pub subscription: peers::Subscription,
    /// Hospitals' claims: docs/mapping-eclaim.md.
    pub eclaim: peers::Eclaim,
    /// Facilities of a registry, brought to openIMIS: docs/facilities.md.
    pub facilities: Facilities,
    /// When to try again: docs/operations.md.
    pub retry: peers::Retry,
    /// How documents are written: docs/mapping.md.
    pub mapping: peers::Mapping,
    /// Code tables in files of their own: CSV with the names of the columns in the first line, separated by commas,
    /// semicolons or tabs. Their rows come behind those of `[mapping]`. They are read at the start.
    pub tables: Tables,
}

/// HTTP Basic credentials that openIMIS, CHT or OpenHIM show to the mediator.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Inbound {
    /// The user. Must not hold a colon.
    ///
    /// Required, for example `"interop-client"`.
    pub username: String,
    /// Its password.
    ///
    /// Required, for example `"change-me"`.
    pub password: Option<SecretString>,
}

/// TLS to the peers. Verification cannot be switched off.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file with further certificate authorities, for a server whose certificate your ministry signs itself. The
    /// system's own authorities stay trusted.
    ///
    /// Optional, for example `"/etc/ssl/certs/ca-certificates.crt"`. Without it: the system's only (which the file
    /// named here, Debian's, holds).
    pub ca_file: Option<PathBuf>,
}

/// Background work.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worker {
    /// Messages of a kind (claims, feedback) delivered at the same time, 1 to 256.
    ///
    /// Default: `8`.
    pub concurrency: u32,
    /// Requests to openIMIS or to CHT at the same time, whatever they are for. 1 to 1024.
    ///
    /// Default: `16`.
    pub requests_per_peer: u32,
    /// Memory that answers of all peers may take together while they are read, in bytes; further ones wait. One answer may be
    /// half as long, and 32 MiB at most. At least 4194304 (4 MiB).
    ///
    /// Default: `67108864` (64 MiB).
    pub answers_limit_bytes: usize,
    /// How long a stop waits for requests and deliveries that are on their way.
    ///
    /// Default: `"30s"`.
    pub drain: SignedDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            inbound: Inbound::default(),
            server: Server::default(),
            admin: Admin::default(),
            clients: Vec::new(),
            tokens: Tokens::default(),
            store: StoreSettings::default(),
            retention: Retention::default(),
            components: Components::default(),
            console: ConsoleSettings::default(),
            playground: Playground::default(),
            tls: Tls::default(),
            worker: Worker::default(),
            log: Log::default(),
            metrics: Metrics::default(),
            telemetry: Telemetry::default(),
            openhim: OpenHim::default(),
            openimis: peers::OpenImis::default(),
            cht: peers::Cht::default(),
            tasks: peers::Tasks::default(),
            poll: peers::Poll::default(),
            subscription: peers::Subscription::default(),
            eclaim: peers::Eclaim::default(),
            facilities: Facilities::default(),
            retry: peers::Retry::default(),
            mapping: peers::Mapping::default(),
            tables: Tables::default(),
        }
    }
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            concurrency: 8,
            requests_per_peer: 16,
            answers_limit_bytes: 64 << 20,
            drain: SignedDuration::from_secs(30),
        }
    }
}

/// Everything that is wrong with a configuration, a sentence each, with its key.
#[derive(Debug, thiserror::Error)]
#[error("{} problem(s) in the configuration:\n{}", .0.len(), .0.iter().map(|problem| format!("  - {}", crate::shown::line(problem))).collect::<Vec<_>>().join("\n"))]
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
        let table = match file.map(|path| (path, files::text(path))) {
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
        problems.extend(tokens::problems(self));
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
        problems.extend(openhim::problems(self));
        problems.extend(facilities::problems(&self.facilities));
        problems.extend(console_problems::problems(&self.console));
        problems.extend(metrics::problems(&self.metrics));
        problems.extend(telemetry::problems(&self.telemetry));
        // Below that the contract's input of a megabyte does not fit.
        if self.components.memory_limit_bytes < 4 << 20 {
            problems.push("components.memory_limit_bytes: expected at least 4194304".to_owned());
        }
        if !self.components.time_limit.is_positive() {
            problems.push("components.time_limit: expected a time longer than 0, for example 1s".to_owned());
        }
        if !self.components.compile_limit.is_positive() {
            problems.push("components.compile_limit: expected a time longer than 0, for example 20s".to_owned());
        }
        if !(1..=1000).contains(&self.components.instances) {
            problems.push("components.instances: expected 1 to 1000".to_owned());
        }
        if !(1..=256).contains(&self.worker.concurrency) {
            problems.push("worker.concurrency: expected 1 to 256".to_owned());
        }
        if self.worker.answers_limit_bytes < 4 << 20 {
            problems.push("worker.answers_limit_bytes: expected at least 4194304".to_owned());
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
        retention::problems(&self.store, &self.retention)
    }

    /// The part that `flow` works with.
    pub fn settings(&self) -> flow::Settings {
        let mut subscription = self.subscription.clone();
        if subscription.username.is_none() && !self.inbound.username.is_empty() {
            subscription.username = Some(self.inbound.username.clone());
            subscription.password = subscription.password.or_else(|| self.inbound.password.clone());
        }
        // Else the request would end with 408 before it is told that the claim was taken in.
        let answer_within = self.eclaim.answer_within.min(self.server.answer_timeout * 9 / 10);
        flow::Settings {
            openimis: self.openimis.clone(),
            cht: self.cht.clone(),
            tasks: self.tasks.clone(),
            poll: self.poll.clone(),
            subscription,
            eclaim: peers::Eclaim { answer_within, ..self.eclaim.clone() },
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
