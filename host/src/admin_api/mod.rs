//! HTTP for admins, on a listener of its own: what `messages` does on the command line, for a page or a script. JSON only, and every
//! action leaves a line in the audit trail.

use std::sync::Arc;

use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, body::Bytes};
use flow::ports::{Clock, StoreError};
use flow::{Kind, MessageId, State as MessageState};
use mapping::encoding::json_text;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::config::Scope;
use crate::server::admit::admit;
use crate::server::answer::{json_body, refusal, with_fallbacks};
use crate::{Host, HostFlow};
use auth::Client;
use store::{Filter, View};

mod actions;
mod export;
mod facilities;
mod mappings;
mod openhim;
mod patients;

/// Messages a page, where nothing is said.
const PAGE: u32 = 50;
/// Most messages a page.
const LARGEST_PAGE: u32 = 1000;
/// Longest body of an action.
const BODY_LIMIT_BYTES: usize = 16 << 10;

/// All routes for admins.
pub fn router(host: Arc<Host>) -> Router {
    let admitted = from_fn_with_state((host.doors.clone(), Scope::Admin), admit);
    let routes = Router::new()
        .route("/admin/messages", get(list))
        .route("/admin/messages/export", get(export::export))
        .route("/admin/messages/retry", post(actions::retry_all))
        .route("/admin/messages/{id}", get(show))
        .route("/admin/messages/{id}/retry", post(actions::retry))
        .route("/admin/messages/{id}/discard", post(actions::discard))
        .route("/admin/counts", get(counts))
        .route("/admin/audit", get(audit))
        .route("/admin/openhim", get(openhim::show))
        .route("/admin/patients/proposals", get(patients::list))
        .route("/admin/patients/proposals/{id}", get(patients::show))
        .route("/admin/patients/proposals/{id}/confirm", post(patients::confirm))
        .route("/admin/patients/proposals/{id}/refuse", post(patients::refuse))
        .route("/admin/patients/{insuree}/unlink", post(patients::unlink))
        .route("/admin/facilities", get(facilities::list))
        .route("/admin/facilities/runs", get(facilities::runs))
        .route("/admin/facilities/sync", post(facilities::sync))
        .route("/admin/facilities/retry", post(facilities::retry_all))
        .route("/admin/facilities/{id}", get(facilities::show))
        .route("/admin/facilities/{id}/retry", post(facilities::retry))
        .route("/admin/facilities/{id}/decide", post(facilities::decide))
        .route("/admin/mappings", get(mappings::list))
        .route("/admin/mappings/reload", post(mappings::reload))
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .route_layer(admitted)
        .merge(crate::metrics::routes(&host));
    with_fallbacks(routes).with_state(host.clone()).merge(console::router(crate::console_program::parts(host)))
}

/// An answer that is none of what was asked for.
struct Refusal(Box<Response>);

impl Refusal {
    fn new(status: StatusCode, code: &str, text: &str) -> Self {
        Self(Box::new(refusal(status, code, text)))
    }

    fn invalid(text: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "value", text)
    }

    fn no_message(id: MessageId) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", &format!("there is no message {id}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed an admin's request");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "transient", "the store did not answer; try again later")
    }
}

type Answer = Result<Json<Value>, Refusal>;
type Id = Result<Path<i64>, PathRejection>;
type Asked<T> = Result<Query<T>, QueryRejection>;

/// Which messages, as a query or a body says it. A slip in a name must not mean "all".
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    state: Option<String>,
    kind: Option<String>,
    claim: Option<String>,
    before: Option<i64>,
    limit: Option<u32>,
    body: Option<bool>,
}

impl Wanted {
    fn filter(&self) -> Result<Filter, Refusal> {
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(Refusal::invalid(&format!("limit: expected 1 to {LARGEST_PAGE}")));
        }
        Ok(Filter {
            state: word("state", self.state.as_deref(), MessageState::from_word, MessageState::ALL)?,
            kind: word("kind", self.kind.as_deref(), kind, Kind::ALL)?,
            claim: self.claim.clone(),
            before: self.before.map(MessageId),
            limit,
            ..Filter::default()
        })
    }
}

/// Reads a kind. A word of the version before is accepted.
fn kind(word: &str) -> Option<Kind> {
    Kind::from_word(word).or_else(|| {
        let kind = Kind::from_former(word)?;
        tracing::warn!(word, %kind, "a client of the admin API uses the former word of a kind, which the next version refuses");
        Some(kind)
    })
}

fn word<T: ToString>(
    name: &str,
    word: Option<&str>,
    read: fn(&str) -> Option<T>,
    all: &[T],
) -> Result<Option<T>, Refusal> {
    let Some(word) = word else { return Ok(None) };
    let expected = || all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    read(word).map(Some).ok_or_else(|| Refusal::invalid(&format!("{name}: expected one of {}", expected())))
}

fn query<T>(asked: Asked<T>) -> Result<T, Refusal> {
    asked.map(|Query(asked)| asked).map_err(|rejection| Refusal::invalid(&rejection.body_text()))
}

fn id(id: Id) -> Result<MessageId, Refusal> {
    id.map(|Path(id)| MessageId(id)).map_err(|_| Refusal::invalid("expected the number of a message"))
}

/// The JSON of an action. Its content type is asked for because a form of another site cannot send it.
fn body<T: DeserializeOwned>(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    let body = json_body(headers, body, BODY_LIMIT_BYTES).map_err(|response| Refusal(Box::new(response)))?;
    let body = if body.is_empty() { b"{}".as_slice() } else { body.as_slice() };
    let text = json_text(body).map_err(|issue| Refusal::invalid(&issue.diagnostics))?;
    // serde would also read a list into a struct, by position.
    if !text.trim_start().starts_with('{') {
        return Err(Refusal::invalid("expected a JSON object"));
    }
    serde_json::from_str(text).map_err(|error| Refusal::invalid(&error.to_string()))
}

fn now(flow: &HostFlow) -> jiff::Timestamp {
    flow.clock.now()
}

async fn list(State(host): State<Arc<Host>>, asked: Asked<Wanted>) -> Answer {
    let filter = query(asked)?.filter()?;
    let messages = host.flow.store.list(&filter).await?;
    let full = messages.len() == filter.limit as usize;
    let next = messages.last().filter(|_| full).map(|last| last.id);
    Ok(Json(json!({"messages": messages, "next": next})))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Shown {
    body: bool,
}

async fn show(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    number: Id,
    asked: Asked<Shown>,
) -> Answer {
    let (id, shown) = (id(number)?, query(asked)?);
    let store = &host.flow.store;
    let view = store.view(id).await?.ok_or_else(|| Refusal::no_message(id))?;
    if shown.body {
        store.audit_read(&client.name, id, now(&host.flow)).await?;
    }
    Ok(Json(told(&view, shown.body)?))
}

/// A message; its documents only where they are asked for.
fn told(view: &View, documents: bool) -> Result<Value, Refusal> {
    let mut told = serde_json::to_value(view).map_err(|error| StoreError(error.to_string()))?;
    if documents {
        told["received"] = view.body.as_deref().map(String::from_utf8_lossy).into();
        told["sent"] = view.mapped.as_deref().into();
    }
    Ok(told)
}

async fn counts(State(host): State<Arc<Host>>) -> Answer {
    let counts = host.flow.store.counts().await?;
    let of = |state: &MessageState| {
        let count = counts.iter().find(|(counted, _)| counted == state).map_or(0, |(_, count)| *count);
        (state.to_string(), json!(count))
    };
    Ok(Json(MessageState::ALL.iter().map(of).collect::<Map<_, _>>().into()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Page {
    before: Option<i64>,
    limit: Option<u32>,
}

async fn audit(State(host): State<Arc<Host>>, asked: Asked<Page>) -> Answer {
    let page = query(asked)?;
    let limit = Wanted { limit: page.limit, ..Wanted::default() }.filter()?.limit;
    let lines = host.flow.store.audit(page.before, limit).await?;
    let full = lines.len() == limit as usize;
    let next = lines.last().filter(|_| full).map(|last| last.id);
    Ok(Json(json!({"lines": lines, "next": next})))
}
