//! Background work: messages are delivered as they become due, openIMIS is polled, the subscription is kept, what is old is pruned.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use flow::decide;
use flow::deliver::Attempted;
use flow::message::{Message, Outcome, TrailEntry};
use flow::peers::Gate;
use flow::ports::{Clock, Lease, Store, StoreError};
use flow::subscription::Kept;
use flow::{Kind, MessageId};
use futures_util::FutureExt;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::task::{self, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};

mod tell;

use crate::Host;
use crate::store::Leased;
use tell::{polling, tell_of_delivery, tell_of_gate, tell_of_poll, traced, warn_of};

/// Longest sleep of a worker: what another process put back (`messages retry`) or took in is seen after it.
const LONGEST_SLEEP: Duration = Duration::from_secs(2);
/// How long settled messages are gathered before the other worker looks.
const GATHER: Duration = Duration::from_millis(25);
/// Messages that were all delivered within so long are leased in larger numbers,
const SOON: Duration = Duration::from_millis(100);
/// but never more ahead than so many times those that are delivered at once.
const DEEPEST: usize = 8;
/// Sleep after the store failed.
const STORE_FAILED: Duration = Duration::from_secs(1);
/// Time between two looks at what can be pruned.
const HOUSEKEEPING: Duration = Duration::from_secs(600);

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
        let of_cht = Kind::DOORS.contains(&kind);
        let kin = Kind::ALL.iter().filter(move |other| Kind::DOORS.contains(other) == of_cht);
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
    let mut away = false;
    while !*stop.borrow() {
        let gate = host.flow.gate(kind);
        tell_of_gate(kind, &gate, &mut away);
        let wanted = match gate {
            Gate::Open => running.room(),
            Gate::Probe => 1_usize.saturating_sub(running.held.len()),
            Gate::Closed { .. } => 0,
        };
        // Before the store says until when: what is counted here must end before what is counted there.
        let asked_at = Instant::now();
        let leased = if wanted == 0 { Ok(Vec::new()) } else { lease(&host, kind, wanted, &running.held).await };
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
    running.give_back().await;
    let drain = std_duration(host.config.worker.drain);
    if !running.held.is_empty() {
        tracing::info!(count = running.held.len(), %kind, "waiting for deliveries on their way");
    }
    if timeout(drain, async { while running.tasks.join_next().await.is_some() {} }).await.is_err() {
        tracing::warn!("stopped before every delivery ended; they are taken up again at the next start");
    }
}

/// Deliveries on their way, and messages that were leased ahead: a commit that leases one message costs as much as one that leases ten.
struct Running {
    host: Arc<Host>,
    tasks: JoinSet<()>,
    /// Which message each task is at.
    messages: HashMap<task::Id, MessageId>,
    ahead: VecDeque<(Leased, Instant)>,
    /// How many are leased ahead at most: more where they are soon delivered, so that a lease is worth its commit; few where each takes
    /// its time, so that none waits for long in the hands of one mediator.
    depth: usize,
    leased_at: Instant,
    held: Vec<MessageId>,
}

impl Running {
    fn new(host: Arc<Host>) -> Self {
        let (depth, leased_at) = (host.config.worker.concurrency as usize, Instant::now());
        let (tasks, messages, ahead, held) = Default::default();
        Self { host, tasks, messages, ahead, depth, leased_at, held }
    }

    /// How many more to lease: none as long as half of those ahead are left.
    fn room(&self) -> usize {
        let concurrency = self.host.config.worker.concurrency as usize;
        if self.ahead.len() > self.depth / 2 { 0 } else { (concurrency + self.depth).saturating_sub(self.held.len()) }
    }

    /// As many as were asked for came, that long after the last time.
    fn deepen(&mut self) {
        let concurrency = self.host.config.worker.concurrency as usize;
        let longer = if self.leased_at.elapsed() < SOON { 2 * self.depth } else { concurrency };
        self.depth = longer.min(DEEPEST * concurrency);
        self.leased_at = Instant::now();
    }

    fn take(&mut self, leased: Leased, at: Instant) {
        self.held.push(leased.message.id);
        self.ahead.push_back((leased, at));
        self.fill();
    }

    fn fill(&mut self) {
        while self.tasks.len() < self.host.config.worker.concurrency as usize
            && let Some((leased, at)) = self.ahead.pop_front()
        {
            self.spawn(leased, at);
        }
    }

    fn spawn(&mut self, leased: Leased, at: Instant) {
        let Leased { message, traceparent } = leased;
        let (host, id) = (self.host.clone(), message.id);
        let task = self.tasks.spawn(async move {
            // Not longer than the lease: somebody else would have it then.
            let lease = std_duration(host.flow.settings.retry.lease);
            let work = traced(&host, &message, traceparent.as_deref());
            let flow = host.flow.fresh(); // settings that change meanwhile are for the next message
            let delivery = AssertUnwindSafe(work.run(flow.deliver(&message))).catch_unwind();
            match timeout_at(at + lease - lease / 10, delivery).await {
                Ok(Ok(delivered)) => {
                    host.metrics.attempted(&message, &delivered, host.flow.clock.now());
                    tell_of_delivery(&message, delivered, &work);
                }
                Ok(Err(_panic)) => {
                    work.failed("ended unexpectedly");
                    unfinished(&host, &message, "the delivery ended unexpectedly: this is a fault of the mediator")
                        .await
                }
                Err(_) => {
                    work.failed("took longer than its lease");
                    unfinished(&host, &message, "the delivery took longer than retry.lease").await
                }
            }
            host.waiting.settled(id);
            host.wake.settled(message.kind);
        });
        self.messages.insert(task.id(), id);
    }

    fn ended(&mut self, ended: Result<(task::Id, ()), task::JoinError>) {
        let task = match &ended {
            Ok((task, ())) => *task,
            Err(error) => error.id(),
        };
        let message = self.messages.remove(&task);
        self.held.retain(|held| Some(*held) != message);
        if let (Err(error), Some(id)) = (ended, message) {
            tracing::error!(%id, %error, "a delivery ended unexpectedly; it is taken again when its lease runs out");
        }
    }

    /// Waits until one ends, and begins others; for ever if there is none.
    async fn one_ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.ended(ended),
            None => std::future::pending().await,
        }
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.ended(ended);
        }
        self.fill();
    }

    /// Gives back what was not begun: nothing was tried with it.
    async fn give_back(&mut self) {
        let (now, store) = (self.host.flow.clock.now(), &self.host.flow.store);
        let outcome = Outcome::Waiting { at: now, reason: "the mediator stopped".to_owned() };
        let ahead: Vec<Message> = self.ahead.drain(..).map(|(leased, _)| leased.message).collect();
        self.held.retain(|held| ahead.iter().all(|message| message.id != *held));
        let given_back = ahead.iter().map(|message| store.settle(message, &outcome, None, &[], now));
        let drain = std_duration(self.host.config.worker.drain);
        let given_back = timeout(drain, join_all(given_back)).await.unwrap_or_default();
        if given_back.iter().filter(|settled| settled.is_ok()).count() < ahead.len() {
            tracing::error!("messages could not be given back; they are taken up again when their leases run out");
        }
    }
}

async fn lease(host: &Host, kind: Kind, limit: usize, held: &[MessageId]) -> Result<Vec<Leased>, StoreError> {
    let store = &host.flow.store;
    let here = host.flow.clock.now();
    let shared = store.now(here).await?;
    let until = shared.saturating_add(host.flow.settings.retry.lease).unwrap_or(shared);
    // When a message is tried again is set by this machine's clock: one that is behind must not make all of them due at once.
    store.lease_traced(&Lease { kind, now: shared.min(here), until, limit: limit as u32, held }).await
}

/// A delivery without an outcome of its own is a failed try: the peer may have the message.
async fn unfinished(host: &Host, message: &Message, what: &str) {
    let now = host.flow.clock.now();
    tracing::error!(id = %message.id, kind = %message.kind, "{what}");
    let outcome = decide::again(what.to_owned(), true, message, now, &host.flow.fresh().settings.retry);
    let line =
        TrailEntry { at: now, event: "left".to_owned(), detail: what.to_owned(), status: None, duration_ms: None };
    let settled = host.flow.store.settle(message, &outcome, None, &[line], now).await;
    let attempted = settled.map(|kept| if kept { Attempted::Settled(outcome) } else { Attempted::LeaseLost });
    host.metrics.attempted(message, &attempted, now);
    if let Err(error) = attempted {
        tracing::error!(id = %message.id, %error, "the outcome could not be stored");
    }
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
    loop {
        match unless_asked(&mut stop, housekeeping(&host)).await {
            None => return,
            Some(Err(error)) => tracing::error!(%error, "housekeeping failed"),
            Some(Ok(())) => {}
        }
        rest(HOUSEKEEPING, &mut stop).await;
    }
}

async fn housekeeping(host: &Host) -> Result<(), StoreError> {
    let store = &host.flow.store;
    let now = store.now(host.flow.clock.now()).await?;
    let flow = host.flow.fresh();
    let (retry, retention) = (&flow.settings.retry, &host.config.retention);
    let day = SignedDuration::from_hours(24);
    let longest = retry.longest.max(retry.recheck).max(retry.pause).max(day) + SignedDuration::from_hours(1);
    let after = |wait: SignedDuration| now.saturating_add(wait).unwrap_or(Timestamp::MAX);
    let pulled = store.pull_forward(now, after(retry.lease), after(longest.max(retry.lease))).await?;
    if pulled > 0 {
        tracing::warn!(count = pulled, "messages waited for a moment that a wrong clock had set; they are due now");
    }
    let before = |kept: SignedDuration| now.saturating_add(-kept).unwrap_or(Timestamp::MIN);
    let pruned = store.prune(before(retention.documents), before(retention.messages), |_| {}).await?;
    if pruned.documents + pruned.messages > 0 {
        tracing::info!(documents = pruned.documents, messages = pruned.messages, "pruned");
    }
    Ok(())
}

/// Polls openIMIS for new claims until asked to stop.
pub async fn poll_claims(host: Arc<Host>, mut stop: Stop) {
    loop {
        let flow = host.flow.fresh();
        let interval = std_duration(flow.settings.poll.interval);
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
            Ok(Kept::Unchanged(id)) => {
                tracing::debug!(subscription = id, "subscription is in place");
                interval
            }
            Ok(Kept::Renewed(id)) => {
                tracing::info!(subscription = id, "subscription renewed");
                interval
            }
            Ok(Kept::Created(id)) => {
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
