//! The list of messages and its filter.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use flow::State as MessageState;
use flow::mapping::ids::InsureeUuid;
use maud::{Markup, html};
use tokio::time::timeout;

use super::Console;
use super::filter::{Asked, PAGE};
use super::format::{fill, grouped};
use super::mask::reason_masked;
use super::overview::PATIENCE;
use super::page::{self, Answer, MenuEntry};
use super::sign_in::to;
use super::visit::{Form, Visit};
use store::{Filter, Summary};

/// Counted for the button that retries many; what is more is told as "more than".
const COUNTED: u32 = 10_000;

/// `GET /console/messages`.
pub(super) async fn list(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Answer {
    let asked = Asked::from_query(visit.uri.query().unwrap_or_default());
    let filter = match asked.filter(&visit.reader) {
        Ok(filter) => filter,
        Err(wrong) => return Ok(refused(&visit, &asked, &wrong)),
    };
    let store = &console.store;
    let messages = store.list(&filter).await?;
    let retriable = match filter.state {
        Some(MessageState::Dead | MessageState::Skipped | MessageState::Discarded | MessageState::Pending) => {
            let all = Filter { before: None, ..filter.clone() };
            store.count_fitting(&all, COUNTED + 1).await?
        }
        _ => 0,
    };
    let t = visit.reader.texts;
    let older = messages.last().filter(|_| messages.len() == PAGE as usize).map(|last| last.id);
    let body = html! {
        h1 { (t.messages) }
        (asked.form(&visit))
        @if retriable > 0 {
            p.bulk { a.button href={ "/console/retry" (asked.query(None)) } { (retry_all_text(&visit, retriable)) } }
        }
        @if messages.is_empty() { p.empty { (t.no_messages) } } @else { (table(&visit, &messages)) }
        nav.pages aria-label=(t.pages) {
            @if filter.before.is_some() { a href={ "/console/messages" (asked.query(None)) } { "« " (t.newest) } }
            @if let Some(older) = older { a rel="next" href={ "/console/messages" (asked.query(Some(older))) } { (t.older) " »" } }
        }
    };
    Ok(page::full(&visit, MenuEntry::Messages, t.messages, &body))
}

fn retry_all_text(visit: &Visit, count: u64) -> String {
    let t = visit.reader.texts;
    match count > u64::from(COUNTED) {
        true => fill(t.retry_more_than, &[&grouped(u64::from(COUNTED))]),
        false => fill(t.retry_all, &[&grouped(count)]),
    }
}

fn refused(visit: &Visit, asked: &Asked, wrong: &[String]) -> Response {
    let t = visit.reader.texts;
    let body = html! {
        h1 { (t.messages) }
        div.problem role="alert" {
            p { (t.filter_not_understood) }
            ul { @for wrong in wrong { li { (wrong) } } }
        }
        (asked.form(visit))
    };
    let mut response = page::full(visit, MenuEntry::Messages, t.messages, &body);
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// Messages as a table; as cards on a narrow screen.
pub(super) fn table(visit: &Visit, messages: &[Summary]) -> Markup {
    let (t, reader) = (visit.reader.texts, &visit.reader);
    html! {
        table.messages role="table" {
            caption.unseen { (t.messages) }
            thead role="rowgroup" {
                tr role="row" {
                    @for title in [t.number, t.state, t.kind, t.claim, t.received, t.tries, t.reason] {
                        th role="columnheader" scope="col" { (title) }
                    }
                }
            }
            tbody role="rowgroup" {
                @for message in messages {
                    tr role="row" {
                        th.number role="rowheader" scope="row" { a href={ "/console/messages/" (message.id) } { (message.id) } }
                        td.state role="cell" { (page::badge(t, &message.state)) }
                        td.kind role="cell" { (page::kind_word(t, &message.kind)) }
                        td.claim role="cell" { (claim(message)) }
                        td.received role="cell" { (reader.ago(message.received_at)) }
                        td.tries role="cell" { span.label { (t.tries) " " } (message.attempts) }
                        td.reason role="cell" { (reason(message)) }
                    }
                }
            }
        }
    }
}

/// The claim's code, or the beginning of its uuid.
fn claim(message: &Summary) -> Markup {
    match (&message.claim_code, &message.claim_uuid) {
        (Some(code), uuid) => html! { span title=[uuid.as_deref()] { (code) } },
        (None, Some(uuid)) => html! { code title=(uuid) { (uuid.chars().take(8).collect::<String>()) "…" } },
        (None, None) => page::none(),
    }
}

/// Why a message is where it is. What a peer said may name a patient.
fn reason(message: &Summary) -> Markup {
    let Some(reason) = &message.reason else { return page::none() };
    html! { span lang="en" { (reason_masked(reason, &ids(message))) } }
}

/// Ids that every page shows.
pub(super) fn ids(message: &Summary) -> Vec<&str> {
    [&message.claim_code, &message.claim_uuid].into_iter().flatten().map(String::as_str).collect()
}

/// `POST /console/messages/find`: the filter's form. Leads to an address that can be kept, and holds no insurance number.
pub(super) async fn find(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    Extension(form): Extension<Form>,
) -> Answer {
    let mut asked = Asked::from_form(&form);
    // This address has no page: the other languages lead to the list.
    let visit = Visit { uri: Uri::from_static("/console/messages"), ..Visit::clone(&visit) };
    if !asked.insuree.is_empty() && InsureeUuid::parse(&asked.insuree).is_none() {
        let t = visit.reader.texts;
        let Ok(Ok(found)) = timeout(PATIENCE, console.program.insuree_numbered(&asked.insuree)).await else {
            return Ok(refused(&visit, &asked, &[t.insuree_cannot_be_asked.to_owned()]));
        };
        // Who tries number after number leaves a line for each.
        let detail = match &found {
            Some(uuid) => format!("an insurance number; it is {uuid}"),
            None => "an insurance number; openIMIS does not know it".to_owned(),
        };
        console.store.audited(&visit.name, "look up insuree", None, &detail, console.now()).await?;
        let Some(uuid) = found else { return Ok(refused(&visit, &asked, &[t.insuree_unknown.to_owned()])) };
        asked.insuree = uuid.to_string();
    }
    if let Err(wrong) = asked.filter(&visit.reader) {
        return Ok(refused(&visit, &asked, &wrong));
    }
    Ok(to(&format!("/console/messages{}", asked.query(None))))
}
