//! HTTP in: what openIMIS, CHT or OpenHIM post, and the health checks. Which routes there are and what each answers is `flow::door`'s;
//! here are connections, bodies and limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use flow::Kind;
use flow::door::{self, Route};
use flow::ports::Clock;
use flow::receive::Received;

use crate::Host;
use crate::config::Scope;
use crate::playground;
use crate::server::admit::admit;
use crate::server::answer::{json_body, sent, with_fallbacks};

/// All routes for openIMIS, CHT and OpenHIM.
pub fn router(host: Arc<Host>) -> Router {
    let mut routes = Router::new();
    for kind in Kind::ALL {
        let scope = match kind {
            Kind::ClaimResponse => Scope::ClaimResponse,
            Kind::Feedback => Scope::Feedback,
        };
        let handler = |host, headers, body| receive(*kind, host, headers, body);
        let admitted = post(handler).route_layer(from_fn_with_state((host.doors.clone(), scope), admit));
        routes = routes.route(Route::Inbound(*kind).path(), admitted);
    }
    let routes = routes
        .layer(DefaultBodyLimit::max(host.config.server.max_body_bytes))
        .route(Route::Live.path(), get(async || sent(door::live())))
        .route(Route::Ready.path(), get(ready))
        .merge(playground::routes(&host.config.playground));
    with_fallbacks(routes).with_state(host)
}

async fn receive(
    kind: Kind,
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match json_body(&headers, body, host.config.server.max_body_bytes) {
        Ok(body) => body,
        Err(response) => return response,
    };
    let received = host.flow.receive(kind, body).await;
    match &received {
        Ok(Received::Accepted(_)) => host.wake.notify_one(),
        Ok(Received::Unmappable(id, _)) => {
            tracing::warn!(id = %id, kind = %kind, "a message cannot be mapped: kept as a dead letter");
        }
        Ok(Received::Duplicate(_) | Received::NotJson(_)) => {}
        Err(error) => tracing::error!(%error, "a message could not be stored and was not acknowledged"),
    }
    sent(door::received(kind, &received))
}

/// How long an answer to "ready?" holds: anybody may ask, and each look writes to the disk.
const READY_HOLDS: Duration = Duration::from_millis(250);

/// Whether the store could be written, and when that was tried.
#[derive(Default)]
pub struct Ready(tokio::sync::Mutex<Option<(Instant, bool)>>);

/// Ready means: what comes in can be stored. Peers that are down do not matter, that is what the store is for.
async fn ready(State(host): State<Arc<Host>>) -> Response {
    let mut last = host.ready.0.lock().await; // one look for all who ask meanwhile
    let is_ready = match *last {
        Some((at, is_ready)) if at.elapsed() < READY_HOLDS => is_ready,
        _ => {
            let probed = host.flow.store.probe(host.flow.clock.now()).await;
            if let Err(error) = &probed {
                tracing::error!(%error, "not ready: the store cannot be written");
            }
            *last = Some((Instant::now(), probed.is_ok()));
            probed.is_ok()
        }
    };
    sent(door::ready(is_ready))
}
