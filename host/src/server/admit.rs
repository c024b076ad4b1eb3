//! Who is let in to a route: the client has to be known, and to have the route's scope.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use flow::door;

use super::answer::{refusal, sent, throttled};
use super::{Caller, Doors};
use crate::clients::Refused;
use crate::config::Scope;

/// Middleware of a route; the client goes on with the request as an extension.
pub async fn admit(State((doors, scope)): State<(Arc<Doors>, Scope)>, mut request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>().copied() else { return unknown() };
    if let Some(refusal) = door::of_another_site(request.headers()) {
        return sent(refusal);
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
    sent(door::unknown_caller())
}
