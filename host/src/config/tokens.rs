//! Whose tokens are believed, and where the keys are by which tokens and signatures are verified.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::SignedDuration;
use serde::Deserialize;
use url::{Host, Url};

use super::Config;

/// Tokens (JWT) of callers, and the public keys for them and for signatures.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tokens {
    /// How far the clocks of an issuer and of this machine may be apart, up to 5 minutes.
    ///
    /// Default: `"30s"`.
    pub leeway: SignedDuration,
    /// How often keys at a URL are fetched anew. Those in a file are looked at every 10 seconds.
    ///
    /// Default: `"10m"`.
    pub refresh: SignedDuration,
    /// A key that is not known is looked for at once, but not more often than this: anybody can name such a key.
    ///
    /// Default: `"30s"`.
    pub refresh_at_most_every: SignedDuration,
    /// How long keys are used on while they cannot be fetched anew.
    ///
    /// Default: `"24h"`.
    pub keep: SignedDuration,
    /// Longest wait for keys at a URL.
    ///
    /// Default: `"5s"`.
    pub timeout: SignedDuration,
    /// Who signs tokens that are believed. One such block an issuer; a client names it.
    ///
    /// Optional, for example
    /// ```toml
    /// [[tokens.issuers]]
    /// name = "hospitals"
    /// issuer = "https://id.example.org/realms/hospitals"
    /// audience = "openimis-mediator"
    /// jwks_url = "https://id.example.org/realms/hospitals/protocol/openid-connect/certs"
    /// client_claim = "azp"
    /// [[tokens.issuers]]
    /// name = "patan-hospital"
    /// issuer = "patan-hospital"
    /// audience = "openimis-mediator"
    /// jwks_file = "/etc/openimis-mediator/patan-hospital.jwks.json"
    /// ```
    pub issuers: Vec<Issuer>,
}

/// One who signs tokens: an identity provider for many, or a hospital for itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Issuer {
    /// How clients name it.
    pub name: String,
    /// What its tokens say in `iss`, letter by letter.
    pub issuer: String,
    /// What its tokens must say in `aud`: how it calls this mediator.
    pub audience: String,
    /// File with its public keys, a JSON Web Key Set. A new one is used without a restart.
    pub jwks_file: Option<PathBuf>,
    /// Instead of a file: where its public keys are. Plain http on this machine only.
    pub jwks_url: Option<Url>,
    /// The claim of a token that says which client it is: "azp" or "client_id" at most identity providers. Without it:
    /// "sub".
    pub client_claim: Option<String>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            leeway: SignedDuration::from_secs(30),
            refresh: SignedDuration::from_mins(10),
            refresh_at_most_every: SignedDuration::from_secs(30),
            keep: SignedDuration::from_hours(24),
            timeout: SignedDuration::from_secs(5),
            issuers: Vec::new(),
        }
    }
}

/// What is missing or does not fit.
pub(super) fn problems(config: &Config) -> Vec<String> {
    let Tokens { leeway, refresh, refresh_at_most_every, keep, timeout, issuers } = &config.tokens;
    let mut problems = Vec::new();
    if leeway.is_negative() || *leeway > SignedDuration::from_mins(5) {
        problems.push("tokens.leeway: expected 0s to 5m".to_owned());
    }
    for (key, time) in
        [("refresh", refresh), ("refresh_at_most_every", refresh_at_most_every), ("keep", keep), ("timeout", timeout)]
    {
        if !time.is_positive() {
            problems.push(format!("tokens.{key}: expected a time longer than 0, for example 30s"));
        }
    }
    let mut taken = BTreeSet::new();
    for (number, issuer) in issuers.iter().enumerate() {
        let label = label("tokens.issuers", number, &issuer.name);
        let texts = [("name", &issuer.name), ("issuer", &issuer.issuer), ("audience", &issuer.audience)];
        for (key, text) in texts {
            if text.is_empty() {
                problems.push(format!("{label}.{key}: is missing"));
            } else if key != "audience" && !taken.insert((key, text.clone())) {
                problems.push(format!("{label}.{key}: another issuer has the same one"));
            }
        }
        if issuer.client_claim.as_ref().is_some_and(String::is_empty) {
            problems.push(format!("{label}.client_claim: is empty"));
        }
        match (&issuer.jwks_file, &issuer.jwks_url) {
            (Some(_), None) | (None, Some(_)) => {}
            _ => problems.push(format!("{label}.jwks_url: set it or jwks_file: where are its public keys?")),
        }
        problems.extend(url_problem(&format!("{label}.jwks_url"), issuer.jwks_url.as_ref()));
    }
    problems.extend(client_problems(config));
    problems
}

/// What does not fit in how clients use tokens and signatures.
fn client_problems(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    let mut taken = BTreeSet::new();
    for (number, client) in config.clients.iter().enumerate() {
        let label = label("clients", number, &client.name);
        if let Some(issuer) = &client.issuer {
            if !config.tokens.issuers.iter().any(|known| known.name == *issuer) {
                problems.push(format!("{label}.issuer: no tokens.issuers has this name"));
            }
            match client.subject.as_deref() {
                None | Some("") => problems.push(format!("{label}.subject: is missing beside issuer")),
                Some(subject) if !taken.insert((issuer, subject)) => {
                    problems.push(format!("{label}.subject: another client of this issuer has the same one"));
                }
                Some(_) => {}
            }
        } else if client.subject.is_some() {
            problems.push(format!("{label}.issuer: is missing beside subject"));
        }
        let has_keys = client.signature_jwks_file.is_some() || client.signature_jwks_url.is_some();
        if client.signature_jwks_file.is_some() && client.signature_jwks_url.is_some() {
            problems.push(format!("{label}.signature_jwks_url: set it or signature_jwks_file, not both"));
        }
        if client.signature_optional && !has_keys {
            problems.push(format!("{label}.signature_jwks_file: is missing: by what would signatures be verified?"));
        }
        problems.extend(url_problem(&format!("{label}.signature_jwks_url"), client.signature_jwks_url.as_ref()));
    }
    problems
}

fn label(list: &str, number: usize, name: &str) -> String {
    if name.is_empty() { format!("{list}.{number}") } else { format!("{list}.{number} ({name})") }
}

/// Whoever can change keys on their way can sign whatever they like.
fn url_problem(key: &str, url: Option<&Url>) -> Option<String> {
    let url = url?;
    let is_own = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => None,
        "http" if is_own => None,
        _ => Some(format!("{key}: expected an https address; http on this machine only")),
    }
}
