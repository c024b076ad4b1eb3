//! Background work: messages are delivered as they become due, openIMIS is polled, the subscription is kept, what is old is pruned.

use std::sync::Arc;
use std::time::Duration;

use flow::breaker::Gate;
use flow::ports::{Clock, Lease, Store, StoreError};
use flow::subscription::SubscriptionChange;
use flow::{Kind, MessageId};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

mod clock;
mod running;
mod tell;

use crate::Host;
use running::Running;
use store::DiskLevel;
use store::Leased;
pub use tell::Away;
use tell::{polling, tell_of_peers, tell_of_poll, warn_of};

/// Longest sleep of a worker: what another process put back (`messages retry`) or took in is seen after it.
const LONGEST_SLEEP: Duration = Duration::from_secs(2);
/// How long settled messages are gathered before the other worker looks.
const GATHER: Duration = Duration::from_millis(25);
/// Sleep after the store failed.
const STORE_FAILED: Duration = Duration::from_secs(1);
/// Time between two looks at what can be pruned.
const HOUSEKEEPING: Duration = Duration::from_secs(600);

/// Time between two looks at the whole file, at least.
const BETWEEN_LOOKS: Duration = Duration::from_secs(30);

/// Turns true once the process is asked to stop.
pub type Stop = watch::Receiver<bool>;

/// Wakes the workers.
#[derive(Debug, Default)]
pub struct Wake {
    /// Something new is due.
    due: [Notify; Kind::ALL.len()],
    /// A message was settled: one of another kind may have waited behind it.
    settled: [Notify; Kind::ALL.len()],
}

impl Wake {
    /// One worker of each kind looks for messages now.
    pub fn notify_one(&self) {
        self.due.iter().for_each(Notify::notify_one);
    }

    /// The workers of the same family as a message that came in look now: a look is a write to the store.
    pub fn notify(&self, kind: Kind) {
        Self::family(&self.due, kind).for_each(Notify::notify_one);
    }

    fn settled(&self, kind: Kind) {
        Self::family(&self.settled, kind).for_each(Notify::notify_one);
    }

    /// Those of the kinds that share lanes, or make messages of each other: CHT's, and the hospitals'.
    fn family(all: &[Notify; Kind::ALL.len()], kind: Kind) -> impl Iterator<Item = &Notify> {
        let of_cht = Kind::INBOUND.contains(&kind);
        let kin = Kind::ALL.iter().filter(move |other| Kind::INBOUND.contains(other) == of_cht);
        kin.map(|other| &all[*other as usize])
    }

    /// Waits for the word. Settled messages are gathered for a moment: with hundreds a second, looking after each of them would cost
    /// more than they do.
    async fn waited(&self, kind: Kind) {
        let gathered = async {
            self.settled[kind as usize].notified().await;
            sleep(GATHER).await;
        };
        tokio::select! {
            () = self.due[kind as usize].notified() => {}
            () = gathered => {}
        }
    }
}

/// Delivers messages of a kind until asked to stop, then waits for what is on its way. Each kind has its own worker: what waits for one
/// peer does not stand behind what waits for another.
pub async fn deliver(host: Arc<Host>, kind: Kind, mut stop: Stop) {
    let mut running = Running::new(host.clone());
    while !*stop.borrow() {
        let gate = host.flow.gate(kind);
        tell_of_peers(&host).await;
        let wanted = match gate {
            Gate::Open => running.room(),
            Gate::Probe => running.room_of_probe(),
            Gate::Closed { .. } => 0,
        };
        // Before the store says until when: what is counted here must end before what is counted there.
        let asked_at = Instant::now();
        let leased = if wanted == 0 { Ok(Vec::new()) } else { lease(&host, kind, wanted, running.held()).await };
        let wait = match (&leased, &gate) {
            (Err(error), _) => {
                tracing::error!(%error, %kind, "no messages could be taken for delivery");
                STORE_FAILED
            }
            (Ok(_), Gate::Closed { until, .. }) => until_then(*until, host.flow.clock.now()),
            (Ok(leased), _) if leased.len() == wanted => LONGEST_SLEEP, // there may be more: when there is room again
            (Ok(leased), _) if !leased.is_empty() => GATHER, // more may come in: when nothing does, the store is asked
            (Ok(_), _) => until_next_due(&host, kind).await,
        };
        let leased = leased.unwrap_or_default();
        if wanted > 1 && leased.len() == wanted {
            running.deepen();
        }
        for message in leased {
            running.take(message, asked_at);
        }
        tokio::select! {
            () = host.wake.waited(kind) => {}
            () = running.one_ended() => {} // its lane is free now
            () = sleep(wait) => {}
            () = asked(&mut stop) => {}
        }
    }
    running.drain(kind).await;
}

async fn lease(host: &Host, kind: Kind, limit: usize, held: &[MessageId]) -> Result<Vec<Leased>, StoreError> {
    let store = &host.flow.store;
    let here = host.flow.clock.now();
    let shared = store.now(here).await?;
    let until = shared.saturating_add(host.flow.settings.retry.lease).unwrap_or(shared);
    // When a message is tried again is set by this machine's clock: one that is behind must not make all of them due at once.
    store.lease_traced(&Lease { kind, now: shared.min(here), until, limit: limit as u32, held }).await
}

async fn until_next_due(host: &Host, kind: Kind) -> Duration {
    match host.flow.store.next_due(kind).await {
        Ok(Some(due)) => until_then(due, host.flow.clock.now()),
        Ok(None) | Err(_) => LONGEST_SLEEP,
    }
}

/// At least a breath: a due message that cannot be leased must not turn this into a busy loop.
fn until_then(then: Timestamp, now: Timestamp) -> Duration {
    std_duration(then.duration_since(now)).clamp(Duration::from_millis(50), LONGEST_SLEEP)
}

/// Prunes what is old and sets right what a wrong clock has set, until asked to stop.
pub async fn keep_house(host: Arc<Host>, mut stop: Stop) {
    // The first look was at the start: nothing is delivered before it.
    let mut looked = Instant::now();
    loop {
        let (ran, now) = (looked.elapsed(), Instant::now());
        match unless_asked(&mut stop, housekeeping(&host, ran)).await {
            None => return,
            Some(Err(error)) => tracing::error!(%error, "housekeeping failed"),
            Some(Ok(())) => looked = now,
        }
        rest(HOUSEKEEPING, &mut stop).await;
    }
}

async fn housekeeping(host: &Host, ran: Duration) -> Result<(), StoreError> {
    let store = &host.flow.store;
    let now = store.now(host.flow.clock.now()).await?;
    host.disk_level(); // tells before nobody posts
    let flow = host.flow.fresh();
    let (retry, retention) = (&flow.settings.retry, &host.config.retention);
    let day = SignedDuration::from_hours(24);
    let longest = retry.longest.max(retry.recheck).max(retry.pause).max(day) + SignedDuration::from_hours(1);
    let after = |wait: SignedDuration| now.saturating_add(wait).unwrap_or(Timestamp::MAX);
    let pulled = store.pull_forward(now, after(retry.lease), after(longest.max(retry.lease))).await?;
    if pulled > 0 {
        tracing::warn!(count = pulled, "messages waited for a moment that a wrong clock had set; they are due now");
    }
    if !host.look_at_clock(SignedDuration::try_from(ran).unwrap_or_default()).await? {
        return Ok(());
    }
    let before = |kept: SignedDuration| now.saturating_add(-kept).unwrap_or(Timestamp::MIN);
    let pruned = store.prune(before(retention.documents), before(retention.messages), |_| {}).await?;
    if pruned.documents + pruned.messages > 0 {
        tracing::info!(documents = pruned.documents, messages = pruned.messages, "pruned");
    }
    Ok(())
}

/// Looks at the whole file of the store now and then, until asked to stop: at most a two-hundredth of the time.
pub async fn look_for_damage(host: Arc<Host>, mut stop: Stop) {
    loop {
        let begun = Instant::now();
        match unless_asked(&mut stop, host.flow.store.look_for_damage()).await {
            None => return,
            Some(Err(error)) => tracing::error!(%error, "the file of the store could not be looked through"),
            Some(Ok(())) => {}
        }
        rest(BETWEEN_LOOKS.max(begun.elapsed() * 200), &mut stop).await;
    }
}

/// Polls openIMIS for new claims until asked to stop.
pub async fn poll_claims(host: Arc<Host>, mut stop: Stop) {
    loop {
        let flow = host.flow.fresh();
        let interval = std_duration(flow.settings.poll.interval);
        if host.disk_level() == DiskLevel::Full {
            rest(interval, &mut stop).await; // what is in openIMIS waits there
            if *stop.borrow() {
                return;
            }
            continue;
        }
        let polled = polling(&host, "poll-claims", interval, flow.poll_claims());
        let Some(polled) = unless_asked(&mut stop, polled).await else { return };
        if let Some(polled) = polled.transpose() {
            host.metrics.polled("claims", polled.is_ok(), host.flow.clock.now());
            tell_of_poll(&host, "claims", polled);
        }
        rest(interval, &mut stop).await;
    }
}

/// Polls openIMIS for claims that were selected for feedback until asked to stop.
pub async fn poll_selected(host: Arc<Host>, mut stop: Stop) {
    loop {
        let flow = host.flow.fresh();
        let interval = std_duration(flow.settings.poll.selected_interval);
        if host.disk_level() == DiskLevel::Full {
            rest(interval, &mut stop).await;
            if *stop.borrow() {
                return;
            }
            continue;
        }
        let polled = polling(&host, "poll-selected", interval, flow.poll_selected());
        let Some(polled) = unless_asked(&mut stop, polled).await else { return };
        if let Some(polled) = polled.transpose() {
            host.metrics.polled("selected", polled.is_ok(), host.flow.clock.now());
            tell_of_poll(&host, "selected claims", polled);
        }
        rest(interval, &mut stop).await;
    }
}

/// Whether this one of several mediators does it now.
async fn is_our_turn(host: &Host, name: &str, interval: Duration) -> Result<bool, StoreError> {
    let now = host.flow.store.now(host.flow.clock.now()).await?;
    let until = now.saturating_add(interval.mul_f64(0.9)).unwrap_or(now);
    host.flow.store.take_turn(name, now, until).await
}

/// Does what can be left in the middle and begun anew, unless asked to stop.
async fn unless_asked<T>(stop: &mut Stop, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = asked(stop) => None,
        done = work => Some(done),
    }
}

/// Waits for the word to stop; for ever if nobody is left to give it.
pub async fn asked(stop: &mut Stop) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn rest(pause: Duration, stop: &mut Stop) {
    tokio::select! {
        () = sleep(pause) => {}
        () = asked(stop) => {}
    }
}

/// Keeps the subscription in place until asked to stop.
pub async fn keep_subscription(host: Arc<Host>, mut stop: Stop) {
    let interval = std_duration(host.flow.settings.subscription.check_interval);
    while let Some(kept) = unless_asked(&mut stop, host.flow.keep_subscription()).await {
        host.metrics.subscription(kept.is_ok());
        // Until it is in place we ask more often: openIMIS may just be starting.
        let wait = match kept {
            Ok(SubscriptionChange::Unchanged(id)) => {
                tracing::debug!(subscription = id, "subscription is in place");
                interval
            }
            Ok(SubscriptionChange::Renewed(id)) => {
                tracing::info!(subscription = id, "subscription renewed");
                interval
            }
            Ok(SubscriptionChange::Created(id)) => {
                tracing::info!(subscription = id, "subscription created");
                interval
            }
            Err(error) => {
                warn_of(&error, "the subscription could not be kept");
                interval.min(Duration::from_secs(60))
            }
        };
        rest(wait, &mut stop).await;
    }
}

fn std_duration(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or_default()
}
