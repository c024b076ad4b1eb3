//! `POST /mediator/eligibility`: a hospital asks whether a patient is insured and gets the answer at once. Nothing is stored, and
//! nothing of the patient is logged.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Extension, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::post;
use flow::eligibility::{self, EligibilityError};
use flow::http_api;
use mapping::encoding::json_text;
use opentelemetry::KeyValue;
use tokio::sync::Semaphore;

use crate::Host;
use crate::config::Scope;
use crate::server::admit::admit;
use crate::server::answer::{json_body, sent};
use auth::Client;
use observe::trace::{Parent, SpanKind};

/// Where it is asked.
pub const PATH: &str = "/mediator/eligibility";
/// Questions at a time: openIMIS is one server with a few threads, and claims want some of them.
const AT_A_TIME: usize = 16;

/// The route.
pub fn routes(host: &Arc<Host>) -> Router<Arc<Host>> {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let ask = post(answer)
        .route_layer(Extension(places))
        .route_layer(from_fn_with_state(host.clone(), traced))
        .route_layer(from_fn_with_state((host.doors.clone(), Scope::Eligibility), admit));
    Router::new().route(PATH, ask).layer(DefaultBodyLimit::max(host.config.server.max_body_bytes))
}

async fn answer(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    Extension(places): Extension<Arc<Semaphore>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let question = match json_body(&headers, body, host.config.server.max_body_bytes) {
        Ok(body) => match json_text(&body) {
            Ok(question) => question.to_owned(),
            Err(issue) => return sent(http_api::outcome(StatusCode::BAD_REQUEST, &[issue])),
        },
        Err(response) => return response,
    };
    let begun = Instant::now();
    let flow = host.flow.fresh();
    let within = std::time::Duration::try_from(flow.settings.eclaim.answer_within).unwrap_or_default();
    let asked = async {
        // Who finds no place in time is asked for nowhere.
        let place = places.acquire_owned().await;
        // A task of its own: who no longer waits must not keep the circuit breaker from learning that openIMIS does not answer.
        let asked = tokio::spawn(async move {
            let told = flow.eligibility(&question).await;
            drop(place);
            told
        });
        asked.await
    };
    let told = match tokio::time::timeout(within, asked).await {
        Ok(Ok(told)) => told,
        Ok(Err(_)) | Err(_) => Err(EligibilityError::TimeUp),
    };
    let outcome = told.as_ref().map_or_else(EligibilityError::word, |_| "answered");
    host.metrics.eligibility(outcome, begun.elapsed());
    match &told {
        Ok(_) => tracing::info!(client = client.name, "a question about eligibility was answered"),
        Err(EligibilityError::Issues(_)) => {
            tracing::info!(client = client.name, "a question about eligibility has issues")
        }
        Err(EligibilityError::Peer(error)) => {
            let error = error.unquoted();
            tracing::warn!(client = client.name, error, "a question about eligibility: no answer of openIMIS");
        }
        Err(EligibilityError::Mapping(error)) => {
            tracing::error!(%error, "a question about eligibility: the mapping failed")
        }
        Err(EligibilityError::TimeUp) => {
            tracing::warn!(client = client.name, "a question about eligibility: no answer in time")
        }
    }
    sent(eligibility::answer(&told))
}

/// Middleware: the question is part of its caller's trace.
async fn traced(State(host): State<Arc<Host>>, request: Request, next: Next) -> Response {
    let work = host.telemetry.begin(PATH, SpanKind::Server, Parent::Request(request.headers()), || {
        vec![KeyValue::new("http.request.method", "POST"), KeyValue::new("http.route", PATH)]
    });
    let response = work.run(next.run(request)).await;
    work.answered(response.status());
    response
}
