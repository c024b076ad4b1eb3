//! The doors: what openIMIS, CHT or OpenHIM post, and the health checks. Every answer is JSON: openIMIS takes anything else for a failure.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use flow::ports::{Store, StoreError};
use flow::receive::Received;
use flow::{MessageId, Origin};
use mapping::{Issue, issue::operation_outcome};
use secrecy::ExposeSecret;
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{Host, config::Inbound};

/// Longest body that is taken.
pub const BODY_LIMIT_BYTES: usize = 1 << 20;
/// Longest time from a request's first line to its answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// All routes of the mediator.
pub fn router(host: Arc<Host>) -> Router {
    let mediator = Router::new()
        .route("/mediator/claim-response", post(claim_response))
        .route("/mediator/claims-feedback", post(claims_feedback))
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .route_layer(from_fn_with_state(host.clone(), require_credentials));
    let health = Router::new().route("/health/live", get(live)).route("/health/ready", get(ready));
    Router::new()
        .merge(mediator)
        .merge(health)
        .method_not_allowed_fallback(|| async {
            refusal(StatusCode::METHOD_NOT_ALLOWED, "not-supported", "this route takes another method")
        })
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "not-found", "no such route; the README lists them") })
        .layer(from_fn(within_time))
        .with_state(host)
}

/// A client that sends its body drop by drop, or a store that hangs, holds a connection no longer than this.
async fn within_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            refusal(StatusCode::REQUEST_TIMEOUT, "timeout", "the time was up; nothing was acknowledged, send it again")
        }
    }
}

/// An OperationOutcome of the mediator itself; `code` is a FHIR issue type.
fn refusal(status: StatusCode, code: &str, text: &str) -> Response {
    let issue = json!([{"severity": "error", "code": code, "diagnostics": text}]);
    (status, axum::Json(json!({"resourceType": "OperationOutcome", "issue": issue}))).into_response()
}

/// What is wrong with a document.
fn outcome(status: StatusCode, issues: &[Issue]) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], operation_outcome(issues)).into_response()
}

async fn require_credentials(State(host): State<Arc<Host>>, request: Request, next: Next) -> Response {
    if authorized(request.headers(), &host.config.inbound) {
        return next.run(request).await;
    }
    let text = "no or wrong credentials; send HTTP Basic with the mediator's inbound user";
    let mut response = refusal(StatusCode::UNAUTHORIZED, "login", text);
    let challenge = header::HeaderValue::from_static("Basic realm=\"openimis-mediator\", charset=\"UTF-8\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// Compares in constant time: how long a refusal takes says nothing of how much was right.
fn authorized(headers: &HeaderMap, inbound: &Inbound) -> bool {
    let Some(password) = &inbound.password else { return false };
    let expected = format!("{}:{}", inbound.username, password.expose_secret());
    let shown = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, encoded)| base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok())
        .unwrap_or_default();
    // Comparing slices gives their length away; digests all have the same.
    Sha256::digest(&shown).ct_eq(&Sha256::digest(expected)).into()
}

/// The body of a JSON request, or the refusal.
#[allow(clippy::result_large_err)] // the response is built once, on the way out
fn json_body(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Vec<u8>, Response> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !matches!(essence.as_str(), "application/json" | "application/fhir+json") {
        let text = "the content type is not application/json or application/fhir+json";
        return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text));
    }
    match body {
        Ok(body) => Ok(body.into()),
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let text = format!("the body is longer than {BODY_LIMIT_BYTES} bytes");
            Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, "too-long", &text))
        }
        Err(_) => Err(refusal(StatusCode::BAD_REQUEST, "structure", "the body broke off")),
    }
}

async fn claim_response(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match json_body(&headers, body) {
        Ok(body) => body,
        Err(response) => return response,
    };
    match host.flow.receive_claim_response(body, Origin::Push).await {
        Ok(Received::Unmappable(id, issues)) => {
            tracing::warn!(id = %id, "a claim cannot be mapped: kept as a dead letter");
            outcome(StatusCode::UNPROCESSABLE_ENTITY, &issues)
        }
        other => accepted(&host, other),
    }
}

async fn claims_feedback(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match json_body(&headers, body) {
        Ok(body) => body,
        Err(response) => return response,
    };
    match host.flow.receive_feedback(body).await {
        // CHT would push a refused feedback again every five minutes, for ever: it is ours now.
        Ok(Received::Unmappable(id, issues)) => {
            tracing::warn!(id = %id, "a feedback cannot be mapped: kept as a dead letter");
            let body = json!({"status": "kept for an admin: it cannot be mapped", "id": id, "issue": issues});
            (StatusCode::ACCEPTED, axum::Json(body)).into_response()
        }
        other => accepted(&host, other),
    }
}

fn accepted(host: &Host, received: Result<Received, StoreError>) -> Response {
    let answer = |id: MessageId, duplicate: bool| {
        let body = json!({"status": "accepted", "id": id, "duplicate": duplicate});
        (StatusCode::ACCEPTED, axum::Json(body)).into_response()
    };
    match received {
        Ok(Received::Accepted(id)) => {
            host.wake.notify_one();
            answer(id, false)
        }
        Ok(Received::Duplicate(id)) => answer(id, true),
        Ok(Received::NotJson(issue)) => outcome(StatusCode::BAD_REQUEST, &[issue]),
        Ok(Received::Unmappable(_, issues)) => outcome(StatusCode::UNPROCESSABLE_ENTITY, &issues),
        Err(error) => {
            tracing::error!(%error, "a message could not be stored and was not acknowledged");
            let text = "the message could not be stored; send it again later";
            refusal(StatusCode::SERVICE_UNAVAILABLE, "transient", text)
        }
    }
}

async fn live() -> Response {
    axum::Json(json!({"status": "live"})).into_response()
}

/// Ready means: what comes in can be stored. Peers that are down do not matter, that is what the store is for.
async fn ready(State(host): State<Arc<Host>>) -> Response {
    match host.flow.store.save_watermark("ready", jiff::Timestamp::now()).await {
        Ok(()) => axum::Json(json!({"status": "ready"})).into_response(),
        Err(error) => {
            tracing::error!(%error, "not ready: the store cannot be written");
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(json!({"status": "the store cannot be written"})))
                .into_response()
        }
    }
}
