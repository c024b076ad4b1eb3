//! How much memory the long answers of all peers may take together. They share it; when it is full, one of those that have begun may still
//! be read to its end, so that some always get ready, and the others wait for what becomes free. Short answers wait for nobody.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is counted as one.
const UNIT: usize = 16 << 10;
/// So much of each answer is not counted. How many there are at once is bounded by other means.
const FREE: usize = 64 << 10;

/// Memory for answers.
pub(super) struct Room {
    shared: Arc<Semaphore>,
    /// Whose holder needs nothing of what is shared: there is as much beside it as the longest answer takes.
    alone: Arc<Semaphore>,
    /// Longest answer that is read.
    pub longest_bytes: usize,
}

/// What one answer takes of it; free again when it is dropped.
pub(super) struct Share {
    shared: Arc<Semaphore>,
    alone: Arc<Semaphore>,
    held: Vec<OwnedSemaphorePermit>,
    units: usize,
    is_alone: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// For all answers together, and no more than `longest_bytes` for one.
    pub fn new(limit_bytes: usize, longest_bytes: usize) -> Self {
        let longest_bytes = longest_bytes.min(limit_bytes / 2);
        let units = (limit_bytes - longest_bytes) / UNIT;
        let shared = Arc::new(Semaphore::new(units.clamp(1, Semaphore::MAX_PERMITS)));
        Self { shared, alone: Arc::new(Semaphore::new(1)), longest_bytes }
    }

    /// Nothing yet.
    pub fn share(&self) -> Share {
        let (shared, alone) = (self.shared.clone(), self.alone.clone());
        Share { shared, alone, held: Vec::new(), units: 0, is_alone: None }
    }
}

impl Share {
    /// Waits until an answer may be so long.
    pub async fn grow(&mut self, bytes: usize) {
        let wanted = bytes.saturating_sub(FREE).div_ceil(UNIT).saturating_sub(self.units);
        let (Ok(wanted), None) = (u32::try_from(wanted), &self.is_alone) else { return };
        if wanted == 0 {
            return;
        }
        tokio::select! {
            biased;
            Ok(permit) = self.shared.clone().acquire_many_owned(wanted) => {
                self.units += wanted as usize;
                self.held.push(permit);
            }
            Ok(permit) = self.alone.clone().acquire_owned() => self.is_alone = Some(permit),
            else => {} // nobody closes them
        }
    }

    /// The answer is there. What it takes of what is shared stays counted as long as it is held.
    pub fn is_whole(&mut self) {
        self.is_alone = None;
    }
}
