//! The CHT: persons, records, and the view by which a record is found again.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Peers;

pub(super) fn router() -> Router<Peers> {
    Router::new()
        .route("/api/v2/records", post(record))
        .route("/api/v1/people", post(person))
        .route("/medic/_design/medic-client/_view/reports_by_subject", get(reports_by_subject))
        .fallback(elsewhere)
}

/// The fields of form OP that are needed to count and to find.
#[derive(Deserialize)]
struct Record {
    patient_id: Uuid,
    op_claim_uuid: Uuid,
}

/// Takes every record, also a second one of a claim: CHT does not deduplicate.
async fn record(State(peers): State<Peers>, Json(record): Json<Record>) -> Json<Value> {
    let mut known = peers.known();
    if known.claims.insert(record.op_claim_uuid) {
        known.counts.claims += 1;
    } else {
        known.counts.doubled += 1;
    }
    known.records.entry(record.patient_id).or_default().push(record.op_claim_uuid);
    known.delivered();
    Json(json!({"success": true, "id": report_id(record.op_claim_uuid)}))
}

async fn person(State(peers): State<Peers>, Json(sent): Json<Value>) -> Response {
    let Some(id) = sent["_id"].as_str().and_then(|id| id.parse::<Uuid>().ok()) else {
        return refusal(StatusCode::BAD_REQUEST, "the mediator names its persons");
    };
    let mut known = peers.known();
    if !known.people.insert(id) {
        return refusal(StatusCode::CONFLICT, "Document update conflict.");
    }
    known.counts.people += 1;
    Json(json!({"ok": true, "id": id, "rev": "1-0"})).into_response()
}

/// A view of CouchDB; `key` is JSON text.
async fn reports_by_subject(State(peers): State<Peers>, Query(asked): Query<HashMap<String, String>>) -> Response {
    let key = asked.get("key").and_then(|key| serde_json::from_str::<Uuid>(key).ok());
    let Some(subject) = key else {
        return refusal(StatusCode::BAD_REQUEST, "query_parse_error");
    };
    let known = peers.known();
    let row = |claim: &Uuid| {
        let fields = json!({"patient_id": subject, "op_claim_uuid": claim});
        json!({"id": report_id(*claim), "key": subject, "value": 0, "doc": {"fields": fields}})
    };
    let rows: Vec<Value> = known.records.get(&subject).into_iter().flatten().map(row).collect();
    Json(json!({"total_rows": known.claims.len(), "offset": 0, "rows": rows})).into_response()
}

fn report_id(claim: Uuid) -> Uuid {
    Uuid::from_u128(!claim.as_u128())
}

fn refusal(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({"code": status.as_u16(), "error": text}))).into_response()
}

async fn elsewhere(State(peers): State<Peers>) -> Response {
    peers.known().counts.elsewhere += 1;
    refusal(StatusCode::NOT_FOUND, "not_found")
}
