//! HTTP out, through the runtime: no redirects are followed, every wait is bounded, and so are answers in size. Certificates are the
//! runtime's to verify; which hosts may be reached is the manifest's to say.

use std::cell::Cell;
use std::time::Duration;

use flow::http_api::Coding;
use flow::ports::{Http, HttpError};
use wasi::clocks::monotonic_clock::{self, Instant};
use wasi::http::outgoing_handler;
use wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use wasi::io::poll::{Pollable, poll};
use wasi::io::streams::{OutputStream, StreamError};

/// Longest answer that is read: openIMIS' largest pages stay below a tenth of it.
const ANSWER_LIMIT_BYTES: usize = 16 << 20;
const PIECE_BYTES: u64 = 64 << 10;
/// Longest wait for a connection, as on the native host.
const CONNECT_NS: u64 = 10_000_000_000;

/// Sends requests until the time of the request that it works for is over.
pub struct WasiHttp {
    deadline: Cell<Instant>,
}

impl WasiHttp {
    /// With no time at all, until it is given some.
    pub fn new() -> Self {
        Self { deadline: Cell::new(0) }
    }

    /// Gives it so much time from now on.
    pub fn set_budget(&self, budget: Duration) {
        self.deadline.set(monotonic_clock::now().saturating_add(nanoseconds(budget)));
    }

    /// Does this with so much of what is left, at most.
    pub async fn within<T>(&self, share: Duration, work: impl Future<Output = T>) -> T {
        let whole = self.deadline.get();
        self.deadline.set(whole.min(monotonic_clock::now().saturating_add(nanoseconds(share))));
        let done = work.await;
        self.deadline.set(whole);
        done
    }

    /// What is left of it.
    pub fn left(&self) -> Duration {
        Duration::from_nanos(self.deadline.get().saturating_sub(monotonic_clock::now()))
    }
}

impl Http for WasiHttp {
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
        timeout: Duration,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let time = timeout.min(self.left());
        if time.is_zero() {
            return Err(HttpError::NotSent("the time of this request was up".to_owned()));
        }
        exchange(request, nanoseconds(time))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn exchange(request: http::Request<Vec<u8>>, time: u64) -> Result<http::Response<Vec<u8>>, HttpError> {
    let clock = monotonic_clock::subscribe_duration(time);
    let (parts, body) = request.into_parts();
    let outgoing = head(&parts, body.len())?;
    let outgoing_body = outgoing.body().map_err(|()| not_sent("no body can be sent"))?;
    let options = RequestOptions::new();
    // A runtime may not know these: the clock ends every wait all the same.
    let known = options
        .set_connect_timeout(Some(time.min(CONNECT_NS)))
        .and(options.set_first_byte_timeout(Some(time)))
        .and(options.set_between_bytes_timeout(Some(time)));
    debug_assert!(known.is_ok(), "wasmtime and Spin know them");
    // What fits is there before the head goes out, and goes with it: a peer that refuses and closes at once has got it then.
    let stream = outgoing_body.write().map_err(|()| not_sent("no body can be sent"))?;
    let room = stream.check_write().map_or(0, |room| usize::try_from(room).unwrap_or(usize::MAX));
    let (first, rest) = body.split_at(body.len().min(room));
    stream.write(first).map_err(|_| not_sent("no body can be sent"))?;
    let answer = outgoing_handler::handle(outgoing, Some(options)).map_err(|code| told(&code))?;
    // A body that cannot be sent shows in the answer, which says why.
    write(&stream, rest, &clock);
    drop(stream);
    drop(OutgoingBody::finish(outgoing_body, None));
    let ready = answer.subscribe();
    wait(&ready, &clock)?;
    let response = match answer.get() {
        Some(Ok(Ok(response))) => response,
        Some(Ok(Err(code))) => return Err(told(&code)),
        Some(Err(())) | None => return Err(no_answer("the runtime gave none")),
    };
    read(&response, &clock)
}

fn head(parts: &http::request::Parts, length: usize) -> Result<OutgoingRequest, HttpError> {
    let mut entries: Vec<(String, Vec<u8>)> =
        parts.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    entries.push(("user-agent".to_owned(), concat!("openimis-mediator/", env!("CARGO_PKG_VERSION")).into()));
    if parts.method != http::Method::GET {
        // openIMIS' server reads no chunks.
        entries.push(("content-length".to_owned(), length.to_string().into_bytes()));
    }
    let fields = Fields::from_list(&entries).map_err(|_| not_sent("a header cannot be sent"))?;
    let outgoing = OutgoingRequest::new(fields);
    let method = match parts.method {
        http::Method::GET => Method::Get,
        http::Method::POST => Method::Post,
        http::Method::PUT => Method::Put,
        http::Method::DELETE => Method::Delete,
        ref other => Method::Other(other.to_string()),
    };
    let scheme = if parts.uri.scheme_str() == Some("http") { Scheme::Http } else { Scheme::Https };
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    let path = parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str);
    outgoing
        .set_method(&method)
        .and_then(|()| outgoing.set_scheme(Some(&scheme)))
        .and_then(|()| outgoing.set_authority(authority))
        .and_then(|()| outgoing.set_path_with_query(path))
        .map_err(|()| not_sent("the address cannot be used"))?;
    Ok(outgoing)
}

fn write(stream: &OutputStream, mut bytes: &[u8], clock: &Pollable) {
    while !bytes.is_empty() {
        let ready = stream.subscribe();
        poll(&[&ready, clock]);
        let Ok(room) = stream.check_write() else { break };
        if room == 0 && clock.ready() {
            break;
        }
        let (piece, rest) = bytes.split_at(bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
        if stream.write(piece).is_err() {
            break;
        }
        bytes = rest;
    }
    drop(stream.flush());
}

fn read(response: &IncomingResponse, clock: &Pollable) -> Result<http::Response<Vec<u8>>, HttpError> {
    let mut builder = http::Response::builder().status(response.status());
    for (name, value) in response.headers().entries() {
        builder = builder.header(name, value);
    }
    let incoming = response.consume().map_err(|()| no_answer("it has no body"))?;
    let stream = incoming.stream().map_err(|()| no_answer("it has no body"))?;
    let mut body = Vec::new();
    loop {
        let more = stream.subscribe();
        wait(&more, clock)?;
        match stream.read(PIECE_BYTES) {
            Ok(piece) => body.extend_from_slice(&piece),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return Err(no_answer("the connection broke")),
        }
        if body.len() > ANSWER_LIMIT_BYTES {
            return Err(no_answer(&format!("the answer is longer than {ANSWER_LIMIT_BYTES} bytes")));
        }
    }
    let response = builder.body(body).map_err(|_| no_answer("its head cannot be read"))?;
    match Coding::of(response.headers()) {
        Some(Coding::Identity) => Ok(response),
        Some(Coding::Gzip) | None => Err(no_answer("it is compressed, which was not asked for and is not read here")),
    }
}

fn wait(ready: &Pollable, clock: &Pollable) -> Result<(), HttpError> {
    poll(&[ready, clock]);
    if ready.ready() { Ok(()) } else { Err(no_answer("the time was up")) }
}

fn not_sent(why: &str) -> HttpError {
    HttpError::NotSent(why.to_owned())
}

fn no_answer(why: &str) -> HttpError {
    HttpError::NoAnswer(why.to_owned())
}

/// The runtime's word for what went wrong, and whether the peer can have received anything.
fn told(code: &ErrorCode) -> HttpError {
    use ErrorCode as E;
    match code {
        E::HttpRequestDenied => not_sent("the runtime does not allow this host: allowed_outbound_hosts in spin.toml"),
        E::ConnectionRefused => not_sent("connection refused"),
        E::ConnectionTimeout => not_sent("no connection within the time"),
        E::DnsTimeout | E::DnsError(_) => not_sent("the host's name cannot be resolved"),
        E::DestinationNotFound
        | E::DestinationUnavailable
        | E::DestinationIpProhibited
        | E::DestinationIpUnroutable => not_sent("the host cannot be reached"),
        E::TlsProtocolError | E::TlsAlertReceived(_) => not_sent("no TLS connection came about"),
        E::TlsCertificateError => not_sent("the peer's certificate is not trusted by the runtime"),
        E::HttpResponseTimeout | E::ConnectionReadTimeout | E::ConnectionWriteTimeout => no_answer("the time was up"),
        E::InternalError(_) => no_answer("the runtime failed"),
        other => no_answer(&other.to_string()),
    }
}
