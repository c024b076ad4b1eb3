//! The openIMIS: logins, insurees, feedback.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Peers;

const GUIDE: &str = "https://openimis.github.io/openimis_fhir_r4_ig/";

pub(super) fn router() -> Router<Peers> {
    let at = |path: &str| format!("/api/api_fhir_r4/{path}");
    Router::new()
        .route(&at("login/"), post(login))
        .route(&at("Patient/{id}/"), get(patient))
        .route(&at("Communication/"), post(communication))
        .route(&at("ClaimResponse/"), get(nothing))
        .route(&at("CommunicationRequest/"), get(nothing))
        .route(&at("Subscription/"), get(nothing))
        .fallback(elsewhere)
}

async fn login() -> Json<Value> {
    Json(json!({"token": "load", "exp": 4_102_444_800_i64}))
}

async fn nothing() -> Json<Value> {
    Json(json!({"resourceType": "Bundle", "type": "searchset", "total": 0, "entry": []}))
}

/// Every uuid is an insuree.
async fn patient(Path(id): Path<Uuid>) -> Json<Value> {
    let number = id.as_u128() % 10_000_000;
    let identifier = |kind: &str, value: &str| {
        let system = format!("{GUIDE}CodeSystem/openimis-identifiers");
        json!({"type": {"coding": [{"system": system, "code": kind}]}, "value": value})
    };
    Json(json!({
        "resourceType": "Patient",
        "id": id,
        "identifier": [identifier("UUID", &id.to_string()), identifier("Code", &format!("{number:09}"))],
        "name": [{"use": "usual", "family": "Udaharan", "given": [format!("Kalpana {number}")]}],
        "telecom": [{"system": "phone", "value": format!("+97798{number:08}"), "use": "home"}],
        "gender": "female",
        "birthDate": "1985-04-14",
    }))
}

/// Takes one feedback a claim, as openIMIS does.
async fn communication(State(peers): State<Peers>, Json(sent): Json<Value>) -> Response {
    let about = sent["about"][0]["reference"].as_str().and_then(|reference| reference.strip_prefix("Claim/"));
    let Some(claim) = about.and_then(|claim| claim.parse::<Uuid>().ok()) else {
        return no("about is required");
    };
    let mut known = peers.known();
    if !known.feedback.insert(claim) {
        known.counts.refused += 1;
        return no("Feedback exists for this claim");
    }
    known.counts.feedback += 1;
    known.delivered();
    drop(known);
    let mut communication = sent;
    communication["identifier"] = json!([{"value": Uuid::from_u128(!claim.as_u128())}]);
    (StatusCode::CREATED, Json(communication)).into_response()
}

fn no(text: &str) -> Response {
    let issue = json!([{"severity": "error", "code": "exception", "details": {"text": text}}]);
    let outcome = json!({"resourceType": "OperationOutcome", "issue": issue});
    (StatusCode::INTERNAL_SERVER_ERROR, Json(outcome)).into_response()
}

async fn elsewhere(State(peers): State<Peers>) -> StatusCode {
    peers.known().counts.elsewhere += 1;
    StatusCode::NOT_FOUND
}
