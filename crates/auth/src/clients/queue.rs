//! Whose password is verified next. A verification takes memory and time on purpose, so few are made at once, and who guesses must not
//! stand before everybody else.
//!
//! - Each network has one place in the queue; its further requests wait for that one.
//! - The users take turns, whoever asks for them; all users that do not exist are one.
//! - Of those who ask for the same user, first the network that tried least lately, then the one that waits longest, alternately: so
//!   neither those who guess again and again nor those who come from ever new networks keep the others out.

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedMutexGuard, oneshot};

/// Some places, and who waits for them.
pub struct Queue(Mutex<Inner>);

struct Inner {
    free: usize,
    waiting: Vec<Waiting>,
    arrivals: u64,
    given: u64,
    /// When each user had its last place. Of those in the settings, and of nobody.
    served: HashMap<Option<String>, u64>,
    networks: HashMap<IpAddr, Arc<tokio::sync::Mutex<()>>>,
}

struct Waiting {
    user: Option<String>,
    tried: u32,
    arrival: u64,
    given: oneshot::Sender<Place>,
}

/// A network's only request that may wait or be verified; the next one follows when it is dropped.
pub struct Alone {
    queue: Arc<Queue>,
    network: IpAddr,
    lock: Arc<tokio::sync::Mutex<()>>,
    held: Option<OwnedMutexGuard<()>>,
}

/// A place; free again when it is dropped.
pub struct Place {
    queue: Option<Arc<Queue>>,
}

impl Queue {
    /// With so many places.
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Inner {
            free: places,
            waiting: Vec::new(),
            arrivals: 0,
            given: 0,
            served: HashMap::new(),
            networks: HashMap::new(),
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other request of this network waits or is verified.
    pub async fn alone(self: &Arc<Self>, network: IpAddr) -> Alone {
        let lock = self.inner().networks.entry(network).or_default().clone();
        let mut alone = Alone { queue: self.clone(), network, lock: lock.clone(), held: None };
        alone.held = Some(lock.lock_owned().await);
        alone
    }

    /// Waits for a place. `user`: whom the password is for, none if there is no such user; `tried`: how many passwords the network has had
    /// verified lately. None: the queue is gone.
    pub async fn place(self: &Arc<Self>, _alone: &Alone, user: Option<&str>, tried: u32) -> Option<Place> {
        let (given, waited) = oneshot::channel();
        {
            let mut inner = self.inner();
            let arrival = inner.arrivals;
            inner.arrivals += 1;
            inner.waiting.push(Waiting { user: user.map(str::to_owned), tried, arrival, given });
            inner.hand_out(self);
        }
        waited.await.ok()
    }

    /// How many wait for a place.
    pub fn waiting(&self) -> usize {
        self.inner().waiting.iter().filter(|waiting| !waiting.given.is_closed()).count()
    }
}

impl Inner {
    fn hand_out(&mut self, queue: &Arc<Queue>) {
        while self.free > 0
            && let Some(next) = self.next()
        {
            let next = self.waiting.swap_remove(next);
            // One who is gone had no turn.
            if let Err(mut place) = next.given.send(Place { queue: Some(queue.clone()) }) {
                place.queue = None; // it was never taken
                continue;
            }
            self.free -= 1;
            self.given += 1;
            self.served.insert(next.user, self.given);
        }
    }

    fn next(&self) -> Option<usize> {
        let by_tries = self.given.is_multiple_of(2);
        let order = |waiting: &Waiting| {
            let tried = if by_tries { waiting.tried } else { 0 };
            (self.served.get(&waiting.user).copied(), tried, waiting.arrival)
        };
        (0..self.waiting.len()).min_by_key(|at| order(&self.waiting[*at]))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(queue) = self.queue.take() else { return };
        let mut inner = queue.inner();
        inner.free += 1;
        inner.hand_out(&queue);
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let mut inner = self.queue.inner();
        drop(self.held.take());
        let lock = mem::take(&mut self.lock);
        // The map's own and this one: nobody else waits. Whoever comes now takes it under the same lock.
        if Arc::strong_count(&lock) <= 2 {
            inner.networks.remove(&self.network);
        }
    }
}
