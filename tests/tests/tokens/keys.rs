//! What signs in these tests. Elliptic keys are made anew by each test; *ring* makes no RSA keys, so there is one in a file. It is of no
//! use for anything else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING};
use ring::signature::{
    EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};

const RSA: &[u8] = include_bytes!("rsa-2048.pk8");

/// A private key and its name.
pub struct Signer {
    pub kid: &'static str,
    pair: Pair,
}

enum Pair {
    Ec(Vec<u8>),
    Rsa(Box<RsaKeyPair>),
}

impl Signer {
    /// A new elliptic one.
    pub fn ec(kid: &'static str) -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Self { kid, pair: Pair::Ec(document.expect("a key").as_ref().to_vec()) }
    }

    /// The RSA one, of 2048 bits.
    pub fn rsa(kid: &'static str) -> Self {
        Self { kid, pair: Pair::Rsa(Box::new(RsaKeyPair::from_pkcs8(RSA).expect("a key"))) }
    }

    /// How its algorithm is called.
    pub fn alg(&self) -> &'static str {
        match self.pair {
            Pair::Ec(_) => "ES256",
            Pair::Rsa(_) => "RS256",
        }
    }

    pub fn header(&self) -> Value {
        json!({"alg": self.alg(), "typ": "JWT", "kid": self.kid})
    }

    /// The public key as a JSON Web Key.
    pub fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Ec(_) => {
                let point = self.elliptic(&ECDSA_P256_SHA256_FIXED_SIGNING).public_key().as_ref().to_vec();
                let (x, y) = (encoded(&point[1..33]), encoded(&point[33..]));
                json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": self.kid, "use": "sig", "alg": "ES256"})
            }
            Pair::Rsa(pair) => {
                let RsaPublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                let (n, e) = (encoded(&n), encoded(&e));
                json!({"kty": "RSA", "n": n, "e": e, "kid": self.kid, "use": "sig"})
            }
        }
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Ec(_) => self.elliptic_signature(&ECDSA_P256_SHA256_FIXED_SIGNING, message),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).expect("a signature");
                signature
            }
        }
    }

    /// The signature as X.509 writes it, which JWS does not.
    pub fn sign_in_asn1(&self, message: &[u8]) -> Vec<u8> {
        self.elliptic_signature(&ECDSA_P256_SHA256_ASN1_SIGNING, message)
    }

    fn elliptic(&self, algorithm: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
        let Pair::Ec(document) = &self.pair else { panic!("no elliptic key") };
        EcdsaKeyPair::from_pkcs8(algorithm, document, &SystemRandom::new()).expect("a key")
    }

    fn elliptic_signature(&self, algorithm: &'static EcdsaSigningAlgorithm, message: &[u8]) -> Vec<u8> {
        self.elliptic(algorithm).sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
    }

    /// A token with the usual header.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&self.header(), claims)
    }

    /// A token with this header.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        format!("{message}.{}", encoded(&self.sign(message.as_bytes())))
    }
}

/// What is signed of a token.
pub fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encoded(header.to_string().as_bytes()), encoded(claims.to_string().as_bytes()))
}

pub fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The public keys as a set.
pub fn jwks(signers: &[&Signer]) -> Value {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()})
}
