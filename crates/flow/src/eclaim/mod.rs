//! Claims of hospitals: received, and answered at once or when the hospital asks again.
//!
//! # Layout
//! - `submit`: posts a claim to openIMIS. `follow`: asks openIMIS until it has decided. `callback`: posts each answer to the hospital.

mod callback;
mod follow;
mod submit;

use http::{HeaderValue, StatusCode, header};
use mapping::Issue;
use mapping::encoding::{json_text, unmark};
use mapping::lookup::Outcome;
use serde_json::json;
use uuid::Uuid;

use crate::agreement::{Agreement, Reader};
use crate::conflict::listed;
use crate::http_api::{self, Answer};
use crate::message::{Kind, MessageId, NewMessage, Origin, State};
use crate::ports::{Clock, Http, Mapper, MapperError, Store, StoreError};
use crate::receive::{Conflict, Journal, Receipt, fingerprint};
use crate::{Flow, storable};

/// Where a hospital posts.
pub const CLAIM: &str = "/mediator/claim";
/// Where it asks what became of a claim; the claim's own word follows.
pub const STATUS: &str = "/mediator/claim/status/";
/// How claims' lanes begin; the rest is the word of the status address.
const LANE: &str = "eclaim/";

/// How far a request is: FHIR's pattern for answers that take their time.
const X_PROGRESS: header::HeaderName = header::HeaderName::from_static("x-progress");
/// When the hospital asks again at the earliest.
const ASK_AGAIN_SECONDS: u32 = 10;

/// Why a hospital's claim was not accepted. Nothing is stored.
#[derive(Clone, Debug)]
pub enum EclaimError {
    /// The store failed.
    Store(StoreError),
    /// The mapping failed by itself, or is not there.
    Mapping(MapperError),
}

impl From<StoreError> for EclaimError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Where a hospital's claim is.
#[derive(Clone, Debug)]
pub struct EclaimStatus {
    /// Its message.
    pub id: MessageId,
    /// The message's lane, which holds the word of the status address.
    pub lane: String,
    /// Where it is.
    pub state: State,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it is there.
    pub reason: Option<String>,
    /// What is wrong with it.
    pub issues: Vec<Issue>,
    /// openIMIS' last word, as the hospital gets it.
    pub answer: Option<String>,
}

/// How the keys of a client's claims begin.
pub fn keys_of(client: &str) -> String {
    // A code may hold anything, and ends the key: the client's name must end before it.
    format!("eclaim/{}/", client.replace('%', "%25").replace('/', "%2F"))
}

/// The lane of a new claim: `word` is the unguessable end of its status address.
pub fn lane(word: Uuid) -> String {
    format!("{LANE}{word}")
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Takes a hospital's claim in. The same encounter is the same claim, however often it comes and whatever changed in it: only what
    /// openIMIS has not taken yet is replaced. A claim of another insuree, facility or first day is another one. `client`: who sends it;
    /// another one's claims are none of its business. `word`: a random one, for a claim that is new.
    pub async fn receive_eclaim(&self, mut body: Vec<u8>, client: &str, word: Uuid) -> Result<Receipt, EclaimError> {
        unmark(&mut body);
        let text = match json_text(&body) {
            Ok(text) => text,
            Err(issue) => return Ok(Receipt::NotJson(issue)),
        };
        let settings = &self.settings.mapping.eclaim;
        let code = self.mapper.claim_code(text, settings).await.map_err(EclaimError::Mapping)?;
        let received = self.clock.now().to_string();
        // What is wrong without asking openIMIS anything is told at once, even if that is away.
        let mapped = match self.mapper.claim(text, Some(&received), &[], settings).await {
            Ok(Outcome::Issues(issues)) => issues,
            Ok(Outcome::Mapped(_) | Outcome::Needs(_)) => Vec::new(),
            Err(error @ MapperError::Unusable(..)) => return Err(EclaimError::Mapping(error)),
            Err(_) => Vec::new(), // the worker will park the message with the reason
        };
        let mut issues = storable::issues(text);
        issues.extend(mapped);
        let reader = Reader::Eclaim(self.settings.clone());
        let new = NewMessage {
            kind: Kind::Eclaim,
            origin: Origin::Push,
            dedupe_key: format!("{}{}", keys_of(client), code.clone().unwrap_or_else(|| fingerprint(&body))),
            lane: lane(word),
            claim_uuid: None,
            claim_code: code,
            insuree_uuid: None,
            issues,
            sender: Some(client.to_owned()),
            agreement: Agreement { facts: mapping::eclaim::agreement(text, settings), reader },
            body,
        };
        Ok(self.keep(new, &mut Journal::default()).await?)
    }
}

impl EclaimStatus {
    /// Whether there is nothing more to wait for.
    pub fn is_settled(&self) -> bool {
        !matches!(self.state, State::Pending | State::Leased)
    }

    /// What the hospital is told. `is_new`: it was made by this very request.
    pub fn response(&self, is_new: bool) -> Answer {
        let mut answer = match (self.state, &self.answer) {
            (State::Pending | State::Leased, _) => self.under_way(),
            (State::Delivered, Some(answer)) => {
                http_api::fhir(if is_new { StatusCode::CREATED } else { StatusCode::OK }, answer.clone())
            }
            (State::Delivered | State::Skipped, _) => http_api::refusal(
                StatusCode::GONE,
                "deleted",
                "openIMIS has the claim; its answer is no longer kept here",
            ),
            (State::Discarded, _) => {
                let text = "an admin of the mediator decided that this claim is not sent to openIMIS";
                http_api::refusal(StatusCode::CONFLICT, "conflict", text)
            }
            (State::Dead, _) => self.not_done(),
        };
        let address =
            self.lane.strip_prefix(LANE).and_then(|word| HeaderValue::try_from(format!("{STATUS}{word}")).ok());
        if let Some(address) = address {
            answer.headers_mut().insert(header::CONTENT_LOCATION, address);
        }
        answer
    }

    fn under_way(&self) -> Answer {
        let progress = match self.attempts {
            0 | 1 => "on its way to openIMIS".to_owned(),
            many => format!("openIMIS has not taken it yet; tried {many} times"),
        };
        let text = format!("taken in as message {}; the answer will be where Content-Location says", self.id);
        let issue = json!([{"severity": "information", "code": "informational", "diagnostics": text}]);
        let body = json!({"resourceType": "OperationOutcome", "issue": issue});
        let mut answer = http_api::fhir(StatusCode::ACCEPTED, body.to_string());
        let headers = answer.headers_mut();
        headers.insert(header::RETRY_AFTER, ASK_AGAIN_SECONDS.into());
        if let Ok(progress) = HeaderValue::try_from(progress) {
            headers.insert(X_PROGRESS, progress);
        }
        answer
    }

    /// A dead letter. What openIMIS says may quote the patient: admins read it on the message.
    fn not_done(&self) -> Answer {
        if !self.issues.is_empty() {
            return http_api::outcome(StatusCode::UNPROCESSABLE_ENTITY, &self.issues);
        }
        let reason = self.reason.as_deref().unwrap_or_default();
        if reason.starts_with(ANOTHER_CLAIM) {
            return http_api::refusal(StatusCode::CONFLICT, "duplicate", "openIMIS has another claim with this code");
        }
        if reason.starts_with("mapping ") {
            let text =
                format!("the mediator's mapping failed on this claim; its admin sees why on message {}", self.id);
            return http_api::refusal(StatusCode::INTERNAL_SERVER_ERROR, "exception", &text);
        }
        let text = format!("openIMIS did not take the claim; the mediator's admin sees why on message {}", self.id);
        http_api::refusal(StatusCode::BAD_GATEWAY, "processing", &text)
    }
}

/// How the reason of a claim begins whose code is taken: `submit.rs`.
const ANOTHER_CLAIM: &str = "openIMIS has another claim with the code";

/// What a hospital is told of a claim that was not taken in.
pub fn error_response(error: &EclaimError) -> Answer {
    match error {
        EclaimError::Store(_) => {
            let text = "the message could not be stored; send it again later";
            http_api::refusal(StatusCode::SERVICE_UNAVAILABLE, "transient", text)
        }
        EclaimError::Mapping(_) => {
            let text = "the mediator cannot map claims now; nothing was stored, send it again later";
            http_api::refusal(StatusCode::SERVICE_UNAVAILABLE, "transient", text)
        }
    }
}

/// What a hospital is told of a claim that has the code of another one. Nothing of a patient is in it.
pub fn conflict_response(conflict: &Conflict) -> Answer {
    let Conflict { id, first, differs } = conflict;
    let text = format!(
        "message {first} is another claim with the same code: the {} of this one {}. It was stored as message {id} for the mediator's \
         admin and is not sent to openIMIS. Give it a code of its own and send it again; if message {first} is the wrong one, ask the admin",
        listed(differs),
        if differs.len() == 1 { "differs" } else { "differ" },
    );
    http_api::refusal(StatusCode::CONFLICT, "conflict", &text)
}

/// 404 for a status address that leads to no claim.
pub fn not_found_response() -> Answer {
    http_api::refusal(StatusCode::NOT_FOUND, "not-found", "no such claim, or it is no longer kept")
}

/// The lane that the word of a status address stands for.
pub fn lane_of(word: &str) -> Option<String> {
    Uuid::try_parse(word).ok().map(lane)
}
