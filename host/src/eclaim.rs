//! `POST /mediator/claim` and the address at which a hospital asks again: stored first, then waited for a while for openIMIS' answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Extension, Path, State};
use axum::http::HeaderMap;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use flow::Kind;
use flow::breaker::Gate;
use flow::eclaim::{self, CLAIM, EclaimError, EclaimStatus, STATUS};
use flow::http_api::{self, Answer};
use flow::message::MessageId;
use flow::ports::{Clock, StoreError};
use flow::receive::Receipt;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::Host;
use crate::config::Scope;
use crate::server::admit::admit;
use crate::server::answer::{json_body, sent};
use crate::server::layers::{log_conflict, measured, traced};
use auth::Client;
use auth::refusal_log::Who;
use store::Which;

/// Another mediator on the same database may deliver the claim: then nobody here says so.
const LOOK: Duration = Duration::from_secs(1);

/// The routes of hospitals' claims.
pub(crate) fn routes(host: &Arc<Host>) -> Router<Arc<Host>> {
    let kind = Kind::Eclaim;
    let admitted = || from_fn_with_state((host.doors.clone(), Scope::Eclaim), admit);
    let posted = post(receive)
        .route_layer(from_fn_with_state((host.clone(), kind), traced))
        .route_layer(admitted())
        .route_layer(from_fn_with_state((host.clone(), kind), measured));
    let asked = get(status).route_layer(admitted());
    let routes = Router::new().route(CLAIM, posted).route(&format!("{STATUS}{{word}}"), asked);
    routes.layer(DefaultBodyLimit::max(host.config.server.max_body_bytes))
}

async fn receive(
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
    let bytes = body.len();
    let flow = host.flow.fresh();
    let ends = Instant::now() + Duration::try_from(flow.settings.eclaim.answer_within).unwrap_or_default();
    let received = flow.receive_eclaim(body, &client.name, Uuid::new_v4()).await;
    if let Ok(received) = &received {
        host.count_in(&client.name, bytes, received);
    }
    let (id, is_new) = match &received {
        Ok(Receipt::NotJson(issue)) => {
            return sent(http_api::outcome(http::StatusCode::BAD_REQUEST, std::slice::from_ref(issue)));
        }
        Ok(Receipt::Conflict(conflict)) => {
            log_conflict(Kind::Eclaim, conflict);
            return sent(eclaim::conflict_response(conflict));
        }
        Ok(Receipt::Accepted(id) | Receipt::Unmappable(id, _)) => (*id, true),
        Ok(Receipt::Duplicate(id)) => (*id, false),
        Err(error) => {
            if let Some(left_out) = host.doors.admission.is_logged("claim not taken", Who::Client(client.name.clone()))
            {
                match error {
                    EclaimError::Store(error) => {
                        tracing::error!(%error, left_out, "a claim could not be stored and was not acknowledged")
                    }
                    EclaimError::Mapping(error) => {
                        tracing::error!(%error, left_out, "claims cannot be mapped and are not taken")
                    }
                }
            }
            return sent(eclaim::error_response(error));
        }
    };
    host.wake.notify(Kind::Eclaim);
    match host.eclaim_settled(id, ends).await {
        Ok(Some(standing)) => sent(standing.response(is_new)),
        Ok(None) => sent(eclaim::not_found_response()),
        Err(error) => sent(not_read(&error)),
    }
}

async fn status(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    Path(word): Path<String>,
) -> Response {
    let Some(lane) = eclaim::lane_of(&word) else { return sent(eclaim::not_found_response()) };
    match host.flow.store.eclaim_status(Which::Lane(&lane, &client.name)).await {
        Ok(Some(standing)) => sent(standing.response(false)),
        Ok(None) => sent(eclaim::not_found_response()),
        Err(error) => sent(not_read(&error)),
    }
}

/// The claim is stored, if it came in: what is missing is only the word on it.
fn not_read(error: &StoreError) -> Answer {
    tracing::error!(%error, "how a claim stands could not be read");
    let text = "how the claim stands could not be read; ask again later";
    http_api::refusal(http::StatusCode::SERVICE_UNAVAILABLE, "transient", text)
}

impl Host {
    /// How a claim stands when it is settled, or when the time is up.
    async fn eclaim_settled(&self, id: MessageId, ends: Instant) -> Result<Option<EclaimStatus>, StoreError> {
        loop {
            // Asked for before the look: what is settled in between is heard.
            let heard = self.waiting.hear(id);
            let standing = self.flow.store.eclaim_status(Which::Message(id)).await?;
            let more = standing.as_ref().is_some_and(|standing| !standing.is_settled());
            if !more || Instant::now() >= ends || self.is_openimis_closed(ends) {
                return Ok(standing);
            }
            // Settled, or the time for a look: either way the store says.
            drop(timeout_at(ends.min(Instant::now() + LOOK), heard).await);
        }
    }

    /// Whether openIMIS is left alone for longer than anybody waits.
    fn is_openimis_closed(&self, ends: Instant) -> bool {
        match self.flow.gate(Kind::Eclaim) {
            Gate::Closed { until, .. } => {
                let closed = until.duration_since(self.flow.clock.now());
                Duration::try_from(closed).is_ok_and(|closed| Instant::now() + closed > ends)
            }
            Gate::Open | Gate::Probe => false,
        }
    }
}

/// Requests that wait for a claim to be settled.
#[derive(Debug, Default)]
pub struct Waiting(Mutex<HashMap<MessageId, Vec<oneshot::Sender<()>>>>);

impl Waiting {
    fn hear(&self, id: MessageId) -> oneshot::Receiver<()> {
        let (say, hear) = oneshot::channel();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those who gave up leave nothing behind.
        all.retain(|_, waiting| {
            waiting.retain(|say| !say.is_closed());
            !waiting.is_empty()
        });
        all.entry(id).or_default().push(say);
        hear
    }

    /// Tells those who wait that there is something new of a message.
    pub(crate) fn settled(&self, id: MessageId) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        waiting.into_iter().flatten().for_each(|say| {
            let _gave_up = say.send(()).is_err();
        });
    }
}
