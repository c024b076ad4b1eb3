//! What routes of messages have in common: their trace, how they are measured, and what the log says of documents that share a key.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use flow::Kind;
use flow::http_api::Route;
use flow::receive::Conflict;
use observe::trace::{MESSAGE_KIND, Parent, SpanKind};
use opentelemetry::KeyValue;

use crate::Host;

/// Middleware: the request is part of its caller's trace, once it is known that the caller may call.
pub(crate) async fn traced(State((host, kind)): State<(Arc<Host>, Kind)>, request: Request, next: Next) -> Response {
    let path = Route::Inbound(kind).path();
    let work = host.telemetry.begin(path, SpanKind::Server, Parent::Request(request.headers()), || {
        let method = KeyValue::new("http.request.method", "POST");
        vec![method, KeyValue::new("http.route", path), KeyValue::new(MESSAGE_KIND, kind.word())]
    });
    let response = work.run(next.run(request)).await;
    work.answered(response.status());
    response
}

/// Middleware: how long an answer took, and what was refused before it reached the store.
pub(crate) async fn measured(State((host, kind)): State<(Arc<Host>, Kind)>, request: Request, next: Next) -> Response {
    let posted = host.metrics.posted(kind);
    let response = next.run(request).await;
    let status = response.status();
    // 422 is of a document that was kept: the store counts it.
    posted.answered(status.is_client_error() && status != StatusCode::UNPROCESSABLE_ENTITY);
    response
}

/// Writes a line about two documents with one key: somebody has to look at both.
pub(crate) fn log_conflict(kind: Kind, conflict: &Conflict) {
    let Conflict { id, first, differs } = conflict;
    let differs = differs.join(", ");
    tracing::warn!(%id, %first, %kind, differs, "another document came with the key of a message: kept as a dead letter");
}
