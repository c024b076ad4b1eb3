//! Whether a patient is insured: asked at a hospital's desk, answered at once from openIMIS, and nothing of it is kept.

use http::{HeaderValue, StatusCode, header};
use mapping::lookup::Outcome;
use mapping::{Issue, Mapped, Severity};

use crate::http_api::{self, Answer};
use crate::lookups::{LookupError, LookupSession};
use crate::message::Trail;
use crate::peers::PeerError;
use crate::ports::{Clock, Http, Mapper, MapperError, Store};
use crate::{Flow, storable};

/// Why a question has no answer.
#[derive(Debug)]
pub enum EligibilityError {
    /// It cannot be answered as it is.
    Issues(Vec<Issue>),
    /// openIMIS cannot be asked, or not this.
    Peer(PeerError),
    /// The mapping failed by itself.
    Mapping(MapperError),
    /// It took too long.
    TimeUp,
}

impl From<LookupError> for EligibilityError {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Peer(error) => Self::Peer(error),
            LookupError::Mapping(error) => Self::Mapping(error),
        }
    }
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Answers a `CoverageEligibilityRequest` with a `CoverageEligibilityResponse`.
    pub async fn eligibility(&self, request: &str) -> Result<Mapped, EligibilityError> {
        let unstorable = storable::issues(request);
        if !unstorable.is_empty() {
            return Err(EligibilityError::Issues(unstorable));
        }
        let received = self.clock.now().to_string();
        let settings = &self.settings.mapping.eligibility;
        let (mut known, mut trail) = (LookupSession::default(), Trail::default());
        loop {
            let answered = self.mapper.eligibility(request, Some(&received), known.answers(), settings).await;
            match answered.map_err(EligibilityError::Mapping)? {
                Outcome::Mapped(mapped) => return Ok(mapped),
                Outcome::Issues(issues) => return Err(EligibilityError::Issues(issues)),
                Outcome::Needs(wanted) => self.find_out(&mut known, wanted, &mut trail).await?,
            }
        }
    }
}

impl EligibilityError {
    /// One word for a metric.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Issues(_) => "issues",
            Self::Peer(PeerError::Refused(..)) => "refused",
            Self::Peer(_) | Self::TimeUp => "away",
            Self::Mapping(_) => "mapping",
        }
    }
}

/// What the hospital is sent. What openIMIS said of a failure stays in the log: it may quote the patient.
pub fn answer(result: &Result<Mapped, EligibilityError>) -> Answer {
    match result {
        Ok(mapped) => http_api::fhir(StatusCode::OK, mapped.body.clone()),
        Err(EligibilityError::Issues(issues)) => {
            let unreadable = issues.iter().any(|issue| issue.severity == Severity::Fatal);
            let status = if unreadable { StatusCode::BAD_REQUEST } else { StatusCode::UNPROCESSABLE_ENTITY };
            http_api::outcome(status, issues)
        }
        Err(EligibilityError::Peer(PeerError::Refused(..))) => {
            let text = "openIMIS did not take the question; the mediator's log says why";
            http_api::refusal(StatusCode::BAD_GATEWAY, "processing", text)
        }
        Err(EligibilityError::Peer(_) | EligibilityError::TimeUp) => {
            let text = "openIMIS does not answer now; ask again later";
            later(http_api::refusal(StatusCode::SERVICE_UNAVAILABLE, "transient", text))
        }
        Err(EligibilityError::Mapping(MapperError::Busy(_))) => {
            let text = "too many questions at a time; ask again later";
            later(http_api::refusal(StatusCode::SERVICE_UNAVAILABLE, "transient", text))
        }
        Err(EligibilityError::Mapping(_)) => {
            let text = "the mediator's mapping failed; its log says why";
            http_api::refusal(StatusCode::INTERNAL_SERVER_ERROR, "exception", text)
        }
    }
}

fn later(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    answer
}
