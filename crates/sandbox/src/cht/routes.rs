//! The REST routes, and who may use them.

use super::{
    super::{CHT_PASSWORD, USER, server},
    Cht, chw, contacts,
    deployment::{self, ChtVersion, no_such_route},
    documents,
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
        .route("/api/v1/person", post(post_new_person))
        .route("/api/v1/person/{id}", get(get_person))
        .route("/api/v1/contacts-by-phone", get(contacts_by_phone))
        .route("/api/v1/contact/uuid", get(contact_ids))
        .route("/api/v1/report/uuid", get(report_ids))
        .route("/medic/_design/medic-client/_view/reports_by_subject", get(reports_by_subject))
        .route("/medic/_design/medic-client/_view/contacts_by_type_freetext", get(contacts_by_type_freetext))
        .route("/medic/_all_docs", get(all_docs))
        .route("/medic/{id}", get(documents::get).put(documents::put).delete(documents::delete))
        .route("/api/v1/settings", get(deployment::settings))
        .route("/api/v1/forms", get(deployment::forms))
        .route("/api/v1/forms/{form}", get(deployment::form))
        .route("/api/v2/monitoring", get(deployment::monitoring))
        .route("/_session", get(deployment::session))
        .layer(middleware::from_fn_with_state(cht.clone(), authenticate))
        .route("/sandbox/feedback", post(chw::feedback))
        .route("/", get(page))
        .fallback(elsewhere)
        .layer(middleware::from_fn_with_state(cht.0.gate.clone(), server::pass))
        .with_state(cht.clone())
}

async fn page(State(cht): State<Cht>) -> Html<String> {
    Html(super::page::show(&cht))
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
    cht.state().permit(&["can_create_records"]).map_err(|refusal| accepts.refuse(refusal))?;
    if !content_type(&headers).starts_with("application/json") {
        return Err(accepts.refuse(Refusal::server_error()));
    }
    let sent: Value = serde_json::from_slice(&body).map_err(|_| accepts.refuse(Refusal::server_error()))?;
    let created = records::create(&mut cht.state(), &sent);
    created.map(|id| Json(json!({"success": true, "id": id}))).map_err(|refusal| accepts.refuse(refusal))
}

/// CHT wants the content type without parameters here.
fn json(headers: &HeaderMap, body: &Bytes) -> Result<Value, Refusal> {
    if content_type(headers) != "application/json" {
        return Err(Refusal::new(400, "Content-Type must be application/json"));
    }
    match body.is_empty() {
        true => Ok(Value::Null),
        false => serde_json::from_slice(body).map_err(|_| Refusal::server_error()),
    }
}

async fn post_person(State(cht): State<Cht>, accepts: Accepts, headers: HeaderMap, body: Bytes) -> Response {
    if cht.version() >= ChtVersion::WithoutPeople {
        return no_such_route();
    }
    let mut state = cht.state();
    let created = json(&headers, &body).and_then(|sent| {
        state.permit(&["can_edit", "can_create_people"])?;
        contacts::create(&mut state, &sent)
    });
    created.map(Json).map_err(|refusal| accepts.refuse(refusal)).into_response()
}

/// Since 5.2.
async fn post_new_person(State(cht): State<Cht>, accepts: Accepts, headers: HeaderMap, body: Bytes) -> Response {
    if cht.version() < ChtVersion::V5_2 {
        return no_such_route();
    }
    let mut state = cht.state();
    let created = json(&headers, &body).and_then(|sent| {
        let either = [state.permit_online(&["can_create_people"]), state.permit_online(&["can_edit"])];
        either.into_iter().find(Result::is_ok).unwrap_or_else(|| Err(Refusal::new(403, "Insufficient privileges")))?;
        contacts::create_without_id(&mut state, &sent)
    });
    created.map(Json).map_err(|refusal| accepts.refuse(refusal)).into_response()
}

async fn get_person(State(cht): State<Cht>, accepts: Accepts, Path(id): Path<String>) -> Answer {
    let state = cht.state();
    state.permit_online(&["can_view_contacts"]).map_err(|refusal| accepts.refuse(refusal))?;
    let person = state.people.iter().find(|person| person["_id"] == id.as_str()).cloned();
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

/// Since 4.18.
async fn contact_ids(State(cht): State<Cht>, accepts: Accepts, Query(asked): Parameters) -> Response {
    if cht.version() < ChtVersion::V4_18 {
        return no_such_route();
    }
    let asked = |name: &str| asked.get(name).map(String::as_str);
    let state = cht.state();
    let found = state.permit_online(&["can_view_contacts"]).and_then(|()| {
        let mut found = contacts::by_freetext(&state, asked("type"), asked("freetext"))?;
        let limit = asked("limit").and_then(|limit| limit.parse().ok()).unwrap_or(10_000);
        if let Some(ids) = found["data"].as_array_mut() {
            ids.truncate(limit);
        }
        Ok(found)
    });
    found.map(Json).map_err(|refusal| accepts.refuse(refusal)).into_response()
}

/// Before 5.0.
async fn contacts_by_type_freetext(State(cht): State<Cht>, Query(asked): Parameters) -> Response {
    if cht.version() >= ChtVersion::V5_2 {
        return (StatusCode::NOT_FOUND, Json(json!({"error": "not_found", "reason": "missing_named_view"})))
            .into_response();
    }
    let key = asked.get("key").and_then(|key| serde_json::from_str::<(String, String)>(key).ok());
    let Some((kind, term)) = key else {
        let body = json!({"error": "query_parse_error", "reason": "Invalid value for JSON query parameter `key`"});
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    };
    let state = cht.state();
    let found = contacts::by_freetext(&state, Some(&kind), Some(&term)).unwrap_or_default();
    let row = |id: &Value| json!({"id": id, "key": [kind, term], "value": "false false 3"});
    let rows: Vec<Value> = found["data"].as_array().into_iter().flatten().map(row).collect();
    Json(json!({"total_rows": state.people.len(), "offset": 0, "rows": rows})).into_response()
}

/// CouchDB's own.
async fn all_docs(State(cht): State<Cht>, Query(asked): Parameters) -> Response {
    let keys: Vec<String> = asked.get("keys").and_then(|keys| serde_json::from_str(keys).ok()).unwrap_or_default();
    let with_docs = asked.get("include_docs").is_some_and(|include| include == "true");
    let state = cht.state();
    let row = |key: &String| {
        let mut all = state.people.iter().chain(&state.places).chain(&state.records);
        let Some(document) = all.find(|document| document["_id"] == key.as_str()) else {
            return match state.deleted.get(key) {
                Some(rev) => json!({"id": key, "key": key, "value": {"rev": rev, "deleted": true}, "doc": null}),
                None => json!({"key": key, "error": "not_found"}),
            };
        };
        let mut row = json!({"id": key, "key": key, "value": {"rev": document["_rev"]}});
        if with_docs {
            row["doc"] = document.clone();
        }
        row
    };
    let rows: Vec<Value> = keys.iter().map(row).collect();
    Json(json!({"total_rows": state.people.len(), "offset": null, "rows": rows})).into_response()
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
