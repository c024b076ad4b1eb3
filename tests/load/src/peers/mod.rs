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
    /// Requests whose sender gave up before it was served.
    pub given_up: u64,
    /// Requests to a route that is not served here: what was measured is not a delivery.
    pub elsewhere: u64,
    /// When the first delivery since the last mark arrived, in milliseconds since 1970.
    pub first_ms: Option<u64>,
}

impl Counts {
    /// Documents that one of the peers keeps.
    pub fn arrived(&self) -> u64 {
        self.claims + self.feedback
    }
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
    let openimis = TcpListener::bind(options.openimis).await?;
    let cht = TcpListener::bind(options.cht).await?;
    println!("openIMIS: http://{}  CHT: http://{}", openimis.local_addr()?, cht.local_addr()?);
    serve(openimis, cht, Duration::from_millis(options.delay)).await?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(openimis: TcpListener, cht: TcpListener, delay: Duration) -> std::io::Result<()> {
    let peers = Peers { known: Arc::default(), held: watch::Sender::new(false), delay };
    let layer = from_fn_with_state(peers.clone(), pass);
    let at_openimis = openimis::router().layer(layer.clone()).merge(control()).with_state(peers.clone());
    let at_cht = cht::router().layer(layer).with_state(peers);
    tokio::try_join!(axum::serve(openimis, at_openimis), axum::serve(cht, at_cht)).map(|_| ())
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
    let mut waiting = Waiting { peers: &peers, served: false };
    // Before the work is done: whoever gives up waiting has not been served.
    if peers.held.subscribe().wait_for(|held| !held).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if !peers.delay.is_zero() {
        tokio::time::sleep(peers.delay).await;
    }
    waiting.served = true;
    drop(waiting);
    next.run(request).await
}

/// Dropped unserved when the connection is closed while its answer is held back.
struct Waiting<'a> {
    peers: &'a Peers,
    served: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.peers.known().counts.given_up += u64::from(!self.served);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use axum::http::Method;
    use serde_json::json;

    async fn started() -> (Client, Client) {
        let [openimis, cht] = [TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await];
        let (openimis, cht) = (openimis.expect("a port"), cht.expect("a port"));
        let client = |listener: &TcpListener| {
            let address = listener.local_addr().expect("an address");
            Client::new(&format!("http://{address}"), None).expect("a client")
        };
        let clients = (client(&openimis), client(&cht));
        tokio::spawn(serve(openimis, cht, Duration::ZERO));
        clients
    }

    async fn post(client: &mut Client, path: &str, body: serde_json::Value) -> u16 {
        client.send(Method::POST, path, body.to_string()).await.expect("an answer").0
    }

    async fn counts(openimis: &mut Client) -> Counts {
        let (_, body) = openimis.send(Method::GET, "/load/counts", String::new()).await.expect("an answer");
        serde_json::from_slice(&body).expect("counts")
    }

    fn record() -> serde_json::Value {
        json!({"_meta": {"form": "OP"}, "patient_id": Uuid::from_u128(1), "op_claim_uuid": Uuid::from_u128(2)})
    }

    #[tokio::test]
    async fn what_is_delivered_twice_is_counted_as_such() {
        let (mut openimis, mut cht) = started().await;
        for _ in 0..2 {
            assert_eq!(post(&mut cht, "/api/v2/records", record()).await, 200);
        }
        let communication = json!({"about": [{"reference": format!("Claim/{}", Uuid::from_u128(2))}]});
        for status in [201, 500] {
            assert_eq!(post(&mut openimis, "/api/api_fhir_r4/Communication/", communication.clone()).await, status);
        }
        assert_eq!(post(&mut cht, "/api/v9/records", record()).await, 404);
        let Counts { claims, doubled, feedback, refused, elsewhere, .. } = counts(&mut openimis).await;
        assert_eq!((claims, doubled, feedback, refused, elsewhere), (1, 1, 1, 1, 1));
    }

    #[tokio::test]
    async fn who_gives_up_while_answers_are_held_back_was_not_served() {
        let (mut openimis, mut cht) = started().await;
        assert_eq!(post(&mut openimis, "/load/hold", json!(null)).await, 200);
        let mut other = Client::new(&format!("http://{}", cht.authority()), None).expect("a client");
        let abandoned = tokio::spawn(async move { post(&mut cht, "/api/v2/records", record()).await });
        while counts(&mut openimis).await.requests == 0 {
            tokio::task::yield_now().await;
        }
        abandoned.abort();
        assert!(abandoned.await.is_err_and(|error| error.is_cancelled()), "it was answered");
        while counts(&mut openimis).await.given_up == 0 {
            tokio::task::yield_now().await;
        }
        // The next one waits as well, and is served once answers go out again.
        let served = tokio::spawn(async move { post(&mut other, "/api/v2/records", record()).await });
        while counts(&mut openimis).await.requests == 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(post(&mut openimis, "/load/go", json!(null)).await, 200);
        assert_eq!(served.await.expect("an answer"), 200);
        let Counts { claims, doubled, .. } = counts(&mut openimis).await;
        assert_eq!((claims, doubled), (1, 0));
    }
}
