//! The router: a client's request goes through a channel to the mediator. Of the clients' credentials only their name counts here: who is
//! named in the channel may use it.

use super::{Core, now};
use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const TRANSACTION: &str = "x-openhim-transactionid";

pub(super) fn routes(core: &Core) -> Router {
    Router::new().fallback(request).with_state(core.clone())
}

async fn request(State(core): State<Core>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap_or_default();
    let channel = core.state().channels.iter().find(|channel| fits(channel, &parts.method, &parts.uri)).cloned();
    let Some(channel) = channel else { return unmatched(StatusCode::NOT_FOUND, body) };
    let client = client(&parts.headers);
    let is_allowed = |client: &String| channel["allow"].as_array().is_some_and(|all| all.contains(&json!(client)));
    let Some(client) = client.filter(is_allowed) else {
        let mut answer = unmatched(StatusCode::UNAUTHORIZED, body);
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        return answer;
    };
    let id = Uuid::new_v4().simple().to_string()[..24].to_owned();
    let transaction = json!({
        "_id": id, "clientID": client, "status": "Processing", "autoRetry": false, "orchestrations": [], "routes": [],
        "request": {
            "path": parts.uri.path(), "method": parts.method.as_str(), "timestamp": now(),
            "body": String::from_utf8_lossy(&body),
        },
    });
    core.state().transactions.push(transaction);
    let routed = routed(&core, &channel["routes"][0], &parts.method, &parts.uri, &client, &id, body).await;
    finished(&core, &id, routed)
}

/// Anchored, and no more of a pattern than the mediator's channels need.
fn fits(channel: &Value, method: &Method, uri: &Uri) -> bool {
    let pattern = channel["urlPattern"].as_str().unwrap_or_default();
    let pattern = pattern.trim_start_matches('^').trim_end_matches('$');
    let path_fits = match pattern.strip_suffix(".*") {
        Some(beginning) => uri.path().starts_with(beginning),
        None => uri.path() == pattern,
    };
    path_fits && channel["methods"].as_array().is_some_and(|methods| methods.contains(&json!(method.as_str())))
}

fn client(headers: &HeaderMap) -> Option<String> {
    let shown = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(shown).ok()?).ok()?;
    pair.split_once(':').map(|(client, _)| client.to_owned())
}

/// Nobody's request: the body comes back.
fn unmatched(status: StatusCode, body: Bytes) -> Response {
    (status, [(header::CONTENT_TYPE, "application/octet-stream")], body).into_response()
}

/// What a client is answered, and what the transaction keeps.
struct Routed {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    update: Map<String, Value>,
}

/// To the mediator, without the client's credentials.
async fn routed(core: &Core, route: &Value, method: &Method, uri: &Uri, client: &str, id: &str, body: Bytes) -> Routed {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("http://{}:{}{path}", route["host"].as_str().unwrap_or_default(), route["port"]);
    let request = core.0.http.request(method.clone(), url);
    let request = request.basic_auth(route["username"].as_str().unwrap_or_default(), route["password"].as_str());
    let headers = [("content-type", "application/json"), ("x-openhim-clientid", client), (TRANSACTION, id)];
    let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    match request.body(body).send().await {
        Err(error) => failed(&error.to_string()),
        Ok(answer) => {
            let of = |name: HeaderName| answer.headers().get(name).and_then(|value| value.to_str().ok());
            let content_type = of(header::CONTENT_TYPE).unwrap_or_default().to_owned();
            let status = answer.status().as_u16();
            let body = answer.text().await.unwrap_or_default();
            if content_type.contains("application/json+openhim") {
                return mediated(&body, id);
            }
            let word = word(status);
            let update = Map::from_iter([("status".to_owned(), word.into())]);
            let headers = [("content-type", content_type), (TRANSACTION, id.to_owned())];
            Routed { status, headers: headers.map(|(name, value)| (name.to_owned(), value)).into(), body, update }
        }
    }
}

/// An answer in the mediators' form.
fn mediated(body: &str, id: &str) -> Routed {
    let answer: Value = match serde_json::from_str(body) {
        Ok(answer) => answer,
        Err(error) => return failed(&error.to_string()),
    };
    let response = &answer["response"];
    let Some(status) = response["status"].as_u64().and_then(|status| u16::try_from(status).ok()) else {
        return failed("status code must be a number");
    };
    let headers = response["headers"].as_object().into_iter().flatten();
    let mut headers: Vec<_> =
        headers.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    if response["headers"].is_object() {
        headers.push((TRANSACTION.to_owned(), id.to_owned()));
    }
    let body = match &response["body"] {
        Value::String(body) => body.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let mut update = Map::new();
    update.insert("status".to_owned(), answer["status"].as_str().unwrap_or(word(status)).into());
    update.insert("autoRetry".to_owned(), (!answer["error"].is_null()).into());
    // Without these the core stores no more of the transaction; without a request at all it ended.
    let complete = |step: &Value| step["name"].is_string() && step["request"]["timestamp"].is_string();
    if answer["orchestrations"].as_array().into_iter().flatten().all(complete) {
        for name in ["orchestrations", "properties", "error"].into_iter().filter(|name| !answer[name].is_null()) {
            update.insert(name.to_owned(), answer[name].clone());
        }
    }
    Routed { status, headers, body, update }
}

/// As the core judges what says nothing of it itself.
fn word(status: u16) -> &'static str {
    match status {
        200..=299 => "Successful",
        500.. => "Failed",
        _ => "Completed",
    }
}

fn failed(reason: &str) -> Routed {
    let update = json!({"status": "Failed", "autoRetry": true, "error": {"message": reason}});
    let body = "An internal server error occurred".to_owned();
    Routed { status: 500, headers: Vec::new(), body, update: update.as_object().cloned().unwrap_or_default() }
}

fn finished(core: &Core, id: &str, routed: Routed) -> Response {
    let Routed { status, headers, body, update } = routed;
    let mut state = core.state();
    if let Some(transaction) = state.transactions.iter_mut().find(|transaction| transaction["_id"] == id) {
        update.into_iter().for_each(|(name, value)| transaction[name] = value);
        transaction["response"] = json!({"status": status, "body": body, "timestamp": now()});
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    for (name, value) in headers {
        let value = if value == "application/json" { "application/json; charset=utf-8".to_owned() } else { value };
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    if status != StatusCode::NO_CONTENT {
        let kind = answer.headers_mut().entry(header::CONTENT_TYPE);
        kind.or_insert(HeaderValue::from_static("application/octet-stream"));
    }
    answer
}
