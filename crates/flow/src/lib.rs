//! What happens to a message, once, for every runtime: it is received, stored, mapped, delivered, or parked with a reason.
//!
//! No sockets, no database, no clock of its own: those are [`ports`]. The native host and the edge app bring them along.
//!
//! # Layout
//! - [`door`]: which routes there are and what they answer. [`receive`]: what comes in is stored before it is answered.
//! - [`deliver`]: one leased message to its [`Outcome`]; the steps of each kind are in `ways/`.
//! - [`poll`], [`subscription`]: what openIMIS does not tell by itself, and keeping it telling what it does.
//! - [`decide`]: pure policy. [`peers`]: how openIMIS and CHT are spoken to.
//! - [`message`], [`ports`], [`settings`]: the vocabulary.
#![forbid(unsafe_code)]

use std::sync::{Mutex, PoisonError};

pub mod decide;
pub mod deliver;
pub mod door;
pub mod message;
pub mod peers;
pub mod poll;
pub mod ports;
pub mod receive;
pub mod settings;
pub mod subscription;

mod ways;

pub use mapping;
pub use message::{Kind, Message, MessageId, Origin, Outcome, State};
use peers::{Directory, Healths, Token, Turnstile};
use ports::{Clock, Http, Mapper, Store};
pub use settings::Settings;

/// The mediator's logic over a runtime's ports. Shared by all requests and workers of a process.
pub struct Flow<H, S, C, M> {
    /// Sends requests to the peers.
    pub http: H,
    /// Keeps messages, links and watermarks.
    pub store: S,
    /// Tells the time.
    pub clock: C,
    /// Runs the mappings.
    pub mapper: M,
    /// What the operator decided.
    pub settings: Settings,
    token: Mutex<Option<Token>>,
    login: Turnstile,
    cht: Turnstile,
    healths: Mutex<Healths>,
    directory: Mutex<Directory>,
    /// One reads the list of locations for all who need it.
    directory_turn: futures_util::lock::Mutex<()>,
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Puts the logic on a runtime's ports.
    pub fn new(http: H, store: S, clock: C, mapper: M, settings: Settings) -> Self {
        Self {
            http,
            store,
            clock,
            mapper,
            settings,
            token: Mutex::default(),
            login: Turnstile::default(),
            cht: Turnstile::default(),
            healths: Mutex::default(),
            directory: Mutex::default(),
            directory_turn: futures_util::lock::Mutex::default(),
        }
    }
}

/// Locks a mutex whose content is whole after every statement: a panic elsewhere leaves nothing half done.
fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
