//! `peers`: an openIMIS and a CHT that answer as the real ones do, as far as a delivery needs it, and count.
//!
//! The sandbox's stand-ins behave as the real ones in much more, but look through lists at each request: with 100,000 claims they would
//! take more of the machine than the mediator. These know every insuree, check no credentials, and keep 16 bytes of each claim.

mod cht;
mod openimis;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;
use uuid::Uuid;

/// Where, and how slow.
#[derive(Args, Debug)]
pub struct Options {
    /// Address and port of the openIMIS; its FHIR API is at /api/api_fhir_r4/. Here are also: GET /load/counts, and POST /load/hold,
    /// /load/go (answers are held back, or no longer) and /load/mark (the next delivery is the first one)
    #[arg(long, default_value = "127.0.0.1:8091")]
    openimis: SocketAddr,
    /// Address and port of the CHT
    #[arg(long, default_value = "127.0.0.1:8092")]
    cht: SocketAddr,
    /// Milliseconds that every answer takes
    #[arg(long, default_value_t = 0)]
    delay: u64,
}

/// What arrived.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Counts {
    /// Claims that CHT has a record of.
    pub claims: u64,
    /// Records of a claim that CHT had one of before.
    pub doubled: u64,
    /// Claims that openIMIS has feedback on.
    pub feedback: u64,
    /// Feedback on a claim that openIMIS had some on before; it refuses it.
    pub refused: u64,
    /// Persons in CHT.
    pub people: u64,
    /// Requests, whatever came of them.
    pub requests: u64,
    /// Requests to a route that is not served here: what was measured is not a delivery.
    pub elsewhere: u64,
    /// When the first delivery since the last mark arrived, in milliseconds since 1970.
    pub first_ms: Option<u64>,
}

#[derive(Default)]
struct Known {
    counts: Counts,
    claims: HashSet<Uuid>,
    feedback: HashSet<Uuid>,
    people: HashSet<Uuid>,
    /// Claims by CHT contact.
    records: HashMap<Uuid, Vec<Uuid>>,
}

/// Both peers; clones are the same ones.
#[derive(Clone)]
struct Peers {
    known: Arc<Mutex<Known>>,
    held: watch::Sender<bool>,
    delay: Duration,
}

impl Peers {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn delivered(&mut self) {
        self.counts.first_ms.get_or_insert_with(now_ms);
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64)
}

/// Serves until it is ended.
pub async fn command(options: Options) -> anyhow::Result<ExitCode> {
    let peers =
        Peers { known: Arc::default(), held: watch::Sender::new(false), delay: Duration::from_millis(options.delay) };
    let openimis = TcpListener::bind(options.openimis).await?;
    let cht = TcpListener::bind(options.cht).await?;
    println!("openIMIS: http://{}  CHT: http://{}", openimis.local_addr()?, cht.local_addr()?);
    let layer = from_fn_with_state(peers.clone(), pass);
    let both = tokio::join!(
        axum::serve(openimis, openimis::router().layer(layer.clone()).merge(control()).with_state(peers.clone())),
        axum::serve(cht, cht::router().layer(layer).with_state(peers)),
    );
    both.0?;
    both.1?;
    Ok(ExitCode::SUCCESS)
}

fn control() -> Router<Peers> {
    Router::new()
        .route("/load/counts", get(|State(peers): State<Peers>| async move { Json(peers.known().counts.clone()) }))
        .route("/load/{word}", post(obey))
}

async fn obey(State(peers): State<Peers>, Path(word): Path<String>) -> StatusCode {
    match word.as_str() {
        "hold" => peers.held.send_modify(|held| *held = true),
        "go" => peers.held.send_modify(|held| *held = false),
        "mark" => peers.known().counts.first_ms = None,
        _ => return StatusCode::NOT_FOUND,
    }
    StatusCode::OK
}

/// Around every request of a mediator.
async fn pass(State(peers): State<Peers>, request: Request<Body>, next: Next) -> Response {
    peers.known().counts.requests += 1;
    // Before the work is done: whoever gives up waiting has not been served.
    if peers.held.subscribe().wait_for(|held| !held).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if !peers.delay.is_zero() {
        tokio::time::sleep(peers.delay).await;
    }
    next.run(request).await
}
