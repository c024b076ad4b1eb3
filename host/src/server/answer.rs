//! Answers that every route gives in the same way, and the headers on each. All of them are JSON: openIMIS takes anything else for a
//! failure.

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use flow::http_api::{self, Coding};

use super::content;
use auth::limits::Throttled;

/// An answer that is the same in every runtime.
pub fn sent(answer: http_api::Answer) -> Response {
    answer.map(Body::from)
}

/// An OperationOutcome of the mediator itself; `code` is a FHIR issue type.
pub fn refusal(status: StatusCode, code: &str, text: &str) -> Response {
    sent(http_api::refusal(status, code, text))
}

/// Whoever asks too much is told when to come again, in whole seconds.
pub fn throttled(Throttled(wait): Throttled, text: &str) -> Response {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, "throttled", text);
    response.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// No such route, or another method: told in JSON too.
pub fn with_fallbacks<S: Clone + Send + Sync + 'static>(router: axum::Router<S>) -> axum::Router<S> {
    router
        .method_not_allowed_fallback(async || sent(http_api::wrong_method()))
        .fallback(async || sent(http_api::no_such_route()))
}

/// The body of a JSON request, unpacked if it is compressed, or the refusal.
#[allow(clippy::result_large_err)] // the response is built once, on the way out
pub fn json_body(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    limit_bytes: usize,
) -> Result<Vec<u8>, Response> {
    if let Some(refusal) = http_api::not_json(headers) {
        return Err(sent(refusal));
    }
    let Some(coding) = Coding::of(headers) else { return Err(sent(http_api::unknown_coding("gzip"))) };
    let body = whole_body(body, limit_bytes)?;
    match coding {
        Coding::Identity => Ok(Vec::from(body)),
        Coding::Gzip => content::unpacked(&body, limit_bytes).map_err(|unusable| {
            sent(match unusable {
                content::Unusable::TooLong => http_api::too_long(limit_bytes),
                content::Unusable::Broken => http_api::not_as_encoded(),
            })
        }),
    }
}

/// A body that was read to its end, or the refusal.
#[allow(clippy::result_large_err)]
pub fn whole_body(body: Result<Bytes, BytesRejection>, limit_bytes: usize) -> Result<Bytes, Response> {
    match body {
        Ok(body) => Ok(body),
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(sent(http_api::too_long(limit_bytes)))
        }
        Err(_) => Err(sent(http_api::broken_off())),
    }
}

/// A year.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// `http_api::HEADERS` on every answer; with TLS also the advice to come by TLS only.
pub fn secure(response: &mut Response, tls: bool) {
    let headers = response.headers_mut();
    for (name, value) in http_api::HEADERS {
        headers.entry(name).or_insert(value); // the playground's pages have a policy of their own
    }
    if tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
}
