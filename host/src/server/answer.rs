//! Answers that every route gives in the same way, and the headers on each. All of them are JSON: openIMIS takes anything else for a
//! failure.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::limits::Throttled;

/// An OperationOutcome of the mediator itself; `code` is a FHIR issue type.
pub fn refusal(status: StatusCode, code: &str, text: &str) -> Response {
    let issue = json!([{"severity": "error", "code": code, "diagnostics": text}]);
    (status, axum::Json(json!({"resourceType": "OperationOutcome", "issue": issue}))).into_response()
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
        .method_not_allowed_fallback(|| async {
            refusal(StatusCode::METHOD_NOT_ALLOWED, "not-supported", "this route takes another method")
        })
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "not-found", "no such route; the README lists them") })
}

/// The body of a JSON request, or the refusal.
#[allow(clippy::result_large_err)] // the response is built once, on the way out
pub fn json_body(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    limit_bytes: usize,
) -> Result<Vec<u8>, Response> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !matches!(essence.as_str(), "application/json" | "application/fhir+json") {
        let text = "the content type is not application/json or application/fhir+json";
        return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", text));
    }
    match body {
        Ok(body) => Ok(body.into()),
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let text = format!("the body is longer than {limit_bytes} bytes");
            Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, "too-long", &text))
        }
        Err(_) => Err(refusal(StatusCode::BAD_REQUEST, "structure", "the body broke off")),
    }
}

/// The answers are for programs: no browser is to keep, frame, run or guess anything of them.
const HEADERS: [(header::HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];
/// A year.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Middleware: the headers above on every answer; with TLS also the advice to come by TLS only.
pub async fn secured(State(tls): State<bool>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    if tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    response
}
