//! Documents encrypted at rest: AES-256-GCM with a key from a file, a fresh nonce for each document, bound to the document's lane.
//!
//! A sealed document is `0x01`, the first four bytes of the key's SHA-256, the nonce, the ciphertext with its tag. What does not begin
//! so was stored without a key and is read as it is: JSON never begins with that byte.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use flow::agreement::{self, Facts};
use flow::ports::StoreError;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

use super::{Tables, bounded, failed};

const SEALED: u8 = 1;
const HEAD: usize = 1 + 4 + NONCE_LEN;
/// Kept sealed, so that another key is noticed at the start.
const SAMPLE: &[u8] = b"openimis-mediator";

/// The keys: the first one seals, all of them open.
#[derive(Clone, Default)]
pub(super) struct Seal {
    keys: Arc<Vec<Key>>,
}

struct Key {
    name: [u8; 4],
    key: LessSafeKey,
    /// For digests of what must agree: an insurance number would be guessed from a digest that anybody can make.
    digests: hmac::Key,
}

/// What names the digests of a store without a key: who reads it reads the documents as well.
const UNKEYED: &str = "-";
/// Bytes of a digest.
const DIGEST: usize = 16;

impl Seal {
    /// Reads the keys, base64 of 32 bytes a line. Without a file documents are stored as they are.
    pub fn from_file(path: Option<&Path>) -> Result<Self, StoreError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let named = |what: &str| StoreError(format!("store.key_file {}: {what}", path.display()));
        let text = files::text(path).map_err(|error| named(&error))?;
        let mut keys = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let bytes = base64::engine::general_purpose::STANDARD.decode(line).ok().filter(|bytes| bytes.len() == 32);
            let bytes = bytes.ok_or_else(|| {
                named("expected lines of base64, each of 32 bytes; make one with `openssl rand -base64 32`")
            })?;
            let digest = Sha256::digest(&bytes);
            let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| named("a key cannot be used"))?;
            let name = [digest[0], digest[1], digest[2], digest[3]];
            let digests = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), b"agreement");
            let digests = hmac::Key::new(hmac::HMAC_SHA256, digests.as_ref());
            keys.push(Key { name, key: LessSafeKey::new(key), digests });
        }
        if keys.is_empty() {
            return Err(named("it is empty; make a key with `openssl rand -base64 32`"));
        }
        Ok(Self { keys: Arc::new(keys) })
    }

    /// Seals a document of a lane; as it is where there is no key.
    pub fn close<'d>(&self, document: &'d [u8], lane: &str) -> Cow<'d, [u8]> {
        let Some(Key { name, key, .. }) = self.keys.first() else { return Cow::Borrowed(document) };
        let mut nonce = [0; NONCE_LEN];
        // ring's only failure here is an operating system without random numbers; nothing could be kept safe then.
        SystemRandom::new().fill(&mut nonce).expect("the operating system gives random numbers");
        let mut sealed = Vec::with_capacity(HEAD + document.len() + AES_256_GCM.tag_len());
        sealed.push(SEALED);
        sealed.extend_from_slice(name);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(document);
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(lane.as_bytes()),
                &mut sealed[HEAD..],
            )
            .expect("a document of a few megabytes can be sealed");
        sealed.extend_from_slice(tag.as_ref());
        Cow::Owned(sealed)
    }

    /// Facts as they are stored beside a message: digests that are bound to its key.
    pub fn written(&self, facts: &Facts, dedupe_key: &str) -> Option<String> {
        match self.keys.first() {
            Some(key) => agreement::written(facts, &key.word(), |text| digest(&key.digests, dedupe_key, text)),
            None => agreement::written(facts, UNKEYED, |text| digest(&unkeyed(), dedupe_key, text)),
        }
    }

    /// Names of the facts that differ from stored ones. None: they were stored with a key that is not here.
    pub fn differing(&self, written: &str, facts: &Facts, dedupe_key: &str) -> Option<Vec<&'static str>> {
        let by = agreement::written_by(written);
        let differing = |key: &hmac::Key| agreement::differing(written, facts, |text| digest(key, dedupe_key, text));
        if by == UNKEYED {
            return Some(differing(&unkeyed()));
        }
        self.keys.iter().find(|key| key.word() == by).map(|key| differing(&key.digests))
    }

    /// Opens a document of a lane. The error says what to do.
    pub fn open(&self, mut sealed: Vec<u8>, lane: &str) -> Result<Vec<u8>, String> {
        if sealed.first() != Some(&SEALED) || sealed.len() < HEAD {
            return Ok(sealed);
        }
        let key = self.keys.iter().find(|key| key.name == sealed[1..5]);
        let key = key.ok_or("its document is sealed with a key that store.key_file does not hold")?;
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&sealed[5..HEAD]);
        let opened = key
            .key
            .open_within(Nonce::assume_unique_for_key(nonce), Aad::from(lane.as_bytes()), &mut sealed, HEAD..)
            .map_err(|_| "its document was changed in the store: it cannot be opened")?
            .len();
        sealed.truncate(opened);
        Ok(sealed)
    }
}

impl Key {
    fn word(&self) -> String {
        hex(&self.name)
    }
}

fn unkeyed() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, b"openimis-mediator")
}

fn digest(key: &hmac::Key, dedupe_key: &str, text: &str) -> String {
    let mut signing = hmac::Context::with_key(key);
    signing.update(dedupe_key.as_bytes());
    signing.update(&[0]);
    signing.update(text.as_bytes());
    hex(&signing.sign().as_ref()[..DIGEST])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the keys of a configuration can be read.
pub fn check_key_file(path: Option<&Path>) -> Result<(), StoreError> {
    Seal::from_file(path).map(|_| ())
}

impl Tables {
    /// Refuses a store that was written with another key, or a key where none was used before is taken from now on.
    pub(super) async fn check_seal(&self) -> Result<(), StoreError> {
        bounded(async {
            let sample: Option<Vec<u8>> = sqlx::query_scalar("SELECT sample FROM seal WHERE id = 1")
                .fetch_optional(&self.reader)
                .await
                .map_err(failed)?;
            let known = sample.clone().map(|sample| self.seal.open(sample, "sample"));
            if let Some(Err(_)) = known {
                let what = "the documents in this store are sealed with a key that store.key_file does not hold: add it as a further line";
                return Err(StoreError(what.to_owned()));
            }
            let Some(newest) = self.seal.keys.first() else { return Ok(()) };
            if sample.is_some_and(|sample| sample.get(1..5) == Some(&newest.name)) {
                return Ok(());
            }
            sqlx::query("INSERT INTO seal (id, sample) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET sample = excluded.sample")
                .bind(self.seal.close(SAMPLE, "sample").into_owned())
                .execute(&mut *self.write().await?)
                .await
                .map(|_| ())
                .map_err(failed)
        })
        .await
    }
}
