//! Which mappings are in use, what was refused, and the word to look at the files now.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use flow::ports::StoreError;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Client, Host, Refusal, body, now};
use crate::swap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

pub(super) async fn list(State(host): State<Arc<Host>>) -> Answer {
    let mapper = &host.flow.mapper;
    Ok(Json(json!({"mappings": mapper.mappings(), "refused": mapper.refused()})))
}

pub(super) async fn reload(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    headers: HeaderMap,
    sent: Result<Bytes, BytesRejection>,
) -> Answer {
    let Nothing {} = body(&headers, sent)?;
    // Who asked may be gone before the answer is there; what was switched has its line in the audit trail all the same.
    let done = tokio::spawn(async move {
        let reloaded = swap::reload(&host).await;
        let detail = format!("{} switched, {} refused", reloaded.switched.len(), reloaded.refused.len());
        host.flow.store.audited(&client.name, "reload mappings", None, &detail, now(&host.flow)).await?;
        Ok::<_, StoreError>(reloaded)
    });
    let stopping =
        |_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "transient", "the mediator stops; try again later");
    let reloaded = done.await.map_err(stopping)??;
    Ok(Json(json!({"switched": reloaded.switched, "refused": reloaded.refused})))
}
