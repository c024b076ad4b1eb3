//! What comes in is stored before it is answered: nothing that was acknowledged can be lost.

use mapping::{Issue, claim_response, feedback};
use serde::de::IgnoredAny;
use uuid::Uuid;

use crate::Flow;
use crate::message::{Accepted, Kind, MessageId, NewMessage, Origin, State};
use crate::ports::{Clock, Http, Mapper, Store, StoreError};

/// What became of something that came in.
#[derive(Clone, Debug)]
pub enum Received {
    /// Stored; it will be delivered.
    Accepted(MessageId),
    /// It was there before.
    Duplicate(MessageId),
    /// Stored as a dead letter: it cannot be mapped.
    Unmappable(MessageId, Vec<Issue>),
    /// Not JSON: nothing was stored.
    NotJson(Issue),
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Takes a `ClaimResponse` in.
    pub async fn receive_claim_response(&self, body: Vec<u8>, origin: Origin) -> Result<Received, StoreError> {
        let text = match json_text(&body) {
            Ok(text) => text,
            Err(issue) => return Ok(Received::NotJson(issue)),
        };
        let envelope = claim_response::envelope(text);
        let settings = &self.settings.mapping.claim_response;
        // A mapping that fails by itself says nothing of the document: the worker will park it with the reason.
        let issues = match self.mapper.claim_response(text, None, None, settings).await {
            Ok(Err(issues)) => issues,
            Ok(Ok(_)) | Err(_) => Vec::new(),
        };
        let claim_uuid = envelope.claim_uuid.map(|uuid| uuid.to_string());
        let lane = claim_uuid.clone().unwrap_or_else(|| fingerprint(&body));
        let new = NewMessage {
            kind: Kind::ClaimResponse,
            origin,
            dedupe_key: format!("claim/{lane}"),
            lane,
            claim_uuid,
            claim_code: envelope.claim_code,
            insuree_uuid: envelope.insuree_uuid.map(|uuid| uuid.to_string()),
            body,
            issues,
        };
        self.store(new).await
    }

    /// Takes the answers of a feedback form in.
    pub async fn receive_feedback(&self, body: Vec<u8>) -> Result<Received, StoreError> {
        let text = match json_text(&body) {
            Ok(text) => text,
            Err(issue) => return Ok(Received::NotJson(issue)),
        };
        let envelope = feedback::envelope(text);
        let insuree_uuid = self.insuree_of(&envelope).await?;
        let issues = match self.mapper.feedback(text, insuree_uuid.as_deref(), &self.settings.mapping.feedback).await {
            Ok(Err(issues)) => issues,
            Ok(Ok(_)) | Err(_) => Vec::new(),
        };
        let claim_uuid = envelope.claim_uuid.map(|uuid| uuid.to_string());
        let lane = claim_uuid.clone().unwrap_or_else(|| fingerprint(&body));
        let new = NewMessage {
            kind: Kind::Feedback,
            origin: Origin::Push,
            dedupe_key: format!("feedback/{}", envelope.report_id.map(key_of).as_deref().unwrap_or(&lane)),
            lane,
            claim_uuid,
            claim_code: None,
            insuree_uuid,
            body,
            issues,
        };
        self.store(new).await
    }

    /// The insuree whom a feedback names; else the patient of its claim: a CHT contact that was there before the mediator does not know
    /// openIMIS' uuid.
    pub(crate) async fn insuree_of(&self, feedback: &feedback::Envelope) -> Result<Option<String>, StoreError> {
        match (feedback.insuree_uuid, feedback.claim_uuid) {
            (Some(insuree), _) => Ok(Some(insuree.to_string())),
            (None, Some(claim)) => self.store.insuree_of(&claim.to_string()).await,
            (None, None) => Ok(None),
        }
    }

    async fn store(&self, new: NewMessage) -> Result<Received, StoreError> {
        let issues = new.issues.clone();
        let accepted = self.store.accept(new, self.clock.now()).await?;
        Ok(match accepted {
            Accepted::Duplicate(id, State::Dead) if !issues.is_empty() => Received::Unmappable(id, issues),
            Accepted::Duplicate(id, _) => Received::Duplicate(id),
            Accepted::New(id) | Accepted::Revived(id) if issues.is_empty() => Received::Accepted(id),
            Accepted::New(id) | Accepted::Revived(id) => Received::Unmappable(id, issues),
        })
    }
}

/// The text of a JSON document, or where it stops being one.
fn json_text(body: &[u8]) -> Result<&str, Issue> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Issue::fatal("", format!("not UTF-8 text (byte {})", error.valid_up_to())))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| {
        Issue::fatal("", format!("not well-formed JSON (line {}, column {})", error.line(), error.column()))
    })?;
    Ok(text)
}

/// A report's id as a key. CHT's are uuids; what somebody else sends must not burst an index.
fn key_of(report_id: String) -> String {
    if report_id.len() > 200 || report_id.contains('\0') {
        return format!("long-{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, report_id.as_bytes()));
    }
    report_id
}

/// Key of a document that names no claim: the same bytes are the same message.
fn fingerprint(body: &[u8]) -> String {
    format!("unnamed-{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, body))
}
