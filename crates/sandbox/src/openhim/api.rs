//! The API: mediators, their settings, transactions.

use super::{Core, Mediator, OPENHIM_PASSWORD, OPENHIM_USER, OpenHimAuth, document, register, text};
use crate::server;
use axum::{
    Router,
    body::Bytes,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{Html, Response},
    routing::{get, post, put},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::{Digest, Sha512};

/// What the core says where it says nothing of its own.
const DONE: &str = "User Authenticated Successfully";
/// Of the stand-in's user.
const SALT: &str = "9b6e2d41-5f0a-4c8e-9b0f-1f6d3c7a2e58";

pub(super) fn routes(core: &Core) -> Router {
    Router::new()
        .route("/mediators", post(register))
        .route("/mediators/{urn}/heartbeat", post(heartbeat))
        .route("/mediators/{urn}/config", put(configure))
        .route("/mediators/{urn}/channels", post(channels))
        .route("/transactions/{id}", get(transaction).put(update))
        .layer(middleware::from_fn_with_state(core.clone(), authenticate))
        .route("/authenticate/{user}", get(salt))
        .route("/", get(page))
        .fallback(async || text(StatusCode::NOT_FOUND, "Not Found"))
        .layer(middleware::from_fn_with_state(core.0.gate.clone(), server::pass))
        .with_state(core.clone())
}

async fn page(State(core): State<Core>) -> Html<String> {
    Html(super::page::show(&core))
}

async fn authenticate(State(core): State<Core>, request: Request, next: Next) -> Response {
    let known = match core.0.auth {
        OpenHimAuth::Basic => basic(request.headers()),
        OpenHimAuth::Token => token(request.headers(), core.clock()),
    };
    match known {
        true => next.run(request).await,
        false => text(StatusCode::UNAUTHORIZED, "Unauthorized"),
    }
}

fn basic(headers: &HeaderMap) -> bool {
    let expected = format!("Basic {}", STANDARD.encode(format!("{OPENHIM_USER}:{OPENHIM_PASSWORD}")));
    headers.get(header::AUTHORIZATION).is_some_and(|shown| shown.as_bytes() == expected.as_bytes())
}

/// A token is good for ten seconds.
fn token(headers: &HeaderMap, now: Timestamp) -> bool {
    let of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Ok(at) = of("auth-ts").parse::<Timestamp>() else { return false };
    let recent = at.duration_since(now).abs() <= SignedDuration::from_secs(10);
    let hash = hex(&[SALT, OPENHIM_PASSWORD]);
    let expected = hex(&[&hash, of("auth-salt"), of("auth-ts")]);
    recent && of("auth-username") == OPENHIM_USER && of("auth-token") == expected
}

fn hex(texts: &[&str]) -> String {
    let hashed = texts.iter().fold(Sha512::new(), |hash, text| hash.chain_update(text));
    hashed.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn salt(State(core): State<Core>, Path(user): Path<String>) -> Response {
    match user == OPENHIM_USER {
        true => document(&serde_json::json!({"salt": SALT, "ts": format!("{:.3}", core.clock())})),
        false => text(StatusCode::NOT_FOUND, &format!("Could not find user by email {user}")),
    }
}

async fn register(State(core): State<Core>, body: Bytes) -> Response {
    let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut state = core.state();
    if let Some(refusal) = forbidden(state.demoted, "addMediator") {
        return refusal;
    }
    let existing = sent["urn"].as_str().and_then(|urn| state.mediators.get(urn)).map(|there| &there.document);
    match register::registered(&sent, existing) {
        Err(reason) => {
            text(StatusCode::BAD_REQUEST, &format!("Could not add Mediator via the API: ValidationError: {reason}"))
        }
        Ok(kept) => {
            let urn = sent["urn"].as_str().unwrap_or_default().to_owned();
            if state.eager {
                state.channels = kept["defaultChannelConfig"].as_array().cloned().unwrap_or_default();
            }
            let new = Mediator { document: Value::Null, config_changed: false, heartbeats: 0 };
            state.mediators.entry(urn).or_insert(new).document = kept;
            text(StatusCode::CREATED, DONE)
        }
    }
}

async fn heartbeat(State(core): State<Core>, Path(urn): Path<String>, body: Bytes) -> Response {
    let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut state = core.state();
    if let Some(refusal) = forbidden(state.demoted, "removeMediator") {
        return refusal;
    }
    let Some(mediator) = state.mediators.get_mut(&urn) else { return text(StatusCode::NOT_FOUND, DONE) };
    if sent["uptime"].is_null() {
        return text(StatusCode::BAD_REQUEST, DONE);
    }
    mediator.heartbeats += 1;
    let asked = std::mem::take(&mut mediator.config_changed) || sent["config"] == true;
    match &mediator.document["config"] {
        // Not recorded; as the core's source has it: nothing to answer with, for which its framework writes the status' name.
        Value::Null if asked => text(StatusCode::OK, "OK"),
        config if asked => document(config),
        _ => text(StatusCode::OK, ""),
    }
}

async fn configure(State(core): State<Core>, Path(urn): Path<String>, body: Bytes) -> Response {
    match core.configure(&urn, serde_json::from_slice(&body).unwrap_or_default()) {
        Ok(()) => text(StatusCode::OK, DONE),
        Err((status, reason)) => text(status, &reason),
    }
}

async fn channels(State(core): State<Core>, Path(urn): Path<String>) -> Response {
    let mut state = core.state();
    let Some(mediator) = state.mediators.get(&urn) else {
        return text(StatusCode::NOT_FOUND, "No mediator found for this urn.");
    };
    let offered = mediator.document["defaultChannelConfig"].as_array().cloned().unwrap_or_default();
    state.channels.extend(offered);
    text(StatusCode::CREATED, DONE)
}

async fn transaction(State(core): State<Core>, Path(id): Path<String>) -> Response {
    let state = core.state();
    match state.transactions.iter().find(|transaction| transaction["_id"] == id.as_str()) {
        Some(transaction) => document(transaction),
        None => text(StatusCode::NOT_FOUND, &format!("Could not find transaction with ID: {id}")),
    }
}

/// Not recorded; as the core's source has it. What is pushed is added, all else takes the place of what was there; `error` would queue the
/// transaction to be sent again.
async fn update(State(core): State<Core>, Path(id): Path<String>, body: Bytes) -> Response {
    let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut state = core.state();
    if let Some(refusal) = forbidden(state.demoted, "updateTransaction") {
        return refusal;
    }
    let Some(transaction) = state.transactions.iter_mut().find(|transaction| transaction["_id"] == id.as_str()) else {
        let reason = "TypeError: Cannot read properties of null (reading 'body')";
        let told = format!("Could not update transaction via the API: {reason}");
        return text(StatusCode::INTERNAL_SERVER_ERROR, &told);
    };
    for (name, value) in sent.as_object().into_iter().flatten().filter(|(name, _)| *name != "$push") {
        transaction[name] = value.clone();
    }
    for (name, value) in sent["$push"].as_object().into_iter().flatten() {
        let pushed = value["$each"].as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        if let Some(there) = transaction[name].as_array_mut() {
            there.extend(pushed);
        }
    }
    if !sent["error"].is_null() {
        transaction["autoRetry"] = true.into();
    }
    text(StatusCode::OK, &format!("Transaction with ID: {id} successfully updated"))
}

fn forbidden(demoted: bool, what: &str) -> Option<Response> {
    let reason = format!("User {OPENHIM_USER} is not an admin, API access to {what} denied.");
    demoted.then(|| text(StatusCode::FORBIDDEN, &reason))
}
