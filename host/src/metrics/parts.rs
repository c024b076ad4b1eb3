//! Figures that belong to who does the work: the store, the peers, the mappings. Each is a handle; a clone counts into the same.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use flow::Kind;
use flow::message::{Accepted, NewMessage, Origin};
use flow::ports::{HttpError, MapperError, StoreError};
use http::{Method, StatusCode, Uri};
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use url::Url;

use super::{Counters, Labels};
use crate::mapper::Interface;

/// Times of the same buckets, one histogram for each combination of words.
pub type Times<const N: usize> = Family<Labels<N>, Histogram, Buckets>;

/// Upper bounds of a histogram's buckets.
#[derive(Clone, Copy, Debug)]
pub struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// A family of histograms, in seconds.
pub fn times<const N: usize>(buckets: &'static [f64]) -> Times<N> {
    Family::new_with_constructor(Buckets(buckets))
}

/// A commit: a millisecond on a good disk, ten seconds before it is given up.
const COMMIT_BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 10.0];
/// Messages in a commit, up to 256.
const BATCH_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// A request to a peer, up to its usual timeout.
const REQUEST_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// A mapping call, up to its usual limit, or as long as it waits for its turn.
const MAPPING_BUCKETS: &[f64] = &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0];

/// What the store counts.
#[derive(Clone)]
pub struct StoreFigures {
    pub(super) received: Counters<3>,
    /// Also what ends before an attempt is made.
    pub(super) deliveries: Counters<2>,
    commits: Counters<1>,
    commit_duration: Histogram,
    commit_messages: Histogram,
}

impl Default for StoreFigures {
    fn default() -> Self {
        let figures = Self {
            received: Family::default(),
            deliveries: Family::default(),
            commits: Family::default(),
            commit_duration: Histogram::new(COMMIT_BUCKETS.iter().copied()),
            commit_messages: Histogram::new(BATCH_BUCKETS.iter().copied()),
        };
        let of = |kind: Kind, origin: Origin, outcome| {
            let labels = [("kind", kind.word()), ("origin", origin.word()), ("outcome", outcome)];
            drop(figures.received.get_or_create(&labels));
        };
        for outcome in ["accepted", "duplicate", "conflict", "unmappable", "not-stored"] {
            of(Kind::Feedback, Origin::Push, outcome); // nobody is asked for feedback
            Origin::ALL.iter().for_each(|origin| of(Kind::ClaimResponse, *origin, outcome));
            of(Kind::Claim, Origin::Push, outcome);
        }
        for outcome in ["refused", "unanswered"] {
            Kind::INBOUND.iter().chain([&Kind::Claim]).for_each(|kind| of(*kind, Origin::Push, outcome));
        }
        for outcome in ["ok", "failed"] {
            drop(figures.commits.get_or_create(&[("outcome", outcome)]));
        }
        figures
    }
}

impl StoreFigures {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("received", "What came in, by what became of it", self.received.clone());
        registry.register("store_commits", "Commits of messages and outcomes", self.commits.clone());
        let help = "Time of a commit of messages and outcomes";
        registry.register_with_unit("store_commit_duration", help, Unit::Seconds, self.commit_duration.clone());
        let help = "Messages and outcomes that went into one commit";
        registry.register("store_commit_messages", help, self.commit_messages.clone());
    }

    /// A message was taken in, or not. `what` is of the message before it went into the store.
    pub fn received(&self, what: &Arrival, accepted: &Result<Accepted, StoreError>) {
        let outcome = match accepted {
            Ok(Accepted::New(_) | Accepted::Revived(_)) if what.unmappable => "unmappable",
            Ok(Accepted::New(_) | Accepted::Revived(_)) => "accepted",
            Ok(Accepted::Duplicate(..)) => "duplicate",
            Ok(Accepted::Conflict { .. }) => "conflict",
            Err(_) => "not-stored",
        };
        let labels = [("kind", what.kind.word()), ("origin", what.origin.word()), ("outcome", outcome)];
        self.received.get_or_create(&labels).inc();
    }

    /// A message whose document cannot be read became a dead letter without an attempt.
    pub fn unreadable(&self, kind: Kind) {
        self.deliveries.get_or_create(&[("kind", kind.word()), ("outcome", "dead")]).inc();
    }

    /// A commit ended.
    pub fn committed(&self, messages: usize, since: Instant, worked: bool) {
        self.commits.get_or_create(&[("outcome", if worked { "ok" } else { "failed" })]).inc();
        self.commit_duration.observe(since.elapsed().as_secs_f64());
        if worked {
            self.commit_messages.observe(messages as f64);
        }
    }
}

/// What is remembered of a message that is on its way into the store.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    kind: Kind,
    origin: Origin,
    unmappable: bool,
}

impl Arrival {
    /// Of a message.
    pub fn of(new: &NewMessage) -> Self {
        Self { kind: new.kind, origin: new.origin, unmappable: !new.issues.is_empty() }
    }
}

/// What the requests to the peers count.
#[derive(Clone)]
pub struct PeerFigures {
    peers: Arc<Vec<(&'static str, Url)>>,
    duration: Times<3>,
}

impl Default for PeerFigures {
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

/// What is asked of the peers, as their addresses name it. Anything else is "other".
const OPERATIONS: &[&str] = &[
    "login",
    "Claim",
    "ClaimResponse",
    "Communication",
    "CommunicationRequest",
    "Location",
    "Patient",
    "Subscription",
    "graphql",
    "records",
    "reports_by_subject",
    "contact",
    "contacts-by-phone",
    "people",
    "person",
    "places",
    "settings",
    "forms",
];

impl PeerFigures {
    /// Of these peers, by name and address. Where two share a server, the longer address counts first.
    pub fn of(mut peers: Vec<(&'static str, Url)>) -> Self {
        peers.sort_by_key(|(_, url)| std::cmp::Reverse(url.path().len()));
        Self { peers: Arc::new(peers), duration: times(REQUEST_BUCKETS) }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Requests to openIMIS and CHT, by how they ended";
        registry.register_with_unit("peer_request_duration", help, Unit::Seconds, self.duration.clone());
    }

    /// Which peer an address is of, and what is asked of it.
    pub fn operation(&self, method: &Method, uri: &Uri) -> Operation {
        let at = |url: &Url| {
            let port = uri.port_u16().or_else(|| (uri.scheme_str() == Some("https")).then_some(443)).unwrap_or(80);
            uri.host() == url.host_str()
                && Some(port) == url.port_or_known_default()
                && uri.path().starts_with(url.path().trim_end_matches('/'))
        };
        let peer = self.peers.iter().find(|(_, url)| at(url)).map_or("other", |(name, _)| *name);
        let known = |segment: &str| OPERATIONS.iter().find(|known| **known == segment).copied();
        let what = uri.path().split('/').filter_map(known).next_back().unwrap_or("other");
        Operation { peer, what, method: method_word(method) }
    }

    /// A request ended.
    pub fn asked(&self, operation: Operation, took: Duration, answer: Result<StatusCode, &HttpError>) {
        let status = match answer {
            Ok(status) => class(status),
            Err(HttpError::NotSent(_)) => "not-sent",
            Err(HttpError::NoAnswer(_)) => "no-answer",
        };
        let labels = [("peer", operation.peer), ("operation", operation.what), ("status", status)];
        self.duration.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

/// A kind of request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Operation {
    /// Of whom.
    pub peer: &'static str,
    /// What.
    pub what: &'static str,
    /// How.
    pub method: &'static str,
}

fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// What the mappings count.
#[derive(Clone)]
pub struct MappingFigures {
    duration: Times<2>,
    failures: Counters<2>,
    running: Gauge,
    memory: Family<Labels<1>, Gauge>,
    instances: Gauge,
    /// What nearly every call touches, found once: looking it up by its labels costs more than counting.
    answered: [OnceLock<Histogram>; Interface::ALL.len()],
    peaks: [OnceLock<Gauge>; Interface::ALL.len()],
}

impl Default for MappingFigures {
    fn default() -> Self {
        let figures = Self {
            duration: times(MAPPING_BUCKETS),
            failures: Family::default(),
            running: Gauge::default(),
            memory: Family::default(),
            instances: Gauge::default(),
            answered: Default::default(),
            peaks: Default::default(),
        };
        for interface in Interface::ALL {
            drop(figures.memory.get_or_create(&[("mapping", interface.name())]));
            for outcome in ["deadline", "memory", "trap", "busy", "unusable"] {
                drop(figures.failures.get_or_create(&[("mapping", interface.name()), ("outcome", outcome)]));
            }
        }
        figures
    }
}

impl MappingFigures {
    /// With room for so many calls at a time.
    pub fn with_instances(self, instances: u32) -> Self {
        self.instances.set(i64::from(instances));
        self
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Calls of a mapping component, by how they ended";
        registry.register_with_unit("mapping_duration", help, Unit::Seconds, self.duration.clone());
        registry.register("mapping_failures", "Calls of a mapping that failed by itself", self.failures.clone());
        registry.register("mapping_calls_running", "Calls that run or wait for their turn", self.running.clone());
        registry.register("mapping_calls_limit", "Calls that can run at the same time", self.instances.clone());
        let help = "Most linear memory that one call has taken since the start";
        registry.register_with_unit("mapping_memory_peak", help, Unit::Bytes, self.memory.clone());
    }

    /// Runs a call and counts it; `memory_bytes` is what the mapping's calls have taken at most.
    pub fn called<T>(
        &self,
        interface: Interface,
        memory_bytes: &AtomicUsize,
        call: impl FnOnce() -> Result<T, MapperError>,
    ) -> Result<T, MapperError> {
        let (running, begun) = (Running::one_more(&self.running), Instant::now());
        let result = call();
        drop(running);
        let (name, lasted) = (interface.name(), begun.elapsed().as_secs_f64());
        let outcome = match &result {
            Ok(_) => "answered",
            Err(MapperError::Deadline(_)) => "deadline",
            Err(MapperError::Memory(_)) => "memory",
            Err(MapperError::Trap(..)) => "trap",
            Err(MapperError::Busy(_)) => "busy",
            Err(MapperError::Unusable(..)) => "unusable",
        };
        let labels = [("mapping", name), ("outcome", outcome)];
        if result.is_ok() {
            let found = || self.duration.get_or_create(&labels).clone();
            self.answered[interface as usize].get_or_init(found).observe(lasted);
        } else {
            self.duration.get_or_create(&labels).observe(lasted);
            self.failures.get_or_create(&labels).inc();
        }
        let found = || self.memory.get_or_create(&[("mapping", name)]).clone();
        let peak = self.peaks[interface as usize].get_or_init(found);
        peak.inner().fetch_max(memory_bytes.load(Ordering::Relaxed) as i64, Ordering::Relaxed);
        result
    }
}

/// A call that runs; counted no longer when dropped, also by a panic.
struct Running<'g>(&'g Gauge);

impl<'g> Running<'g> {
    fn one_more(gauge: &'g Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
