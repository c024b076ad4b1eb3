//! What can be wrong with the settings of tokens and signatures.

use std::collections::BTreeMap;

use openimis_mediator::config::Config;

const PEERS: &str = r#"
    openimis = { url = "https://imis.example.org", username = "imis", password = "secret" }
    cht = { url = "https://cht.example.org", username = "cht", password = "secret" }
    inbound = { username = "in", password = "secret" }"#;

fn problems(toml: &str) -> Vec<String> {
    let read = Config::from_toml(&format!("{PEERS}\n{toml}"), &BTreeMap::new());
    read.err().map(|error| error.0).unwrap_or_default()
}

#[test]
fn every_mistake_about_issuers_and_signatures_is_told_with_its_key() {
    let told = problems(
        r#"
        clients = [
            { name = "one", issuer = "nobody", subject = "s", scopes = ["eclaim"] },
            { name = "two", issuer = "id", scopes = ["eclaim"] },
            { name = "three", subject = "s", scopes = ["eclaim"] },
            { name = "four", issuer = "id", subject = "s", scopes = ["eclaim"] },
            { name = "five", issuer = "id", subject = "s", scopes = ["eclaim"], signature_optional = true },
            { name = "six", issuer = "id", subject = "t", username = "u", password_hash = "h", scopes = ["eclaim"] },
            { name = "seven", issuer = "id", subject = "v", scopes = ["eclaim"],
              signature_jwks_file = "keys.json", signature_jwks_url = "http://keys.example.org/" },
            { name = "eight", scopes = ["eclaim"] },
        ]
        [tokens]
        leeway = "6m"
        refresh = "0s"
        refresh_at_most_every = "-1s"
        keep = "0s"
        timeout = "0s"
        issuers = [
            { name = "id", issuer = "https://id.example.org", audience = "us", jwks_file = "a.json", jwks_url = "https://id.example.org/" },
            { name = "id", issuer = "https://id.example.org", jwks_url = "http://id.example.org/", client_claim = "" },
            { },
        ]
        "#,
    );
    for expected in [
        "clients.0 (one).issuer: no tokens.issuers has this name",
        "clients.1 (two).subject: is missing beside issuer",
        "clients.2 (three).issuer: is missing beside subject",
        "clients.4 (five).subject: another client of this issuer",
        "clients.4 (five).signature_jwks_file: is missing",
        "clients.5 (six).issuer: set beside a username",
        "clients.6 (seven).signature_jwks_url: set it or signature_jwks_file",
        "clients.6 (seven).signature_jwks_url: expected an https address",
        "clients.7 (eight).username: is missing, or certificate_sha256, or issuer",
        "tokens.leeway: expected 0s to 5m",
        "tokens.refresh: ",
        "tokens.refresh_at_most_every: ",
        "tokens.keep: ",
        "tokens.timeout: ",
        "tokens.issuers.0 (id).jwks_url: set it or jwks_file",
        "tokens.issuers.1 (id).name: another issuer",
        "tokens.issuers.1 (id).issuer: another issuer",
        "tokens.issuers.1 (id).audience: is missing",
        "tokens.issuers.1 (id).client_claim: is empty",
        "tokens.issuers.1 (id).jwks_url: expected an https address",
        "tokens.issuers.2.name: is missing",
        "tokens.issuers.2.jwks_url: set it or jwks_file",
    ] {
        assert!(told.iter().any(|told| told.starts_with(expected)), "{expected} is not among {told:#?}");
    }
    assert!(!told.iter().any(|told| told.contains("(four)")), "{told:#?}");
}

#[test]
fn keys_come_by_https_or_from_this_machine() {
    let with = |url: &str| {
        problems(&format!(r#"tokens.issuers = [{{ name = "id", issuer = "i", audience = "a", jwks_url = "{url}" }}]"#))
    };
    for good in
        ["https://id.example.org/certs", "http://localhost:8080/certs", "http://127.0.0.1/c", "http://[::1]:80/c"]
    {
        assert_eq!(with(good), Vec::<String>::new(), "{good}");
    }
    for bad in ["http://id.example.org/", "http://127.0.0.1.example.org/", "ftp://localhost/", "file:///etc/keys"] {
        let told = with(bad);
        assert!(told.len() == 1 && told[0].starts_with("tokens.issuers.0 (id).jwks_url: "), "{bad}: {told:?}");
    }
}
