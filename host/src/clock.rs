//! The clock that decides what is due.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use flow::ports::Clock;
use jiff::{SignedDuration, Timestamp};

/// How far the system's clock may go back before that is taken for a jump.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(1);

/// The system's clock, but that it does not go back: when somebody sets it back by an hour, what is due in a second must not wait for
/// an hour. It then goes on by itself until the system's clock has caught up or the process starts anew.
#[derive(Debug)]
pub struct SystemClock {
    last: Mutex<(Instant, Timestamp)>,
    doubted: AtomicBool,
}

impl SystemClock {
    /// Whether what it says may be wrong by days.
    pub fn doubt(&self, is_doubted: bool) {
        self.doubted.store(is_doubted, Ordering::Relaxed);
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { last: Mutex::new((Instant::now(), Timestamp::now())), doubted: AtomicBool::new(false) }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = last.0.elapsed();
        let now = steady(last.1, elapsed, Timestamp::now());
        *last = (last.0 + elapsed, now);
        now
    }

    fn is_doubted(&self) -> bool {
        self.doubted.load(Ordering::Relaxed)
    }

    async fn pause(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}

/// The time now, from the time `elapsed` ago and what the system's clock says.
pub fn steady(last: Timestamp, elapsed: Duration, system: Timestamp) -> Timestamp {
    let elapsed = SignedDuration::try_from(elapsed).unwrap_or_default();
    let expected = last.saturating_add(elapsed).unwrap_or(Timestamp::MAX);
    if expected.duration_since(system) > TOLERANCE { expected } else { system }
}
