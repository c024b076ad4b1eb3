//! What waits is delivered: within the time of a request, one message after the other. There is no worker behind an edge.

use std::time::Duration;

use flow::breaker::Gate;
use flow::deliver::AttemptResult;
use flow::http_api::{self, Answer};
use flow::message::{Kind, Message, MessageId, Outcome, State, TrailEntry};
use flow::peers::Peer;
use flow::ports::{Clock, Lease, Store, StoreError};
use flow::steady;
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::json;

use crate::config::KEEP_DOCUMENTS;
use crate::runtime::EdgeFlow;
use crate::store::Leased;

/// A request that holds a message longer than its own time and this has died with it.
const GRACE: SignedDuration = SignedDuration::from_secs(5);
/// How many requests one message may end.
const MOST_DEATHS: i64 = 3;

/// `POST /mediator/drain`, for a cron.
pub async fn answer(flow: &EdgeFlow, budget: Duration) -> Answer {
    flow.http.set_budget(budget);
    let drained = async {
        let delivered = drain(flow, None).await?;
        // Each drain is a process of its own: what it has measured is nothing.
        let (now, allowed) = (flow.clock.now(), steady::allowed(KEEP_DOCUMENTS));
        let judged = steady::look(&flow.store, now, SignedDuration::ZERO, allowed).await?;
        match judged.is_trusted() {
            true => flow.store.prune(now, KEEP_DOCUMENTS)?,
            false => eprintln!("nothing is pruned: the clock jumped ahead and is trusted again when a day has passed"),
        }
        let counts = flow.store.counts()?;
        Ok::<_, StoreError>(json!({"delivered": delivered, "waiting": counts.waiting, "dead": counts.dead}))
    };
    match drained.await {
        Ok(body) => http_api::json_answer(StatusCode::OK, &body),
        Err(_) => http_api::refusal(StatusCode::SERVICE_UNAVAILABLE, "transient", "the store failed; call again later"),
    }
}

/// Delivers `first`, then what else is due, as long as the time allows and the peers are well. Returns how many arrived.
pub async fn drain(flow: &EdgeFlow, first: Option<(Kind, MessageId)>) -> Result<u32, StoreError> {
    let drained = async {
        remember_pauses(flow).await?;
        let delivered = deliver_due(flow, first).await;
        keep_pauses(flow).await?;
        delivered
    };
    drained.await.inspect_err(|error| eprintln!("{error}"))
}

/// One message of each kind in turn, so that neither a peer that hangs nor a long queue keeps the other kind waiting.
async fn deliver_due(flow: &EdgeFlow, mut first: Option<(Kind, MessageId)>) -> Result<u32, StoreError> {
    let budget = flow.http.left();
    let until = SignedDuration::try_from(budget).unwrap_or_default().saturating_add(GRACE);
    let mut kinds = Kind::INBOUND.to_vec();
    // The sender's own message begins.
    kinds.sort_by_key(|kind| first.is_none_or(|(own, _)| own != *kind));
    let mut delivered = 0;
    loop {
        let mut unwell = Vec::new();
        let mut taken = 0;
        for kind in kinds.iter().copied() {
            let own = first.take();
            // One that is begun late would fail for want of time, and be asked for at the peer before it is sent again.
            let is_late = flow.http.left() <= budget / 3 || matches!(flow.gate(kind), Gate::Closed { .. });
            if own.is_none() && is_late {
                continue;
            }
            let leased = match flow.store.lease_one(&one(flow, kind, until), own.map(|(_, id)| id))? {
                // The sender's own may stand behind another one.
                None if own.is_some() && !is_late => flow.store.lease_one(&one(flow, kind, until), None)?,
                leased => leased,
            };
            let Some(leased) = leased else { continue };
            taken += 1;
            let share = share(flow, kinds.iter().filter(|other| **other != kind && !unwell.contains(*other))).await?;
            match flow.http.within(share, attempt(flow, &leased)).await? {
                After::Arrived => delivered += 1,
                After::Unwell => unwell.push(kind),
                After::Next => {}
            }
        }
        kinds.retain(|kind| !unwell.contains(kind));
        if taken == 0 {
            return Ok(delivered);
        }
    }
}

/// An equal part of the time that is left for a message and for each other kind that has something due.
async fn share<'k>(flow: &EdgeFlow, others: impl Iterator<Item = &'k Kind>) -> Result<Duration, StoreError> {
    let now = flow.clock.now();
    let mut parts = 1;
    for kind in others {
        let is_due = flow.store.next_due(*kind).await?.is_some_and(|at| at <= now);
        parts += u32::from(is_due && !matches!(flow.gate(*kind), Gate::Closed { .. }));
    }
    Ok(flow.http.left() / parts)
}

fn one(flow: &EdgeFlow, kind: Kind, lease: SignedDuration) -> Lease<'static> {
    let now = flow.clock.now();
    let until = now.saturating_add(lease).unwrap_or(now);
    Lease { kind, now, until, limit: 1, held: &[] }
}

/// How it goes on after an attempt.
enum After {
    Arrived,
    /// The peer did not do its part: what else goes to it waits.
    Unwell,
    Next,
}

async fn attempt(flow: &EdgeFlow, leased: &Leased) -> Result<After, StoreError> {
    let message = &leased.message;
    if leased.died >= MOST_DEATHS {
        give_up(flow, message).await?;
        return Ok(After::Next);
    }
    let AttemptResult::Settled(outcome) = flow.deliver(message).await? else { return Ok(After::Next) };
    let reason = match &outcome {
        Outcome::Delivered { note } => note,
        Outcome::Skipped { reason }
        | Outcome::Waiting { reason, .. }
        | Outcome::Retry { reason, .. }
        | Outcome::Dead { reason, .. } => reason,
    };
    // Behind the first colon may stand what a peer said, which may name people: the trail has it.
    let own_words = reason.split(": ").next().unwrap_or_default();
    eprintln!("message {} is {}: {own_words}", message.id, outcome.state());
    Ok(match outcome {
        Outcome::Delivered { .. } => After::Arrived,
        Outcome::Retry { .. } => After::Unwell,
        Outcome::Skipped { .. } | Outcome::Waiting { .. } | Outcome::Dead { .. } => After::Next,
    })
}

/// A mapping that traps or never returns takes its request along, and would take every later one: nothing is mapped any more.
async fn give_up(flow: &EdgeFlow, message: &Message) -> Result<(), StoreError> {
    let reason = format!(
        "its delivery ended its request {MOST_DEATHS} times: repair or swap the mapping, then put it back (docs/edge.md)"
    );
    eprintln!("message {} is {}: {reason}", message.id, State::Dead);
    let at = flow.clock.now();
    let line =
        TrailEntry { at, event: "dead letter".to_owned(), detail: reason.clone(), status: None, duration_ms: None };
    let outcome = Outcome::Dead { reason, issues: Vec::new(), uncertain: Some(at) };
    flow.store.settle(message, &outcome, None, &[line], at).await.map(drop)
}

/// A peer that refused our credentials locks the account if it is asked with every request.
const PAUSES: [(Peer, &str); 2] = [(Peer::OpenImis, "paused/openIMIS"), (Peer::Cht, "paused/CHT")];

async fn remember_pauses(flow: &EdgeFlow) -> Result<(), StoreError> {
    let now = flow.clock.now();
    for (peer, name) in PAUSES {
        if let Some(until) = flow.store.watermark(name).await?.filter(|until| *until > now) {
            flow.keep_paused(peer, until, "as an earlier request was told; its message's trail says why");
        }
    }
    Ok(())
}

async fn keep_pauses(flow: &EdgeFlow) -> Result<(), StoreError> {
    for (peer, name) in PAUSES {
        if let Some((until, _)) = flow.paused(peer) {
            flow.store.save_watermark(name, until).await?;
        }
    }
    Ok(())
}
