//! Ports without a machine below them: a store in memory, the mappings as functions, a clock that stands still.

use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use flow::message::{Acceptance, NewMessage, TrailEntry};
use flow::ports::{Clock, Lease, Mapper, MapperError, Store, StoreError};
use flow::{Kind, Message, MessageId, Origin, Outcome, State};
use jiff::Timestamp;
use mapping::{MapResult, claim_response, feedback, patient};

/// The time at which everything happens: 2025-08-25 12:00 UTC.
pub const NOW: i64 = 1_756_123_200;

/// Stands still.
pub struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(NOW).expect("a time")
    }
}

/// Waits for what does not have to wait: nothing here does.
pub fn now<T>(answer: impl Future<Output = T>) -> T {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("waits for nothing"),
    }
}

/// The mappings as Rust functions.
pub struct Native;

impl Mapper for Native {
    async fn claim_response(
        &self,
        text: &str,
        date: Option<&str>,
        contact: Option<&claim_response::ContactLink>,
        settings: &claim_response::Settings,
    ) -> Result<MapResult, MapperError> {
        Ok(claim_response::map(text, date, contact, settings))
    }

    async fn feedback(
        &self,
        text: &str,
        insuree_uuid: Option<&str>,
        settings: &feedback::Settings,
    ) -> Result<MapResult, MapperError> {
        Ok(feedback::map(text, insuree_uuid, settings))
    }

    async fn patient(
        &self,
        text: &str,
        location_codes: &[String],
        settings: &patient::Settings,
    ) -> Result<MapResult, MapperError> {
        Ok(patient::map(text, location_codes, settings))
    }
}

/// What a store holds, to be looked at.
#[derive(Default)]
pub struct Kept {
    /// What was accepted.
    pub messages: Vec<NewMessage>,
    /// Every settling.
    pub settled: Vec<(MessageId, Outcome, Vec<TrailEntry>)>,
    /// Insuree to contact.
    pub links: HashMap<String, String>,
}

/// Keeps messages as long as it lives.
#[derive(Default)]
pub struct MemoryStore(pub RefCell<Kept>);

impl MemoryStore {
    /// A stored message, as a worker gets it for the first time.
    pub fn leased(&self, index: usize, uncertain: Option<Timestamp>, attempt: u32) -> Message {
        let kept = self.0.borrow();
        let new = &kept.messages[index];
        Message {
            id: id(index),
            kind: new.kind,
            origin: new.origin,
            lane: new.lane.clone(),
            claim_uuid: new.claim_uuid.clone(),
            body: new.body.clone(),
            received_at: Still.now(),
            attempt,
            lease: 1,
            uncertain,
            is_ageless: false,
        }
    }
}

fn id(index: usize) -> MessageId {
    MessageId(index as i64 + 1)
}

impl Store for MemoryStore {
    async fn accept(&self, new: NewMessage, _: Timestamp) -> Result<Acceptance, StoreError> {
        let mut kept = self.0.borrow_mut();
        if let Some(index) = kept.messages.iter().position(|message| message.dedupe_key == new.dedupe_key) {
            let state = if kept.messages[index].issues.is_empty() { State::Pending } else { State::Dead };
            return Ok(Acceptance::Duplicate(id(index), state));
        }
        kept.messages.push(new);
        Ok(Acceptance::New(id(kept.messages.len() - 1)))
    }

    async fn lease(&self, _: &Lease<'_>) -> Result<Vec<Message>, StoreError> {
        Ok(Vec::new()) // a target takes its message by itself
    }

    async fn settle(
        &self,
        message: &Message,
        outcome: &Outcome,
        _: Option<&str>,
        trail: &[TrailEntry],
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        self.0.borrow_mut().settled.push((message.id, outcome.clone(), trail.to_vec()));
        Ok(true)
    }

    async fn next_due(&self, _: Kind) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn settled_keys(&self, keys: &[String]) -> Result<Vec<String>, StoreError> {
        let kept = self.0.borrow();
        let selected = kept.messages.iter().filter(|message| message.origin == Origin::Selected);
        Ok(selected.map(|message| message.dedupe_key.clone()).filter(|key| keys.contains(key)).collect())
    }

    async fn insuree_of(&self, claim_uuid: &str) -> Result<Option<String>, StoreError> {
        let kept = self.0.borrow();
        let claim = kept
            .messages
            .iter()
            .find(|message| message.kind == Kind::ClaimResponse && message.claim_uuid.as_deref() == Some(claim_uuid));
        Ok(claim.and_then(|message| message.insuree_uuid.clone()))
    }

    async fn link(&self, insuree_uuid: &str) -> Result<Option<String>, StoreError> {
        Ok(self.0.borrow().links.get(insuree_uuid).cloned())
    }

    async fn save_link(
        &self,
        insuree_uuid: &str,
        contact_id: &str,
        _: &str,
        _: Timestamp,
    ) -> Result<String, StoreError> {
        let mut kept = self.0.borrow_mut();
        Ok(kept.links.entry(insuree_uuid.to_owned()).or_insert_with(|| contact_id.to_owned()).clone())
    }

    async fn unlink(&self, insuree_uuid: &str, contact_id: &str) -> Result<bool, StoreError> {
        let mut kept = self.0.borrow_mut();
        let is_so = kept.links.get(insuree_uuid).is_some_and(|linked| linked == contact_id);
        Ok(is_so && kept.links.remove(insuree_uuid).is_some())
    }

    async fn watermark(&self, _: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn save_watermark(&self, _: &str, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
