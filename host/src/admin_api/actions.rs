//! What changes a message: retry, retry all, discard.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use flow::MessageId;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Client, Host, Id, Json, MessageState, Refusal, Wanted, body, id, now};

type Body = Result<Bytes, BytesRejection>;

/// Longest reason of a discard, in characters.
const LONGEST_REASON: usize = 500;
/// How long the answer to a retry of many waits for its end.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Discard {
    reason: String,
}

pub(super) async fn retry(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    number: Id,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let Nothing {} = body(&headers, sent)?;
    let id = id(number)?;
    if !host.flow.store.retry(id, &client.name, now(&host.flow)).await? {
        return Err(not_done(&host, id, "nothing to retry").await?);
    }
    host.wake.notify_one();
    tracing::info!(client = client.name, %id, "retry asked for");
    Ok(Json(json!({"id": id, "state": MessageState::Pending.to_string()})))
}

pub(super) async fn discard(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    number: Id,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let Discard { reason } = body(&headers, sent)?;
    let (id, reason) = (id(number)?, reason.trim());
    if !(1..=LONGEST_REASON).contains(&reason.chars().count()) {
        return Err(Refusal::invalid(&format!("reason: expected 1 to {LONGEST_REASON} characters")));
    }
    if !host.flow.store.discard(id, reason, &client.name, now(&host.flow)).await? {
        return Err(not_done(&host, id, "nothing to discard").await?);
    }
    tracing::info!(client = client.name, %id, "discarded");
    Ok(Json(json!({"id": id, "state": MessageState::Discarded.to_string()})))
}

/// Why one message could not be changed.
async fn not_done(host: &Host, id: MessageId, what: &str) -> Result<Refusal, Refusal> {
    let Some(view) = host.flow.store.view(id).await? else { return Ok(Refusal::no_message(id)) };
    let kept = if view.body.is_none() { ", its document is no longer kept" } else { "" };
    let text = match view.behind {
        Some(other) => format!(
            "message {id} and message {other} are different documents with one key: {what} before message {other} is discarded"
        ),
        None => format!("message {id} is {}{kept}: {what}", view.summary.state),
    };
    Ok(Refusal::new(StatusCode::CONFLICT, "conflict", &text))
}

/// Goes on to its end also where the caller does not wait for it.
pub(super) async fn retry_all(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, Refusal> {
    let wanted: Wanted = body(&headers, sent)?;
    if wanted.limit.is_some() || wanted.body.is_some() {
        return Err(Refusal::invalid("limit and body mean nothing here"));
    }
    let filter = wanted.filter()?;
    if filter.state.is_none() {
        return Err(Refusal::invalid("state: is missing; \"dead\" is what is meant most often"));
    }
    if matches!(filter.state, Some(MessageState::Delivered | MessageState::Leased)) {
        return Err(Refusal::invalid("state: messages in this state cannot be retried"));
    }
    let work = tokio::spawn(async move {
        let done = host.flow.store.retry_all(&filter, &client.name, now(&host.flow), |_| host.wake.notify_one()).await;
        match &done {
            Ok(count) => tracing::info!(client = client.name, count, "retry of many asked for"),
            Err(error) => tracing::error!(client = client.name, %error, "a retry of many stopped half-way"),
        }
        done
    });
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(done)) => Ok(Json(json!({"retried": done?})).into_response()),
        Ok(Err(error)) => {
            tracing::error!(%error, "a retry of many ended unexpectedly");
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", "it ended unexpectedly; see the log"))
        }
        Err(_) => {
            let text = "it goes on; /admin/counts tells how far it is, /admin/audit when it is done";
            Ok((StatusCode::ACCEPTED, Json(json!({"status": text}))).into_response())
        }
    }
}
