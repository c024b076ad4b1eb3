//! What of a request's head is refused before anything else is asked.

use axum::http::uri::Authority;
use axum::http::{HeaderValue, Request, Version, header};
use flow::http_api::{self, Answer};

/// Longest head of a request, and what a connection reads ahead. It is held before anybody has said who they are.
pub(super) const HEAD_LIMIT_BYTES: usize = 64 << 10;

/// The refusal of a head that is too long, or that does not say once and clearly which host it is for (RFC 9112, 3.2): somebody on the way
/// may have understood another one.
pub(super) fn refusal<B>(request: &Request<B>) -> Option<Answer> {
    let lines = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    let first = request.method().as_str().len() + request.uri().to_string().len() + "  HTTP/1.1\r\n\r\n".len();
    let refused = if first + lines.sum::<usize>() > HEAD_LIMIT_BYTES {
        http_api::long_head(HEAD_LIMIT_BYTES)
    } else if !has_a_host(request) {
        http_api::unclear_host()
    } else {
        return None;
    };
    let mut refused = refused;
    refused.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Some(refused)
}

fn has_a_host<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => host.is_empty() || Authority::try_from(host.as_bytes()).is_ok(),
        (Some(_), Some(_)) => false,
    }
}
