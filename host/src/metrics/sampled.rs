//! What is looked up at a scrape: counting each change would be wrong where another mediator shares the store. Looked up no more often
//! than the settings say, and so that it takes a twentieth of the time (a minute's pause is the longest).

use std::time::{Duration, Instant};

use flow::Kind;
use flow::facilities::State as FacilityState;
use flow::peers::Peer;
use flow::poll::CLAIMS;
use flow::ports::{Clock, Store, StoreError};
use jiff::Timestamp;
use observe::metrics::{Gauges, Labels};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::Host;
use store::{Backlog, Disk};

/// A look at the store takes this share of the time at most.
const SHARE: u32 = 20;
/// Longest pause between two looks, however long they take.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Longest wait for the store: twice that is less than a scraper waits for all of it.
const LONGEST_LOOK: Duration = Duration::from_secs(4);

/// Gauges that a look sets.
#[derive(Default)]
pub(super) struct Sampled {
    backlog: Gauges<2>,
    oldest: Gauges<1>,
    peer_open: Gauges<1>,
    peer_failures: Gauges<1>,
    watermark: Family<Labels<1>, Gauge>,
    writable: Gauge,
    /// No sample where OpenHIM is not used.
    registered: Gauges<0>,
    reports: Gauges<0>,
    /// No sample where there is no registry.
    facilities: Gauges<1>,
    /// No sample where the store is no file.
    used: Gauges<0>,
    free: Gauges<0>,
    doubted: Gauge,
    damaged: Gauge,
    /// When the next look may be made. Held during one: who asks meanwhile waits for it.
    next: Mutex<Option<Instant>>,
}

impl Sampled {
    pub fn register(registry: &mut Registry) -> Self {
        let own = Self::default();
        let help = "Messages that are not settled, by why, and dead letters";
        registry.register("backlog_messages", help, own.backlog.clone());
        let help = "Age of the oldest message that is due, failed or being delivered; 0 without any";
        registry.register_with_unit("backlog_oldest_age", help, Unit::Seconds, own.oldest.clone());
        let help = "Whether the peer is left alone after failures, or being probed";
        registry.register("peer_breaker_open", help, own.peer_open.clone());
        let help = "Failed requests since the last one that worked";
        registry.register("peer_failures_in_a_row", help, own.peer_failures.clone());
        let help = "How long ago the moment is up to which openIMIS was read";
        registry.register_with_unit("poll_watermark_age", help, Unit::Seconds, own.watermark.clone());
        let help = "Whether the store could be written when it was last tried";
        registry.register("store_writable", help, own.writable.clone());
        let help = "Whether OpenHIM knows the mediator; no sample where it is not used";
        registry.register("openhim_registered", help, own.registered.clone());
        let help = "Outcomes that OpenHIM is still to be told";
        registry.register("openhim_reports_waiting", help, own.reports.clone());
        let help = "Facilities of the registry, by whether openIMIS has them so; no sample without a registry";
        registry.register("registry_facilities", help, own.facilities.clone());
        let help = "Size of the SQLite files";
        registry.register_with_unit("store_used", help, Unit::Bytes, own.used.clone());
        let help = "Room on the disk of the SQLite files";
        registry.register_with_unit("store_free", help, Unit::Bytes, own.free.clone());
        let help = "Whether the clock jumped ahead and is not trusted with what cannot be undone";
        registry.register("clock_doubted", help, own.doubted.clone());
        let help = "Whether the SQLite file is known to be damaged";
        registry.register("store_damaged", help, own.damaged.clone());
        own
    }

    /// Sets the gauges, unless that was done a moment ago.
    pub async fn look(&self, host: &Host) {
        self.look_at_peers(host);
        self.doubted.set(i64::from(host.flow.clock.is_doubted()));
        self.damaged.set(i64::from(host.flow.store.is_damaged()));
        let mut next = self.next.lock().await;
        if next.is_some_and(|next| Instant::now() < next) {
            return;
        }
        let begun = Instant::now();
        let now = host.flow.clock.now();
        // One that does not answer in time would not take a message in time either.
        let is_ready = timeout(LONGEST_LOOK, host.is_ready()).await.unwrap_or(false);
        self.writable.set(i64::from(is_ready));
        let looked = timeout(LONGEST_LOOK, self.look_at_store(host, now)).await;
        let late = |_| Err(StoreError("no answer in time".to_owned()));
        if let Err(error) = looked.unwrap_or_else(late) {
            // What cannot be told is left out: a number of yesterday would look as good as one of today.
            for gauges in [&self.oldest, &self.watermark] {
                gauges.clear();
            }
            self.backlog.clear();
            self.reports.clear();
            self.facilities.clear();
            tracing::warn!(%error, "the metrics say nothing of what waits");
        }
        let disk = host.config.store.place().ok().and_then(|place| Disk::of(&place));
        self.used.clear();
        self.free.clear();
        if let Some(disk) = disk {
            self.used.get_or_create(&[]).set(i64::try_from(disk.used_bytes).unwrap_or(i64::MAX));
            self.free.get_or_create(&[]).set(i64::try_from(disk.free_bytes).unwrap_or(i64::MAX));
        }
        let pause = Duration::try_from(host.config.metrics.cache).unwrap_or_default();
        let share = (begun.elapsed() * SHARE).min(LONGEST_PAUSE);
        *next = Some(Instant::now() + pause.max(share));
    }

    fn look_at_peers(&self, host: &Host) {
        for (peer, name) in [(Peer::OpenImis, "openimis"), (Peer::Cht, "cht"), (Peer::Hospital, "hospital")] {
            let health = host.flow.health(peer);
            self.peer_open.get_or_create(&[("peer", name)]).set(i64::from(health.is_away()));
            self.peer_failures.get_or_create(&[("peer", name)]).set(i64::from(health.failures));
        }
        if let Some(status) = host.openhim.status(host) {
            self.registered.get_or_create(&[]).set(i64::from(status.registered));
        }
    }

    async fn look_at_store(&self, host: &Host, now: Timestamp) -> Result<(), StoreError> {
        let age = |then: Timestamp| now.duration_since(then).as_secs().max(0);
        let found = host.flow.store.backlog(now).await?;
        for kind in Kind::ALL {
            let mut oldest = 0;
            for state in Backlog::WORDS {
                let found = found.iter().find(|found| found.kind == *kind && found.state == state);
                let gauge = self.backlog.get_or_create_owned(&[("kind", kind.word()), ("state", state)]);
                gauge.set(found.map_or(0, |found| found.count));
                if let Some(since) = found.and_then(|found| found.oldest)
                    && !matches!(state, "put-off" | "dead")
                {
                    oldest = oldest.max(age(since));
                }
            }
            self.oldest.get_or_create(&[("kind", kind.word())]).set(oldest);
        }
        if host.openhim.status(host).is_some() {
            let waiting = host.flow.store.count_reports().await?;
            self.reports.get_or_create(&[]).set(waiting);
        }
        if host.config.facilities.url.is_some() {
            let counts = host.flow.store.facility_counts().await?;
            for state in FacilityState::ALL {
                let count = counts.iter().find(|(counted, _)| *counted == state).map_or(0, |(_, count)| *count);
                let gauge = self.facilities.get_or_create_owned(&[("state", state.word())]);
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        if let Some(moment) = host.flow.store.watermark(CLAIMS).await? {
            self.watermark.get_or_create(&[("poll", "claims")]).set(age(moment));
        }
        Ok(())
    }
}
