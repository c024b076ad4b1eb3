//! A stand-in for a hospital's system (Bahmni): it sends claims and questions to the mediator, and takes the answers that come back later.

mod page;

use super::{
    USER,
    server::{self, Fault, Gate, Server, held},
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::net::TcpListener;
use uuid::Uuid;

/// Password of the user `mediator` at the stand-in.
pub const HOSPITAL_PASSWORD: &str = "sandbox-hospital";
/// An encounter at the out-patient department of a hospital with Bahmni: a diagnosis, a drug, a consultation.
pub const SAMPLE_BUNDLE: &str = include_str!("../../../wit/cases/claim/encounter.input.json");
/// The encounter of the sample.
const SAMPLE_ENCOUNTER: &str = "c7e2c6f3-9a44-4c3e-8a53-1f0ab7a90001";
/// The insuree of the sample.
const SAMPLE_INSURANCE_NUMBER: &str = "070707070";
/// Longer than the mediator waits for openIMIS before it says 202.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The stand-in; served in background tasks until this is dropped.
pub struct Hospital {
    desk: Desk,
    _server: Server,
}

/// What its routes share.
#[derive(Clone)]
pub(super) struct Desk(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    http: reqwest::Client,
    gate: Gate,
    state: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    mediator: Option<Mediator>,
    sent: Vec<Sent>,
    answers: Vec<HospitalAnswer>,
}

#[derive(Clone)]
struct Mediator {
    url: String,
    user: String,
    password: String,
}

/// Something that was sent, and what was said at once.
#[derive(Clone)]
pub(super) struct Sent {
    pub what: String,
    pub status: u16,
    pub said: Value,
}

/// An answer that came back by itself.
#[derive(Clone, Debug)]
pub struct HospitalAnswer {
    /// Its `Idempotency-Key`.
    pub key: String,
    /// The `ClaimResponse`.
    pub body: Value,
    /// When it came.
    pub at: Timestamp,
    /// How often it came; what came again is kept once.
    pub times: usize,
}

impl Hospital {
    /// Binds the address (port 0: any free one) and serves.
    ///
    /// # Errors
    /// An address that cannot be bound.
    pub async fn start(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let desk = Desk(Arc::new(Inner {
            address: listener.local_addr()?,
            http: super::http_client().map_err(io::Error::other)?,
            gate: Gate::new(|status| no(status, "Injected by the sandbox")),
            state: Mutex::default(),
        }));
        let server = server::serve(listener, router(&desk));
        Ok(Self { desk, _server: server })
    }

    /// Its page, with the slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}/", self.desk.0.address)
    }

    /// Where answers are taken, as the user `mediator`.
    pub fn callback(&self) -> String {
        format!("{}claim-answers", self.url())
    }

    /// Where its page sends claims to, and as whom.
    pub fn set_mediator(&self, url: &str, user: &str, password: &str) {
        let mediator = Mediator { url: url.to_owned(), user: user.to_owned(), password: password.to_owned() };
        self.desk.book().mediator = Some(mediator);
    }

    /// What came back, in order, each once.
    pub fn answers(&self) -> Vec<HospitalAnswer> {
        self.desk.book().answers.clone()
    }

    /// Appends faults for the next `count` requests, as the other stand-ins do.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        self.desk.0.gate.fail_next(count, fault);
    }

    /// `METHOD path` and status of each request, in order; status 0 where a fault kept the answer back.
    pub fn requests(&self) -> Vec<(String, u16)> {
        self.desk.0.gate.requests()
    }
}

impl Desk {
    fn book(&self) -> MutexGuard<'_, Book> {
        held(&self.0.state)
    }

    /// For the page: what was sent and what came back, newest first.
    pub(super) fn shown(&self) -> (Vec<Sent>, Vec<HospitalAnswer>) {
        let book = self.book();
        (book.sent.iter().rev().cloned().collect(), book.answers.iter().rev().cloned().collect())
    }

    /// Posts to the mediator, and keeps what it says.
    async fn send(&self, what: String, path: &str, body: String) -> Result<(), String> {
        let mediator = self.book().mediator.clone().ok_or("It is not known where the mediator is.")?;
        let request = self.0.http.post(format!("{}{path}", mediator.url));
        let request = request.basic_auth(&mediator.user, Some(&mediator.password)).timeout(TIMEOUT);
        let answer = request.header(header::CONTENT_TYPE, "application/fhir+json").body(body).send().await;
        let failed = |error: reqwest::Error| format!("{} did not answer: {error}", mediator.url);
        let answer = answer.map_err(failed)?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(failed)?;
        let said = serde_json::from_str(&text).unwrap_or(Value::String(text));
        self.book().sent.push(Sent { what, status, said });
        Ok(())
    }
}

fn router(desk: &Desk) -> Router {
    Router::new()
        .route("/claim-answers", post(take))
        .layer(middleware::from_fn(authenticate))
        .route("/sandbox/claim", post(send_claim))
        .route("/sandbox/eligibility", post(ask_eligibility))
        .route("/", get(page))
        .layer(middleware::from_fn_with_state(desk.0.gate.clone(), server::pass))
        .with_state(desk.clone())
}

async fn page(State(desk): State<Desk>) -> Html<String> {
    Html(page::show(&desk))
}

fn no(status: u16, text: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({"error": text}))).into_response()
}

async fn authenticate(request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let right = format!("Basic {}", STANDARD.encode(format!("{USER}:{HOSPITAL_PASSWORD}")));
    if shown == Some(&right) { next.run(request).await } else { no(401, "wrong user or password") }
}

/// An answer. What has come before is not taken twice: its sender could not know.
async fn take(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let Ok(body) = serde_json::from_slice::<Value>(&body) else { return no(400, "no JSON") };
    if !text("content-type").starts_with("application/fhir+json") || body["resourceType"] != "ClaimResponse" {
        return no(422, "expected a ClaimResponse as application/fhir+json");
    }
    let key = text("idempotency-key");
    let mut book = desk.book();
    match book.answers.iter_mut().find(|known| known.key == key && !key.is_empty()) {
        Some(known) => known.times += 1,
        None => book.answers.push(HospitalAnswer { key, body, at: Timestamp::now(), times: 1 }),
    }
    Json(json!({"taken": true})).into_response()
}

/// The page's button: the sample, as an encounter of its own.
async fn send_claim(State(desk): State<Desk>) -> Response {
    let encounter = Uuid::new_v4().to_string();
    let bundle = SAMPLE_BUNDLE.replace(SAMPLE_ENCOUNTER, &encounter);
    back(desk.send(format!("claim of encounter {encounter}"), "/mediator/claim", bundle).await)
}

/// The page's button: what the registration desk asks first.
async fn ask_eligibility(State(desk): State<Desk>) -> Response {
    let what = format!("is {SAMPLE_INSURANCE_NUMBER} insured?");
    back(desk.send(what, "/mediator/eligibility", sample_question()).await)
}

fn back(sent: Result<(), String>) -> Response {
    match sent {
        Ok(()) => Redirect::to("/").into_response(),
        Err(text) => no(502, &text),
    }
}

/// A `CoverageEligibilityRequest` for the sample's insuree.
pub fn sample_question() -> String {
    let number = json!({"type": {"text": "Insurance Number"}, "value": SAMPLE_INSURANCE_NUMBER});
    json!({
        "resourceType": "CoverageEligibilityRequest",
        "status": "active",
        "purpose": ["benefits"],
        "patient": {"identifier": number},
        "created": Timestamp::now().strftime("%Y-%m-%d").to_string(),
        "insurer": {"display": "openIMIS"},
    })
    .to_string()
}
