//! The REST routes, and who may use them.

use super::{
    super::{CHT_PASSWORD, USER, pages, server},
    Cht, chw, contacts,
    error::{Accepts, Refusal},
    records,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Wrong tries in a row after which an account is locked, and for how long.
const TRIES: u32 = 5;
const LOCKED_FOR: Duration = Duration::from_secs(5);

type Answer = Result<Json<Value>, Refusal>;
type Parameters = Query<HashMap<String, String>>;

pub(super) fn router(cht: &Cht) -> Router {
    Router::new()
        .route("/api/v2/records", post(post_record))
        .route("/api/v1/people", post(post_person))
        .route("/api/v1/person/{id}", get(get_person))
        .route("/api/v1/contacts-by-phone", get(contacts_by_phone))
        .route("/api/v1/contact/uuid", get(contact_ids))
        .route("/api/v1/report/uuid", get(report_ids))
        .route("/medic/_design/medic-client/_view/reports_by_subject", get(reports_by_subject))
        .layer(middleware::from_fn_with_state(cht.clone(), authenticate))
        .route("/sandbox/feedback", post(chw::feedback))
        .route("/", get(page))
        .fallback(elsewhere)
        .layer(middleware::from_fn_with_state(cht.0.gate.clone(), server::pass))
        .with_state(cht.clone())
}

async fn page(State(cht): State<Cht>) -> Html<String> {
    Html(pages::cht(&cht))
}

async fn elsewhere() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"code": 404, "error": "not_found"}))).into_response()
}

async fn authenticate(State(cht): State<Cht>, request: Request, next: Next) -> Response {
    let accepts = Accepts::of(request.headers());
    match check(&cht, request.headers()) {
        Access::Granted => next.run(request).await,
        Access::Locked => {
            let text = "Account is temporarily locked due to multiple authentication failures";
            accepts.refuse(Refusal::new(403, text)).into_response()
        }
        Access::Refused if accepts.json => {
            let mut answer = accepts.refuse(Refusal::new(401, "unauthorized")).into_response();
            answer.headers_mut().insert("logout-authorization", HeaderValue::from_static("CHT-Core API"));
            answer
        }
        Access::Refused => to_login(request.uri()),
    }
}

fn to_login(uri: &Uri) -> Response {
    let location = format!("/medic/login?redirect={}", uri.path().replace('/', "%2F"));
    (StatusCode::FOUND, [(header::LOCATION, location)], "Found. Redirecting to the login page").into_response()
}

enum Access {
    Granted,
    Refused,
    Locked,
}

/// Checks Basic credentials; an account locks after too many wrong tries in a row, even for the right password.
fn check(cht: &Cht, headers: &HeaderMap) -> Access {
    let given = headers.get(header::AUTHORIZATION).and_then(|header| header.to_str().ok()).unwrap_or_default();
    let credentials = given.strip_prefix("Basic ").and_then(|encoded| STANDARD.decode(encoded).ok());
    let credentials = credentials.and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((user, password)) = credentials.as_deref().and_then(|credentials| credentials.split_once(':')) else {
        return Access::Refused;
    };
    let now = Instant::now();
    let mut state = cht.state();
    let (tries, locked_until) = state.tries.entry(user.to_owned()).or_default();
    if locked_until.is_some_and(|until| now < until) {
        return Access::Locked;
    }
    if (user, password) == (USER, CHT_PASSWORD) {
        state.tries.remove(user);
        return Access::Granted;
    }
    *tries += 1;
    if *tries >= TRIES {
        (*tries, *locked_until) = (0, Some(now + LOCKED_FOR));
    }
    Access::Refused
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}

async fn post_record(State(cht): State<Cht>, accepts: Accepts, headers: HeaderMap, body: Bytes) -> Answer {
    if !content_type(&headers).starts_with("application/json") {
        return Err(accepts.refuse(Refusal::server_error()));
    }
    let sent: Value = serde_json::from_slice(&body).map_err(|_| accepts.refuse(Refusal::server_error()))?;
    let created = records::create(&mut cht.state(), &sent);
    created.map(|id| Json(json!({"success": true, "id": id}))).map_err(|refusal| accepts.refuse(refusal))
}

/// CHT wants the content type without parameters here.
async fn post_person(State(cht): State<Cht>, accepts: Accepts, headers: HeaderMap, body: Bytes) -> Answer {
    if content_type(&headers) != "application/json" {
        return Err(accepts.refuse(Refusal::new(400, "Content-Type must be application/json")));
    }
    let sent: Value = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&body).map_err(|_| accepts.refuse(Refusal::server_error()))?,
    };
    contacts::create(&mut cht.state(), &sent).map(Json).map_err(|refusal| accepts.refuse(refusal))
}

async fn get_person(State(cht): State<Cht>, accepts: Accepts, Path(id): Path<String>) -> Answer {
    let person = cht.state().people.iter().find(|person| person["_id"] == id.as_str()).cloned();
    person.map(Json).ok_or_else(|| accepts.refuse(Refusal::new(404, "Person not found")))
}

async fn contacts_by_phone(State(cht): State<Cht>, Query(asked): Parameters) -> (StatusCode, Json<Value>) {
    match contacts::by_phone(&cht.state(), asked.get("phone").map(String::as_str)) {
        None => {
            let reason = "`phone` parameter is required and must be a valid phone number";
            (StatusCode::BAD_REQUEST, Json(json!({"error": "bad_request", "reason": reason})))
        }
        Some(none) if none.is_empty() => {
            (StatusCode::NOT_FOUND, Json(json!({"error": "not_found", "reason": "no matches found"})))
        }
        Some(docs) => (StatusCode::OK, Json(json!({"ok": true, "docs": docs}))),
    }
}

async fn contact_ids(State(cht): State<Cht>, accepts: Accepts, Query(asked): Parameters) -> Answer {
    let asked = |name: &str| asked.get(name).map(String::as_str);
    let found = contacts::by_freetext(&cht.state(), asked("type"), asked("freetext"));
    found.map(Json).map_err(|refusal| accepts.refuse(refusal))
}

async fn report_ids(State(cht): State<Cht>, accepts: Accepts, Query(asked): Parameters) -> Answer {
    let found = contacts::reports_by_freetext(&cht.state(), asked.get("freetext").map(String::as_str));
    found.map(Json).map_err(|refusal| accepts.refuse(refusal))
}

/// A view of CouchDB: its errors are CouchDB's.
async fn reports_by_subject(State(cht): State<Cht>, Query(asked): Parameters) -> Response {
    let key = asked.get("key").map(|key| serde_json::from_str::<Value>(key));
    let Some(Ok(key)) = key else {
        let body = json!({"error": "query_parse_error", "reason": "Invalid value for JSON query parameter `key`"});
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    };
    let with_docs = asked.get("include_docs").is_some_and(|include| include == "true");
    let state = cht.state();
    let row = |report: &Value| {
        let mut row = json!({"id": report["_id"], "key": key, "value": report["reported_date"]});
        if with_docs {
            row["doc"] = report.clone();
        }
        row
    };
    let about_key = state.records.iter().filter(|report| report["fields"]["patient_id"] == key);
    let rows: Vec<_> = about_key.map(row).collect();
    Json(json!({"total_rows": state.records.len(), "offset": 0, "rows": rows})).into_response()
}
