//! Who is let in to a route: the client has to be known, to have the route's scope, and to have signed what it posts, if it signs.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use flow::http_api;

use super::answer::{refusal, sent, throttled, whole_body};
use auth::Caller;
use auth::refusal_log::Who;

use super::Doors;
use crate::config::Scope;
use auth::tokens::{self, signature};
use auth::{Client, Refused};

/// Middleware of a route; the client goes on with the request as an extension.
pub async fn admit(State((doors, scope)): State<(Arc<Doors>, Scope)>, mut request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>().copied() else { return doors.unknown() };
    if let Some(refusal) = http_api::of_another_site(request.headers()) {
        return sent(refusal);
    }
    let recognised = doors.admission.clients.recognise(request.headers(), &caller, &doors.admission.limits);
    match recognised.await {
        Ok(client) if client.may(scope) => match doors.signed(&client, request).await {
            Ok(signed) => {
                request = signed;
                request.extensions_mut().insert(client);
                next.run(request).await
            }
            Err(refusal) => {
                if let Some(left_out) = doors.admission.is_logged("signature", Who::Client(client.name.clone())) {
                    tracing::warn!(
                        client = client.name,
                        left_out,
                        "refused: what was posted is not signed as it has to be"
                    );
                }
                *refusal
            }
        },
        Ok(client) => {
            if let Some(left_out) = doors.admission.is_logged(scope.word(), Who::Client(client.name.clone())) {
                let scope = scope.word();
                tracing::warn!(client = client.name, scope, left_out, "refused: the client has not this scope");
            }
            let text = format!("these credentials are right, but the client has not the scope {}", scope.word());
            let refused = refusal(StatusCode::FORBIDDEN, "forbidden", &text);
            match http_api::bearer(request.headers()) {
                Some(_) => challenged(refused, &format!("error=\"insufficient_scope\", scope=\"{}\"", scope.word())),
                None => refused,
            }
        }
        Err(Refused::Missing) => doors.unknown(),
        Err(Refused::Wrong) => {
            // Not the user's name: people type their password there.
            if let Some(left_out) = doors.admission.is_logged("password", Who::at(caller.address)) {
                tracing::warn!(address = %caller.address, left_out, "refused: a wrong password or an unknown user");
            }
            doors.unknown()
        }
        Err(Refused::Throttled(wait)) => {
            if let Some(left_out) = doors.admission.is_logged("throttled", Who::at(caller.address)) {
                let address = caller.address;
                tracing::warn!(%address, left_out, "too many wrong passwords: none is tried for a while");
            }
            throttled(wait, "too many wrong passwords from your address; nothing was acknowledged, send it again")
        }
        // Where no tokens are taken, what is wrong with one helps nobody.
        Err(Refused::Token(_)) if !doors.admission.clients.take_tokens() => doors.unknown(),
        Err(Refused::Token(reason)) => {
            // Nothing of the token: who finds it in a log may use it.
            if let Some(left_out) = doors.admission.is_logged("token", Who::at(caller.address)) {
                let address = caller.address;
                tracing::warn!(%address, ?reason, left_out, "refused: a token that does not count");
            }
            no_token(reason)
        }
    }
}

fn no_token(reason: tokens::Refusal) -> Response {
    match reason {
        tokens::Refusal::Invalid(reason) => {
            let text = format!("the token cannot be used: {reason}");
            let refused = refusal(StatusCode::UNAUTHORIZED, "login", &text);
            challenged(refused, &format!("error=\"invalid_token\", error_description=\"{reason}\""))
        }
        tokens::Refusal::NoClient => {
            let text = "the token is right, but no client of the mediator comes with such tokens";
            challenged(refusal(StatusCode::FORBIDDEN, "forbidden", text), "error=\"insufficient_scope\"")
        }
        tokens::Refusal::KeysAway => keys_away(),
    }
}

/// A refusal that says how a bearer is to come (RFC 6750, 3).
fn challenged(mut response: Response, parameters: &str) -> Response {
    let challenge = format!("Bearer realm=\"openimis-mediator\", {parameters}");
    if let Ok(challenge) = HeaderValue::from_str(challenge.trim_end_matches([',', ' '])) {
        response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn keys_away() -> Response {
    let text = "the keys that verify this cannot be had now; nothing was acknowledged, send it again later";
    let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, "transient", text);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
    response
}

fn not_signed(reason: signature::Refusal) -> Response {
    match reason {
        signature::Refusal::KeysAway => keys_away(),
        signature::Refusal::Invalid(reason) => {
            let text = format!("the signature in X-JWS-Signature does not count: {reason}");
            refusal(StatusCode::FORBIDDEN, "security", &text)
        }
    }
}

impl Doors {
    /// 401 with all the ways there are.
    fn unknown(&self) -> Response {
        let response = sent(http_api::unknown_caller());
        if self.admission.clients.take_tokens() { challenged(response, "") } else { response }
    }

    /// The request with its body as it came, once it is known to be signed by this client; most clients sign nothing.
    async fn signed(&self, client: &Client, request: Request) -> Result<Request, Box<Response>> {
        let refused = |reason| Box::new(not_signed(reason));
        let shown = signature::shown(request.headers()).map_err(refused)?;
        let (signing, shown) = match (&client.signing, shown) {
            (None, None) => return Ok(request),
            (Some(signing), None) if !signing.is_required || has_no_body(request.method()) => return Ok(request),
            (Some(_), None) => return Err(refused(signature::Refusal::Invalid("there is none"))),
            (None, Some(_)) => {
                // Who signs relies on it: a signature that nobody looks at must not seem to be one that was verified.
                return Err(refused(signature::Refusal::Invalid("no keys of this client are known")));
            }
            (Some(signing), Some(shown)) => (signing, shown),
        };
        let (parts, body) = request.into_parts();
        let read = Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await;
        let body = whole_body(read, self.settings.max_body_bytes)?;
        signature::verify(signing, &shown, &body).await.map_err(refused)?;
        Ok(Request::from_parts(parts, Body::from(body)))
    }
}

fn has_no_body(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
