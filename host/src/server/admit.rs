//! Who is let in to a route: the client has to be known, and to have the route's scope.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::answer::{refusal, throttled};
use super::{Caller, Doors};
use crate::clients::Refused;
use crate::config::Scope;

/// Middleware of a route; the client goes on with the request as an extension.
pub async fn admit(State((doors, scope)): State<(Arc<Doors>, Scope)>, mut request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>().copied() else { return unknown() };
    // A browser shows remembered credentials for another site's page, too, and says that it does so.
    let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    if matches!(site, Some(b"cross-site" | b"same-site")) {
        return refusal(StatusCode::FORBIDDEN, "forbidden", "not for a page of another site");
    }
    let recognised = doors.clients.recognise(request.headers(), caller.certificate, caller.address, &doors.limits);
    match recognised.await {
        Ok(client) if client.may(scope) => {
            request.extensions_mut().insert(client);
            next.run(request).await
        }
        Ok(client) => {
            tracing::warn!(client = client.name, scope = scope.word(), "refused: the client has not this scope");
            let text = format!("these credentials are right, but the client has not the scope {}", scope.word());
            refusal(StatusCode::FORBIDDEN, "forbidden", &text)
        }
        Err(Refused::Missing) => unknown(),
        Err(Refused::Wrong) => {
            // Not the user's name: people type their password there.
            tracing::warn!(address = %caller.address, "refused: a wrong password or an unknown user");
            unknown()
        }
        Err(Refused::Throttled(wait)) => {
            if doors.limits.worth_telling(caller.address) {
                tracing::warn!(address = %caller.address, "too many wrong passwords: none is tried for a while");
            }
            throttled(wait, "too many wrong passwords from your address; nothing was acknowledged, send it again")
        }
    }
}

fn unknown() -> Response {
    let text =
        "no or wrong credentials; send HTTP Basic as a user of the mediator, or a client certificate that it knows";
    let mut response = refusal(StatusCode::UNAUTHORIZED, "login", text);
    let challenge = HeaderValue::from_static("Basic realm=\"openimis-mediator\", charset=\"UTF-8\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}
