//! What the store counts: arrivals and commits. A clone counts into the same figures.

use std::time::Instant;

use flow::Kind;
use flow::message::{Acceptance, NewMessage, Origin};
use flow::ports::StoreError;
use observe::metrics::Counters;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// A commit: a millisecond on a good disk, ten seconds before it is given up.
const COMMIT_BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 10.0];
/// Messages in a commit, up to 256.
const BATCH_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// What the store counts.
#[derive(Clone)]
pub struct StoreFigures {
    /// What came in.
    pub received: Counters<3>,
    /// Attempts to deliver. Here is counted what ends before an attempt is made.
    pub deliveries: Counters<2>,
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
            of(Kind::Eclaim, Origin::Push, outcome);
        }
        for outcome in ["refused", "unanswered"] {
            Kind::INBOUND.iter().chain([&Kind::Eclaim]).for_each(|kind| of(*kind, Origin::Push, outcome));
        }
        for outcome in ["ok", "failed"] {
            drop(figures.commits.get_or_create(&[("outcome", outcome)]));
        }
        figures
    }
}

impl StoreFigures {
    /// Names them to Prometheus.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("received", "What came in, by what became of it", self.received.clone());
        registry.register("store_commits", "Commits of messages and outcomes", self.commits.clone());
        let help = "Time of a commit of messages and outcomes";
        registry.register_with_unit("store_commit_duration", help, Unit::Seconds, self.commit_duration.clone());
        let help = "Messages and outcomes that went into one commit";
        registry.register("store_commit_messages", help, self.commit_messages.clone());
    }

    /// A message was taken in, or not. `what` is of the message before it went into the store.
    pub fn received(&self, what: &Arrival, accepted: &Result<Acceptance, StoreError>) {
        let outcome = match accepted {
            Ok(Acceptance::New(_) | Acceptance::Revived(_)) if what.unmappable => "unmappable",
            Ok(Acceptance::New(_) | Acceptance::Revived(_)) => "accepted",
            Ok(Acceptance::Duplicate(..)) => "duplicate",
            Ok(Acceptance::Conflict { .. }) => "conflict",
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
