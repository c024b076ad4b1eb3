//! What comes in is stored before it is answered: nothing that was acknowledged can be lost.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use mapping::encoding::json_text;
use mapping::{Issue, MapResult, claim_response, encoding, feedback};
use uuid::Uuid;

use crate::Flow;
use crate::agreement::{self, Agreement};
use crate::message::{Acceptance, Kind, MessageId, NewMessage, Origin, State};
use crate::ports::{Clock, Http, Mapper, MapperError, Store, StoreError};

/// What became of something that came in.
#[derive(Clone, Debug)]
pub enum Receipt {
    /// Stored; it will be delivered.
    Accepted(MessageId),
    /// It was there before.
    Duplicate(MessageId),
    /// Stored as a dead letter: it cannot be mapped.
    Unmappable(MessageId, Vec<Issue>),
    /// Stored as a dead letter: it came with the key of another document.
    Conflict(Conflict),
    /// Not JSON: nothing was stored.
    NotJson(Issue),
}

/// A document that came with the key of another one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Conflict {
    /// The dead letter.
    pub id: MessageId,
    /// The message that has the key.
    pub first: MessageId,
    /// In what they differ.
    pub differs: Vec<&'static str>,
}

impl Receipt {
    /// The stored message.
    pub fn id(&self) -> Option<MessageId> {
        match self {
            Self::Accepted(id) | Self::Duplicate(id) | Self::Unmappable(id, _) => Some(*id),
            Self::Conflict(conflict) => Some(conflict.id),
            Self::NotJson(_) => None,
        }
    }
}

/// What was done with something that came in, for those who are told more than the answer.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Step by step.
    pub steps: Vec<Step>,
    /// openIMIS' uuid of the claim, where it could be read.
    pub claim_uuid: Option<String>,
    /// The claim's code, where it could be read.
    pub claim_code: Option<String>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it was, and how it went.
    pub done: StepResult,
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
}

/// What a step was, and how it went.
#[derive(Clone, Debug)]
pub enum StepResult {
    /// The mapping was tried; this is wrong with the document.
    Mapped(Vec<Issue>),
    /// The mapping failed by itself.
    NotMapped(String),
    /// It is stored; not new: it was there before.
    Stored {
        /// Not there before, or taken in anew.
        new: bool,
    },
    /// It could not be stored.
    NotStored,
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Takes in what was posted to a door, and tells what was done with it.
    pub async fn receive_told(
        &self,
        kind: Kind,
        body: Vec<u8>,
        sender: Option<&str>,
        journal: &mut Journal,
    ) -> Result<Receipt, StoreError> {
        match kind {
            Kind::ClaimResponse => self.take_claim_response(body, Origin::Push, sender, journal).await,
            Kind::Feedback => self.take_feedback(body, sender, journal).await,
            Kind::Eclaim | Kind::Adjudication | Kind::EclaimAnswer => {
                Err(StoreError(format!("a {kind} does not come in by this door")))
            }
        }
    }

    /// Takes a `ClaimResponse` in.
    pub async fn receive_claim_response(&self, body: Vec<u8>, origin: Origin) -> Result<Receipt, StoreError> {
        self.take_claim_response(body, origin, None, &mut Journal::default()).await
    }

    async fn take_claim_response(
        &self,
        mut body: Vec<u8>,
        origin: Origin,
        sender: Option<&str>,
        journal: &mut Journal,
    ) -> Result<Receipt, StoreError> {
        encoding::unmark(&mut body); // not of the document: with or without it, it is the same message
        let text = match json_text(&body) {
            Ok(text) => text,
            Err(issue) => return Ok(Receipt::NotJson(issue)),
        };
        let envelope = claim_response::envelope(text);
        let agreement =
            Agreement { facts: agreement::of_claim_response(&envelope), reader: agreement::Reader::ClaimResponse };
        let settings = &self.settings.mapping.claim_response;
        let from = self.clock.now();
        let tried = self.mapper.claim_response(text, None, None, settings).await;
        let issues = self.tried(tried, from, journal);
        let claim_uuid = envelope.claim_uuid.map(|uuid| uuid.to_string());
        self.wake_follower(claim_uuid.as_deref()).await;
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
            sender: sender.map(str::to_owned),
            agreement,
        };
        self.keep(new, journal).await
    }

    /// openIMIS tells of a claim: if it is a hospital's, what became of it is asked now. Else that is done in its time, so a store that
    /// fails here does no harm.
    async fn wake_follower(&self, claim_uuid: Option<&str>) {
        let Some(uuid) = claim_uuid.filter(|_| self.following.load(Ordering::Relaxed)) else { return };
        drop(self.store.wake(&format!("adjudication/{uuid}"), self.clock.now()).await);
    }

    /// Takes the answers of a feedback form in.
    pub async fn receive_feedback(&self, body: Vec<u8>) -> Result<Receipt, StoreError> {
        self.take_feedback(body, None, &mut Journal::default()).await
    }

    async fn take_feedback(
        &self,
        mut body: Vec<u8>,
        sender: Option<&str>,
        journal: &mut Journal,
    ) -> Result<Receipt, StoreError> {
        encoding::unmark(&mut body);
        let text = match json_text(&body) {
            Ok(text) => text,
            Err(issue) => return Ok(Receipt::NotJson(issue)),
        };
        let envelope = feedback::envelope(text);
        let facts = agreement::of_feedback(&envelope, text);
        let insuree_uuid = self.insuree_of(&envelope).await?;
        let from = self.clock.now();
        let tried = self.mapper.feedback(text, insuree_uuid.as_deref(), &self.settings.mapping.feedback).await;
        let issues = self.tried(tried, from, journal);
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
            sender: sender.map(str::to_owned),
            agreement: Agreement { facts, reader: agreement::Reader::Feedback },
        };
        self.keep(new, journal).await
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

    /// What the trial of a mapping says of the document. One that failed by itself says nothing: the worker will park the message with
    /// the reason.
    fn tried(&self, tried: Result<MapResult, MapperError>, from: Timestamp, journal: &mut Journal) -> Vec<Issue> {
        let (done, issues) = match tried {
            Ok(Ok(_)) => (StepResult::Mapped(Vec::new()), Vec::new()),
            Ok(Err(issues)) => (StepResult::Mapped(issues.clone()), issues),
            Err(error) => (StepResult::NotMapped(error.to_string()), Vec::new()),
        };
        journal.steps.push(Step { done, from, to: self.clock.now() });
        issues
    }

    /// Stores what came in.
    pub(crate) async fn keep(&self, new: NewMessage, journal: &mut Journal) -> Result<Receipt, StoreError> {
        let issues = new.issues.clone();
        (journal.claim_uuid, journal.claim_code) = (new.claim_uuid.clone(), new.claim_code.clone());
        let from = self.clock.now();
        let accepted = self.store.accept(new, from).await;
        let done = match &accepted {
            Ok(Acceptance::Duplicate(..)) => StepResult::Stored { new: false },
            Ok(Acceptance::New(_) | Acceptance::Revived(_) | Acceptance::Conflict { .. }) => {
                StepResult::Stored { new: true }
            }
            Err(_) => StepResult::NotStored,
        };
        journal.steps.push(Step { done, from, to: self.clock.now() });
        let accepted = accepted?;
        Ok(match accepted {
            Acceptance::Duplicate(id, State::Dead) if !issues.is_empty() => Receipt::Unmappable(id, issues),
            Acceptance::Duplicate(id, _) => Receipt::Duplicate(id),
            Acceptance::Conflict { id, first, differs } => Receipt::Conflict(Conflict { id, first, differs }),
            Acceptance::New(id) | Acceptance::Revived(id) if issues.is_empty() => Receipt::Accepted(id),
            Acceptance::New(id) | Acceptance::Revived(id) => Receipt::Unmappable(id, issues),
        })
    }
}

/// A report's id as a key. CHT's are uuids; what somebody else sends must not burst an index.
fn key_of(report_id: String) -> String {
    if report_id.len() > 200 || report_id.contains('\0') {
        return format!("long-{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, report_id.as_bytes()));
    }
    report_id
}

/// Key of a document that names no claim: the same bytes are the same message.
pub(crate) fn fingerprint(body: &[u8]) -> String {
    format!("unnamed-{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, body))
}
