//! Facilities that are not done: which there are and why, another try, what a possible duplicate is; the runs.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use flow::facilities::State as FacilityState;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Asked, Client, Host, Id, Refusal, Wanted, body, id, now, query};
use crate::facilities::national_id;
use flow::facilities::is_code;
use store::FacilityFilter;

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

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sync {
    full: bool,
}

/// One of the two.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Decision {
    same: Option<String>,
    another: bool,
}

type Body = Result<Bytes, BytesRejection>;

/// `GET /admin/facilities`: those that are not done, unless a state is asked for.
pub(super) async fn list(State(host): State<Arc<Host>>, asked: Asked<Page>) -> Answer {
    let page = query(asked)?;
    let limit = Wanted { limit: page.limit, ..Wanted::default() }.filter()?.limit;
    let state = page.state.map(|word| FacilityState::from_word(&word).ok_or(())).transpose().map_err(|()| {
        Refusal::invalid(&format!("state: expected one of {}", FacilityState::ALL.map(FacilityState::word).join(", ")))
    })?;
    let facilities = host.flow.store.facilities(&FacilityFilter { state, before: page.before, limit }).await?;
    let full = facilities.len() == limit as usize;
    let next = facilities.last().filter(|_| full).map(|last| last.id);
    Ok(Json(json!({"facilities": facilities, "next": next})))
}

/// `GET /admin/facilities/{id}`: with the problems as a FHIR OperationOutcome, and the registry's document.
pub(super) async fn show(State(host): State<Arc<Host>>, number: Id) -> Answer {
    let id = id(number)?.0;
    let view = host.flow.store.facility(id).await?.ok_or_else(|| no_facility(id))?;
    let issue = |issue: &flow::mapping::Issue| json!({"severity": issue.severity, "code": issue.code, "diagnostics": issue.diagnostics, "expression": [issue.expression]});
    let outcome: Vec<Value> = view.issues.iter().map(issue).collect();
    let mut told = serde_json::to_value(&view.line).unwrap_or_default();
    if !outcome.is_empty() {
        told["outcome"] = json!({"resourceType": "OperationOutcome", "issue": outcome});
    }
    told["document"] = view.document.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()).into();
    Ok(Json(told))
}

/// `GET /admin/facilities/runs`.
pub(super) async fn runs(State(host): State<Arc<Host>>) -> Answer {
    Ok(Json(json!({"runs": host.flow.store.facility_runs(50).await?})))
}

/// `POST /admin/facilities/sync`: a run, now.
pub(super) async fn sync(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let Sync { full } = body(&headers, sent)?;
    if host.config.facilities.url.is_none() {
        return Err(Refusal::new(StatusCode::CONFLICT, "conflict", "facilities.url is not set: there is no registry"));
    }
    let what = if full { "all facilities" } else { "changed facilities" };
    host.flow.store.audited(&client.name, "sync facilities", None, what, now(&host.flow)).await?;
    host.facilities.ask_for_run(full);
    Ok(Json(json!({"status": "asked for; /admin/facilities/runs tells how far it is"})))
}

/// `POST /admin/facilities/retry`: all that failed.
pub(super) async fn retry_all(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let Nothing {} = body(&headers, sent)?;
    let count = host.flow.store.ask_facilities_again(None, &client.name, now(&host.flow)).await?;
    host.facilities.wake();
    Ok(Json(json!({"due": count})))
}

/// `POST /admin/facilities/{id}/retry`.
pub(super) async fn retry(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    number: Id,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let Nothing {} = body(&headers, sent)?;
    let id = id(number)?.0;
    if host.flow.store.ask_facilities_again(Some(id), &client.name, now(&host.flow)).await? == 0 {
        return Err(not_done(&host, id, "nothing to retry").await?);
    }
    host.facilities.wake();
    Ok(Json(json!({"id": id, "state": FacilityState::Due})))
}

/// `POST /admin/facilities/{id}/decide`: `{"same": "HF001"}` or `{"another": true}`.
pub(super) async fn decide(
    State(host): State<Arc<Host>>,
    Extension(client): Extension<Arc<Client>>,
    number: Id,
    headers: HeaderMap,
    sent: Body,
) -> Answer {
    let Decision { same, another } = body(&headers, sent)?;
    let id = id(number)?.0;
    let same = same.as_deref().map(str::trim);
    if same.is_some() == another || same.is_some_and(|code| !is_code(code)) {
        return Err(Refusal::invalid(
            "expected same (the code of a facility in openIMIS, 1 to 8 characters) or another (true)",
        ));
    }
    let view = host.flow.store.facility(id).await?.ok_or_else(|| no_facility(id))?;
    let Some(own) = &view.line.code else { return Err(not_done(&host, id, "nothing to decide").await?) };
    let national_id = national_id(&host.flow, own);
    if !host.flow.store.decide_facility(id, &national_id, same, &client.name, now(&host.flow)).await? {
        return Err(not_done(&host, id, "nothing to decide").await?);
    }
    host.facilities.wake();
    Ok(Json(json!({"id": id, "state": FacilityState::Due})))
}

async fn not_done(host: &Host, id: i64, what: &str) -> Result<Refusal, Refusal> {
    let Some(view) = host.flow.store.facility(id).await? else { return Ok(no_facility(id)) };
    let text = format!("facility {id} is {}: {what}", view.line.state.word());
    Ok(Refusal::new(StatusCode::CONFLICT, "conflict", &text))
}

fn no_facility(id: i64) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "not-found", &format!("there is no facility {id}"))
}
