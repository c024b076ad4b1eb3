//! A stand-in for OpenHIM's core (8.5): its API for mediators, and its router, which sends what clients post through a channel to the
//! mediator and keeps a transaction of it. It answers as the real one was recorded to answer, refusals included.

mod api;
mod page;
mod register;
mod router;

use super::server::{self, Fault, Gate, Server, held};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::net::TcpListener;

/// The user of the stand-in's API.
pub const OPENHIM_USER: &str = "root@openhim.example.org";
/// Its password.
pub const OPENHIM_PASSWORD: &str = "sandbox-openhim";

/// How the API takes credentials.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpenHimAuth {
    /// HTTP Basic, as core 8 does as shipped.
    Basic,
    /// OpenHIM's own tokens only, as core 4 and 5 do.
    Token,
}

/// The stand-in; served in background tasks until this is dropped.
pub struct OpenHim {
    core: Core,
    _servers: [Server; 2],
}

/// What its routes share.
#[derive(Clone)]
pub(super) struct Core(Arc<Inner>);

struct Inner {
    api: SocketAddr,
    router: SocketAddr,
    auth: OpenHimAuth,
    http: reqwest::Client,
    gate: Gate,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By urn, with what the core itself keeps of each.
    mediators: BTreeMap<String, Mediator>,
    channels: Vec<Value>,
    transactions: Vec<Value>,
    /// Not in the group admin.
    demoted: bool,
    /// Channels are made as soon as a mediator offers them.
    eager: bool,
    /// How far its clock is ahead.
    ahead: SignedDuration,
}

struct Mediator {
    document: Value,
    config_changed: bool,
    heartbeats: u32,
}

impl OpenHim {
    /// Binds both addresses (port 0: any free one), for the API and the router, and serves.
    ///
    /// # Errors
    /// An address that cannot be bound.
    pub async fn start(api: SocketAddr, router: SocketAddr, auth: OpenHimAuth) -> io::Result<Self> {
        let (api, router) = (TcpListener::bind(api).await?, TcpListener::bind(router).await?);
        let core = Core(Arc::new(Inner {
            api: api.local_addr()?,
            router: router.local_addr()?,
            auth,
            http: super::http_client().map_err(io::Error::other)?,
            gate: Gate::new(|status| {
                text(
                    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                    "Injected by the sandbox",
                )
            }),
            state: Mutex::default(),
        }));
        let servers = [server::serve(api, api::routes(&core)), server::serve(router, router::routes(&core))];
        Ok(Self { core, _servers: servers })
    }

    /// The address of the API.
    pub fn api(&self) -> String {
        format!("http://{}/", self.core.0.api)
    }

    /// The address that clients post to.
    pub fn router(&self) -> String {
        format!("http://{}", self.core.0.router)
    }

    /// What a mediator registered, with its settings as they are.
    pub fn mediator(&self, urn: &str) -> Option<Value> {
        self.core.state().mediators.get(urn).map(|mediator| mediator.document.clone())
    }

    /// Heartbeats that were taken since the mediator registered.
    pub fn heartbeats(&self, urn: &str) -> u32 {
        self.core.state().mediators.get(urn).map_or(0, |mediator| mediator.heartbeats)
    }

    /// Its database is lost.
    pub fn forget(&self) {
        *self.core.state() = State::default();
    }

    /// The user loses or regains the group admin.
    pub fn demote(&self, demoted: bool) {
        self.core.state().demoted = demoted;
    }

    /// Its clock is set: so far ahead of this machine's.
    pub fn set_clock(&self, ahead: SignedDuration) {
        self.core.state().ahead = ahead;
    }

    /// A person makes the channels of a mediator, as the console's green plus does.
    pub fn install_channels(&self, urn: &str) {
        let mut state = self.core.state();
        let offered = state.mediators.get(urn).map(|mediator| mediator.document["defaultChannelConfig"].clone());
        state.channels = offered.and_then(|offered| offered.as_array().cloned()).unwrap_or_default();
    }

    /// Makes the channels of every mediator that registers from now on.
    pub fn install_all_channels(&self) {
        self.core.state().eager = true;
    }

    /// A person saves settings of a mediator in the console; the refusal, as the console shows it.
    ///
    /// # Errors
    /// Settings that do not fit their definitions.
    pub fn configure(&self, urn: &str, config: Value) -> Result<(), String> {
        self.core.configure(urn, config).map_err(|(_, text)| text)
    }

    /// All transactions, in the order in which they came.
    pub fn transactions(&self) -> Vec<Value> {
        self.core.state().transactions.clone()
    }

    /// Appends faults for the next `count` requests to the API. A count of 0 clears what is pending, `usize::MAX` lasts until then.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        self.core.0.gate.fail_next(count, fault);
    }

    /// `METHOD path?query` and status of each request to the API; status 0 where a fault kept the answer back.
    pub fn requests(&self) -> Vec<(String, u16)> {
        self.core.0.gate.requests()
    }
}

impl Core {
    /// What the page shows: mediators with their heartbeats, and transactions, newest first.
    pub(super) fn shown(&self) -> (Vec<(Value, u32)>, Vec<Value>) {
        let state = self.state();
        let mediators = state.mediators.values().map(|mediator| (mediator.document.clone(), mediator.heartbeats));
        (mediators.collect(), state.transactions.iter().rev().take(50).cloned().collect())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        held(&self.0.state)
    }

    /// The time, as the core has it.
    fn clock(&self) -> Timestamp {
        Timestamp::now().saturating_add(self.state().ahead).unwrap_or(Timestamp::MAX)
    }

    fn configure(&self, urn: &str, config: Value) -> Result<(), (StatusCode, String)> {
        let mut state = self.state();
        let missing = || (StatusCode::NOT_FOUND, "No mediator found for this urn.".to_owned());
        let mediator = state.mediators.get_mut(urn).ok_or_else(missing)?;
        register::check_config(&mediator.document["configDefs"], &config)
            .map_err(|text| (StatusCode::BAD_REQUEST, text))?;
        mediator.document["config"] = config;
        mediator.config_changed = true;
        Ok(())
    }
}

/// The core's answers are text, but for documents.
fn text(status: StatusCode, body: &str) -> Response {
    let mut answer = (status, body.to_owned()).into_response();
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
    answer
}

fn document(body: &Value) -> Response {
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    let headers = [(header::CONTENT_TYPE, kind), (header::VARY, HeaderValue::from_static("Origin"))];
    (headers, body.to_string()).into_response()
}

fn now() -> Value {
    json!(format!("{:.3}", Timestamp::now()))
}
