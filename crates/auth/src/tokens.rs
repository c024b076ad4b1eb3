//! Tokens (JWT, RFC 7519) of callers: who signed one, for whom, until when, and which client it is. Asymmetric signatures only, by keys
//! that the operator named; a token never says by which key or how it wants to be verified.
//!
//! - [`keys`]: a JSON Web Key Set, and which of its keys are good enough. [`source`]: where it is, and how old it may be.
//! - [`signature`]: signatures over what is posted. `provider`: the cryptography, which is *ring*'s.

use std::collections::HashMap;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Header, TokenData, Validation};
use serde_json::{Map, Value};

use crate::client::Client;
use crate::settings;
use crate::tls_client::HttpSetupError;
use keys::Miss;
use source::{Keys, Sources};

pub mod keys;
mod provider;
pub mod signature;
pub mod source;

/// Longest token that is looked at. Those of identity providers have some 2 kB.
pub const LONGEST_TOKEN: usize = 16 << 10;
/// How a token may be signed. One secret for both sides (HS256) would let whoever verifies sign as well.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES256];

/// Keys that are needed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Those in a file, with the setting.
    #[error("{0}: {1}")]
    Unusable(String, String),
    /// Nothing can be fetched.
    #[error(transparent)]
    Http(#[from] HttpSetupError),
}

/// Why a token is not believed. The text is for its sender, and holds nothing of the token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It is wrong by itself, whoever comes with it.
    Invalid(&'static str),
    /// It is right, and stands for no client.
    NoClient,
    /// The issuer's keys cannot be had, so nobody knows.
    KeysAway,
}

/// All issuers.
#[derive(Debug, Default)]
pub struct Tokens(Vec<Issuer>);

#[derive(Debug)]
struct Issuer {
    /// As tokens spell it.
    issuer: String,
    client_claim: String,
    keys: Arc<Keys>,
    rules: Validation,
    clients: HashMap<String, Arc<Client>>,
}

impl Tokens {
    /// Those of settings without problems; `clients` are those who come with tokens: issuer, subject, client.
    pub fn new(
        settings: &settings::Tokens,
        sources: &mut Sources,
        clients: &[(&str, String, Arc<Client>)],
    ) -> Result<Self, KeysError> {
        provider::install();
        let issuers = settings.issuers.iter().map(|issuer| {
            let of_issuer = clients.iter().filter(|(of, ..)| *of == issuer.name);
            let clients = of_issuer.map(|(_, subject, client)| (subject.clone(), client.clone())).collect();
            let label = format!("tokens.issuers ({}).jwks", issuer.name);
            Ok(Issuer {
                issuer: issuer.issuer.clone(),
                client_claim: issuer.client_claim.clone().unwrap_or_else(|| "sub".to_owned()),
                keys: sources.keys(&label, issuer.jwks_file.as_deref(), issuer.jwks_url.as_ref())?,
                rules: rules(&issuer.issuer, &issuer.audience, settings.leeway.as_secs()),
                clients,
            })
        });
        Ok(Self(issuers.collect::<Result<_, KeysError>>()?))
    }

    /// Whether a token could be believed at all.
    pub fn are_taken(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whose token this is.
    pub async fn recognise(&self, token: &str) -> Result<Arc<Client>, Refusal> {
        if token.len() > LONGEST_TOKEN {
            return Err(Refusal::Invalid("it is too long"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Invalid(NO_TOKEN))?;
        usual(&header)?;
        let issuer = self.issuer(token)?;
        let key = issuer.keys.find(header.kid.as_deref(), header.alg).await.map_err(missed)?;
        let claims = verified(token, &key, header.alg, &issuer.rules)?;
        match claims.get(&issuer.client_claim).and_then(Value::as_str) {
            None => Err(Refusal::Invalid("it does not say which client it is")),
            Some(client) => issuer.clients.get(client).cloned().ok_or(Refusal::NoClient),
        }
    }

    /// Whose it says it is: that tells only by whose keys it has to be verified.
    fn issuer(&self, token: &str) -> Result<&Issuer, Refusal> {
        let claims: Map<String, Value> =
            jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| Refusal::Invalid(NO_TOKEN))?;
        let issuer = claims.get("iss").and_then(Value::as_str);
        let known = self.0.iter().find(|known| issuer == Some(&known.issuer));
        known.ok_or(Refusal::Invalid("its issuer is not one that the mediator trusts"))
    }
}

const NO_TOKEN: &str = "it is no JSON Web Token signed with RS256 or ES256";

/// What must be right before a key is looked for.
fn usual(header: &Header) -> Result<(), Refusal> {
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Refusal::Invalid(NO_TOKEN));
    }
    // RFC 7515, 4.1.11: what must be understood and is not. RFC 7797, 7: a token is always encoded.
    if header.crit.is_some() || header.extras.inner().contains_key("b64") || header.enc.is_some() {
        return Err(Refusal::Invalid("its header asks for an extension that the mediator does not know"));
    }
    // RFC 8725, 3.11: what was signed for another purpose, such as an end of a session, is no ticket.
    let typ = header.typ.as_deref().map(|typ| typ.to_ascii_lowercase());
    match typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ)) {
        None | Some("jwt" | "at+jwt") => Ok(()),
        Some(_) => Err(Refusal::Invalid("its type is not JWT")),
    }
}

/// The claims that are asked for, whatever the algorithm.
fn rules(issuer: &str, audience: &str, leeway_seconds: i64) -> Validation {
    let mut rules = Validation::new(Algorithm::RS256);
    rules.leeway = u64::try_from(leeway_seconds).unwrap_or_default();
    rules.validate_nbf = true;
    rules.set_issuer(&[issuer]);
    rules.set_audience(&[audience]);
    rules.set_required_spec_claims(&["exp", "iss", "aud"]);
    rules
}

/// The claims of a token, once it is right. The key is of that algorithm: `find` sees to it.
fn verified(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
    rules: &Validation,
) -> Result<Map<String, Value>, Refusal> {
    use jsonwebtoken::errors::ErrorKind;
    let rules = Validation { algorithms: vec![algorithm], ..rules.clone() };
    let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, key, &rules);
    let TokenData { claims, .. } = decoded.map_err(|error| {
        Refusal::Invalid(match error.kind() {
            ErrorKind::InvalidSignature => "its signature is wrong",
            ErrorKind::ExpiredSignature => "it has expired",
            ErrorKind::ImmatureSignature => "it is not valid yet",
            ErrorKind::InvalidAudience => "it is for somebody else (aud)",
            ErrorKind::InvalidIssuer => "its issuer is not one that the mediator trusts",
            ErrorKind::MissingRequiredClaim(_) => "it lacks exp, iss or aud",
            ErrorKind::InvalidClaimFormat(_) => "its exp or nbf is no time",
            _ => NO_TOKEN,
        })
    })?;
    Ok(claims)
}

fn missed(miss: Miss) -> Refusal {
    match miss {
        Miss::Unknown => Refusal::Invalid("it is signed by a key that its issuer has not (kid)"),
        Miss::Ambiguous => Refusal::Invalid("it names no key (kid), and its issuer has several"),
        Miss::Away => Refusal::KeysAway,
    }
}
