//! openIMIS' FHIR R4 API (module `api_fhir_r4` 1.10): login, reading, and what its answers mean.

use http::{Method, StatusCode};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use mapping::ids::InsureeUuid;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{Answer, Peer, PeerError, request, shortened};
use crate::message::Trail;
use crate::ports::{Clock, Http, Mapper, Store};
use crate::settings::OpenImis;
use crate::{Flow, held};

const PEER: Peer = Peer::OpenImis;
/// Most pages that are read of one list. A server that says "next" for ever must not keep us for ever; a million claims are less.
pub(crate) const PAGES: u32 = 10_000;

/// A login, kept until shortly before it expires.
pub(crate) struct Token {
    value: SecretString,
    expires: Timestamp,
}

impl Token {
    fn bearer(&self) -> String {
        format!("Bearer {}", self.value.expose_secret())
    }
}

/// Texts of openIMIS' 500 answers that will not change by asking again (`api_fhir_r4`; exchanges in wit/cases).
const PERMANENT: &[&str] = &[
    "Claim does not exist",
    "Failed to find the resource",
    "failed to retrieve",
    "is required",
    "must be either 'yes' or 'no'",
    "must be = completed",
    "must have 5 elements",
    "must support all five",
    "not respecting the mandatory fields",
    "validation error",
    "Missing or invalid",
    "attribute forbidden",
    "You are not the owner",
    "id is missing",
    // Its database's: no text of this kind will ever fit.
    "cannot contain NUL (0x00)",
    "value too long for type",
    "surrogates not allowed",
    "unsupported Unicode escape sequence",
    "invalid byte sequence for encoding",
    "out of range for type",
    "numeric field overflow",
];
/// What openIMIS says of a missing, wrong or expired login.
const BAD_CREDENTIALS: &[&str] =
    &["INCORRECT_CREDENTIALS", "Authentication credentials were not provided.", "Invalid username/password."];
/// openIMIS has had this claim's feedback before.
const FEEDBACK_EXISTS: &str = "Feedback exists for this claim";
/// openIMIS has a claim with this code; around it the code.
const CLAIM_EXISTS: [&str; 2] = ["Claim with code", "already exists"];
/// The claim or patient is not, or no longer, there.
const NOT_THERE: &str = "failed to retrieve";

impl OpenImis {
    /// An address below the FHIR API.
    pub(crate) fn address(&self, path: &str) -> Result<Url, PeerError> {
        let wrong = || PeerError::NotSent(PEER, "openimis.url is missing or cannot be used".to_owned());
        let mut base = self.url.clone().ok_or_else(wrong)?;
        let given = base.path().trim_end_matches('/').to_owned();
        let root = if given.contains("api_fhir_r4") { given } else { format!("{given}/api/api_fhir_r4") };
        base.set_path(&format!("{root}/"));
        base.join(path).map_err(|_| wrong())
    }

    /// A time as openIMIS' search wants it: local, without a zone.
    pub(crate) fn search_time(&self, at: Timestamp) -> String {
        let offset = Offset::from_seconds(i32::from(self.utc_offset_minutes) * 60).unwrap_or(Offset::UTC);
        let local = offset.to_datetime(at);
        local
            .round(jiff::civil::DateTimeRound::new().smallest(jiff::Unit::Second).mode(jiff::RoundMode::Trunc))
            .unwrap_or(local)
            .to_string()
    }
}

#[derive(Deserialize)]
struct Login {
    token: String,
    exp: i64,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    issue: Vec<OutcomeIssue>,
}

#[derive(Deserialize)]
struct OutcomeIssue {
    details: Option<OutcomeText>,
}

#[derive(Deserialize)]
struct OutcomeText {
    text: Option<String>,
}

/// Text of the first issue of an OperationOutcome.
fn outcome_text(body: &str) -> Option<String> {
    serde_json::from_str::<Outcome>(body).ok()?.issue.into_iter().next()?.details?.text
}

/// The login has run out, or was never taken. With its database down openIMIS answers 401 as well, with the database's words.
pub(super) fn is_login_refused(answer: &Answer) -> bool {
    let says = outcome_text(&answer.text);
    answer.status == StatusCode::UNAUTHORIZED && says.is_none_or(|text| BAD_CREDENTIALS.contains(&text.as_str()))
}

fn is_claim_exists(text: &str) -> bool {
    CLAIM_EXISTS.iter().all(|words| text.contains(words))
}

/// Every business error of openIMIS is a 500; only its text tells which.
fn judge(answer: Answer) -> Result<Answer, PeerError> {
    let status = answer.status;
    if status.is_success() {
        return Ok(answer);
    }
    let Some(text) = outcome_text(&answer.text) else {
        // Not its own words: a proxy, a wrong address, or its page for a fault. None of them says anything of the request.
        return Err(PeerError::Failed(PEER, status, "no OperationOutcome".to_owned()));
    };
    let permanent =
        PERMANENT.iter().any(|known| text.contains(known)) || text == FEEDBACK_EXISTS || is_claim_exists(&text);
    // 403 is a missing right: the request works once the right is given. A 401 that comes here is its database's fault.
    let repairable = matches!(status, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED);
    let refused = permanent || (status.is_client_error() && !repairable);
    let text = shortened(&text);
    Err(if refused { PeerError::Refused(PEER, status, text) } else { PeerError::Failed(PEER, status, text) })
}

impl PeerError {
    /// openIMIS' word for "I have it already".
    pub(crate) fn is_feedback_exists(&self) -> bool {
        matches!(self, Self::Refused(PEER, _, text) if text == FEEDBACK_EXISTS)
    }

    /// openIMIS' words for "I have a claim with this code".
    pub(crate) fn is_claim_exists(&self) -> bool {
        matches!(self, Self::Refused(PEER, _, text) if is_claim_exists(text))
    }

    /// openIMIS' words for "no such claim or patient".
    pub(crate) fn is_not_there(&self) -> bool {
        matches!(self, Self::Refused(PEER, status, text) if *status == StatusCode::NOT_FOUND || text.contains(NOT_THERE))
    }
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Sends one request to openIMIS: logs in if need be, and once more if the login has run out.
    pub(crate) async fn openimis(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        trail: &mut Trail,
    ) -> Result<Answer, PeerError> {
        let url = self.settings.openimis.address(path)?;
        for last in [false, true] {
            let bearer = self.token(trail).await?;
            let request =
                request(method.clone(), &url, &bearer, body.clone()).map_err(|why| PeerError::NotSent(PEER, why))?;
            let sent = self.send(PEER, request, self.settings.openimis.timeout, trail).await;
            if !sent.as_ref().is_ok_and(is_login_refused) {
                let judged = sent.and_then(judge);
                self.learn(PEER, &judged);
                return judged;
            }
            self.forget_login(&bearer);
            if last {
                break;
            }
        }
        Err(self.credentials_refused())
    }

    /// Reads one resource. What is not that resource, a proxy's page for example, says nothing of it.
    pub(crate) async fn openimis_resource(
        &self,
        kind: &str,
        id: impl std::fmt::Display,
        trail: &mut Trail,
    ) -> Result<Answer, PeerError> {
        #[derive(Deserialize)]
        struct Resource {
            #[serde(rename = "resourceType")]
            kind: String,
        }
        let answer = self.openimis(Method::GET, &format!("{kind}/{id}/"), None, trail).await?;
        let resource: Resource = answer.json(PEER, kind)?;
        if resource.kind != kind {
            return Err(PeerError::Unreadable(PEER, answer.status, format!("expected {kind}")));
        }
        Ok(answer)
    }

    /// openIMIS' uuid of the insuree with an insurance number; None: there is no such insuree.
    pub async fn insuree_numbered(&self, number: &str) -> Result<Option<InsureeUuid>, PeerError> {
        // It becomes a part of a path.
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        {
            return Ok(None);
        }
        match self.openimis_resource("Patient", number, &mut Trail::default()).await {
            Ok(answer) => {
                let patient: Value = answer.json(PEER, "a Patient")?;
                // Asked by number its id is that number: only the identifier of type UUID always is the uuid.
                let is_uuid = |identifier: &&Value| identifier["type"]["coding"][0]["code"] == "UUID";
                let uuid = patient["identifier"].as_array().and_then(|all| all.iter().find(is_uuid));
                Ok(uuid.and_then(|identifier| identifier["value"].as_str()).and_then(InsureeUuid::parse))
            }
            Err(error) if error.is_not_there() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn credentials_refused(&self) -> PeerError {
        let wait = self.settings.retry.pause;
        self.leave_alone(PEER, wait, "it refused openimis.username and password: correct them and start again")
    }

    /// `Bearer …` of the current login, or of a new one.
    pub(super) async fn token(&self, trail: &mut Trail) -> Result<String, PeerError> {
        if let Some(bearer) = self.current_login() {
            return Ok(bearer);
        }
        let mut turn = self.login.turn(PEER, &self.clock).await?;
        if let Some(bearer) = self.current_login() {
            return Ok(bearer); // another message has logged in
        }
        let login = self.log_in(trail).await;
        if login.is_err() {
            // A login that works says nothing of what is asked with it.
            self.learn(PEER, &login);
        }
        login.inspect_err(|error| turn.failed(error, self.clock.now()))
    }

    /// The login that was refused; not the one that another message has made by now.
    pub(super) fn forget_login(&self, bearer: &str) {
        held(&self.token).take_if(|token| token.bearer() == bearer);
    }

    fn current_login(&self) -> Option<String> {
        let soon = self.clock.now().saturating_add(SignedDuration::from_mins(1)).unwrap_or(Timestamp::MAX);
        held(&self.token).as_ref().filter(|token| token.expires > soon).map(Token::bearer)
    }

    async fn log_in(&self, trail: &mut Trail) -> Result<String, PeerError> {
        let settings = &self.settings.openimis;
        let password = settings.password.as_ref().map_or("", |password| password.expose_secret());
        let body = serde_json::json!({"username": settings.username, "password": password}).to_string();
        let request = http::Request::builder()
            .method(Method::POST)
            .uri(settings.address("login/")?.as_str())
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body.into_bytes())
            .map_err(|error| PeerError::NotSent(PEER, error.to_string()))?;
        let answer = self.send(PEER, request, settings.timeout, trail).await?;
        match answer.status {
            StatusCode::OK => {}
            // With its database down openIMIS says 401 as well, in other words.
            StatusCode::UNAUTHORIZED if BAD_CREDENTIALS.iter().any(|words| answer.text.contains(words)) => {
                return Err(self.credentials_refused());
            }
            StatusCode::BAD_REQUEST if answer.text.contains("Missing username or password") => {
                return Err(self.credentials_refused());
            }
            status => return Err(PeerError::Failed(PEER, status, "no login: check openimis.url".to_owned())),
        }
        let login: Login = answer.json(PEER, "a login's token and exp")?;
        let expires = Timestamp::from_second(login.exp).unwrap_or(Timestamp::MAX);
        let token = Token { value: SecretString::from(login.token), expires };
        let bearer = token.bearer();
        *held(&self.token) = Some(token);
        Ok(bearer)
    }
}

/// A search time that no earlier query of the last weeks had: openIMIS keeps the `total` of a query for an hour. A millisecond of
/// ours is a second there, so queries of one second differ as well. No earlier than 1753, where SQL Server's times begin.
pub(crate) fn unused_search_time(now: Timestamp) -> String {
    let seconds = now.as_millisecond().rem_euclid(4_500_000_000); // about 142 years
    let at = jiff::civil::date(1753, 1, 1).at(0, 0, 0, 0).saturating_add(SignedDuration::from_secs(seconds));
    at.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_its_database_refuses_for_good_is_not_tried_again() {
        let judged = |text: &str| {
            let text = serde_json::json!({"issue": [{"details": {"text": text}}]}).to_string();
            judge(Answer {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                text,
                date: None,
                cookies: Vec::new(),
                unreadable: None,
            })
        };
        for refused in [
            "A string literal cannot contain NUL (0x00) characters.",
            "value too long for type character varying(8)\n",
            "'utf-8' codec can't encode character '\\ud800' in position 3: surrogates not allowed",
            "unsupported Unicode escape sequence\nDETAIL:  \\u0000 cannot be converted to text.",
            "value \"99999999999\" is out of range for type integer",
        ] {
            assert!(matches!(judged(refused), Err(PeerError::Refused(..))), "{refused}");
        }
        for passing in [
            "server closed the connection unexpectedly",
            "deadlock detected",
            "canceling statement due to lock timeout",
        ] {
            assert!(matches!(judged(passing), Err(PeerError::Failed(..))), "{passing}");
        }
    }
}
