//! An answer as OpenHIM's core reads it: `application/json+openhim`. What the client gets is inside.
//!
//! Recorded of core 8.5: `response.status` must be there, an orchestration needs a name and a request with a timestamp (without a request
//! the core ends), `error` puts the transaction into the queue of those that are tried again.

use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Status;
use crate::http_api::Answer;
use crate::message::{Kind, MessageId};
use crate::receive::{Journal, Step, StepResult};

/// What OpenHIM wants to see.
pub const CONTENT_TYPE: &str = "application/json+openhim";

/// What a transaction shows beside the answer.
#[derive(Clone, Copy, Debug)]
pub struct Details<'a> {
    /// The mediator's name in OpenHIM.
    pub urn: &'a str,
    /// What came in.
    pub kind: Kind,
    /// What was done with it.
    pub journal: &'a Journal,
    /// The message it is now.
    pub id: Option<MessageId>,
    /// The transaction is told later what became of the message.
    pub told_later: bool,
}

/// Wraps an answer. The outer status is 200: what counts for the client is inside.
pub fn envelope(answer: &Answer, shown: &Details<'_>, now: Timestamp) -> Answer {
    let status = answer.status();
    let headers: Map<String, Value> = answer
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.into())))
        .collect();
    let orchestrations: Vec<Value> = shown.journal.steps.iter().map(|step| orchestration(step, shown)).collect();
    let mut body = json!({
        "x-mediator-urn": shown.urn,
        "status": word(status, shown).word(),
        "response": {
            "status": status.as_u16(),
            "headers": headers,
            "body": String::from_utf8_lossy(answer.body()), // text: of an object the core keeps "[object Object]"
            "timestamp": now,
        },
        "orchestrations": orchestrations,
        "properties": properties(shown),
    });
    if status.is_server_error() {
        body["error"] = json!({"message": "the message could not be stored; it may be sent again", "stack": ""});
    }
    let mut wrapped = Answer::new(body.to_string().into_bytes());
    wrapped.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    wrapped
}

/// As the core would judge the status, but for what is not at its end and for what was taken though nobody can use it.
fn word(status: StatusCode, shown: &Details<'_>) -> Status {
    let unmappable = |step: &Step| matches!(&step.done, StepResult::Mapped(issues) if !issues.is_empty());
    match status.as_u16() {
        200..=299 if shown.told_later => Status::Processing,
        200..=299 if !shown.journal.steps.iter().any(unmappable) => Status::Successful,
        200..=499 => Status::Completed,
        _ => Status::Failed,
    }
}

/// Transactions can be searched for by these.
fn properties(shown: &Details<'_>) -> Value {
    let mut properties = Map::new();
    let mut put = |name: &str, value: Option<String>| {
        properties.extend(value.map(|value| (name.to_owned(), value.into())));
    };
    put("message_id", shown.id.map(|id| id.to_string()));
    put("claim_code", shown.journal.claim_code.as_deref().map(short));
    put("claim_uuid", shown.journal.claim_uuid.clone());
    properties.into()
}

/// A claim's code: openIMIS' have 8 characters; what somebody else sends must not burst an index of the core's.
fn short(code: &str) -> String {
    code.chars().take(200).collect()
}

/// A step as something that was asked of a part of the mediator. Without the documents: OpenHIM has the one that came in, and what it is
/// mapped to is not final before it is delivered.
fn orchestration(step: &Step, shown: &Details<'_>) -> Value {
    let (name, path, status, body) = match &step.done {
        StepResult::Mapped(issues) => {
            let path = format!("/map-{}", shown.kind);
            let status = if issues.is_empty() { 200 } else { 422 };
            let body = if issues.is_empty() { String::new() } else { mapping::outcome::operation_outcome(issues) };
            (format!("mapped (trial) by map-{}", shown.kind), path, status, body)
        }
        StepResult::NotMapped(error) => {
            // What a mapping says as it stops may quote the document.
            let error = own_words(error).to_owned();
            (format!("not mapped by map-{}", shown.kind), format!("/map-{}", shown.kind), 503, error)
        }
        StepResult::Stored { new } => {
            let (status, body) =
                if *new { (201, json!({"id": shown.id})) } else { (200, json!({"id": shown.id, "duplicate": true})) };
            ("stored".to_owned(), "/store".to_owned(), status, body.to_string())
        }
        StepResult::NotStored => ("not stored".to_owned(), "/store".to_owned(), 503, String::new()),
    };
    asked_and_answered(&name, &path, step.from, status, &body, step.to)
}

/// What stands before the first colon: behind it may be what somebody else said.
pub(super) fn own_words(reason: &str) -> &str {
    reason.split(": ").next().unwrap_or_default()
}

/// One orchestration with all that the core needs.
pub(super) fn asked_and_answered(
    name: &str,
    path: &str,
    from: Timestamp,
    status: u16,
    body: &str,
    to: Timestamp,
) -> Value {
    json!({
        "name": name,
        "request": {
            "host": "openimis-mediator", "port": "", "path": path, "headers": {}, "querystring": "", "body": "",
            "method": "POST", "timestamp": from,
        },
        "response": {"status": status, "headers": {}, "body": body, "timestamp": to},
    })
}
