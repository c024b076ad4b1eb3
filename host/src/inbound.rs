//! HTTP in: what openIMIS, CHT or OpenHIM post, and the health checks. Which routes there are and what each answers is `flow::http_api`'s;
//! here are connections, bodies and limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Extension, Request, State};
use axum::http::HeaderMap;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use flow::Kind;
use flow::http_api::{self, Route};
use flow::openhim::Transaction;
use flow::ports::Clock;
use flow::receive::{Journal, Receipt};

use crate::Host;
use crate::config::Scope;
use crate::openhim::response::{enveloped, told};
use crate::server::admit::admit;
use crate::server::answer::{json_body, sent};
use crate::server::layers::{log_conflict, measured, traced};
use auth::Client;
use auth::refusal_log::Who;
use observe::trace;
use store::DiskLevel;

/// The routes of messages, and the health checks.
pub(crate) fn routes(host: &Arc<Host>) -> Router<Arc<Host>> {
    let mut routes = Router::new();
    for kind in &Kind::INBOUND {
        let scope = if *kind == Kind::Feedback { Scope::Feedback } else { Scope::ClaimResponse };
        let handler = |host, client, headers, body| receive(*kind, host, client, headers, body);
        let traced = post(handler).route_layer(from_fn_with_state((host.clone(), *kind), traced));
        let admitted = traced.route_layer(from_fn_with_state((host.doors.clone(), scope), admit));
        let answered = admitted.route_layer(from_fn_with_state((host.clone(), *kind), answered));
        routes = routes.route(Route::Inbound(*kind).path(), answered);
    }
    routes
        .layer(DefaultBodyLimit::max(host.config.server.max_body_bytes))
        .route(Route::Live.path(), get(async || sent(http_api::live())))
        .route(Route::Ready.path(), get(ready))
}

async fn receive(
    kind: Kind,
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match json_body(&headers, body, host.config.server.max_body_bytes) {
        Ok(body) => body,
        Err(response) => return response,
    };
    if let Err(no_room) = host.room_for(&client.name).await {
        return sent(no_room.answer());
    }
    let mut journal = Journal::default();
    let bytes = body.len();
    let received = host.flow.fresh().receive_told(kind, body, Some(&client.name), &mut journal).await;
    match &received {
        Ok(Receipt::Accepted(_)) => host.wake.notify(kind),
        Ok(Receipt::Unmappable(id, _)) => {
            let trace_id = trace::trace_id();
            let trace_id = trace_id.as_deref();
            tracing::warn!(id = %id, kind = %kind, trace_id, "a message cannot be mapped: kept as a dead letter");
        }
        Ok(Receipt::Conflict(conflict)) => log_conflict(kind, conflict),
        Ok(Receipt::Duplicate(_) | Receipt::NotJson(_)) => {}
        Err(error) => {
            // A disk that is full must not be filled by saying so.
            if let Some(left_out) = host.doors.admission.is_logged("not stored", Who::Client(client.name.clone())) {
                tracing::error!(%error, left_out, "a message could not be stored and was not acknowledged");
            }
        }
    }
    if let Ok(received) = &received {
        host.count_in(&client.name, bytes, received);
    }
    let told = told(&host, &client, Transaction::of(&headers).as_ref(), &received, journal).await;
    let mut response = sent(http_api::received(kind, &received));
    if let Some(told) = told {
        response.extensions_mut().insert(told);
    }
    response
}

/// Middleware: measured, and in the form in which OpenHIM reads answers. Both in one layer: each copies the routes below it for each
/// request.
async fn answered(State((host, kind)): State<(Arc<Host>, Kind)>, request: Request, next: Next) -> Response {
    let response = measured(State((host.clone(), kind)), request, next).await;
    enveloped(&host, kind, response).await
}

/// How long an answer to "ready?" holds: anybody may ask, and each look writes to the disk.
const READY_HOLDS: Duration = Duration::from_millis(250);

/// Whether the store could be written, and when that was tried.
#[derive(Default)]
pub struct Ready(tokio::sync::Mutex<Option<(Instant, bool)>>);

/// Ready means: what comes in can be stored. Peers that are down do not matter, that is what the store is for.
async fn ready(State(host): State<Arc<Host>>) -> Response {
    // Each of these would also be found by a write, but not said.
    let why = if host.flow.store.is_damaged() {
        Some("the database file is damaged: its admin has to restore it")
    } else if host.disk_level() == DiskLevel::Full {
        Some("the disk is nearly full: its admin has to make room")
    } else {
        None
    };
    sent(match why {
        Some(why) => http_api::not_ready(why),
        None => http_api::ready(host.is_ready().await),
    })
}

impl Host {
    /// Whether the store can be written, as of a moment ago.
    pub async fn is_ready(&self) -> bool {
        if self.flow.store.is_damaged() {
            return false;
        }
        let mut last = self.ready.0.lock().await; // one look for all who ask meanwhile
        match *last {
            Some((at, is_ready)) if at.elapsed() < READY_HOLDS => is_ready,
            _ => {
                let probed = self.flow.store.probe(self.flow.clock.now()).await;
                if let Err(error) = &probed {
                    tracing::error!(%error, "not ready: the store cannot be written");
                }
                *last = Some((Instant::now(), probed.is_ok()));
                probed.is_ok()
            }
        }
    }
}
