//! Whether there is room for what a client posts: its own share of the store, and the disk. What is refused is not stored, and whoever
//! posted it hears whose turn it is.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use flow::http_api::{self, Answer};
use flow::receive::Receipt;
use http::{HeaderValue, StatusCode, header};

use crate::Host;
use store::{Disk, DiskLevel, Held};

/// How long a count is good for at least, and how many times longer than it took: what comes in meanwhile is added.
const GOOD_FOR: Duration = Duration::from_secs(5);
const TIMES_AS_LONG: u32 = 20;
/// How long a look at the disk is good for.
const LOOKED: Duration = Duration::from_secs(1);
/// A warning comes at so many times the reserve.
const EARLY: u64 = 4;
/// When a client tries again.
const RETRY_AFTER_SECONDS: u32 = 600;

/// What is known of the room that there is.
#[derive(Debug, Default)]
pub struct Room {
    clients: Mutex<HashMap<String, Count>>,
    disk: Mutex<Option<(Instant, DiskLevel)>>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    until: Instant,
    held: Held,
}

/// Why something is not taken in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoRoom {
    /// The client has too many dead letters.
    DeadLetters(u64),
    /// The client has too many documents here.
    Bytes(u64),
    /// The disk is nearly full.
    Disk,
}

impl NoRoom {
    /// What the client is told.
    pub fn answer(self) -> Answer {
        let mut answer = match self {
            Self::DeadLetters(count) => {
                let text = format!(
                    "{count} messages of this client wait as dead letters for the mediator's admin, who retries or discards them; \
                     nothing was stored, send it again afterwards"
                );
                http_api::refusal(StatusCode::TOO_MANY_REQUESTS, "throttled", &text)
            }
            Self::Bytes(bytes) => {
                let text = format!(
                    "{bytes} bytes of this client are stored here, which is its share (the mediator's setting store.client_bytes); \
                     nothing was stored, ask the mediator's admin"
                );
                http_api::refusal(StatusCode::INSUFFICIENT_STORAGE, "throttled", &text)
            }
            Self::Disk => {
                let text = "the disk of the mediator is nearly full: its admin has to make room; nothing was stored, send it again later";
                http_api::refusal(StatusCode::SERVICE_UNAVAILABLE, "transient", text)
            }
        };
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        answer
    }
}

impl Host {
    /// Whether what a client posts may be stored. A store that does not say leaves that to the attempt.
    pub(crate) async fn room_for(&self, client: &str) -> Result<(), NoRoom> {
        if self.disk_level() == DiskLevel::Full {
            return Err(NoRoom::Disk);
        }
        let settings = &self.config.store;
        if settings.client_dead_letters == 0 && settings.client_bytes == 0 {
            return Ok(());
        }
        let Some(held) = self.held_of(client).await else { return Ok(()) };
        let over = |held: u64, most: u64| most > 0 && held >= most;
        let refused = if over(held.dead_letters, settings.client_dead_letters) {
            NoRoom::DeadLetters(held.dead_letters)
        } else if over(held.bytes, settings.client_bytes) {
            NoRoom::Bytes(held.bytes)
        } else {
            return Ok(());
        };
        tracing::warn!(
            client,
            dead_letters = held.dead_letters,
            bytes = held.bytes,
            "a client has its share of the store: refused"
        );
        Err(refused)
    }

    async fn held_of(&self, client: &str) -> Option<Held> {
        if let Some(count) = self.room.clients().get(client).filter(|count| Instant::now() < count.until) {
            return Some(count.held);
        }
        let begun = Instant::now();
        let held = self.flow.store.held_of(client).await;
        let held =
            held.inspect_err(|error| tracing::warn!(%error, "what a client has stored could not be read")).ok()?;
        let until = Instant::now() + GOOD_FOR.max(begun.elapsed() * TIMES_AS_LONG);
        self.room.clients().insert(client.to_owned(), Count { until, held });
        Some(held)
    }

    /// What was just stored counts at once.
    pub(crate) fn count_in(&self, client: &str, bytes: usize, received: &Receipt) {
        let (dead, stored) = match received {
            Receipt::Accepted(_) => (0, true),
            Receipt::Unmappable(..) | Receipt::Conflict(_) => (1, true),
            Receipt::Duplicate(_) | Receipt::NotJson(_) => (0, false),
        };
        if let Some(count) = self.room.clients().get_mut(client).filter(|_| stored) {
            count.held.dead_letters += dead;
            count.held.bytes += u64::try_from(bytes).unwrap_or_default();
        }
    }

    /// How full the disk of the store is, as of a moment ago. Tells of each change.
    pub fn disk_level(&self) -> DiskLevel {
        let mut last = self.room.disk.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, level)) = *last
            && at.elapsed() < LOOKED
        {
            return level;
        }
        let before = last.map(|(_, level)| level).unwrap_or_default();
        let disk = self.config.store.place().ok().and_then(|place| Disk::of(&place));
        let level = disk.map_or(DiskLevel::Enough, |disk| level(&disk, self.config.store.reserve_bytes));
        *last = Some((Instant::now(), level));
        drop(last);
        if let Some(disk) = disk.filter(|_| level != before) {
            tell_of_disk(level, disk.free_bytes);
        }
        level
    }
}

impl Room {
    fn clients(&self) -> std::sync::MutexGuard<'_, HashMap<String, Count>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn level(disk: &Disk, reserve_bytes: u64) -> DiskLevel {
    let reserve = disk.reserve(reserve_bytes);
    match disk.free_bytes {
        free if free < reserve => DiskLevel::Full,
        free if free < reserve.saturating_mul(EARLY) => DiskLevel::Low,
        _ => DiskLevel::Enough,
    }
}

fn tell_of_disk(level: DiskLevel, free_bytes: u64) {
    match level {
        DiskLevel::Full => tracing::error!(
            free_bytes,
            "the disk of the store is nearly full: nothing is taken in until there is room; what is stored is delivered"
        ),
        DiskLevel::Low => {
            tracing::error!(free_bytes, "the disk of the store fills up: make room before nothing is taken in")
        }
        DiskLevel::Enough => tracing::info!(free_bytes, "the disk of the store has room again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_disk_keeps_a_twentieth_free() {
        let disk = |size_bytes, free_bytes| Disk { used_bytes: 0, free_bytes, size_bytes };
        const MB: u64 = 1 << 20;
        for (size, free, expected) in [
            (100_000 * MB, 50_000 * MB, DiskLevel::Enough),
            (100_000 * MB, 500 * MB, DiskLevel::Low),
            (100_000 * MB, 100 * MB, DiskLevel::Full),
            (40 * MB, 9 * MB, DiskLevel::Enough),
            (40 * MB, 7 * MB, DiskLevel::Low),
            (40 * MB, MB, DiskLevel::Full),
        ] {
            assert_eq!(level(&disk(size, free), 128 * MB), expected, "{free} of {size}");
        }
        assert_eq!(level(&disk(40 * MB, 0), 0), DiskLevel::Enough, "nothing is left free");
    }
}
