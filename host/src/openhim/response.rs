//! Requests that came through OpenHIM are answered in the form that its core reads: the answer, what has been done so far, and by which
//! properties the transaction is found. Who comes directly gets the same answer as it is.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use flow::openhim::Transaction;
use flow::openhim::envelope::{Details, envelope};
use flow::ports::{Clock, StoreError};
use flow::receive::{Journal, Receipt};
use flow::{Kind, MessageId};
use jiff::Timestamp;

use super::report;
use crate::Host;
use crate::server::answer::sent;
use auth::{Client, INBOUND};

/// What an answer is made of; a handler puts it beside its answer.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    journal: Arc<Journal>,
    id: Option<MessageId>,
    told_later: bool,
}

/// What there is to tell of something that came in. If it is to be told later what became of it, that is stored before the answer.
pub(crate) async fn told(
    host: &Host,
    client: &Client,
    transaction: Option<&Transaction>,
    received: &Result<Receipt, StoreError>,
    journal: Journal,
) -> Option<Told> {
    let transaction = transaction?;
    let id = received.as_ref().ok().and_then(Receipt::id);
    let told_later = match (id, transaction.id()) {
        (Some(id), Some(transaction)) if is_believed(host, client) => {
            let came = journal.steps.first().map_or_else(|| host.flow.clock.now(), |step| step.from);
            remembered(host, id, transaction, came).await
        }
        _ => false,
    };
    Some(Told { journal: Arc::new(journal), id, told_later })
}

/// Anybody may send the header, and what it names is changed with the rights of the mediator's user of OpenHIM: if OpenHIM has a client of
/// its own here, only that one is believed.
fn is_believed(host: &Host, client: &Client) -> bool {
    let openhim = &host.config.openhim;
    let is_openhim = |username: &String| {
        let mut clients = host.config.clients.iter();
        let own = clients.find(|client| client.username.as_ref() == Some(username));
        client.name == own.map_or(INBOUND, |own| &own.name)
    };
    openhim.url.is_some() && openhim.report && openhim.route_username.as_ref().is_none_or(is_openhim)
}

/// A transaction that cannot be told later does not keep the message from being taken.
async fn remembered(host: &Host, id: MessageId, transaction: &str, came: Timestamp) -> bool {
    let store = &host.flow.store;
    let added = async {
        let now = store.now(host.flow.clock.now()).await?;
        store.add_report(id, transaction, came, now.saturating_add(report::FIRST_LOOK).unwrap_or(now)).await
    };
    added.await.unwrap_or_else(|error| {
        tracing::error!(%id, %error, "OpenHIM will not be told what becomes of this message");
        false
    })
}

/// The answer of a route that OpenHIM posts to: what was refused before it was looked at stays as it is, and the core passes that on.
pub(crate) async fn enveloped(host: &Host, kind: Kind, mut response: Response) -> Response {
    let Some(Told { journal, id, told_later }) = response.extensions_mut().remove::<Told>() else { return response };
    let (parts, body) = response.into_parts();
    // A body of our own, which is in memory.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let answer = Response::from_parts(parts, body.to_vec());
    let shown = Details { urn: &host.config.openhim.urn, kind, journal: &journal, id, told_later };
    let mut wrapped = sent(envelope(&answer, &shown, host.flow.clock.now()));
    *wrapped.extensions_mut() = answer.into_parts().0.extensions;
    wrapped.map(Body::new)
}
