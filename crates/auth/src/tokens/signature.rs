//! Detached signatures over what is posted (JWS: RFC 7515, appendix F; with `b64: false`, RFC 7797), in the header X-JWS-Signature. A
//! token says who calls; a signature says that this client wrote these very bytes.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use jsonwebtoken::Header;

use super::keys::Miss;
use super::source::{Keys, Sources};
use super::{ALGORITHMS, KeysError};
use crate::settings;

/// Where it is, as in open banking and health data exchanges.
pub const HEADER: &str = "x-jws-signature";
/// Longest one that is looked at.
const LONGEST: usize = 8 << 10;

/// By what a client's signatures are verified, and whether each request must have one.
#[derive(Debug)]
pub struct Signing {
    /// Its own keys, and nobody else's.
    pub keys: Arc<Keys>,
    /// What is not signed is refused.
    pub is_required: bool,
}

impl Signing {
    /// Of a client.
    pub fn of(client: &settings::Client, sources: &mut Sources) -> Result<Option<Arc<Self>>, KeysError> {
        let (file, url) = (client.signature_jwks_file.as_deref(), client.signature_jwks_url.as_ref());
        if file.is_none() && url.is_none() {
            return Ok(None);
        }
        let label = format!("clients ({}).signature_jwks", client.name);
        let keys = sources.keys(&label, file, url)?;
        Ok(Some(Arc::new(Self { keys, is_required: !client.signature_optional })))
    }
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Nothing is signed, or wrongly. The text is for the sender.
    Invalid(&'static str),
    /// The client's keys cannot be had, so nobody knows.
    KeysAway,
}

/// What has to be verified.
#[derive(Debug)]
pub struct Shown {
    protected: String,
    signature: String,
    header: Header,
    is_encoded: bool,
}

/// The signature of a request, if it has one.
pub fn shown(headers: &HeaderMap) -> Result<Option<Shown>, Refusal> {
    let mut values = headers.get_all(HEADER).into_iter();
    let (first, second) = (values.next(), values.next());
    let Some(value) = first else { return Ok(None) };
    if second.is_some() {
        return Err(Refusal::Invalid("there are several"));
    }
    let text = value.to_str().map_err(|_| Refusal::Invalid(NONE))?;
    if text.len() > LONGEST {
        return Err(Refusal::Invalid("it is too long"));
    }
    let parts: Vec<&str> = text.trim().split('.').collect();
    let [protected, "", signature] = parts.as_slice() else { return Err(Refusal::Invalid(NONE)) };
    let decoded = URL_SAFE_NO_PAD.decode(protected).map_err(|_| Refusal::Invalid(NONE))?;
    let header: Header = serde_json::from_slice(&decoded).map_err(|_| Refusal::Invalid(NONE))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Refusal::Invalid(NONE));
    }
    let is_encoded = is_encoded(&header)?;
    Ok(Some(Shown { protected: (*protected).to_owned(), signature: (*signature).to_owned(), header, is_encoded }))
}

const NONE: &str = "it is no detached JWS signed with RS256 or ES256";

/// Whether the payload is signed as base64url. What must be understood is `b64` and nothing else.
fn is_encoded(header: &Header) -> Result<bool, Refusal> {
    let b64 = header.extras.inner().get("b64");
    match (&header.crit, b64) {
        (None, None) => Ok(true),
        (Some(crit), Some(b64)) if *crit == ["b64"] => b64.as_bool().ok_or(Refusal::Invalid("its b64 is no boolean")),
        (None, Some(_)) => Err(Refusal::Invalid("b64 must be among what is critical (crit)")),
        (Some(_), _) => Err(Refusal::Invalid("it has critical extensions that the mediator does not know (crit)")),
    }
}

/// Whether this client signed these bytes.
pub async fn verify(signing: &Signing, shown: &Shown, payload: &[u8]) -> Result<(), Refusal> {
    let Header { alg, kid, .. } = &shown.header;
    let key = signing.keys.find(kid.as_deref(), *alg).await.map_err(|miss| match miss {
        Miss::Unknown => Refusal::Invalid("the client has no such key (kid)"),
        Miss::Ambiguous => Refusal::Invalid("it names no key (kid), and the client has several"),
        Miss::Away => Refusal::KeysAway,
    })?;
    let message = shown.message(payload);
    match jsonwebtoken::crypto::verify(&shown.signature, &message, &key, *alg) {
        Ok(true) => Ok(()),
        _ => Err(Refusal::Invalid("it does not fit to the body and the client's key")),
    }
}

impl Shown {
    /// What was signed.
    fn message(&self, payload: &[u8]) -> Vec<u8> {
        let mut message = format!("{}.", self.protected).into_bytes();
        match self.is_encoded {
            true => message.extend_from_slice(URL_SAFE_NO_PAD.encode(payload).as_bytes()),
            false => message.extend_from_slice(payload),
        }
        message
    }
}
