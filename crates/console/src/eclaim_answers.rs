//! What openIMIS said of a hospital's claim so far, at a glance. Our own words for decisions only: amounts are in the documents.

use flow::Kind;
use flow::ports::StoreError;
use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::page;
use super::visit::Visit;
use store::{SqlStore, Summary, View};

/// Most answers that are read for a page. A claim has four states.
const MOST: usize = 10;

/// One answer.
pub(super) struct Said {
    number: String,
    at: Timestamp,
    decision: String,
    state: String,
}

/// The answers of a hospital's claim, oldest first; none of other messages.
pub(super) async fn of(store: &SqlStore, view: &View) -> Result<Vec<Said>, StoreError> {
    let is_of_hospital = matches!(Kind::from_word(&view.summary.kind), Some(Kind::Eclaim | Kind::Adjudication));
    let answers = view.related.iter().filter(|other| other.kind == Kind::EclaimAnswer.word());
    let mut all = Vec::new();
    for answer in answers.filter(|_| is_of_hospital).take(MOST) {
        let read = store.view(answer.id).await?;
        all.push(said(answer, read.as_ref().and_then(|view| view.body.as_deref())));
    }
    Ok(all)
}

fn said(answer: &Summary, body: Option<&[u8]>) -> Said {
    let body: Value = body.and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    // Only words that the mapping writes itself: another one may write anything.
    let known = ["in progress", "reimbursed", "reimbursed in part", "denied"];
    let decision = body["disposition"].as_str().filter(|words| known.contains(words));
    let decision = decision.or_else(|| body["outcome"].as_str().filter(|word| word.len() <= 20)).unwrap_or_default();
    Said {
        number: answer.id.to_string(),
        at: answer.received_at,
        decision: decision.to_owned(),
        state: answer.state.clone(),
    }
}

/// As a table.
pub(super) fn table(visit: &Visit, all: &[Said]) -> Markup {
    let (t, reader) = (visit.reader.texts, &visit.reader);
    html! {
        div.wide tabindex="0" role="region" aria-label=(t.answers) { table role="table" {
            caption.unseen { (t.answers) }
            thead role="rowgroup" {
                tr role="row" {
                    @for title in [t.message, t.received, t.decision, t.told_hospital] {
                        th role="columnheader" scope="col" { (title) }
                    }
                }
            }
            tbody role="rowgroup" {
                @for said in all {
                    tr role="row" {
                        th role="rowheader" scope="row" { a href={ "/console/messages/" (said.number) } { (said.number) } }
                        td role="cell" { (reader.moment(said.at)) }
                        td role="cell" lang="en" { (said.decision) }
                        td role="cell" { (page::badge(t, &said.state)) }
                    }
                }
            }
        } }
    }
}
