//! OpenHIM: how its core is reached, what it is told of the mediator, and what of its transactions.

use flow::Kind;
use flow::openhim::DEFAULT_URN;
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::Config;

/// OpenHIM.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenHim {
    /// The API of OpenHIM's core. With it the mediator registers and sends heartbeats.
    ///
    /// Optional, for example `"https://openhim-core.example.org:8080"`. Without it: nothing is sent to OpenHIM; what
    /// comes through it is answered all the same.
    pub url: Option<Url>,
    /// A user of OpenHIM in the group admin: its e-mail address.
    ///
    /// Optional, for example `"mediator@example.org"`. Needed with `url`.
    pub username: Option<String>,
    /// Its password.
    ///
    /// Optional, for example `"change-me"`. Needed with `url`.
    pub password: Option<SecretString>,
    /// How the core's API takes credentials: "basic", as core 8 does, or "token" for one that takes OpenHIM's own
    /// tokens only, as older ones do.
    ///
    /// Default: `"basic"`.
    pub auth: Auth,
    /// The mediator's name among those of an OpenHIM: two mediators must not have the same, replicas that share a
    /// database must. It begins with "urn:".
    ///
    /// Default: `"urn:mediator:openimis-mediator"`.
    pub urn: String,
    /// How OpenHIM's console calls it; the names of its channels begin so.
    ///
    /// Default: `"openIMIS mediator"`.
    pub name: String,
    /// Where OpenHIM's core reaches this mediator. A change takes effect in OpenHIM with the next version of the
    /// mediator, or when it is deleted in OpenHIM's console.
    ///
    /// Optional, for example `"http://mediator.example.org:8080"`. Needed with `url`.
    pub endpoint: Option<Url>,
    /// Clients or roles of OpenHIM that may post claims through its channel.
    ///
    /// Default: `["openimis"]`.
    pub claim_response_clients: Vec<String>,
    /// Clients or roles of OpenHIM that may post feedback through its channel.
    ///
    /// Default: `["cht"]`.
    pub feedback_clients: Vec<String>,
    /// The user as which OpenHIM's channels come to this mediator. OpenHIM keeps it and its password in the channels:
    /// give it no further scope than it needs. Once it is set, only what this user posts is reported to a transaction.
    ///
    /// Optional, for example `"openhim"`. Without it: the user of [inbound].
    pub route_username: Option<String>,
    /// Its password.
    ///
    /// Optional, for example `"change-me"`. Without it: the password of [inbound].
    pub route_password: Option<SecretString>,
    /// Time between two heartbeats, up to 1 hour. OpenHIM's console calls a mediator away after 60 s.
    ///
    /// Default: `"10s"`.
    pub heartbeat: SignedDuration,
    /// Longest wait for an answer of the core.
    ///
    /// Default: `"10s"`.
    pub timeout: SignedDuration,
    /// Whether settings may be changed in OpenHIM's console while the mediator runs; they go before those of this file
    /// then (docs/openhim.md lists them).
    ///
    /// Default: `true`.
    pub configure: bool,
    /// Whether a transaction of OpenHIM is told when its message was delivered or became a dead letter. Until then it
    /// is shown as "Processing".
    ///
    /// Default: `false`.
    pub report: bool,
    /// For how long it is tried to tell that.
    ///
    /// Default: `"72h"`.
    pub report_give_up_after: SignedDuration,
}

/// How the core's API takes credentials.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// HTTP Basic.
    #[default]
    Basic,
    /// OpenHIM's own tokens, made anew for each request.
    Token,
}

impl Default for OpenHim {
    fn default() -> Self {
        Self {
            url: None,
            username: None,
            password: None,
            auth: Auth::default(),
            urn: DEFAULT_URN.to_owned(),
            name: "openIMIS mediator".to_owned(),
            endpoint: None,
            claim_response_clients: vec!["openimis".to_owned()],
            feedback_clients: vec!["cht".to_owned()],
            route_username: None,
            route_password: None,
            heartbeat: SignedDuration::from_secs(10),
            timeout: SignedDuration::from_secs(10),
            configure: true,
            report: false,
            report_give_up_after: SignedDuration::from_hours(72),
        }
    }
}

impl OpenHim {
    /// Who of OpenHIM may post this.
    pub fn clients(&self, kind: Kind) -> &[String] {
        match kind {
            Kind::ClaimResponse => &self.claim_response_clients,
            Kind::Feedback => &self.feedback_clients,
            Kind::Eclaim | Kind::Adjudication | Kind::EclaimAnswer => &[], // no channel
        }
    }
}

/// What is missing or does not fit.
pub(super) fn problems(config: &Config) -> Vec<String> {
    let openhim = &config.openhim;
    let mut problems = Vec::new();
    let given =
        |secret: &Option<SecretString>| secret.as_ref().is_some_and(|secret| !secret.expose_secret().is_empty());
    for (key, url) in [("url", &openhim.url), ("endpoint", &openhim.endpoint)] {
        let Some(url) = url else { continue };
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            problems.push(format!("openhim.{key}: expected an http or https address"));
        } else if !url.username().is_empty() || url.password().is_some() {
            problems.push(format!("openhim.{key}: holds a user or password; they have settings of their own"));
        }
    }
    if openhim.endpoint.as_ref().is_some_and(|url| url.path() != "/") {
        problems.push("openhim.endpoint: expected a server without a path: the routes are fixed".to_owned());
    }
    match &openhim.url {
        None => {
            let lonely = openhim.username.is_some() || openhim.password.is_some() || openhim.report;
            if lonely {
                problems.push(
                    "openhim.url: is missing (OPENHIM_API_URL), but other settings of OpenHIM are there".to_owned(),
                );
            }
        }
        Some(_) => {
            if openhim.username.as_ref().is_none_or(String::is_empty) {
                problems.push("openhim.username: is missing (OPENHIM_USERNAME)".to_owned());
            }
            if !given(&openhim.password) {
                problems.push("openhim.password: is missing (OPENHIM_PASSWORD or OPENHIM_PASSWORD_FILE)".to_owned());
            }
            if openhim.endpoint.is_none() {
                let text = "is missing: where OpenHIM's core reaches this mediator, for example http://mediator.example.org:8080";
                problems.push(format!("openhim.endpoint: {text}"));
            }
            if openhim.route_username.is_none() && config.inbound.username.is_empty() {
                let text = "is missing: without [inbound], as which client is OpenHIM to come?";
                problems.push(format!("openhim.route_username: {text}"));
            }
        }
    }
    if openhim.username.as_ref().is_some_and(|username| username.contains(':')) && openhim.auth == Auth::Basic {
        problems.push("openhim.username: holds a colon, which HTTP Basic cannot carry".to_owned());
    }
    if openhim.route_username.is_some() != given(&openhim.route_password) {
        problems.push("openhim.route_username and openhim.route_password: set both or neither".to_owned());
    }
    let fits = |character: char| character.is_ascii_alphanumeric() || "-._:".contains(character);
    if !openhim.urn.starts_with("urn:") || openhim.urn.len() > 200 || !openhim.urn.chars().all(fits) {
        problems.push("openhim.urn: expected urn: and then letters, digits and -._: only".to_owned());
    }
    if openhim.name.trim().is_empty() {
        problems.push("openhim.name: is empty".to_owned());
    }
    for kind in &Kind::INBOUND {
        if openhim.clients(*kind).iter().any(|client| client.trim().is_empty()) {
            let key = kind.word().replace('-', "_");
            problems.push(format!("openhim.{key}_clients: holds an empty name"));
        }
    }
    for (key, value) in [("timeout", openhim.timeout), ("report_give_up_after", openhim.report_give_up_after)] {
        if !value.is_positive() {
            problems.push(format!("openhim.{key}: expected a time longer than 0, for example 10s"));
        }
    }
    if !openhim.heartbeat.is_positive() || openhim.heartbeat > SignedDuration::from_hours(1) {
        problems.push("openhim.heartbeat: expected a time longer than 0 and up to 1h".to_owned());
    }
    problems
}
