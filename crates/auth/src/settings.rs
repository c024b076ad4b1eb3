//! Who may call, and whose tokens are believed: the settings.

use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// What [`Clients`](crate::Clients) are made of.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// Those who may call.
    pub clients: &'a [Client],
    /// Whose tokens are believed.
    pub tokens: &'a Tokens,
    /// User and password of the client that has no block of its own (`[inbound]`).
    pub inbound: Option<(&'a str, &'a SecretString)>,
    /// PEM file of authorities that are trusted besides the system's, when keys are fetched.
    pub ca_file: Option<&'a Path>,
}

/// One who may call, with a password, a certificate or a token.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Client {
    /// How the audit trail and the logs call it.
    pub name: String,
    /// User of HTTP Basic. Must not hold a colon.
    pub username: Option<String>,
    /// Its password, as `openimis-mediator config hash-password` prints it (argon2id). The one of the
    /// example is of a password that nobody knows.
    pub password_hash: Option<SecretString>,
    /// Instead of user and password: the SHA-256 of its certificate, as `openssl x509 -noout -fingerprint -sha256`
    /// prints it.
    pub certificate_sha256: Option<String>,
    /// Instead of user and password: the name of the issuer (`tokens.issuers`) whose tokens it shows.
    pub issuer: Option<String>,
    /// Which of the issuer's tokens are its own: what they say in the issuer's `client_claim`.
    pub subject: Option<String>,
    /// File with the public keys (a JSON Web Key Set) by which what it posts is signed, in the header X-JWS-Signature.
    /// With it, what is not signed is refused.
    pub signature_jwks_file: Option<PathBuf>,
    /// Instead of a file: where these keys are.
    pub signature_jwks_url: Option<Url>,
    /// It may also post without a signature; one that is there must be right all the same.
    pub signature_optional: bool,
    /// What it may do: "claim-response", "feedback", "eclaim", "eligibility", "admin", "metrics".
    pub scopes: Vec<Scope>,
}

/// What a client may do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Post claims.
    ClaimResponse,
    /// Post feedback.
    Feedback,
    /// Post a hospital's claims, and read what became of them.
    #[serde(alias = "claim")] // its former name
    Eclaim,
    /// Ask for an insuree's coverage.
    Eligibility,
    /// Use the admin API.
    Admin,
    /// Read the metrics.
    Metrics,
}

impl Scope {
    /// As the configuration spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::ClaimResponse => "claim-response",
            Self::Feedback => "feedback",
            Self::Eclaim => "eclaim",
            Self::Eligibility => "eligibility",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }
}

/// Tokens (JWT) of callers, and the public keys for them and for signatures.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tokens {
    /// How far the clocks of an issuer and of this machine may be apart, up to 5 minutes.
    ///
    /// Default: `"30s"`.
    pub leeway: SignedDuration,
    /// How often keys at a URL are fetched again. Those in a file are read every 10 seconds.
    ///
    /// Default: `"10m"`.
    pub refresh: SignedDuration,
    /// A key that is not known is looked for at once, but not more often than this: anybody can name such a key.
    ///
    /// Default: `"30s"`.
    pub refresh_at_most_every: SignedDuration,
    /// How long known keys stay in use while new ones cannot be fetched.
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
