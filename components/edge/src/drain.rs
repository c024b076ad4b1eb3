//! What waits is delivered: within the time of a request, one message after the other. There is no worker behind an edge.

use std::time::Duration;

use flow::deliver::Attempted;
use flow::door::{self, Answer};
use flow::message::{Kind, Message, MessageId, Outcome};
use flow::peers::{Gate, Peer};
use flow::ports::{Clock, Lease, Store, StoreError};
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::json;

use crate::app::EdgeFlow;
use crate::config::KEEP_DOCUMENTS;

/// A request that holds a message longer than its own time and this has died with it.
const GRACE: SignedDuration = SignedDuration::from_secs(5);

/// `POST /mediator/drain`, for a cron.
pub async fn answer(flow: &EdgeFlow, budget: Duration) -> Answer {
    flow.http.set_budget(budget);
    let drained = async {
        let delivered = drain(flow, None).await?;
        flow.store.prune(flow.clock.now(), KEEP_DOCUMENTS)?;
        let counts = flow.store.counts()?;
        Ok::<_, StoreError>(json!({"delivered": delivered, "waiting": counts.waiting, "dead": counts.dead}))
    };
    match drained.await {
        Ok(body) => door::json_answer(StatusCode::OK, &body),
        Err(_) => door::refusal(StatusCode::SERVICE_UNAVAILABLE, "transient", "the store failed; call again later"),
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

async fn deliver_due(flow: &EdgeFlow, first: Option<(Kind, MessageId)>) -> Result<u32, StoreError> {
    let budget = flow.http.left();
    let until = SignedDuration::try_from(budget).unwrap_or_default().saturating_add(GRACE);
    let mut delivered = 0;
    let mut unwell = None;
    if let Some((kind, id)) = first
        && let Some(message) = flow.store.lease_one(&one(flow, kind, until), id)?
    {
        match attempt(flow, &message).await? {
            After::Arrived => delivered += 1,
            After::Unwell => unwell = Some(kind),
            After::Next => {}
        }
    }
    for kind in Kind::ALL.iter().copied().filter(|kind| Some(*kind) != unwell) {
        // One that is begun late would fail for want of time, and be asked for at the peer before it is sent again.
        while flow.http.left() > budget / 3 && !matches!(flow.gate(kind), Gate::Closed { .. }) {
            let Some(message) = flow.store.lease(&one(flow, kind, until)).await?.pop() else { break };
            match attempt(flow, &message).await? {
                After::Arrived => delivered += 1,
                After::Unwell => break,
                After::Next => {}
            }
        }
    }
    Ok(delivered)
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

async fn attempt(flow: &EdgeFlow, message: &Message) -> Result<After, StoreError> {
    let Attempted::Settled(outcome) = flow.deliver(message).await? else { return Ok(After::Next) };
    let reason = match &outcome {
        Outcome::Delivered { note } => note,
        Outcome::Skipped { reason }
        | Outcome::Waiting { reason, .. }
        | Outcome::Retry { reason, .. }
        | Outcome::Dead { reason, .. } => reason,
    };
    eprintln!("message {} is {}: {reason}", message.id, outcome.state());
    Ok(match outcome {
        Outcome::Delivered { .. } => After::Arrived,
        Outcome::Retry { .. } => After::Unwell,
        Outcome::Skipped { .. } | Outcome::Waiting { .. } | Outcome::Dead { .. } => After::Next,
    })
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
