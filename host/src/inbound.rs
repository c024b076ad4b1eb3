//! The doors: what openIMIS, CHT or OpenHIM post, and the health checks. Every answer is JSON: openIMIS takes anything else for a failure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use flow::ports::{Clock, StoreError};
use flow::receive::Received;
use flow::{MessageId, Origin};
use mapping::{Issue, issue::operation_outcome};
use serde_json::json;

use crate::Host;
use crate::config::Scope;
use crate::server::admit::admit;
use crate::server::answer::{json_body, refusal, with_fallbacks};

/// All routes for openIMIS, CHT and OpenHIM.
pub fn router(host: Arc<Host>) -> Router {
    let with = |scope| from_fn_with_state((host.doors.clone(), scope), admit);
    let routes = Router::new()
        .route("/mediator/claim-response", post(claim_response).route_layer(with(Scope::ClaimResponse)))
        .route("/mediator/claims-feedback", post(claims_feedback).route_layer(with(Scope::Feedback)))
        .layer(DefaultBodyLimit::max(host.config.server.max_body_bytes))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready));
    with_fallbacks(routes).with_state(host)
}

/// What is wrong with a document.
fn outcome(status: StatusCode, issues: &[Issue]) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], operation_outcome(issues)).into_response()
}

async fn claim_response(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match json_body(&headers, body, host.config.server.max_body_bytes) {
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
    let body = match json_body(&headers, body, host.config.server.max_body_bytes) {
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

/// How long an answer to "ready?" holds: anybody may ask, and each look writes to the disk.
const READY_HOLDS: Duration = Duration::from_millis(250);

/// Whether the store could be written, and when that was tried.
#[derive(Default)]
pub struct Ready(tokio::sync::Mutex<Option<(Instant, bool)>>);

/// Ready means: what comes in can be stored. Peers that are down do not matter, that is what the store is for.
async fn ready(State(host): State<Arc<Host>>) -> Response {
    let mut last = host.ready.0.lock().await; // one look for all who ask meanwhile
    let is_ready = match *last {
        Some((at, is_ready)) if at.elapsed() < READY_HOLDS => is_ready,
        _ => {
            let probed = host.flow.store.probe(host.flow.clock.now()).await;
            if let Err(error) = &probed {
                tracing::error!(%error, "not ready: the store cannot be written");
            }
            *last = Some((Instant::now(), probed.is_ok()));
            probed.is_ok()
        }
    };
    if is_ready {
        axum::Json(json!({"status": "ready"})).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, axum::Json(json!({"status": "the store cannot be written"}))).into_response()
    }
}
