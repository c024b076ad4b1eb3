//! What admins did.

use std::sync::Arc;

use axum::extract::{Extension, State};
use maud::html;
use url::form_urlencoded;

use super::page::{self, Answer, MenuEntry};
use super::visit::Visit;
use super::{Console, mask};

/// Lines a page.
const PAGE: u32 = 100;

/// `GET /console/audit`.
pub(super) async fn list(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Answer {
    let query = visit.uri.query().unwrap_or_default().as_bytes();
    let before = form_urlencoded::parse(query).find(|(name, _)| name == "before");
    let before = before.and_then(|(_, value)| value.parse().ok());
    let lines = console.store.audit(before, PAGE).await?;
    let older = lines.last().filter(|_| lines.len() == PAGE as usize).map(|last| last.id);
    let (t, reader) = (visit.reader.texts, &visit.reader);
    let body = html! {
        h1 { (t.audit) }
        p.quiet { (t.audit_hint) }
        @if lines.is_empty() { p.empty { (t.audit_empty) } } @else {
            div.wide.panel tabindex="0" role="region" aria-label=(t.audit) {
                table {
                    caption.unseen { (t.audit) }
                    thead { tr { @for title in [t.when, t.who, t.what, t.message, t.detail] { th scope="col" { (title) } } } }
                    tbody {
                        @for line in &lines {
                            tr {
                                td { (reader.moment(line.at)) }
                                td { (line.actor) }
                                td lang="en" { (line.action) }
                                td { @match line.message_id { Some(id) => a href={ "/console/messages/" (id) } { (id) }, None => (page::none()) } }
                                td lang="en" {
                                    // Only here somebody wrote what came to their mind.
                                    @if line.action == "discard" { (mask::masked(&line.detail, &[])) } @else { (line.detail) }
                                }
                            }
                        }
                    }
                }
            }
        }
        nav.pages aria-label=(t.pages) {
            @if before.is_some() { a href="/console/audit" { "« " (t.newest) } }
            @if let Some(older) = older { a rel="next" href={ "/console/audit?before=" (older) } { (t.older) " »" } }
        }
    };
    Ok(page::full(&visit, MenuEntry::Audit, t.audit, &body))
}
