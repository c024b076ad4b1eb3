//! Passwords are verified: few at a time, in memory that is used again. What a verification takes (some 19 MiB) would otherwise come from
//! wherever the allocator has room, and the process would grow with each.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use secrecy::{ExposeSecret, SecretString};

use super::queue::{Alone, Place, Queue};

/// Passwords verified at the same time on one listener: each takes a core for a while.
const AT_ONCE: usize = 2;
/// Where one takes more than this, it is alone.
const LARGE_KIB: u32 = 32 << 10;

/// Where the passwords of one listener are verified.
pub(super) struct Verifier {
    queue: Arc<Queue>,
    /// The memory of verifications that ended while others waited. As many as there are places.
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl Verifier {
    /// For hashes of which none needs more memory than this.
    pub fn new(largest_kib: u32) -> Self {
        let places = if largest_kib > LARGE_KIB { 1 } else { AT_ONCE };
        Self { queue: Queue::new(places), memory: Arc::default() }
    }

    /// Waits until no other password of this network is verified.
    pub async fn alone(&self, network: IpAddr) -> Alone {
        self.queue.alone(network).await
    }

    /// Waits for a place.
    pub async fn place(&self, alone: &Alone, user: Option<&str>, tried: u32) -> Option<Place> {
        self.queue.place(alone, user, tried).await
    }

    /// Whether this is the password of that hash. The place goes with the work: a request that was given up frees none.
    pub async fn verify(
        &self,
        alone: Alone,
        place: Place,
        password: SecretString,
        hash: Option<&SecretString>,
    ) -> bool {
        let Some(hash) = hash.cloned() else { return false };
        let (queue, memory) = (self.queue.clone(), self.memory.clone());
        let verified = tokio::task::spawn_blocking(move || {
            let blocks = || memory.lock().unwrap_or_else(PoisonError::into_inner);
            let mut own = blocks().pop().unwrap_or_default();
            let right = is_right(&mut own, password.expose_secret().as_bytes(), hash.expose_secret());
            match queue.waiting() {
                0 => {
                    blocks().clear();
                    drop(own);
                }
                _ => blocks().push(own),
            }
            drop((alone, place));
            right
        });
        verified.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a password could not be verified");
            false
        })
    }
}

fn is_right(blocks: &mut Vec<Block>, password: &[u8], hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    let (Some(salt), Some(expected), Ok(params)) = (&hash.salt, &hash.hash, Params::try_from(&hash)) else {
        return false;
    };
    let Ok(version) = hash.version.map_or(Ok(Version::default()), Version::try_from) else { return false };
    blocks.resize(blocks.len().max(params.block_count()), Block::new());
    let mut found = [0; 64];
    let found = &mut found[..expected.as_bytes().len().min(64)];
    let argon2 = Argon2::new(Algorithm::Argon2id, version, params);
    let hashed = argon2.hash_password_into_with_memory(password, salt, found, blocks);
    hashed.is_ok() && bool::from(subtle::ConstantTimeEq::ct_eq(&*found, expected.as_bytes()))
}
