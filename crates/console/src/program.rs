//! What the console shows of the running mediator besides its store, and what it asks it to do.

use std::pin::Pin;

use flow::breaker::Health;
use flow::peers::{Peer, PeerError};
use flow::settings::Poll;
use flow::subscription::ListedSubscription;
use jiff::Timestamp;
use mapping::ids::InsureeUuid;
use store::DiskLevel;

/// An answer that takes a while.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The running mediator.
pub trait Program: Send + Sync + 'static {
    /// The time, by the clock that all messages go by.
    fn now(&self) -> Timestamp;
    /// Whether the clock jumped ahead and is not trusted with what cannot be undone.
    fn is_clock_doubted(&self) -> bool;
    /// How full the disk of the store is, as of a moment ago.
    fn disk(&self) -> DiskLevel;
    /// How requests to a peer went lately.
    fn health(&self, peer: Peer) -> Health;
    /// How openIMIS is polled.
    fn poll(&self) -> Poll;
    /// The mapping components in use.
    fn mappings(&self) -> Mappings;
    /// The registration with OpenHIM. None: it is not configured.
    fn openhim(&self) -> Option<OpenHim>;
    /// The national id under which a decision on a facility with this code is stored.
    fn national_id(&self, code: &str) -> String;
    /// The mediator's own subscriptions at openIMIS. Asks openIMIS; the caller bounds the wait.
    fn own_subscriptions(&self) -> Answering<'_, Result<Vec<ListedSubscription>, PeerError>>;
    /// The insuree with an insurance number. Asks openIMIS; the caller bounds the wait.
    fn insuree_numbered<'a>(&'a self, number: &'a str) -> Answering<'a, Result<Option<InsureeUuid>, PeerError>>;
    /// Messages became due.
    fn wake(&self);
    /// Facilities became due.
    fn wake_facilities(&self);
    /// A run over the registry's facilities, now: over all, or over those that changed.
    fn ask_for_facility_run(&self, whole: bool);
}

/// The mapping components in use, and files that were refused.
#[derive(Clone, Debug, Default)]
pub struct Mappings {
    /// One for each mapping.
    pub used: Vec<UsedMapping>,
    /// Name of a file, and why it is not used.
    pub refused: Vec<(String, String)>,
}

/// A mapping, and the component that it comes from.
#[derive(Clone, Debug)]
pub struct UsedMapping {
    /// As WIT spells it.
    pub mapping: &'static str,
    /// Version of the interface, as the component has it.
    pub interface: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Name of the file, without its folder.
    pub file: String,
    /// When it was loaded.
    pub since: Timestamp,
}

/// The registration with OpenHIM.
#[derive(Clone, Debug)]
pub struct OpenHim {
    /// The mediator's name in OpenHIM.
    pub urn: String,
    /// Whether the core knows the mediator, as of its last answer.
    pub is_registered: bool,
    /// What is wrong with registration or heartbeats, and since when.
    pub problem: Option<(String, Timestamp)>,
    /// Why the last report of an outcome failed, and since when.
    pub report_problem: Option<(String, Timestamp)>,
    /// The last heartbeat that the core answered.
    pub last_heartbeat: Option<Timestamp>,
    /// Whether outcomes are reported to OpenHIM's transactions.
    pub reports: bool,
    /// Settings that OpenHIM's console changed: key, its value, the value of the file.
    pub differing: Vec<(&'static str, String, String)>,
    /// Values of OpenHIM's console that cannot be used: key and why.
    pub refused: Vec<(String, String)>,
}
