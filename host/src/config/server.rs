//! How the mediator serves: its certificate, its limits and the admin API, and what is wrong with the settings of those who may call.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde::Deserialize;

use auth::credential::{Fingerprint, password_hash_problem};
use auth::settings::{Client, Scope};

use super::Config;
use super::tokens::label;

/// Both listeners: TLS and limits.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The mediator's own certificate. New files are used without a restart: when they are found changed, or on SIGHUP.
    /// Without it: plain HTTP.
    pub tls: ServerTls,
    /// Connections at the same time, for each listener, 1 to 65535; further ones wait until one ends.
    ///
    /// Default: `1024`.
    pub max_connections: u32,
    /// Of these, from one address; further ones are closed at once. A proxy counts as one address. 1 to 65535.
    ///
    /// Default: `512`.
    pub max_connections_per_address: u32,
    /// Longest wait for a TLS handshake, for the head of a request, and for the next request on a connection that is
    /// kept open.
    ///
    /// Default: `"10s"`.
    pub header_timeout: SignedDuration,
    /// Longest time from the head of a request to its answer, and for a client to take what it is sent.
    ///
    /// Default: `"30s"`.
    pub answer_timeout: SignedDuration,
    /// Longest body that is taken, in bytes, 1024 to 67108864.
    ///
    /// Default: `1048576` (1 MiB).
    pub max_body_bytes: usize,
    /// Requests a second from one address; as many may come at once. A proxy counts as one address.
    ///
    /// Default: `1000`.
    pub requests_per_second: NonZeroU32,
    /// Wrong passwords a minute from one address (of IPv6: from a network of 48 bits); then none is tried any more until
    /// some time has passed.
    ///
    /// Default: `30`.
    pub failed_logins_per_minute: NonZeroU32,
}

/// TLS of the mediator's own listeners.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerTls {
    /// PEM file with the certificate, then those between it and its authority. Set it together with key_file.
    ///
    /// Optional, for example `"/etc/openimis-mediator/server.crt"`.
    pub cert_file: Option<PathBuf>,
    /// PEM file with its private key.
    ///
    /// Optional, for example `"/etc/openimis-mediator/server.key"`.
    pub key_file: Option<PathBuf>,
    /// PEM file with the authorities of client certificates (mutual TLS, as OpenHIM does it).
    ///
    /// Optional, for example `"/etc/openimis-mediator/client-ca.crt"`. Without it: no client certificates.
    pub client_ca_file: Option<PathBuf>,
    /// "optional": others may sign in with a password. "required": without a certificate there is no connection.
    ///
    /// Default: `"optional"`.
    pub client_certificates: ClientCertificates,
    /// Time between two looks at the files.
    ///
    /// Default: `"10s"`.
    pub check_interval: SignedDuration,
}

/// Whether a client has to show a certificate.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// It may: others sign in with a password.
    #[default]
    Optional,
    /// It must: without one there is no connection.
    Required,
}

/// The admin API.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Address and port, apart from `listen`, so that a firewall can tell them apart.
    ///
    /// Default: `"127.0.0.1:8090"`.
    pub listen: SocketAddr,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            tls: ServerTls::default(),
            max_connections: 1024,
            max_connections_per_address: 512,
            header_timeout: SignedDuration::from_secs(10),
            answer_timeout: SignedDuration::from_secs(30),
            max_body_bytes: 1 << 20,
            requests_per_second: const { NonZeroU32::new(1000).expect("not zero") },
            failed_logins_per_minute: const { NonZeroU32::new(30).expect("not zero") },
        }
    }
}

impl Default for ServerTls {
    fn default() -> Self {
        Self {
            cert_file: None,
            key_file: None,
            client_ca_file: None,
            client_certificates: ClientCertificates::default(),
            check_interval: SignedDuration::from_secs(10),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8090)) }
    }
}

fn one_clients_problems(client: &Client, number: usize, problems: &mut Vec<String>) {
    let label = label("clients", number, &client.name);
    let mut problem = |key: &str, text: &str| problems.push(format!("{label}.{key}: {text}"));
    if client.name.is_empty() {
        problem("name", "is missing: the audit trail calls the client by it");
    }
    if client.scopes.is_empty() {
        problem(
            "scopes",
            "is missing: expected one or more of claim-response, feedback, eclaim, eligibility, admin, metrics",
        );
    }
    match (&client.username, &client.password_hash, &client.certificate_sha256) {
        (None, None, None) if client.issuer.is_some() || client.subject.is_some() => {}
        _ if client.issuer.is_some() => {
            problem("issuer", "set beside a username, a password or a certificate: make two clients of it");
        }
        (Some(_), Some(_), None) | (None, None, Some(_)) => {}
        (Some(_), None, None) => {
            problem("password_hash", "is missing: `openimis-mediator config hash-password` makes it");
        }
        (None, Some(_), None) => problem("username", "is missing"),
        (None, None, None) => {
            problem("username", "is missing, or certificate_sha256, or issuer: by what is it recognised?")
        }
        (.., Some(_)) => {
            problem("certificate_sha256", "set beside a username or a password: make two clients of it");
        }
    }
    if client.username.as_deref().is_some_and(|username| username.is_empty() || username.contains(':')) {
        problem("username", "is empty or holds a colon, which HTTP Basic cannot carry");
    }
    let hash_problem = client.password_hash.as_ref().and_then(|hash| password_hash_problem(hash.expose_secret()));
    if let Some(text) = hash_problem {
        problem("password_hash", text);
    }
    if client.certificate_sha256.as_deref().is_some_and(|text| Fingerprint::from_hex(text).is_none()) {
        problem("certificate_sha256", "expected 64 hexadecimal digits, with or without colons between them");
    }
}

/// What is missing or does not fit together in how the mediator serves.
pub(super) fn problems(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    let Server {
        tls,
        max_connections,
        max_connections_per_address,
        header_timeout,
        answer_timeout,
        max_body_bytes,
        ..
    } = &config.server;
    if !(1..=65_535).contains(max_connections) {
        problems.push("server.max_connections: expected 1 to 65535".to_owned());
    }
    if !(1..=65_535).contains(max_connections_per_address) {
        problems.push("server.max_connections_per_address: expected 1 to 65535".to_owned());
    }
    for (key, time) in [
        ("server.header_timeout", header_timeout),
        ("server.answer_timeout", answer_timeout),
        ("server.tls.check_interval", &tls.check_interval),
    ] {
        if !time.is_positive() {
            problems.push(format!("{key}: expected a time longer than 0, for example 10s"));
        }
    }
    if !(1024..=64 << 20).contains(max_body_bytes) {
        problems.push("server.max_body_bytes: expected 1024 to 67108864".to_owned());
    }
    match (&tls.cert_file, &tls.key_file) {
        (Some(_), None) => problems.push("server.tls.key_file: is missing beside server.tls.cert_file".to_owned()),
        (None, Some(_)) => problems.push("server.tls.cert_file: is missing beside server.tls.key_file".to_owned()),
        (None, None) if tls.client_ca_file.is_some() => {
            problems.push("server.tls.cert_file: is missing: client certificates need TLS".to_owned());
        }
        _ => {}
    }
    if tls.client_certificates == ClientCertificates::Required && tls.client_ca_file.is_none() {
        problems.push("server.tls.client_ca_file: is missing: by what are client certificates verified?".to_owned());
    }
    problems.extend(client_problems(config));
    problems
}

fn client_problems(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    let mut taken = BTreeSet::from([("name", "inbound".to_owned())]);
    if !config.inbound.username.is_empty() {
        taken.insert(("username", config.inbound.username.clone()));
    }
    for (number, client) in config.clients.iter().enumerate() {
        one_clients_problems(client, number, &mut problems);
        let label = label("clients", number, &client.name);
        let fingerprint = client.certificate_sha256.as_deref().and_then(Fingerprint::from_hex);
        let named = (!client.name.is_empty()).then(|| ("name", client.name.clone()));
        let user = client.username.clone().map(|username| ("username", username));
        let certificate = fingerprint.map(|fingerprint| ("certificate_sha256", fingerprint.to_string()));
        for (key, value) in [named, user, certificate].into_iter().flatten() {
            if !taken.insert((key, value)) {
                problems.push(format!("{label}.{key}: another client has the same one"));
            }
        }
        if client.certificate_sha256.is_some() && config.server.tls.client_ca_file.is_none() {
            problems.push(format!("{label}.certificate_sha256: needs server.tls.client_ca_file"));
        }
    }
    problems
}

impl Config {
    /// Who may call.
    pub fn auth(&self) -> auth::Settings<'_> {
        let password = self.inbound.password.as_ref();
        auth::Settings {
            clients: &self.clients,
            tokens: &self.tokens,
            inbound: password.map(|password| (self.inbound.username.as_str(), password)),
            ca_file: self.tls.ca_file.as_deref(),
        }
    }

    /// Whether a client of its own may post claims or feedback: then the simple one of `[inbound]` can be left out.
    pub(super) fn has_ingest_client(&self) -> bool {
        self.clients
            .iter()
            .any(|client| client.scopes.iter().any(|scope| matches!(scope, Scope::ClaimResponse | Scope::Feedback)))
    }

    /// Whether anybody may use the admin API.
    pub fn has_admin(&self) -> bool {
        self.clients.iter().any(|client| client.scopes.contains(&Scope::Admin))
    }
}
