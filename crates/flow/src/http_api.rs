//! The doors: which routes there are and what each of them answers, the same in every runtime. What comes in by a socket and how much of
//! it is read is the runtime's; every answer is JSON, since openIMIS takes anything else for a failure.

use base64::Engine;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use mapping::{Issue, outcome::operation_outcome};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::Flow;
use crate::conflict::listed;
use crate::message::{Kind, MessageId};
use crate::ports::{Clock, Http, Mapper, Store, StoreError};
use crate::receive::{Conflict, Journal, Receipt};

/// What is sent back.
pub type Answer = Response<Vec<u8>>;

/// A route for openIMIS, CHT, OpenHIM or a supervisor.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Route {
    /// Something comes in.
    Inbound(Kind),
    /// Is the process there?
    Live,
    /// Can what comes in be stored?
    Ready,
}

impl Route {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Inbound(Kind::ClaimResponse), Self::Inbound(Kind::Feedback), Self::Live, Self::Ready];

    /// Where it is.
    pub fn path(self) -> &'static str {
        match self {
            Self::Inbound(Kind::ClaimResponse) => "/mediator/claim-response",
            Self::Inbound(Kind::Feedback) => "/mediator/claims-feedback",
            Self::Inbound(Kind::Eclaim) => "/mediator/claim",
            Self::Inbound(Kind::Adjudication | Kind::EclaimAnswer) => "", // the mediator makes these itself
            Self::Live => "/health/live",
            Self::Ready => "/health/ready",
        }
    }

    /// How it is asked, as `Allow` tells it.
    pub fn allow(self) -> &'static str {
        match self {
            Self::Inbound(_) => "POST",
            Self::Live | Self::Ready => "GET,HEAD",
        }
    }

    /// The route of a request, or the refusal.
    pub fn find(method: &Method, path: &str) -> Result<Self, Box<Answer>> {
        let route =
            Self::ALL.into_iter().find(|route| route.path() == path).ok_or_else(|| Box::new(no_such_route()))?;
        allowed(method, route.allow()).map(|()| route)
    }
}

/// Whether a method is among those of an `Allow` header; else the refusal.
pub fn allowed(method: &Method, allow: &'static str) -> Result<(), Box<Answer>> {
    if allow.split(',').any(|allowed| allowed == method.as_str()) {
        return Ok(());
    }
    let mut answer = wrong_method();
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    Err(Box::new(answer))
}

/// An answer in JSON.
pub fn json_answer(status: StatusCode, body: &Value) -> Answer {
    answer(status, body.to_string())
}

fn answer(status: StatusCode, json: String) -> Answer {
    let mut answer = Response::new(json.into_bytes());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// An OperationOutcome of the mediator itself; `code` is a FHIR issue type.
pub fn refusal(status: StatusCode, code: &str, text: &str) -> Answer {
    let issue = json!([{"severity": "error", "code": code, "diagnostics": text}]);
    json_answer(status, &json!({"resourceType": "OperationOutcome", "issue": issue}))
}

/// A FHIR resource.
pub fn fhir(status: StatusCode, json: String) -> Answer {
    let mut answer = answer(status, json);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
    answer
}

/// What is wrong with a document.
pub fn outcome(status: StatusCode, issues: &[Issue]) -> Answer {
    answer(status, operation_outcome(issues))
}

/// 404.
pub fn no_such_route() -> Answer {
    refusal(StatusCode::NOT_FOUND, "not-found", "no such route; the README lists them")
}

/// 405, without what is allowed.
pub fn wrong_method() -> Answer {
    refusal(StatusCode::METHOD_NOT_ALLOWED, "not-supported", "this route takes another method")
}

/// 401: whom nobody knows is asked for credentials.
pub fn unknown_caller() -> Answer {
    let text =
        "no or wrong credentials; send HTTP Basic as a user of the mediator, or a client certificate that it knows";
    let mut answer = refusal(StatusCode::UNAUTHORIZED, "login", text);
    let challenge = HeaderValue::from_static("Basic realm=\"openimis-mediator\", charset=\"UTF-8\"");
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    answer
}

/// 403 for a page of another site: a browser shows remembered credentials for it, too, and says that it does so.
pub fn of_another_site(headers: &HeaderMap) -> Option<Answer> {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_another = matches!(site, Some(b"cross-site" | b"same-site"));
    is_another.then(|| refusal(StatusCode::FORBIDDEN, "forbidden", "not for a page of another site"))
}

/// User and password of HTTP Basic.
pub fn basic(headers: &HeaderMap) -> Option<(String, SecretString)> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let shown = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let (username, password) = std::str::from_utf8(&shown).ok()?.split_once(':')?;
    Some((username.to_owned(), password.into()))
}

/// The token of a bearer (RFC 6750).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// 415 for what does not say that it is JSON in UTF-8.
pub fn not_json(headers: &HeaderMap) -> Option<Answer> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let mut answer = if !matches!(essence.as_str(), "application/json" | "application/fhir+json") {
        let text = "the content type is not application/json or application/fhir+json";
        refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text)
    } else if !parts.all(is_of_utf8) {
        let text = "the content type names another charset than UTF-8, in which JSON is sent";
        refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text)
    } else {
        return None;
    };
    let taken = HeaderValue::from_static("application/json, application/fhir+json");
    answer.headers_mut().insert(header::ACCEPT, taken);
    Some(answer)
}

/// Whether a parameter of a content type leaves it UTF-8. JSON has no charset, and some name theirs all the same.
fn is_of_utf8(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let value = value.trim().trim_matches('"');
            ["utf-8", "utf8"].iter().any(|known| value.eq_ignore_ascii_case(known))
        }
        _ => true,
    }
}

/// How a body is encoded on its way (RFC 9110, 8.4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// What the headers say; none for another one, or several.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut coding = Self::Identity;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            for word in value.to_str().ok()?.split(',').map(str::trim) {
                match (coding, word.to_ascii_lowercase().as_str()) {
                    (_, "" | "identity") => {}
                    (Self::Identity, "gzip" | "x-gzip") => coding = Self::Gzip,
                    _ => return None,
                }
            }
        }
        Some(coding)
    }
}

/// 415 for a content coding that this runtime does not read. `taken`: those that it does.
pub fn unknown_coding(taken: &'static str) -> Answer {
    let text = format!("the Content-Encoding is none that is read here; taken is {taken}");
    let mut answer = refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", &text);
    answer.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static(taken));
    answer
}

/// 400 for a body that its Content-Encoding does not fit.
pub fn not_as_encoded() -> Answer {
    let text = "the body is not what its Content-Encoding says, or ends too early";
    refusal(StatusCode::BAD_REQUEST, "structure", text)
}

/// 413. Of an encoded body also for what comes out of it.
pub fn too_long(limit_bytes: usize) -> Answer {
    let text = format!("the body is longer than {limit_bytes} bytes");
    refusal(StatusCode::PAYLOAD_TOO_LARGE, "too-long", &text)
}

/// 400 for a body that ended too early.
pub fn broken_off() -> Answer {
    refusal(StatusCode::BAD_REQUEST, "structure", "the body broke off")
}

/// 400 for a head that names no host, or several.
pub fn unclear_host() -> Answer {
    refusal(StatusCode::BAD_REQUEST, "structure", "the header Host is missing, is there twice, or names no host")
}

/// 431.
pub fn long_head(limit_bytes: usize) -> Answer {
    let text = format!("the request's head is longer than {limit_bytes} bytes");
    refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too-long", &text)
}

/// 408.
pub fn time_up() -> Answer {
    refusal(StatusCode::REQUEST_TIMEOUT, "timeout", "the time was up; nothing was acknowledged, send it again")
}

/// The process is there.
pub fn live() -> Answer {
    json_answer(StatusCode::OK, &json!({"status": "live"}))
}

/// Whether what comes in can be stored. Peers that are down do not matter, that is what the store is for.
pub fn ready(is_ready: bool) -> Answer {
    match is_ready {
        true => json_answer(StatusCode::OK, &json!({"status": "ready"})),
        false => not_ready("the store cannot be written"),
    }
}

/// Why nothing can be stored now.
pub fn not_ready(why: &str) -> Answer {
    json_answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": why}))
}

/// What the sender of a message is told.
pub fn received(kind: Kind, received: &Result<Receipt, StoreError>) -> Answer {
    let accepted = |id: MessageId, duplicate: bool| {
        let body = json!({"status": "accepted", "id": id, "duplicate": duplicate});
        json_answer(StatusCode::ACCEPTED, &body)
    };
    match received {
        Ok(Receipt::Accepted(id)) => accepted(*id, false),
        Ok(Receipt::Duplicate(id)) => accepted(*id, true),
        Ok(Receipt::NotJson(issue)) => outcome(StatusCode::BAD_REQUEST, std::slice::from_ref(issue)),
        // CHT would push a refused feedback again every five minutes, for ever: it is ours now.
        Ok(Receipt::Unmappable(id, issues)) if kind == Kind::Feedback => {
            let body = json!({"status": "kept for an admin: it cannot be mapped", "id": id, "issue": issues});
            json_answer(StatusCode::ACCEPTED, &body)
        }
        Ok(Receipt::Conflict(conflict)) => another_document(kind, conflict),
        Ok(Receipt::Unmappable(_, issues)) => outcome(StatusCode::UNPROCESSABLE_ENTITY, issues),
        Err(_) => {
            let text = "the message could not be stored; send it again later";
            refusal(StatusCode::SERVICE_UNAVAILABLE, "transient", text)
        }
    }
}

/// What the sender of a document is told that came with the key of another one. CHT would push again for ever what is refused.
fn another_document(kind: Kind, conflict: &Conflict) -> Answer {
    let Conflict { id, first, differs } = conflict;
    let differ = listed(differs);
    if kind == Kind::Feedback {
        let status =
            format!("stored for an admin: message {first} has the same report id, and they differ in {differ}");
        let body = json!({"status": status, "id": id, "conflict": {"with": first, "differs": differs}});
        return json_answer(StatusCode::ACCEPTED, &body);
    }
    let text = format!(
        "message {first} is of the same claim, and they differ in {differ}; stored for an admin as message {id}"
    );
    refusal(StatusCode::CONFLICT, "conflict", &text)
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Takes in what was posted to a door.
    pub async fn receive(&self, kind: Kind, body: Vec<u8>) -> Result<Receipt, StoreError> {
        self.receive_told(kind, body, None, &mut Journal::default()).await
    }
}

/// On every answer: they are for programs, and no browser is to keep, frame, run or guess anything of them.
pub const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];
