//! What can be counted and timed, for Prometheus: docs/monitoring.md lists every metric.
//!
//! The store, the HTTP client and the mappings own the figures of their work; here they are put together with those of the mediator
//! and with what is read at a scrape.
//!
//! # Layout
//! - `sampled`: what is looked up at a scrape. `process`: the process. `scrape`: the route.

use std::time::{Duration, Instant};

use flow::Kind;
use flow::deliver::AttemptResult;
use flow::message::{Message, Origin, Outcome};
use flow::ports::StoreError;
use jiff::Timestamp;
use observe::metrics::{Counters, Gauges, Times, times};
use observe::trace::ExportFigures;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

mod process;
mod sampled;
mod scrape;

pub use scrape::routes;

use crate::http::metrics::PeerFigures;
use component_host::metrics::MappingFigures;
use store::metrics::StoreFigures;

/// From a request's arrival to its answer: a commit and some network.
const ACCEPT_BUCKETS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// From a message's arrival to its delivery: moments, a weekend without electricity, or the two weeks after which it is given up.
const DELIVERY_BUCKETS: &[f64] =
    &[0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0, 259_200.0, 1_209_600.0];

/// All figures of a mediator.
pub struct Metrics {
    registry: Registry,
    received: Counters<3>,
    accept_duration: Times<1>,
    deliveries: Counters<2>,
    delivery_duration: Times<1>,
    polls: Counters<2>,
    poll_success: Gauges<1>,
    subscription_checks: Counters<1>,
    subscription_in_place: Gauges<0>,
    eligibility: Times<1>,
    sampled: sampled::Sampled,
}

/// What an attempt to deliver can come to.
const OUTCOMES: [&str; 7] = ["delivered", "skipped", "waiting", "retry", "dead", "lease-lost", "not-stored"];

impl Metrics {
    /// Figures that begin with nothing; `parts` are those whose owners count by themselves.
    pub fn new(
        store: &StoreFigures,
        peers: &PeerFigures,
        mappings: &MappingFigures,
        traces: &ExportFigures,
        throttled: &Counter,
    ) -> Self {
        let mut all = Registry::default();
        all.register_collector(Box::new(process::Process::new()));
        let registry = all.sub_registry_with_prefix("openimis_mediator");
        registry.register("build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        store.register(registry);
        peers.register(registry);
        mappings.register(registry);
        registry.register("trace_exports", "Requests with traces to the collector", traces.exports.clone());
        let help = "Requests that were held off, of addresses that asked too often";
        registry.register("throttled_requests", help, throttled.clone());
        let sampled = sampled::Sampled::register(registry);
        let metrics = Self {
            registry: Registry::default(),
            received: store.received.clone(),
            accept_duration: times(ACCEPT_BUCKETS),
            deliveries: store.deliveries.clone(),
            delivery_duration: times(DELIVERY_BUCKETS),
            polls: Family::default(),
            poll_success: Family::default(),
            subscription_checks: Family::default(),
            subscription_in_place: Family::default(),
            eligibility: times(ACCEPT_BUCKETS),
            sampled,
        };
        metrics.register(registry);
        Self { registry: all, ..metrics }
    }

    fn register(&self, registry: &mut Registry) {
        let help = "From a posted message's arrival to its answer";
        registry.register_with_unit("accept_duration", help, Unit::Seconds, self.accept_duration.clone());
        registry.register("deliveries", "Attempts to deliver, by what came of them", self.deliveries.clone());
        let help = "From a message's arrival, or an admin's retry, until the peer had it";
        registry.register_with_unit("delivery_duration", help, Unit::Seconds, self.delivery_duration.clone());
        registry.register("polls", "Looks for claims at openIMIS", self.polls.clone());
        let help = "When openIMIS was last polled with success";
        registry.register_with_unit("poll_last_success_timestamp", help, Unit::Seconds, self.poll_success.clone());
        registry.register("subscription_checks", "Looks at the subscription", self.subscription_checks.clone());
        let help = "Whether the subscription was there at the last look; no sample where none is kept";
        registry.register("subscription_in_place", help, self.subscription_in_place.clone());
        let help = "From a question about eligibility to its answer";
        registry.register_with_unit("eligibility_duration", help, Unit::Seconds, self.eligibility.clone());
        for outcome in ["answered", "issues", "away", "refused", "mapping"] {
            drop(self.eligibility.get_or_create(&[("outcome", outcome)]));
        }
        // What has not happened yet is 0, not unknown: an alert on its increase sees the first time.
        for kind in Kind::ALL {
            drop(self.accept_duration.get_or_create(&[("kind", kind.word())]));
            drop(self.delivery_duration.get_or_create(&[("kind", kind.word())]));
            for outcome in OUTCOMES {
                drop(self.deliveries.get_or_create(&[("kind", kind.word()), ("outcome", outcome)]));
            }
        }
    }

    /// A message is being posted.
    pub fn posted(&self, kind: Kind) -> Posted<'_> {
        Posted { metrics: self, kind: kind.word(), since: Instant::now(), outcome: Some("unanswered") }
    }

    /// An attempt to deliver ended.
    pub fn attempted(&self, message: &Message, attempted: &Result<AttemptResult, StoreError>, now: Timestamp) {
        let kind = message.kind.word();
        let outcome = match attempted {
            Ok(AttemptResult::Settled(outcome)) => word(outcome),
            Ok(AttemptResult::LeaseLost) => "lease-lost",
            Err(_) => "not-stored",
        };
        self.deliveries.get_or_create(&[("kind", kind), ("outcome", outcome)]).inc();
        if outcome == "delivered" {
            let took = Duration::try_from(now.duration_since(message.received_at)).unwrap_or_default();
            self.delivery_duration.get_or_create(&[("kind", kind)]).observe(took.as_secs_f64());
        }
    }

    /// A poll ended.
    pub fn polled(&self, poll: &'static str, worked: bool, now: Timestamp) {
        self.polls.get_or_create(&[("poll", poll), ("outcome", if worked { "ok" } else { "failed" })]).inc();
        if worked {
            self.poll_success.get_or_create(&[("poll", poll)]).set(now.as_second());
        }
    }

    /// A hospital was told whether a patient is insured, or why not.
    pub fn eligibility(&self, outcome: &'static str, took: Duration) {
        self.eligibility.get_or_create(&[("outcome", outcome)]).observe(took.as_secs_f64());
    }

    /// The subscription was looked at.
    pub fn subscription(&self, in_place: bool) {
        self.subscription_checks.get_or_create(&[("outcome", if in_place { "ok" } else { "failed" })]).inc();
        self.subscription_in_place.get_or_create(&[]).set(i64::from(in_place));
    }
}

/// A post on its way to its answer. Counted when dropped: also if its time is up, or its caller goes away.
pub struct Posted<'m> {
    metrics: &'m Metrics,
    kind: &'static str,
    since: Instant,
    outcome: Option<&'static str>,
}

impl Posted<'_> {
    /// It was answered. What was not refused the store has counted.
    pub fn answered(mut self, refused: bool) {
        self.outcome = refused.then_some("refused");
    }
}

impl Drop for Posted<'_> {
    fn drop(&mut self) {
        let took = self.since.elapsed().as_secs_f64();
        self.metrics.accept_duration.get_or_create(&[("kind", self.kind)]).observe(took);
        if let Some(outcome) = self.outcome {
            let labels = [("kind", self.kind), ("origin", Origin::Push.word()), ("outcome", outcome)];
            self.metrics.received.get_or_create(&labels).inc();
        }
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered { .. } => "delivered",
        Outcome::Skipped { .. } => "skipped",
        Outcome::Waiting { .. } => "waiting",
        Outcome::Retry { .. } => "retry",
        Outcome::Dead { .. } => "dead",
    }
}
