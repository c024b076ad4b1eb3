//! Who calls: clients are recognised by a password, by a certificate or by a token, each with its scopes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::caller::{Caller, Listener};
use crate::client::Client;
use crate::credential::{Fingerprint, cost, memory_kib};
use crate::limits::{Limits, Throttled, wide_network};
use crate::settings::{Scope, Settings};
use crate::tokens::signature::Signing;
use crate::tokens::source::Sources;
use crate::tokens::{self, KeysError, Tokens};
use verify::Verifier;

pub mod queue;
mod verify;

/// How the simple client of `[inbound]` is called.
pub const INBOUND: &str = "inbound";

/// Why nobody was recognised.
#[derive(Debug)]
pub enum Refused {
    /// No credentials that could be verified.
    Missing,
    /// A wrong password, or an unknown user.
    Wrong,
    /// Too many wrong passwords from this address.
    Throttled(Throttled),
    /// A token that does not count.
    Token(tokens::Refusal),
}

/// All clients.
pub struct Clients {
    by_username: HashMap<String, (Arc<Client>, Option<SecretString>)>,
    by_certificate: HashMap<Fingerprint, Arc<Client>>,
    by_token: Tokens,
    /// Of this process alone: what it makes of a password is worth nothing elsewhere.
    key: [u8; 64],
    /// User and what the key made of user and password, once they were found right: argon2 is slow on purpose.
    known: Mutex<HashMap<String, [u8; 32]>>,
    /// For each listener: who guesses at one does not hold up those who sign in at the other.
    verifiers: [Verifier; Listener::ALL.len()],
    /// Verified for a user that does not exist, so that it takes as long as a wrong password.
    decoy: Option<SecretString>,
}

impl Clients {
    /// Those of settings without problems. Reads the keys that are in files.
    ///
    /// # Errors
    /// Keys that cannot be used, or cannot be fetched by anybody here.
    pub fn new(settings: &Settings<'_>) -> Result<Self, KeysError> {
        let hashes: Vec<&SecretString> =
            settings.clients.iter().filter_map(|client| client.password_hash.as_ref()).collect();
        let largest_kib = hashes.iter().map(|hash| memory_kib(hash.expose_secret())).max().unwrap_or_default();
        let mut clients = Self {
            by_username: HashMap::new(),
            by_certificate: HashMap::new(),
            by_token: Tokens::default(),
            key: random_key(),
            known: Mutex::default(),
            verifiers: Listener::ALL.map(|_| Verifier::new(largest_kib)),
            decoy: hashes.into_iter().max_by_key(|hash| cost(hash.expose_secret())).cloned(),
        };
        let mut sources = Sources::new(settings.tokens, settings.ca_file);
        let mut with_tokens = Vec::new();
        for of_client in settings.clients {
            let signing = Signing::of(of_client, &mut sources)?;
            let client = Arc::new(Client { name: of_client.name.clone(), signing, scopes: of_client.scopes.clone() });
            if let (Some(issuer), Some(subject)) = (&of_client.issuer, &of_client.subject) {
                with_tokens.push((issuer.as_str(), subject.clone(), client.clone()));
            }
            if let Some(fingerprint) = of_client.certificate_sha256.as_deref().and_then(Fingerprint::from_hex) {
                clients.by_certificate.insert(fingerprint, client.clone());
            }
            if let (Some(username), Some(hash)) = (&of_client.username, &of_client.password_hash) {
                clients.by_username.insert(username.clone(), (client, Some(hash.clone())));
            }
        }
        clients.by_token = Tokens::new(settings.tokens, &mut sources, &with_tokens)?;
        if let Some((username, password)) = settings.inbound {
            let scopes = vec![Scope::ClaimResponse, Scope::Feedback];
            let client = Arc::new(Client { name: INBOUND.to_owned(), signing: None, scopes });
            clients.by_username.insert(username.to_owned(), (client, None));
            clients.remember(username, clients.digest(username, password.expose_secret().as_bytes()));
        }
        Ok(clients)
    }

    /// Whether any client comes with tokens.
    pub fn take_tokens(&self) -> bool {
        self.by_token.are_taken()
    }

    /// Who a request comes from. A wrong password counts against its address.
    pub async fn recognise(
        &self,
        headers: &HeaderMap,
        caller: &Caller,
        limits: &Limits,
    ) -> Result<Arc<Client>, Refused> {
        if let Some(client) = caller.certificate.and_then(|certificate| self.by_certificate(certificate)) {
            return Ok(client);
        }
        if let Some(token) = flow::http_api::bearer(headers) {
            return self.by_token.recognise(token).await.map_err(Refused::Token);
        }
        let Some((username, password)) = flow::http_api::basic(headers) else { return Err(Refused::Missing) };
        self.sign_in(username, password, caller, limits).await
    }

    /// Whose certificate this is.
    pub fn by_certificate(&self, certificate: Fingerprint) -> Option<Arc<Client>> {
        self.by_certificate.get(&certificate).cloned()
    }

    /// Whose user and password these are. A wrong password counts against its address. One that is known to be right waits for nobody.
    pub async fn sign_in(
        &self,
        username: String,
        password: SecretString,
        caller: &Caller,
        limits: &Limits,
    ) -> Result<Arc<Client>, Refused> {
        let digest = self.digest(&username, password.expose_secret().as_bytes());
        if let Some(client) = self.remembered(&username, &digest) {
            return Ok(client);
        }
        let verifier = &self.verifiers[caller.listener as usize];
        let alone = verifier.alone(wide_network(caller.address)).await;
        // Many may have come at once with the same right password: the first of them was verified for all.
        if let Some(client) = self.remembered(&username, &digest) {
            return Ok(client);
        }
        let tried = limits.failed_login(caller.address).map_err(Refused::Throttled)?;
        let client = self.by_username.get(&username);
        let user = client.map(|_| username.as_str());
        let Some(place) = verifier.place(&alone, user, tried).await else { return Err(Refused::Wrong) };
        if let Some(client) = self.remembered(&username, &digest) {
            return Ok(client);
        }
        let hash = client.and_then(|(_, hash)| hash.as_ref());
        let right = verifier.verify(alone, place, password, hash.or(self.decoy.as_ref())).await;
        match client {
            Some((client, Some(_))) if right => {
                self.remember(&username, digest);
                Ok(client.clone())
            }
            _ => Err(Refused::Wrong),
        }
    }

    fn digest(&self, username: &str, password: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(&(username.len() as u64).to_le_bytes());
        mac.update(username.as_bytes());
        mac.update(password);
        mac.finalize().into_bytes().into()
    }

    fn remember(&self, username: &str, digest: [u8; 32]) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(username.to_owned(), digest);
    }

    /// Compares in constant time: how long a refusal takes says nothing of how much was right.
    fn remembered(&self, username: &str, digest: &[u8; 32]) -> Option<Arc<Client>> {
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner).get(username)?;
        let (client, _) = self.by_username.get(username)?;
        bool::from(known.ct_eq(digest)).then(|| client.clone())
    }
}

/// 64 bytes of which 61 are the system's random ones.
fn random_key() -> [u8; 64] {
    let mut key = [0; 64];
    for part in key.as_chunks_mut::<16>().0 {
        *part = uuid::Uuid::new_v4().into_bytes();
    }
    key
}
