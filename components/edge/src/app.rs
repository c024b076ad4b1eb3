//! One request, from its route to its answer. The order is the native host's: route, caller, content type, body.

use flow::Kind;
use flow::http_api::{self, Answer, Coding, Route};
use flow::openhim::envelope::{Details, envelope};
use flow::openhim::{DEFAULT_URN, Transaction};
use flow::ports::{Clock, StoreError};
use flow::receive::{Journal, Receipt};
use http::{Method, StatusCode};
use serde_json::json;
use wasi::http::types::IncomingRequest;

use crate::config::{Config, MAX_BODY_BYTES};
use crate::runtime::{EdgeFlow, WallClock, flow};
use crate::store::SpinStore;
use crate::{drain, dry_run, inbound};

/// Where a request goes: to a route of every runtime, or to one of the edge's own.
enum To {
    Shared(Route),
    Drain,
    DryRun(dry_run::Map),
}

impl To {
    fn find(method: &Method, path: &str) -> Result<Self, Box<Answer>> {
        let own = match path {
            "/mediator/drain" => Some(Self::Drain),
            _ => path.strip_prefix("/mediator/map/").and_then(dry_run::Map::from_word).map(Self::DryRun),
        };
        match own {
            Some(own) => http_api::allowed(method, "POST").map(|()| own),
            None => Route::find(method, path).map(Self::Shared),
        }
    }
}

/// What a request is answered.
pub async fn answer(request: &IncomingRequest) -> Answer {
    let answer = answered(request).await.unwrap_or_else(|refusal| *refusal);
    inbound::discard(request);
    answer
}

async fn answered(request: &IncomingRequest) -> Result<Answer, Box<Answer>> {
    let to = To::find(&inbound::method(request), &inbound::path(request))?;
    match to {
        To::Shared(Route::Live) => Ok(http_api::live()),
        To::Shared(Route::Ready) => Ok(ready()),
        To::Shared(Route::Inbound(kind)) => {
            let config = admitted(request)?;
            let body = json_body(request)?;
            let through_openhim = Transaction::of(&inbound::headers(request)).is_some();
            receive(&opened(config)?, kind, body, through_openhim).await
        }
        To::Drain => {
            let config = admitted(request)?;
            let budget = config.drain_budget;
            Ok(drain::answer(&opened(config)?, budget).await)
        }
        To::DryRun(map) => {
            let config = admitted(request)?;
            Ok(dry_run::answer(map, &json_body(request)?, &config.settings.mapping).await)
        }
    }
}

/// The configuration, for one who may come in.
fn admitted(request: &IncomingRequest) -> Result<Config, Box<Answer>> {
    let config = Config::read().map_err(|problems| {
        tell(&problems);
        let text = "the edge is not configured; nothing was acknowledged, send it again later";
        Box::new(http_api::refusal(StatusCode::SERVICE_UNAVAILABLE, "transient", text))
    })?;
    let headers = inbound::headers(request);
    if let Some(refusal) = http_api::of_another_site(&headers) {
        return Err(Box::new(refusal));
    }
    match http_api::basic(&headers) {
        Some((username, password)) if config.lets_in(&username, &password) => Ok(config),
        _ => Err(Box::new(http_api::unknown_caller())),
    }
}

fn json_body(request: &IncomingRequest) -> Result<Vec<u8>, Box<Answer>> {
    let headers = inbound::headers(request);
    if let Some(refusal) = http_api::not_json(&headers) {
        return Err(Box::new(refusal));
    }
    match Coding::of(&headers) {
        Some(Coding::Identity) => inbound::body(request, MAX_BODY_BYTES),
        // What unpacks it would be a third of the component.
        Some(Coding::Gzip) | None => Err(Box::new(http_api::unknown_coding("identity"))),
    }
}

/// The logic, or the answer where the store cannot be opened.
fn opened(config: Config) -> Result<EdgeFlow, Box<Answer>> {
    flow(config).map_err(|error| Box::new(http_api::received(Kind::ClaimResponse, &Err(noted(error)))))
}

/// Stored first, then delivered as far as the time allows; the answer is the same whichever way that ends.
async fn receive(flow: &EdgeFlow, kind: Kind, body: Vec<u8>, through_openhim: bool) -> Result<Answer, Box<Answer>> {
    let mut journal = Journal::default();
    let received = flow.receive_told(kind, body, None, &mut journal).await.map_err(noted);
    match &received {
        Ok(Receipt::Accepted(id)) => drop(drain::drain(flow, Some((kind, *id))).await),
        // A sender that repeats itself keeps the queue moving.
        Ok(Receipt::Duplicate(_)) => drop(drain::drain(flow, None).await),
        Ok(Receipt::Unmappable(id, _)) => eprintln!("message {id} cannot be mapped: kept as a dead letter"),
        Ok(Receipt::Conflict(conflict)) => {
            let (id, first) = (conflict.id, conflict.first);
            eprintln!(
                "message {id} came with the key of message {first} and is another document: kept as a dead letter"
            );
        }
        Ok(Receipt::NotJson(_)) | Err(_) => {}
    }
    let answer = http_api::received(kind, &received);
    if !through_openhim {
        return Ok(answer);
    }
    let id = received.ok().and_then(|received| received.id());
    let shown = Details { urn: DEFAULT_URN, kind, journal: &journal, id, told_later: false };
    Ok(envelope(&answer, &shown, flow.clock.now()))
}

/// Configured, and what comes in can be stored.
fn ready() -> Answer {
    if let Err(problems) = Config::read() {
        tell(&problems);
        // Anybody may ask; what is configured is the operator's to know.
        let body = json!({"status": "the edge is not configured: see its log"});
        return http_api::json_answer(StatusCode::SERVICE_UNAVAILABLE, &body);
    }
    let probed = SpinStore::open().and_then(|store| store.probe(WallClock.now()));
    http_api::ready(probed.map_err(noted).is_ok())
}

fn tell(problems: &[String]) {
    for problem in problems {
        eprintln!("configuration: {problem}");
    }
}

fn noted(error: StoreError) -> StoreError {
    eprintln!("{error}");
    error
}
