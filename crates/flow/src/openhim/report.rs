//! What a transaction of OpenHIM is told when its message has come to an end, or to a stop.
//!
//! It goes into the transaction's orchestrations: ids, steps, statuses and times. What a peer said may quote personal data, and stays here.
//! `error` is not used: the core would take it for a reason to send the request again.

use jiff::{SignedDuration, Timestamp};
use mapping::Issue;
use serde_json::{Value, json};

use super::Status;
use super::envelope::{asked_and_answered, own_words};
use crate::message::{MessageId, State, TrailEntry};

/// Most steps that are told, the latest ones: a message may have been tried for two weeks.
const STEPS: usize = 50;

/// What became of a message.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Its number.
    pub id: MessageId,
    /// Where it is now.
    pub state: State,
    /// Why, in our words and perhaps a peer's.
    pub reason: &'a str,
    /// What is wrong with the document.
    pub issues: &'a [Issue],
    /// What was done since the transaction came.
    pub trail: &'a [TrailEntry],
    /// When it came to its end.
    pub settled_at: Timestamp,
}

impl Report<'_> {
    /// Whether there is something to tell of a message in this state.
    pub fn is_due(state: State) -> bool {
        matches!(state, State::Delivered | State::Skipped | State::Dead | State::Discarded)
    }

    /// The change of the transaction. Steps are added to those that it has.
    pub fn update(&self) -> Value {
        let from = self.trail.len().saturating_sub(STEPS);
        let mut steps: Vec<Value> = self.trail[from..].iter().map(step).collect();
        steps.push(self.end());
        json!({"status": self.status().word(), "$push": {"orchestrations": {"$each": steps}}})
    }

    /// Whether a transaction, as the core shows it, has been told this.
    pub fn is_told(&self, transaction: &Value) -> bool {
        let told = transaction["orchestrations"].as_array();
        told.is_some_and(|told| told.iter().any(|step| step["name"] == self.name()))
    }

    fn status(&self) -> Status {
        match self.state {
            State::Delivered => Status::Successful,
            State::Dead => Status::Failed,
            _ => Status::Completed,
        }
    }

    fn name(&self) -> String {
        format!("message {}: {}", self.id, self.state)
    }

    fn end(&self) -> Value {
        let (status, body) = match self.state {
            State::Delivered => (200, String::new()),
            _ if !self.issues.is_empty() => (422, mapping::outcome::operation_outcome(self.issues)),
            State::Dead => (502, format!("{}; see message {} of the mediator", own_words(self.reason), self.id)),
            _ => (200, format!("{}; see message {} of the mediator", own_words(self.reason), self.id)),
        };
        asked_and_answered(&self.name(), "/", self.settled_at, status, &body, self.settled_at)
    }
}

/// A request to a peer (`GET /path`) or a step of our own. Without an answer there is no `response`.
fn step(entry: &TrailEntry) -> Value {
    let took = SignedDuration::from_millis(entry.duration_ms.unwrap_or_default());
    let to = entry.at.saturating_add(took).unwrap_or(entry.at);
    let asked = entry.event.split_once(' ').filter(|(_, path)| path.starts_with('/'));
    let path = asked.map_or("/", |(_, path)| path);
    let mut step = asked_and_answered(&entry.event, path, entry.at, entry.status.unwrap_or_default(), "", to);
    if let Some((method, _)) = asked {
        step["request"]["method"] = method.into();
    }
    if entry.status.is_none()
        && let Some(step) = step.as_object_mut()
    {
        step.remove("response");
    }
    step
}
