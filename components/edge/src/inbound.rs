//! HTTP in: a request's head, its body up to a limit, and the answer.

use flow::http_api::{self, Answer};
use http::{HeaderMap, HeaderName, HeaderValue};
use wasi::clocks::monotonic_clock;
use wasi::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasi::io::poll::poll;
use wasi::io::streams::{InputStream, StreamError};

/// How long a client may take to send its body.
const BODY_TIME_NS: u64 = 30_000_000_000;
/// How long, and how many bytes, a client whose answer is decided may go on sending.
const REST_TIME_NS: u64 = 5_000_000_000;
const REST_BYTES: usize = 16 << 20;
/// How much is asked of a stream at once.
const PIECE_BYTES: u64 = 64 << 10;
/// How much a stream takes at once.
const WRITE_BYTES: usize = 4096;

pub fn method(request: &IncomingRequest) -> http::Method {
    match request.method() {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Delete => http::Method::DELETE,
        Method::Connect => http::Method::CONNECT,
        Method::Options => http::Method::OPTIONS,
        Method::Trace => http::Method::TRACE,
        Method::Patch => http::Method::PATCH,
        // Refused as any method that no route takes.
        Method::Other(_) => http::Method::TRACE,
    }
}

/// Without the query, which no route has.
pub fn path(request: &IncomingRequest) -> String {
    let path = request.path_with_query().unwrap_or_default();
    path.split('?').next().unwrap_or_default().to_owned()
}

pub fn headers(request: &IncomingRequest) -> HeaderMap {
    let entries = request.headers().entries().into_iter();
    let read = |(name, value): (String, Vec<u8>)| {
        Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(&value).ok()?))
    };
    entries.filter_map(read).collect()
}

/// The whole body, or the refusal.
pub fn body(request: &IncomingRequest, limit_bytes: usize) -> Result<Vec<u8>, Box<Answer>> {
    let broken_off = |()| Box::new(http_api::broken_off());
    let incoming = request.consume().map_err(broken_off)?;
    let stream = incoming.stream().map_err(broken_off)?;
    let time = monotonic_clock::subscribe_duration(BODY_TIME_NS);
    let mut body = Vec::new();
    loop {
        let more = stream.subscribe();
        poll(&[&more, &time]);
        if time.ready() {
            return Err(Box::new(http_api::time_up()));
        }
        match stream.read(PIECE_BYTES) {
            Ok(piece) if body.len() + piece.len() > limit_bytes => {
                skip(&stream);
                return Err(Box::new(http_api::too_long(limit_bytes)));
            }
            Ok(piece) => body.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(body),
            Err(StreamError::LastOperationFailed(_)) => return Err(broken_off(())),
        }
    }
}

/// Reads a body that nobody wanted: a connection that is closed while its client still sends is reset, and the answer is lost with it.
pub fn discard(request: &IncomingRequest) {
    let Ok(incoming) = request.consume() else { return }; // somebody did
    if let Ok(stream) = incoming.stream() {
        skip(&stream);
    }
}

fn skip(stream: &InputStream) {
    let time = monotonic_clock::subscribe_duration(REST_TIME_NS);
    let mut left = REST_BYTES;
    while left > 0 {
        let more = stream.subscribe();
        poll(&[&more, &time]);
        if time.ready() {
            return;
        }
        match stream.read(PIECE_BYTES) {
            Ok(piece) => left = left.saturating_sub(piece.len()),
            Err(_) => return,
        }
    }
}

/// Sends an answer; the body of one to HEAD stays here.
pub fn respond(out: ResponseOutparam, mut answer: Answer, is_head: bool) {
    let length = answer.body().len();
    answer.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
    answer.headers_mut().extend(http_api::HEADERS);
    let entries: Vec<(String, Vec<u8>)> =
        answer.headers().iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    // Names and values were headers before: a host refuses none of them.
    let response = OutgoingResponse::new(Fields::from_list(&entries).unwrap_or_else(|_| Fields::new()));
    let with_status = response.set_status_code(answer.status().as_u16());
    let body = response.body();
    ResponseOutparam::set(out, Ok(response));
    let (Ok(()), Ok(body)) = (with_status, body) else { return };
    if !is_head && let Ok(stream) = body.write() {
        for piece in answer.body().chunks(WRITE_BYTES) {
            // Whoever asked has gone: what was to be done is done.
            if stream.blocking_write_and_flush(piece).is_err() {
                break;
            }
        }
    }
    drop(OutgoingBody::finish(body, None));
}
