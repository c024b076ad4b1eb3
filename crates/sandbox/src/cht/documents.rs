//! Documents of CouchDB, as CHT passes them on to it: read, written and deleted by their `_id`.

use super::{Cht, State as All, revision};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use std::collections::HashMap;

impl Cht {
    /// Deletes a document, as somebody does who merges two contacts into one. False: it is not there.
    pub fn delete(&self, id: &str) -> bool {
        self.state().delete(id)
    }

    /// Changes fields of a person, as the web app does. False: it is not there.
    pub fn change_person(&self, id: &str, fields: &Value) -> bool {
        let mut state = self.state();
        let Some(person) = state.people.iter_mut().find(|person| person["_id"] == id) else { return false };
        for (name, value) in fields.as_object().into_iter().flatten() {
            person[name] = value.clone();
        }
        true
    }

    /// Whether the `_id` of a deleted document is refused for a new one, as a conflict. CouchDB takes it.
    pub fn refuse_deleted_ids(&self, refuse: bool) {
        self.state().refuses_deleted = refuse;
    }
}

impl All {
    fn document(&self, id: &str) -> Option<&Value> {
        self.people.iter().chain(&self.places).chain(&self.records).find(|document| document["_id"] == id)
    }

    fn delete(&mut self, id: &str) -> bool {
        let Some(revision) = self.document(id).map(|document| document["_rev"].as_str().unwrap_or_default().to_owned())
        else {
            return false;
        };
        for all in [&mut self.people, &mut self.places, &mut self.records] {
            all.retain(|document| document["_id"] != id);
        }
        self.deleted.insert(id.to_owned(), revision);
        true
    }
}

fn refusal(status: StatusCode, error: &str, reason: &str) -> Response {
    (status, Json(json!({"error": error, "reason": reason}))).into_response()
}

fn conflict() -> Response {
    refusal(StatusCode::CONFLICT, "conflict", "Document update conflict.")
}

pub(super) async fn get(State(cht): State<Cht>, Path(id): Path<String>) -> Response {
    let state = cht.state();
    match state.document(&id) {
        Some(document) => Json(document.clone()).into_response(),
        None if state.deleted.contains_key(&id) => refusal(StatusCode::NOT_FOUND, "not_found", "deleted"),
        None => refusal(StatusCode::NOT_FOUND, "not_found", "missing"),
    }
}

/// A new document needs no revision, one that is there its own.
pub(super) async fn put(State(cht): State<Cht>, Path(id): Path<String>, body: Bytes) -> Response {
    let Ok(Value::Object(mut document)) = serde_json::from_slice(&body) else {
        return refusal(StatusCode::BAD_REQUEST, "bad_request", "invalid UTF-8 JSON");
    };
    let mut state = cht.state();
    let sent = document.get("_rev").and_then(Value::as_str).map(str::to_owned);
    let there = state.document(&id).map(|document| document["_rev"].as_str().unwrap_or_default().to_owned());
    if there != sent || (state.refuses_deleted && state.deleted.contains_key(&id)) {
        return conflict();
    }
    let rev = revision();
    document.insert("_id".to_owned(), json!(id));
    document.insert("_rev".to_owned(), json!(rev));
    let is_report = document.get("type").is_some_and(|kind| kind == "data_record");
    state.delete(&id);
    state.deleted.remove(&id);
    if is_report { &mut state.records } else { &mut state.people }.push(Value::Object(document));
    (StatusCode::CREATED, Json(json!({"ok": true, "id": id, "rev": rev}))).into_response()
}

pub(super) async fn delete(
    State(cht): State<Cht>,
    Path(id): Path<String>,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    let mut state = cht.state();
    let Some(rev) = state.document(&id).map(|document| document["_rev"].clone()) else {
        return refusal(StatusCode::NOT_FOUND, "not_found", "missing");
    };
    if asked.get("rev").is_none_or(|asked| rev != asked.as_str()) {
        return conflict();
    }
    state.delete(&id);
    Json(json!({"ok": true, "id": id, "rev": revision()})).into_response()
}
