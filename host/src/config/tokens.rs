//! What is wrong with the settings of tokens and signatures.

use std::collections::BTreeSet;

use auth::settings::Tokens;
use jiff::SignedDuration;
use url::{Host, Url};

use super::Config;

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

/// How problems name an element of a list.
pub(super) fn label(list: &str, number: usize, name: &str) -> String {
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
