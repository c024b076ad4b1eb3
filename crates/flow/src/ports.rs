//! What a runtime has to bring: HTTP, a store, a clock and the mappings.
//!
//! Plain `async fn` in traits: Spin's futures are not `Send`; the host spawns concrete types, where `Send` is inferred.
#![allow(async_fn_in_trait)]

use std::time::Duration;

use jiff::Timestamp;
use mapping::MapResult;
use mapping::lookup::{self, Answer};
use mapping::patient::PlaceLink;

use crate::message::{Acceptance, Kind, Message, MessageId, NewMessage, Outcome, TrailEntry};
use crate::proposal::{Person, PossibleMatch};

/// Sends requests. Redirects are not followed: credentials must not travel to where a peer points.
pub trait Http {
    /// Sends one request and reads the whole answer, or fails within `timeout`.
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
        timeout: Duration,
    ) -> Result<http::Response<Vec<u8>>, HttpError>;
}

/// Why there is no answer. The text tells the next step to an operator and holds no secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection: the peer has received nothing.
    #[error("no connection: {0}")]
    NotSent(String),
    /// The connection broke or the time was up: the peer may have received the request.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// Tells the time.
pub trait Clock {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Whether the time may be wrong by days ([`crate::steady`]): nothing is given up because of its age then.
    fn is_doubted(&self) -> bool {
        false
    }

    /// Waits, where a runtime can. By default it does not: what waits asks again a bounded number of times or until a time.
    async fn pause(&self, _wait: Duration) {}
}

/// Runs the mappings. The outer error is the mapping's, not the document's.
pub trait Mapper {
    /// `map-claim-response`.
    async fn claim_response(
        &self,
        claim_response: &str,
        claim_date: Option<&str>,
        contact: Option<&mapping::claim_response::ContactLink>,
        settings: &mapping::claim_response::Settings,
    ) -> Result<MapResult, MapperError>;

    /// `map-feedback`.
    async fn feedback(
        &self,
        feedback: &str,
        insuree_uuid: Option<&str>,
        settings: &mapping::feedback::Settings,
    ) -> Result<MapResult, MapperError>;

    /// `map-patient`.
    async fn patient(
        &self,
        patient: &str,
        location_codes: &[String],
        settings: &mapping::patient::Settings,
    ) -> Result<MapResult, MapperError>;

    /// `map-claim`. `known`: what was looked up so far.
    async fn claim(
        &self,
        _document: &str,
        _received: Option<&str>,
        _known: &[Answer],
        _settings: &mapping::eclaim::Settings,
    ) -> Result<lookup::Outcome, MapperError> {
        Err(not_here("claim"))
    }

    /// `claim-code`: the code of the claim that a hospital's document becomes, where it names an encounter or a claim.
    async fn claim_code(
        &self,
        _document: &str,
        _settings: &mapping::eclaim::Settings,
    ) -> Result<Option<String>, MapperError> {
        Err(not_here("claim"))
    }

    /// `map-claim-answer`: openIMIS' word on a claim for the hospital that sent it. `sent`: what openIMIS got; `original`: what the
    /// hospital sent; `valuated`: what openIMIS pays for all of it, where that is known.
    async fn claim_answer(
        &self,
        _claim_response: &str,
        _sent: &str,
        _original: &str,
        _valuated: Option<&str>,
        _settings: &mapping::eclaim::Settings,
    ) -> Result<MapResult, MapperError> {
        Err(not_here("claim"))
    }

    /// `map-eligibility`.
    async fn eligibility(
        &self,
        _request: &str,
        _received: Option<&str>,
        _known: &[Answer],
        _settings: &mapping::eligibility::Settings,
    ) -> Result<lookup::Outcome, MapperError> {
        Err(not_here("eligibility"))
    }

    /// `map-facility`.
    async fn facility(
        &self,
        _document: &str,
        _known: &[Answer],
        _settings: &mapping::facility::Settings,
    ) -> Result<lookup::Outcome, MapperError> {
        Err(not_here("facility"))
    }

    /// `take-apart`: a page of a registry's answer, one document a facility.
    async fn facility_page(
        &self,
        _page: &str,
    ) -> Result<Result<mapping::facility::Page, Vec<mapping::Issue>>, MapperError> {
        Err(not_here("facility"))
    }

    /// `read-envelope`: what can be told of a facility before anything is looked up.
    async fn facility_envelope(
        &self,
        _document: &str,
        _settings: &mapping::facility::Settings,
    ) -> Result<mapping::facility::Envelope, MapperError> {
        Err(not_here("facility"))
    }
}

/// A runtime without this mapping: what needs it is refused.
fn not_here(name: &str) -> MapperError {
    MapperError::Unusable(name.to_owned(), "this runtime does not have it".to_owned())
}

/// A mapping that did not give an answer. Bad data is not among these: that is an issue.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MapperError {
    /// It ran longer than allowed.
    #[error("mapping {0} ran longer than allowed")]
    Deadline(String),
    /// It wanted more memory than allowed.
    #[error("mapping {0} wanted more memory than allowed")]
    Memory(String),
    /// It trapped.
    #[error("mapping {0} stopped: {1}")]
    Trap(String, String),
    /// All its instances are at work.
    #[error("mapping {0} has no free instance")]
    Busy(String),
    /// It is not there or cannot be loaded.
    #[error("mapping {0} cannot be used: {1}")]
    Unusable(String, String),
}

/// The store failed. What was to be stored must be taken as not stored.
#[derive(Clone, Debug, thiserror::Error)]
#[error("store: {0}")]
pub struct StoreError(pub String);

/// Which messages a worker asks for.
#[derive(Clone, Copy, Debug)]
pub struct Lease<'a> {
    /// Of this kind: what goes to one peer does not stand behind what goes to another.
    pub kind: Kind,
    /// Due at this moment.
    pub now: Timestamp,
    /// When the lease runs out.
    pub until: Timestamp,
    /// At most so many.
    pub limit: u32,
    /// Messages that this worker is still at: not taken, even if a jump of the clock ended their lease.
    pub held: &'a [MessageId],
}

/// Keeps messages, links and watermarks.
pub trait Store {
    /// Stores a message with its first trail entry in one transaction, or says that it was there. On return it is on disk.
    async fn accept(&self, new: NewMessage, now: Timestamp) -> Result<Acceptance, StoreError>;

    /// Takes due messages whose lane has nothing earlier unsettled. A lease that has run out is taken again, as uncertain.
    async fn lease(&self, wanted: &Lease<'_>) -> Result<Vec<Message>, StoreError>;

    /// Writes an attempt's outcome, what was mapped and the trail, and gives the lease back. False: the lease had run out and is
    /// somebody else's now; nothing was written.
    async fn settle(
        &self,
        message: &Message,
        outcome: &Outcome,
        mapped: Option<&str>,
        trail: &[TrailEntry],
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// When the next message of a kind is due, if any waits.
    async fn next_due(&self, kind: Kind) -> Result<Option<Timestamp>, StoreError>;

    /// Which of these dedupe keys a poll of selected claims can pass over: on their way, delivered, or taken in as selected before.
    async fn settled_keys(&self, keys: &[String]) -> Result<Vec<String>, StoreError>;

    /// openIMIS' uuid of a claim's patient, where the claim came by.
    async fn insuree_of(&self, claim_uuid: &str) -> Result<Option<String>, StoreError>;

    /// The CHT contact of an insuree.
    async fn link(&self, insuree_uuid: &str) -> Result<Option<String>, StoreError>;

    /// Links an insuree to a CHT contact, once for all: returns the contact that counts (an earlier link wins).
    async fn save_link(
        &self,
        insuree_uuid: &str,
        contact_id: &str,
        how: &str,
        now: Timestamp,
    ) -> Result<String, StoreError>;

    /// Links an insuree to a contact that CHT had before and that does not carry the insuree's uuid. None, and nothing is written: the
    /// contact is linked to another insuree, so a person has to look. An earlier link of the insuree wins, as with `save_link`.
    async fn save_match(
        &self,
        insuree_uuid: &str,
        contact_id: &str,
        how: &str,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        self.save_link(insuree_uuid, contact_id, how, now).await.map(Some)
    }

    /// Takes back that an insuree is this contact, which CHT no longer has. False: it is linked to another one by now, or to none.
    async fn unlink(&self, _insuree_uuid: &str, _contact_id: &str) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Adds a line to the trail of a message that is settled: something that was noticed afterwards and that a person should know.
    async fn add_remark(&self, _message: MessageId, _line: &TrailEntry) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether proposals are kept, so that a person can decide on them.
    fn keeps_proposals(&self) -> bool {
        false
    }

    /// Contacts of which a person said that they are not this insuree.
    async fn refused_contacts(&self, _insuree_uuid: &str) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// Keeps the contacts that may be an insuree for a person to decide on, and that this message waits for it. False: that is decided
    /// by now, and nothing will put the message back.
    async fn propose(
        &self,
        _message: MessageId,
        _insuree: &Person,
        _possible: &[PossibleMatch],
        _now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// Whether a table of places was imported.
    async fn has_places(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// What the imported table says of these openIMIS locations.
    async fn places(&self, _location_codes: &[String]) -> Result<Vec<PlaceLink>, StoreError> {
        Ok(Vec::new())
    }

    /// A message's key: what a peer is told so that it can recognise what it has.
    async fn key_of(&self, _message: MessageId) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    /// A message that waits for its time is due now. Nothing happens if there is none with this key, or it does not wait.
    async fn wake(&self, _dedupe_key: &str, _now: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    /// Up to when something was read.
    async fn watermark(&self, name: &str) -> Result<Option<Timestamp>, StoreError>;

    /// The newest time that the store holds of messages.
    async fn newest(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    /// Remembers up to when something was read.
    async fn save_watermark(&self, name: &str, at: Timestamp) -> Result<(), StoreError>;
}
