//! How registration with OpenHIM goes, which settings its console changed, and what is still to be told to its transactions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use flow::ports::StoreError;
use serde_json::json;

use super::{Answer, Host};

pub(super) async fn show(State(host): State<Arc<Host>>) -> Answer {
    let Some(status) = host.openhim.status(&host) else { return Ok(Json(json!({"configured": false}))) };
    let mut shown = serde_json::to_value(status).map_err(|error| StoreError(error.to_string()))?;
    shown["configured"] = true.into();
    shown["reports"]["waiting"] = host.flow.store.count_reports().await?.into();
    Ok(Json(shown))
}
