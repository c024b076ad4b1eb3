//! Deliveries on their way, and the messages that are leased ahead of them.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use flow::breaker::Gate;
use flow::deliver::AttemptResult;
use flow::message::{Message, Outcome, TrailEntry};
use flow::ports::{Clock, Store};
use flow::retry;
use flow::{Kind, MessageId};
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::task::{self, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};

use super::std_duration;
use super::tell::{tell_of_delivery, tell_of_peers, traced};
use crate::Host;
use store::Leased;

/// Messages that were all delivered within so long are leased in larger numbers,
const SOON: Duration = Duration::from_millis(100);
/// but never more ahead than so many times those that are delivered at once.
const DEEPEST: usize = 8;

/// What a worker of one kind has in its hands. It leases ahead: a commit that leases one message costs as much as one that leases ten.
pub(super) struct Running {
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
    pub(super) fn new(host: Arc<Host>) -> Self {
        let (depth, leased_at) = (host.config.worker.concurrency as usize, Instant::now());
        let (tasks, messages, ahead, held) = Default::default();
        Self { host, tasks, messages, ahead, depth, leased_at, held }
    }

    /// How many more to lease: none as long as half of those ahead are left.
    pub(super) fn room(&self) -> usize {
        let concurrency = self.host.config.worker.concurrency as usize;
        if self.ahead.len() > self.depth / 2 { 0 } else { (concurrency + self.depth).saturating_sub(self.held.len()) }
    }

    /// One, where a peer that was away is tried with a single message.
    pub(super) fn room_of_probe(&self) -> usize {
        1_usize.saturating_sub(self.held.len())
    }

    /// All that are leased, on their way or ahead.
    pub(super) fn held(&self) -> &[MessageId] {
        &self.held
    }

    /// As many as were asked for came, that long after the last time.
    pub(super) fn deepen(&mut self) {
        let concurrency = self.host.config.worker.concurrency as usize;
        let longer = if self.leased_at.elapsed() < SOON { 2 * self.depth } else { concurrency };
        self.depth = longer.min(DEEPEST * concurrency);
        self.leased_at = Instant::now();
    }

    pub(super) fn take(&mut self, leased: Leased, at: Instant) {
        self.held.push(leased.message.id);
        self.ahead.push_back((leased, at));
        self.fill();
    }

    fn fill(&mut self) {
        while self.tasks.len() < self.at_a_time()
            && let Some((leased, at)) = self.ahead.pop_front()
        {
            self.spawn(leased, at);
        }
    }

    /// How many deliveries may be on their way. What was leased before a peer went away is no exception: it goes one by one, so that not
    /// all of it reaches the peer when the pause ends in its middle.
    fn at_a_time(&self) -> usize {
        let kind = self.ahead.front().map(|(leased, _)| leased.message.kind);
        match kind.map(|kind| self.host.flow.gate(kind)) {
            Some(Gate::Probe | Gate::Closed { .. }) => 1,
            Some(Gate::Open) | None => self.host.config.worker.concurrency as usize,
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
            let ended = timeout_at(at + lease - lease / 10, delivery).await;
            tell_of_peers(&host).await; // before what was delivered to it
            match ended {
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
    pub(super) async fn one_ended(&mut self) {
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

    /// Gives back what was not begun, and waits for what is on its way.
    pub(super) async fn drain(&mut self, kind: Kind) {
        self.give_back().await;
        if !self.held.is_empty() {
            tracing::info!(count = self.held.len(), %kind, "waiting for deliveries on their way");
        }
        let drain = std_duration(self.host.config.worker.drain);
        if timeout(drain, async { while self.tasks.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!("stopped before every delivery ended; they are taken up again at the next start");
        }
    }
}

/// A delivery without an outcome of its own is a failed try: the peer may have the message.
async fn unfinished(host: &Host, message: &Message, what: &str) {
    let now = host.flow.clock.now();
    tracing::error!(id = %message.id, kind = %message.kind, "{what}");
    let outcome = retry::again(what.to_owned(), Some(now), message, now, &host.flow.fresh().settings.retry);
    let line =
        TrailEntry { at: now, event: "left".to_owned(), detail: what.to_owned(), status: None, duration_ms: None };
    let settled = host.flow.store.settle(message, &outcome, None, &[line], now).await;
    let attempted = settled.map(|kept| if kept { AttemptResult::Settled(outcome) } else { AttemptResult::LeaseLost });
    host.metrics.attempted(message, &attempted, now);
    if let Err(error) = attempted {
        tracing::error!(id = %message.id, %error, "the outcome could not be stored");
    }
}
