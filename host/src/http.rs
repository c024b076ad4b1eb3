//! Requests to the peers: TLS verified, no redirects followed, every wait bounded, answers bounded in size.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use flow::http_api::Coding;
use flow::ports::{Http, HttpError};
use http::Uri;
use http::uri::Authority;
use opentelemetry::KeyValue;
use tokio::sync::Semaphore;

use crate::server::content;
use auth::tls_client::{HttpSetupError, client, reason};
use metrics::PeerFigures;
use observe::trace::{self, PEER, SpanKind};
use room::{Room, Share};

pub mod metrics;
mod room;

/// Longest answer that is read. openIMIS' largest pages stay below a tenth of it.
const ANSWER_LIMIT_BYTES: usize = 32 << 20;
/// All answers together, where nothing else is said.
const ANSWERS_LIMIT_BYTES: usize = 64 << 20;

/// reqwest, with connections kept between requests, and no more than so many of them to one server at a time.
pub struct ReqwestHttp {
    client: reqwest::Client,
    at_a_time: usize,
    room: Room,
    figures: PeerFigures,
    servers: Mutex<HashMap<Option<Authority>, Arc<Semaphore>>>,
}

impl ReqwestHttp {
    /// Trusts the system's certificate authorities and those in `ca_file` (PEM). Sends `at_a_time` requests to one server at most.
    pub fn new(ca_file: Option<&Path>, at_a_time: usize) -> Result<Self, HttpSetupError> {
        let client = client(ca_file)?;
        let room = Room::new(ANSWERS_LIMIT_BYTES, ANSWER_LIMIT_BYTES);
        Ok(Self { client, at_a_time, room, figures: PeerFigures::default(), servers: Mutex::default() })
    }

    /// The answers of all servers take no more memory than this while they are read.
    pub fn within(self, answers_limit_bytes: usize) -> Self {
        Self { room: Room::new(answers_limit_bytes, ANSWER_LIMIT_BYTES), ..self }
    }

    /// Counts the requests to these peers.
    pub fn counting(self, figures: PeerFigures) -> Self {
        Self { figures, ..self }
    }

    /// What the requests count.
    pub fn figures(&self) -> &PeerFigures {
        &self.figures
    }

    /// The turns at a server. There are as many servers as peers in the settings.
    fn turns(&self, uri: &Uri) -> Arc<Semaphore> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = servers.entry(uri.authority().cloned()).or_insert_with(|| Arc::new(Semaphore::new(self.at_a_time)));
        turns.clone()
    }
}

impl Http for ReqwestHttp {
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
        timeout: Duration,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let operation = self.figures.operation(request.method(), request.uri());
        // The wait for a turn is bounded: those who have one are bounded by their timeout.
        let turns = self.turns(request.uri());
        let _turn = turns.acquire().await.map_err(|error| HttpError::NotSent(error.to_string()))?;
        let step = trace::step(format!("{} {}", operation.method, operation.what), SpanKind::Client, || {
            let server = request.uri().host().unwrap_or_default().to_owned();
            let method = KeyValue::new("http.request.method", operation.method);
            vec![KeyValue::new(PEER, operation.peer), KeyValue::new("server.address", server), method]
        });
        let begun = Instant::now();
        let answer = step.run(self.exchange(request, timeout)).await;
        match &answer {
            Ok(answer) => step.answered(answer.status()),
            Err(HttpError::NotSent(_)) => step.failed("not sent"),
            Err(HttpError::NoAnswer(_)) => step.failed("no answer"),
        }
        self.figures.asked(operation, begun.elapsed(), answer.as_ref().map(http::Response::status));
        answer
    }
}

impl ReqwestHttp {
    /// One request and its whole answer.
    async fn exchange(
        &self,
        request: http::Request<Vec<u8>>,
        timeout: Duration,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let deadline = tokio::time::Instant::now() + timeout;
        let (mut parts, body) = request.into_parts();
        trace::inject(&mut parts.headers);
        let request =
            self.client.request(parts.method, parts.uri.to_string()).headers(parts.headers).timeout(timeout).body(body);
        let mut answer = request.send().await.map_err(told)?;
        let mut response = http::Response::new(Vec::new());
        *response.status_mut() = answer.status();
        std::mem::swap(response.headers_mut(), answer.headers_mut());
        let (mut share, longest) = (self.room.share(), self.room.longest_bytes);
        while let Some(chunk) = answer.chunk().await.map_err(|error| HttpError::NoAnswer(reason(&error)))? {
            let body = response.body_mut();
            let length = body.len() + chunk.len();
            if length > longest {
                return Err(HttpError::NoAnswer(format!("the answer is longer than {longest} bytes")));
            }
            if length > body.capacity() {
                // Twice as much, as a vector grows by itself, and never more than is allowed.
                let capacity = (2 * length).min(longest);
                room_for(&mut share, capacity, deadline).await?;
                body.reserve_exact(capacity - body.len());
            }
            body.extend_from_slice(&chunk);
        }
        if Coding::of(response.headers()) == Some(Coding::Gzip) {
            room_for(&mut share, response.body().len() + longest, deadline).await?;
        }
        let mut response = decoded(response, longest)?;
        share.is_whole();
        response.extensions_mut().insert(Arc::new(share));
        Ok(response)
    }
}

async fn room_for(share: &mut Share, bytes: usize, deadline: tokio::time::Instant) -> Result<(), HttpError> {
    let text = "the time was up: other answers took all that worker.answers_limit_bytes allows";
    let grown = tokio::time::timeout_at(deadline, share.grow(bytes)).await;
    grown.map_err(|_| HttpError::NoAnswer(text.to_owned()))
}

/// The answer without its content coding. None is asked for, and a server may choose one all the same (RFC 9110, 12.5.3).
fn decoded(mut answer: http::Response<Vec<u8>>, longest: usize) -> Result<http::Response<Vec<u8>>, HttpError> {
    let no_answer = |why: &str| HttpError::NoAnswer(why.to_owned());
    match Coding::of(answer.headers()) {
        Some(Coding::Identity) => Ok(answer),
        Some(Coding::Gzip) if answer.body().is_empty() => Ok(answer),
        Some(Coding::Gzip) => {
            *answer.body_mut() = content::unpacked(answer.body(), longest).map_err(|unusable| match unusable {
                content::Unusable::TooLong => HttpError::NoAnswer(format!("the answer is longer than {longest} bytes")),
                content::Unusable::Broken => no_answer("the answer is not the gzip that its Content-Encoding says"),
            })?;
            answer.headers_mut().remove(http::header::CONTENT_ENCODING);
            Ok(answer)
        }
        None => Err(no_answer("the answer has a Content-Encoding that was not asked for and is not read here")),
    }
}

fn told(error: reqwest::Error) -> HttpError {
    let reason = reason(&error);
    if error.is_connect() || error.is_builder() { HttpError::NotSent(reason) } else { HttpError::NoAnswer(reason) }
}
