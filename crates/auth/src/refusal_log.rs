//! Which of many refusals are logged: a few lines a minute of each kind and each client or address, and not many of all together. Whoever
//! is refused again and again must not fill the disk. The next line says how many were left out, or a line of its own does.

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::network;

/// Of one kind and one client or address.
const WINDOW: Duration = Duration::from_secs(60);
const MOST: u32 = 3;
/// Kinds with clients or addresses that are remembered.
const REMEMBERED: usize = 4096;
/// How often it is looked who is quiet, where there are too many.
const SWEEP: Duration = Duration::from_secs(1);

/// Who was refused.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Who {
    /// A client, by its name.
    Client(String),
    /// An address, or its network.
    Address(IpAddr),
}

impl Who {
    /// An address of IPv6 stands for its network.
    pub fn at(address: IpAddr) -> Self {
        Self::Address(network(address))
    }
}

/// What was logged lately.
pub struct RefusalLog {
    most: u32,
    window: Duration,
    inner: Mutex<Inner>,
}

struct Inner {
    lines: HashMap<(&'static str, Who), Line>,
    /// Of all together, in the window that began then.
    logged: u32,
    begun: Instant,
    /// When those who are quiet were last forgotten.
    swept: Instant,
    /// Left out, and of nobody who is remembered.
    others: u64,
}

struct Line {
    begun: Instant,
    logged: u32,
    left_out: u64,
}

impl RefusalLog {
    /// With at most so many lines of all together in a window of time.
    pub fn new(most: u32, window: Duration) -> Self {
        let inner = Inner { lines: HashMap::new(), logged: 0, begun: Instant::now(), swept: Instant::now(), others: 0 };
        Self { most, window, inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a refusal is to be logged: then how many like it were left out before.
    pub fn worth_logging(&self, what: &'static str, who: Who) -> Option<u64> {
        self.worth_logging_at(Instant::now(), what, who)
    }

    /// The same for a moment.
    pub fn worth_logging_at(&self, now: Instant, what: &'static str, who: Who) -> Option<u64> {
        let mut inner = self.inner();
        if now.duration_since(inner.begun) >= self.window {
            (inner.begun, inner.logged) = (now, 0);
        }
        let is_full = inner.logged >= self.most;
        let key = (what, who);
        if inner.lines.len() >= REMEMBERED && !inner.lines.contains_key(&key) {
            if now.duration_since(inner.swept) >= SWEEP {
                inner.swept = now;
                let forgotten = inner.forget(now);
                inner.others += forgotten;
            }
            if inner.lines.len() >= REMEMBERED {
                inner.others += 1;
                return None;
            }
        }
        let line = inner.lines.entry(key).or_insert(Line { begun: now, logged: 0, left_out: 0 });
        if now.duration_since(line.begun) >= WINDOW {
            (line.begun, line.logged) = (now, 0);
        }
        if is_full || line.logged >= MOST {
            line.left_out += 1;
            return None;
        }
        line.logged += 1;
        let left_out = mem::take(&mut line.left_out);
        inner.logged += 1;
        Some(left_out)
    }

    /// How many were left out and no line would name any more: of those who are quiet now.
    pub fn left_out(&self) -> u64 {
        self.left_out_at(Instant::now())
    }

    /// The same for a moment.
    pub fn left_out_at(&self, now: Instant) -> u64 {
        let mut inner = self.inner();
        inner.forget(now) + mem::take(&mut inner.others)
    }
}

impl Inner {
    /// Forgets those whose window is over; how many of theirs were left out.
    fn forget(&mut self, now: Instant) -> u64 {
        let mut left_out = 0;
        self.lines.retain(|_, line| {
            let is_over = now.duration_since(line.begun) >= WINDOW;
            left_out += if is_over { line.left_out } else { 0 };
            !is_over
        });
        left_out
    }
}
