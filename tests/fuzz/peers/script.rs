//! Peers that say what they are told to say; on a good day, what the real ones say.

use std::cell::RefCell;
use std::time::Duration;

use flow::ports::{Http, HttpError};
use http::{Method, Request, Response, StatusCode};

/// A claim as openIMIS posts it.
pub const CLAIM_RESPONSE: &str = include_str!("../../../wit/cases/claim-response/documented-sample.input.json");
/// Answers as CHT pushes them.
pub const FEEDBACK: &str = include_str!("../../../wit/cases/feedback/documented.input.json");
/// An insuree as openIMIS answers it.
const PATIENT: &str = include_str!("../../../wit/cases/patient/recorded.input.json");
/// What openIMIS gives for a password.
pub const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9";

/// More requests than any attempt has a reason for.
const MOST: usize = 200;

/// What a peer can answer with; two letters behind them are no answer at all.
const STATUSES: [u16; 20] =
    [200, 201, 202, 204, 302, 307, 400, 401, 403, 404, 408, 409, 413, 425, 429, 500, 502, 503, 504, 599];

/// One answer that was given.
#[derive(Debug)]
pub struct Said {
    pub method: Method,
    pub path: String,
    /// None: no answer.
    pub status: Option<StatusCode>,
    pub not_sent: bool,
    pub body: Vec<u8>,
}

impl Said {
    pub fn is_login(&self) -> bool {
        self.path.ends_with("/login/")
    }

    /// Whether the request was the one that the message is there for.
    pub fn is_effect(&self) -> bool {
        self.method == Method::POST && (self.path == "/api/v2/records" || self.path.ends_with("/Communication/"))
    }
}

/// Answers in the order of the requests.
pub struct Script {
    answers: Vec<Vec<u8>>,
    pub said: RefCell<Vec<Said>>,
}

impl Script {
    pub fn new(answers: Vec<Vec<u8>>) -> Self {
        Self { answers, said: RefCell::default() }
    }
}

impl Http for Script {
    async fn send(&self, request: Request<Vec<u8>>, _: Duration) -> Result<Response<Vec<u8>>, HttpError> {
        let mut said = self.said.borrow_mut();
        assert!(said.len() < MOST, "more than {MOST} requests");
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (mut status, mut body) = good(&method, &path);
        let mut not_sent = false;
        if let Some((first, rest)) = self.answers.get(said.len()).and_then(|answer| answer.split_first()) {
            let choice = usize::from(first.wrapping_sub(b'a')) % (STATUSES.len() + 2);
            not_sent = choice > STATUSES.len();
            status = STATUSES.get(choice).copied();
            if !rest.is_empty() {
                body = rest.to_vec();
            }
        }
        let status = status.map(|status| StatusCode::from_u16(status).expect("a status"));
        said.push(Said { method, path, status, not_sent, body: body.clone() });
        match status {
            Some(status) => Ok(Response::builder().status(status).body(body).expect("an answer")),
            None if not_sent => Err(HttpError::NotSent("Connection refused".to_owned())),
            None => Err(HttpError::NoAnswer("the time was up".to_owned())),
        }
    }
}

/// What the peer says on a good day.
fn good(method: &Method, path: &str) -> (Option<u16>, Vec<u8>) {
    const IMIS: &str = "/api/api_fhir_r4/";
    let Some(resource) = path.strip_prefix(IMIS) else {
        let answer = match path {
            "/api/v2/records" => r#"{"success": true, "id": "8f9c0b"}"#,
            "/api/v1/people" => r#"{"ok": true, "id": "e9284b2c"}"#,
            "/api/v1/contact/uuid" => r#"{"data": [], "cursor": null}"#,
            "/api/v1/contacts-by-phone" => r#"{"ok": true, "docs": []}"#,
            _ => r#"{"total_rows": 0, "rows": []}"#,
        };
        return (Some(200), answer.into());
    };
    let (kind, id) = resource.split_once('/').unwrap_or((resource, ""));
    let answer = match (method, kind) {
        (_, "login") => format!(r#"{{"token": "{TOKEN}", "exp": 4102444800}}"#),
        (&Method::POST, "Communication") => {
            return (Some(201), r#"{"resourceType": "Communication", "identifier": [{"value": "17"}]}"#.into());
        }
        (&Method::POST | &Method::PUT, "Subscription") => {
            r#"{"id": "4", "status": "active", "end": "2026-01-01", "criteria": "Claim", "channel": {}}"#.to_owned()
        }
        (_, "ClaimResponse") if !id.is_empty() => CLAIM_RESPONSE.to_owned(),
        (_, "Patient") => PATIENT.to_owned(),
        (_, "Claim") => r#"{"resourceType": "Claim", "created": "2025-08-25"}"#.to_owned(),
        _ => r#"{"resourceType": "Bundle", "total": 0, "entry": []}"#.to_owned(),
    };
    (Some(200), answer.into_bytes())
}
