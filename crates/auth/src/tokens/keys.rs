//! A JSON Web Key Set (RFC 7517): which of its keys are good enough, and which one is meant.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse, RSAKeyParameters,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use mapping::encoding;
use serde::Deserialize;
use serde_json::Value;

/// Most keys that one set may have.
const MOST_KEYS: usize = 100;
/// Sizes of RSA keys, in bits. Below, they can be factored; above, each look at a signature takes long.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The usable keys of a set.
#[derive(Clone, Debug)]
pub struct KeySet(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Why no key was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Miss {
    /// The set has none of this name, or not for this algorithm.
    Unknown,
    /// Several could be meant.
    Ambiguous,
    /// The set cannot be had.
    Away,
}

impl KeySet {
    /// From its JSON text. Keys of other kinds or for other purposes are left out; one that is left must be there.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let is_no_json = |why: String| format!("is no JSON: {why}");
        let text = encoding::json_text(text).map_err(|issue| is_no_json(issue.diagnostics))?;
        let document: Value =
            serde_json::from_str(text).map_err(|error| is_no_json(encoding::malformed(text, &error)))?;
        Self::of(&document).map_err(str::to_owned)
    }

    fn of(document: &Value) -> Result<Self, &'static str> {
        let keys =
            document.get("keys").and_then(Value::as_array).ok_or("is no JSON Web Key Set: it has no list `keys`")?;
        if keys.len() > MOST_KEYS {
            return Err("holds more than 100 keys");
        }
        // `d` is the private part of an RSA or an elliptic key, `k` a secret of both sides.
        if keys.iter().any(|key| key.get("d").is_some() || key.get("k").is_some()) {
            return Err("holds a private key or a secret: give the public keys only");
        }
        let keys: Vec<Key> = keys.iter().filter_map(|key| usable(&Jwk::deserialize(key).ok()?)).collect();
        if keys.is_empty() {
            return Err("holds no key that can be used: RSA of 2048 to 8192 bits or EC P-256, for signatures");
        }
        Ok(Self(keys))
    }

    /// The key of this name; without a name the only one of the algorithm.
    pub fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, Miss> {
        let fits = |key: &&Key| key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id);
        let mut found = self.0.iter().filter(fits);
        match (found.next(), found.next()) {
            (None, _) => Err(Miss::Unknown),
            (Some(key), None) => Ok(key.key.clone()),
            (Some(_), Some(_)) => Err(Miss::Ambiguous),
        }
    }
}

/// A key for signatures, if it is a good one.
fn usable(jwk: &Jwk) -> Option<Key> {
    let common = &jwk.common;
    let for_signatures = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let verifies = common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    if !for_signatures || !verifies {
        return None;
    }
    let (algorithm, own, key) = match &jwk.algorithm {
        AlgorithmParameters::RSA(key) => (Algorithm::RS256, KeyAlgorithm::RS256, rsa(key)?),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            let is_coordinate = |text: &str| URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32);
            let is_whole = is_coordinate(&key.x) && is_coordinate(&key.y);
            let key = is_whole.then(|| DecodingKey::from_ec_components(&key.x, &key.y).ok())??;
            (Algorithm::ES256, KeyAlgorithm::ES256, key)
        }
        _ => return None,
    };
    let fits = common.key_algorithm.is_none_or(|algorithm| algorithm == own);
    fits.then(|| Key { id: common.key_id.clone(), algorithm, key })
}

fn rsa(key: &RSAKeyParameters) -> Option<DecodingKey> {
    let modulus = URL_SAFE_NO_PAD.decode(&key.n).ok()?;
    let exponent = URL_SAFE_NO_PAD.decode(&key.e).ok()?;
    // Some write a zero byte before it, which says nothing.
    let significant = modulus.iter().position(|byte| *byte != 0).map(|at| &modulus[at..])?;
    let bits = significant.len() * 8 - significant[0].leading_zeros() as usize;
    RSA_BITS.contains(&bits).then(|| DecodingKey::from_rsa_raw_components(significant, &exponent))
}
