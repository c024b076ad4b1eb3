//! What the workers say of their work: lines in the log, spans of traces. Ids, outcomes and our own words only.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flow::Kind;
use flow::breaker::Health;
use flow::deliver::AttemptResult;
use flow::message::{Message, Outcome};
use flow::peers::{Peer, PeerError};
use flow::poll::{PollError, PollResult};
use flow::ports::{Clock, StoreError};
use opentelemetry::KeyValue;

use super::is_our_turn;
use crate::Host;
use observe::trace::{ATTEMPT, MESSAGE_ID, MESSAGE_KIND, OUTCOME, Parent, SpanKind, Work};

/// Ids and outcomes only; the reason is on the trail.
pub(super) fn tell_of_delivery(message: &Message, delivered: Result<AttemptResult, StoreError>, work: &Work) {
    let (id, kind, attempt) = (message.id, message.kind, message.attempt);
    let trace_id = work.trace_id();
    let trace_id = trace_id.as_deref();
    let outcome = match &delivered {
        Ok(AttemptResult::Settled(outcome)) => outcome.state().word(),
        Ok(AttemptResult::LeaseLost) => "lease lost",
        Err(_) => "not stored",
    };
    work.attribute(OUTCOME, outcome);
    match delivered {
        Ok(AttemptResult::Settled(outcome)) => match outcome {
            Outcome::Delivered { .. } => tracing::info!(%id, %kind, attempt, trace_id, "delivered"),
            Outcome::Skipped { .. } => tracing::info!(%id, %kind, trace_id, "skipped by the task policy"),
            Outcome::Waiting { at, .. } => tracing::debug!(%id, %kind, %at, trace_id, "waiting"),
            Outcome::Retry { at, .. } => {
                work.failed("not delivered");
                tracing::warn!(%id, %kind, attempt, %at, trace_id, "not delivered, will be tried again")
            }
            Outcome::Dead { .. } => {
                work.failed("dead letter");
                tracing::error!(%id, %kind, trace_id, "dead letter: see `messages show {id}`")
            }
        },
        Ok(AttemptResult::LeaseLost) => {
            tracing::warn!(%id, %kind, trace_id, "another mediator has it by now and will ask the peer")
        }
        Err(error) => tracing::error!(%id, %kind, trace_id, %error, "the outcome could not be stored"),
    }
}

/// Of which peers it was said that they are left alone: one line when it begins, one when it is over, whoever notices it first.
#[derive(Debug, Default)]
pub struct Away(Mutex<[bool; Peer::ALL.len()]>);

impl Away {
    /// Peers that are away, or back, and were not when this was asked last.
    fn news(&self, host: &Host) -> Vec<(Peer, Health)> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = Peer::ALL.into_iter().zip(said.iter_mut());
        let news = all.filter_map(|(peer, said)| {
            let health = host.flow.health(peer);
            let is_news = health.is_away() != *said;
            *said = health.is_away();
            is_news.then_some((peer, health))
        });
        news.collect()
    }
}

/// Says that a peer is left alone, or is back. Why: in our own words only, for a peer's may hold personal data; the admin API and the trails
/// show those.
pub(super) async fn tell_of_peers(host: &Host) {
    for (peer, health) in host.away.news(host) {
        let since = health.since.unwrap_or_else(|| host.flow.clock.now());
        let is_away = health.is_away();
        match health.away {
            Some((until, _)) => {
                let why = health.cause;
                tracing::warn!(%peer, why, %since, %until, "{peer} is left alone for a while; messages wait");
            }
            None => tracing::info!(%peer, "{peer} is back"),
        }
        if let Err(error) = host.flow.store.note_away(peer, is_away.then_some(since)).await {
            tracing::warn!(%peer, %error, "the list of messages does not show whether it is reachable");
        }
    }
}

pub(super) fn tell_of_poll(host: &Host, what: &str, polled: Result<PollResult, PollError>) {
    match polled {
        Ok(PollResult { listed, new, .. }) if new > 0 => {
            tracing::info!(listed, new, "polled {what}");
            host.wake.notify_one();
        }
        Ok(PollResult { listed, complete, .. }) => tracing::debug!(listed, complete, "polled {what}"),
        Err(PollError::Peer(error)) => warn_of(&error, &format!("{what} were not polled")),
        Err(PollError::Store(error)) => tracing::error!(%error, "{what} were not polled"),
    }
}

/// What a peer said may quote a document: only our own words and the status go to the log.
pub(super) fn warn_of(error: &PeerError, what: &str) {
    match error {
        PeerError::Failed(peer, status, _)
        | PeerError::Refused(peer, status, _)
        | PeerError::Unreadable(peer, status, _) => {
            tracing::warn!(%peer, status = status.as_u16(), "{what}");
        }
        PeerError::Paused { .. } | PeerError::NotSent(..) | PeerError::NoAnswer(..) => {
            let error = error.unquoted();
            tracing::warn!(error, "{what}");
        }
    }
}

/// An attempt as a part of the trace in which its message came in, however long ago that was.
pub(super) fn traced(host: &Host, message: &Message, traceparent: Option<&str>) -> Work {
    let name = match message.kind {
        Kind::ClaimResponse => "deliver claim-response",
        Kind::Feedback => "deliver feedback",
        Kind::Eclaim => "deliver eclaim",
        Kind::Adjudication => "follow adjudication",
        Kind::EclaimAnswer => "deliver eclaim-answer",
    };
    host.telemetry.begin(name, SpanKind::Consumer, Parent::Kept(traceparent), || {
        let (id, attempt) =
            (KeyValue::new(MESSAGE_ID, message.id.0), KeyValue::new(ATTEMPT, i64::from(message.attempt)));
        vec![id, attempt, KeyValue::new(MESSAGE_KIND, message.kind.word())]
    })
}

/// A poll as a trace of its own; what it takes in belongs to it. None: another mediator does it.
pub(super) async fn polling(
    host: &Host,
    name: &'static str,
    interval: Duration,
    poll: impl Future<Output = Result<PollResult, PollError>>,
) -> Result<Option<PollResult>, PollError> {
    if !is_our_turn(host, name, interval).await? {
        return Ok(None);
    }
    let work = host.telemetry.begin(name, SpanKind::Internal, Parent::Nobody, Vec::new);
    let polled = work.run(poll).await;
    if polled.is_err() {
        work.failed("not polled");
    }
    polled.map(Some)
}
