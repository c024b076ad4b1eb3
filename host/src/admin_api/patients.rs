//! Possible matches: which there are, and the word of an admin on them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use mapping::ids::InsureeUuid;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Asked, Client, Host, Id, Refusal, Wanted, body, id, now, query};
use store::{Decided, PROPOSAL_STATES, ProposalFilter, Unlinked};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Page {
    state: Option<String>,
    before: Option<i64>,
    limit: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

pub(super) async fn list(State(host): State<Arc<Host>>, asked: Asked<Page>) -> Answer {
    let page = query(asked)?;
    let limit = Wanted { limit: page.limit, ..Wanted::default() }.filter()?.limit;
    if page.state.as_deref().is_some_and(|state| !PROPOSAL_STATES.contains(&state)) {
        return Err(Refusal::invalid(&format!("state: expected one of {}", PROPOSAL_STATES.join(", "))));
    }
    let filter = ProposalFilter { state: page.state, before: page.before, limit };
    let proposals = host.flow.store.proposals(&filter).await?;
    let full = proposals.len() == limit as usize;
    let next = proposals.last().filter(|_| full).map(|last| last.id);
    Ok(Json(json!({"proposals": proposals, "next": next})))
}

/// With what both sides say of the person: that it was read stands in the audit trail.
pub(super) async fn show(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    number: Id,
) -> Answer {
    let id = id(number)?.0;
    let view = host.flow.store.proposal(id).await?.ok_or_else(|| no_proposal(id))?;
    let what = format!("possible match {id}");
    host.flow.store.audited(&client.name, "read patient", None, &what, now(&host.flow)).await?;
    Ok(Json(serde_json::to_value(view).unwrap_or_default()))
}

pub(super) async fn confirm(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    number: Id,
    headers: HeaderMap,
    sent: Result<Bytes, BytesRejection>,
) -> Answer {
    let Nothing {} = body(&headers, sent)?;
    let id = id(number)?.0;
    let decided = host.flow.store.confirm_match(id, &client.name, now(&host.flow)).await?;
    told(&host, &client, id, "confirmed", decided)
}

pub(super) async fn refuse(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    number: Id,
    headers: HeaderMap,
    sent: Result<Bytes, BytesRejection>,
) -> Answer {
    let Nothing {} = body(&headers, sent)?;
    let id = id(number)?.0;
    let decided = host.flow.store.refuse_match(id, &client.name, now(&host.flow)).await?;
    told(&host, &client, id, "refused", decided)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Unlink {
    refuse: bool,
}

/// Takes a link back. `refuse`: the contact is somebody else.
pub(super) async fn unlink(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    Path(insuree): Path<String>,
    headers: HeaderMap,
    sent: Result<Bytes, BytesRejection>,
) -> Answer {
    let Unlink { refuse } = body(&headers, sent)?;
    let insuree =
        InsureeUuid::parse(&insuree).ok_or_else(|| Refusal::invalid("expected openIMIS' uuid of an insuree"))?;
    let insuree = insuree.to_string();
    let unlinked = host.flow.store.unlink_patient(&insuree, refuse, &client.name, now(&host.flow)).await?;
    let Some(Unlinked { contact_id, put_back }) = unlinked else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "not-found", &format!("insuree {insuree} has no link")));
    };
    host.wake.notify_one();
    tracing::info!(client = client.name, insuree, put_back, "an insuree is unlinked");
    Ok(Json(json!({"insuree_uuid": insuree, "contact_id": contact_id, "put_back": put_back})))
}

fn told(host: &Host, client: &Client, id: i64, state: &str, decided: Decided) -> Answer {
    match decided {
        Decided::Done { put_back } => {
            host.wake.notify_one();
            tracing::info!(client = client.name, id, state, put_back, "a possible match is decided");
            Ok(Json(json!({"id": id, "state": state, "put_back": put_back})))
        }
        Decided::NotOpen(state) => {
            let text = format!("possible match {id} is {state}: there is nothing to decide");
            Err(Refusal::new(StatusCode::CONFLICT, "conflict", &text))
        }
        Decided::NotFound => Err(no_proposal(id)),
    }
}

fn no_proposal(id: i64) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "not-found", &format!("there is no possible match {id}"))
}
