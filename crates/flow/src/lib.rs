//! What happens to a message, once, for every runtime: it is received, stored, mapped, delivered, or parked with a reason.
//!
//! No sockets, no database, no clock of its own: those are [`ports`]. The native host and the edge app bring them along.
//!
//! # Layout
//! - [`http_api`]: which routes there are and what they answer. [`receive`]: what comes in is stored before it is answered.
//! - [`deliver`]: one leased message to its [`Outcome`]; the steps of each kind are below it, or in `eclaim`.
//! - [`eclaim`]: what hospitals post, and what becomes of it.
//! - [`poll`], [`subscription`]: what openIMIS does not tell by itself, and keeping it telling what it does.
//! - [`openhim`]: what OpenHIM is told where it stands in between.
//! - [`eligibility`]: whether a patient is insured. [`lookups`]: what a mapping has to know of openIMIS.
//! - [`retry`]: when to try again, when to give up; pure policy. [`breaker`]: when a peer is left alone.
//! - [`peers`]: how openIMIS, CHT and the hospital are spoken to.
//! - [`patients`]: which CHT contact an insuree is. [`facilities`]: a registry's facilities become openIMIS'.
//! - [`agreement`], [`conflict`]: when two documents with one key are the same.
//! - [`message`], [`proposal`], [`ports`], [`settings`]: the vocabulary. [`catalogue`]: what each problem means.
#![forbid(unsafe_code)]

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

pub mod agreement;
pub mod breaker;
pub mod catalogue;
pub mod conflict;
pub mod deliver;
pub mod eclaim;
pub mod eligibility;
pub mod facilities;
pub mod http_api;
pub mod lookups;
pub mod message;
pub mod openhim;
pub mod patients;
pub mod peers;
pub mod poll;
pub mod ports;
pub mod proposal;
pub mod receive;
pub mod retry;
pub mod settings;
pub mod steady;
pub mod storable;
pub mod subscription;

use breaker::Healths;
use lookups::Answers;
pub use mapping;
pub use message::{Kind, Message, MessageId, Origin, Outcome, State};
use peers::graphql::Csrf;
use peers::{Directory, Token, Turnstile};
use ports::{Clock, Http, Mapper, Store};
pub use settings::Settings;

/// The mediator's logic over a runtime's ports, with settings that do not change: cheap to clone, and all clones share everything else.
pub struct Flow<H, S, C, M> {
    shared: Arc<Shared<H, S, C, M>>,
    /// What the operator decided, as it was when this clone was made. [`Flow::fresh`] gives one with the newest.
    pub settings: Arc<Settings>,
}

/// What all requests and workers of a process share.
pub struct Shared<H, S, C, M> {
    /// Sends requests to the peers.
    pub http: H,
    /// Keeps messages, links and watermarks.
    pub store: S,
    /// Tells the time.
    pub clock: C,
    /// Runs the mappings.
    pub mapper: M,
    newest: Mutex<Arc<Settings>>,
    token: Mutex<Option<Token>>,
    csrf: Mutex<Option<Csrf>>,
    /// What openIMIS said of what seldom changes.
    answers: Mutex<Answers>,
    login: Turnstile,
    cht: Turnstile,
    /// Contacts that insurees are linked to, as CHT last told.
    linked: patients::LinkChecks,
    /// CHT is older than 4.18: contacts are looked up in its view.
    old_search: std::sync::atomic::AtomicBool,
    healths: Mutex<Healths>,
    directory: Mutex<Directory>,
    /// Claims of hospitals are followed: what openIMIS tells by itself may be of one of them.
    following: std::sync::atomic::AtomicBool,
    /// One reads the list of locations for all who need it.
    directory_turn: futures_util::lock::Mutex<()>,
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Puts the logic on a runtime's ports.
    pub fn new(http: H, store: S, clock: C, mapper: M, settings: Settings) -> Self {
        let settings = Arc::new(settings);
        let shared = Shared {
            http,
            store,
            clock,
            mapper,
            newest: Mutex::new(settings.clone()),
            token: Mutex::default(),
            csrf: Mutex::default(),
            answers: Mutex::default(),
            login: Turnstile::default(),
            cht: Turnstile::default(),
            linked: patients::LinkChecks::default(),
            old_search: std::sync::atomic::AtomicBool::default(),
            healths: Mutex::default(),
            directory: Mutex::default(),
            following: std::sync::atomic::AtomicBool::default(),
            directory_turn: futures_util::lock::Mutex::default(),
        };
        Self { shared: Arc::new(shared), settings }
    }

    /// The same with the newest settings. Who begins with a message takes one: nothing changes under it on its way.
    pub fn fresh(&self) -> Self {
        Self { shared: self.shared.clone(), settings: held(&self.newest).clone() }
    }

    /// Settings for all that is begun from now on. Addresses and credentials of the peers stay as they were at the start: what is known of
    /// a peer is known of that address.
    pub fn change(&self, mut settings: Settings) {
        let first = held(&self.newest).clone();
        (settings.openimis.url, settings.cht.url) = (first.openimis.url.clone(), first.cht.url.clone());
        (settings.openimis.username, settings.cht.username) =
            (first.openimis.username.clone(), first.cht.username.clone());
        (settings.openimis.password, settings.cht.password) =
            (first.openimis.password.clone(), first.cht.password.clone());
        settings.eclaim.callback = first.eclaim.callback.clone();
        *held(&self.newest) = Arc::new(settings);
    }
}

impl<H, S, C, M> Clone for Flow<H, S, C, M> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), settings: self.settings.clone() }
    }
}

impl<H, S, C, M> Deref for Flow<H, S, C, M> {
    type Target = Shared<H, S, C, M>;

    fn deref(&self) -> &Self::Target {
        &self.shared
    }
}

/// Locks a mutex whose content is whole after every statement: a panic elsewhere leaves nothing half done.
fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
