//! What clients are recognised by: hashes of passwords, fingerprints of certificates.

use std::fmt;

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Most memory that one verification may take.
const LARGEST_MEMORY_KIB: u32 = 256 << 10;

/// SHA-256 of a certificate.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate (DER).
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// From 64 hexadecimal digits; openssl puts colons between them.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let bytes: Option<Vec<u8>> = pairs
            .iter()
            .map(|[high, low]| Some((char::from(*high).to_digit(16)? * 16 + char::from(*low).to_digit(16)?) as u8))
            .collect();
        Some(Self(bytes?.try_into().ok()?))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A password as `password_hash` wants it: argon2id with a salt of its own, in PHC format.
pub fn hash_password(password: &SecretString) -> Result<String, argon2::password_hash::Error> {
    let hash: PasswordHash = Argon2::default().hash_password(password.expose_secret().as_bytes())?;
    Ok(hash.to_string())
}

/// Why a text cannot be a `password_hash`.
pub fn password_hash_problem(text: &str) -> Option<&'static str> {
    let Ok(hash) = PasswordHash::new(text) else {
        return Some("expected a hash of argon2id, as `openimis-mediator config hash-password` prints it");
    };
    if hash.algorithm.as_str() != "argon2id" || hash.salt.is_none() || hash.hash.is_none() {
        return Some("expected a whole hash of argon2id, as `openimis-mediator config hash-password` prints it");
    }
    match Params::try_from(&hash) {
        Ok(params) if params.m_cost() <= LARGEST_MEMORY_KIB => None,
        Ok(_) => Some("takes more than 256 MiB to verify: make it with less memory"),
        Err(_) => Some("has parameters that argon2id does not know"),
    }
}

/// How long a hash takes to verify, roughly.
pub(crate) fn cost(hash: &str) -> u64 {
    params(hash).map_or(0, |params| u64::from(params.m_cost()) * u64::from(params.t_cost()))
}

/// How much memory that takes.
pub(crate) fn memory_kib(hash: &str) -> u32 {
    params(hash).map_or(0, |params| params.m_cost())
}

fn params(hash: &str) -> Option<Params> {
    PasswordHash::new(hash).ok().and_then(|hash| Params::try_from(&hash).ok())
}
