//! All messages that fit, one JSON object a line. Read page by page, so a million lines need no more memory than a thousand.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use flow::ports::StoreError;
use futures_util::stream::try_unfold;

use super::{Asked, Client, Host, Refusal, Wanted, now, query, told};
use store::Filter;

/// Messages read at once.
const PAGE: u32 = 200;

/// Where an export stands. No filter: it is over.
struct Standing {
    host: Arc<Host>,
    next: Option<Filter>,
    documents: bool,
}

pub(super) async fn export(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    asked: Asked<Wanted>,
) -> Result<Response, Refusal> {
    let wanted = query(asked)?;
    if wanted.limit.is_some() {
        return Err(Refusal::invalid("limit: an export has no pages"));
    }
    let filter = Filter { limit: PAGE, ..wanted.filter()? };
    let documents = wanted.body.unwrap_or_default();
    let action = if documents { "export with documents" } else { "export" };
    host.flow.store.audited(&client.name, action, None, &described(&filter), now(&host.flow)).await?;
    tracing::info!(client = client.name, documents, "messages are exported");
    let lines = try_unfold(Standing { host, next: Some(filter), documents }, |standing| async {
        page(standing).await.inspect_err(|error| tracing::error!(%error, "an export broke off"))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

/// The next lines. What breaks off in the middle ends without the last chunk, which every HTTP client takes for an error.
async fn page(mut standing: Standing) -> Result<Option<(Bytes, Standing)>, StoreError> {
    let Some(filter) = standing.next.take() else { return Ok(None) };
    let store = &standing.host.flow.store;
    let messages = store.list(&filter).await?;
    let mut lines = Vec::new();
    for message in &messages {
        let Some(view) = store.view(message.id).await? else { continue }; // pruned since
        let line = told(&view, standing.documents)
            .map_err(|_| StoreError("a message cannot be written as JSON".to_owned()))?;
        serde_json::to_writer(&mut lines, &line).map_err(|error| StoreError(error.to_string()))?;
        lines.push(b'\n');
    }
    let full = messages.len() == filter.limit as usize;
    standing.next = messages.last().filter(|_| full).map(|last| Filter { before: Some(last.id), ..filter });
    Ok(Some((lines.into(), standing)))
}

/// For the audit trail.
fn described(filter: &Filter) -> String {
    let state = filter.state.map(|state| format!("state {state}"));
    let kind = filter.kind.map(|kind| format!("kind {kind}"));
    let claim = filter.claim.as_ref().map(|claim| format!("claim {claim}"));
    let described: Vec<String> = [state, kind, claim].into_iter().flatten().collect();
    if described.is_empty() { "all messages".to_owned() } else { described.join(", ") }
}
