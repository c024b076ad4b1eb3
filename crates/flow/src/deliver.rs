//! One leased message to its outcome. The steps of each kind are in the modules below and in `eclaim`; here they begin, and their outcome is
//! stored.

mod claim_response;
mod feedback;

use crate::Flow;
use crate::message::{Kind, Message, Outcome, Trail, TrailEntry};
use crate::ports::{Clock, Http, Mapper, MapperError, Store, StoreError};
use crate::retry;

/// What [`Flow::deliver`] did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AttemptResult {
    /// The outcome is in the store.
    Settled(Outcome),
    /// It took longer than the lease, and another worker has the message now: it will ask the peer first.
    LeaseLost,
}

/// What an attempt left behind.
pub(crate) struct Attempt {
    pub trail: Trail,
    /// The document as it was to be sent.
    pub mapped: Option<String>,
    /// What a person should know of it though it is delivered.
    pub remark: Option<String>,
}

/// Why a way ends before its end.
pub(crate) enum Interruption {
    Outcome(Outcome),
    Store(StoreError),
}

impl From<Outcome> for Interruption {
    fn from(outcome: Outcome) -> Self {
        Self::Outcome(outcome)
    }
}

impl From<StoreError> for Interruption {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Tries to deliver a message and settles it. After a crash the same function runs again from the top: each of its steps
    /// is safe to repeat.
    pub async fn deliver(&self, message: &Message) -> Result<AttemptResult, StoreError> {
        let mut attempt = Attempt { trail: Trail::default(), mapped: None, remark: None };
        let ageless = self.clock.is_doubted().then(|| Message { is_ageless: true, ..message.clone() });
        let message = ageless.as_ref().unwrap_or(message);
        let way = match message.kind {
            Kind::ClaimResponse => self.deliver_claim_response(message, &mut attempt).await,
            Kind::Feedback => self.deliver_feedback(message, &mut attempt).await,
            Kind::Eclaim => self.submit_eclaim(message, &mut attempt).await,
            Kind::Adjudication => self.follow_eclaim(message, &mut attempt).await,
            Kind::EclaimAnswer => self.post_eclaim_answer(message, &mut attempt).await,
        };
        let now = self.clock.now();
        let outcome = match way {
            Ok(outcome) | Err(Interruption::Outcome(outcome)) => outcome,
            // The mediator's own trouble, never a reason to give up.
            Err(Interruption::Store(error)) => Outcome::Retry {
                at: retry::retry_at(now, message.id, message.attempt, &self.settings.retry),
                reason: error.to_string(),
                uncertain: attempt.trail.has_sent().then_some(now).or(message.uncertain),
            },
        };
        let (event, detail) = match &outcome {
            Outcome::Delivered { note } => ("delivered", note.clone()),
            Outcome::Skipped { reason } => ("skipped", reason.clone()),
            Outcome::Waiting { at, reason } => ("waiting", format!("until {at}: {reason}")),
            Outcome::Retry { at, reason, .. } => ("retry", format!("at {at}: {reason}")),
            Outcome::Dead { reason, .. } => ("dead letter", reason.clone()),
        };
        // A peer that is left alone for hours would fill the trail of every message that waits for it.
        let nothing_tried = attempt.trail.0.is_empty() && matches!(outcome, Outcome::Waiting { .. });
        if !nothing_tried {
            attempt.trail.0.push(TrailEntry { at: now, event: event.into(), detail, status: None, duration_ms: None });
        }
        let settled = self.store.settle(message, &outcome, attempt.mapped.as_deref(), &attempt.trail.0, now).await?;
        Ok(if settled { AttemptResult::Settled(outcome) } else { AttemptResult::LeaseLost })
    }
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// A mapping that failed by itself: the message is parked, others go on.
    pub(crate) fn parked(&self, error: &MapperError, message: &Message) -> Interruption {
        Interruption::Outcome(match error {
            MapperError::Busy(_) => {
                let (now, retry) = (self.clock.now(), &self.settings.retry);
                retry::again(error.to_string(), message.uncertain, message, now, retry)
            }
            _ => Outcome::dead(format!("{error}: repair or replace the component, then retry")),
        })
    }
}

/// A document that cannot be mapped.
pub(crate) fn unmappable(what: &str, issues: Vec<mapping::Issue>) -> Outcome {
    let first = issues.iter().min_by_key(|issue| issue.severity).map(ToString::to_string).unwrap_or_default();
    let more = if issues.len() > 1 { format!(" (and {} more)", issues.len() - 1) } else { String::new() };
    Outcome::Dead { reason: format!("{what} cannot be mapped: {first}{more}"), issues, uncertain: None }
}
