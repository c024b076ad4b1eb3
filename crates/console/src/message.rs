//! One message: what it is, why it is where it is, what was done, and its documents.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use flow::catalogue;
use flow::mapping::Issue;
use flow::mapping::issue::{IssueType, Severity};
use flow::{Kind, MessageId, State as MessageState};
use maud::{Markup, html};

mod timeline;
mod unlink;

use super::format::fill;
use super::mask::reason_masked;
use super::page::{self, Answer, MenuEntry};
use super::session::Personal;
use super::sign_in::to;
use super::texts::Texts;
use super::trouble::Trouble;
use super::visit::{Form, Visit};
use super::{Console, documents, eclaim_answers, messages};
use crate::settings::Language;
use store::View;
use timeline::timeline;
pub(super) use unlink::unlink;

/// Longest reason of a discard, in characters.
const LONGEST_REASON: usize = 500;
/// Other messages of the claim that are shown.
const RELATED: usize = 50;

type Id = Result<Path<i64>, PathRejection>;

fn id(id: Id) -> Result<MessageId, Trouble> {
    id.map(|Path(id)| MessageId(id)).map_err(|_| Trouble::NotFound)
}

fn address(id: MessageId) -> String {
    format!("/console/messages/{id}")
}

/// `GET /console/messages/{id}`.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    number: Id,
) -> Answer {
    let id = id(number)?;
    let view = console.store.view(id).await?.ok_or(Trouble::NotFound)?;
    let answers = eclaim_answers::of(&console.store, &view).await?;
    let code = view.summary.claim_code.as_ref().map(|code| format!(" · {code}")).unwrap_or_default();
    let title = fill(visit.reader.texts.message_title, &[&id.to_string()]) + &code;
    Ok(page::full(&visit, MenuEntry::Messages, &title, &whole(&visit, &title, &view, &answers)))
}

fn whole(visit: &Visit, title: &str, view: &View, said: &[eclaim_answers::Said]) -> Markup {
    let t = visit.reader.texts;
    html! {
        header.title {
            h1 { (title) }
            (page::badge(t, &view.summary.state))
        }
        @if let Some(reason) = &view.summary.reason {
            p class={ "why " (view.summary.state) } lang="en" { (as_said(visit, view, reason)) }
        }
        (advice(visit, view))
        div.columns.message {
            section aria-labelledby="facts" { h2 #facts { (t.facts) } (facts(visit, view)) (actions(visit, view)) }
            section aria-labelledby="trail" { h2 #trail { (t.trail) } (timeline(visit, view)) }
        }
        @if !said.is_empty() {
            section aria-labelledby="answers" { h2 #answers { (t.answers) } (eclaim_answers::table(visit, said)) }
        }
        @if !view.issues.is_empty() {
            section aria-labelledby="issues" { h2 #issues { (t.issues) } (issues(visit, &view.issues)) }
        }
        section aria-labelledby="documents" { h2 #documents { (t.documents) } (both_documents(visit, view)) }
        @if !view.related.is_empty() {
            section aria-labelledby="related" { h2 #related { (t.related) } (related(visit, view)) }
        }
    }
}

/// The newest of them, and the way to all.
fn related(visit: &Visit, view: &View) -> Markup {
    let more = view.related.len().saturating_sub(RELATED);
    html! {
        (messages::table(visit, &view.related[more..]))
        @if let Some(uuid) = view.summary.claim_uuid.as_ref().filter(|_| more > 0) {
            p { a href={ "/console/messages?claim=" (uuid) } { (visit.reader.texts.older) " »" } }
        }
    }
}

/// What somebody said of it, as far as this reader may see it: a peer's words may name the patient.
fn as_said(visit: &Visit, view: &View, text: &str) -> String {
    let is_shown = visit.shown.contains_key(&Personal::Message(view.summary.id));
    if is_shown { text.to_owned() } else { reason_masked(text, &known(view)) }
}

/// Ids that the page shows as facts.
fn known(view: &View) -> Vec<&str> {
    let mut ids = messages::ids(&view.summary);
    ids.extend(view.insuree_uuid.as_deref());
    ids
}

/// What can be done about a dead letter.
fn advice(visit: &Visit, view: &View) -> Markup {
    let t = visit.reader.texts;
    if view.summary.state != MessageState::Dead.word() {
        return html! {};
    }
    let text = match (view.issues.is_empty(), view.body.is_some()) {
        (_, false) => t.advice_no_document,
        (false, _) => t.advice_issues,
        (true, _) => t.advice_peer,
    };
    // The catalogue knows more of many of them, in English.
    let known = view.summary.reason.as_deref().and_then(catalogue::reason);
    let waits_for_a_person =
        view.summary.reason.as_deref().is_some_and(|reason| reason.starts_with("waits for a person"));
    html! {
        div.advice {
            @if known.is_none() || visit.reader.language != Language::En || view.body.is_none() { p { (text) } }
            @if waits_for_a_person { p { a href="/console/patients" { (t.patient_to_list) } } }
            @if let Some(known) = known { p lang="en" { (known.meaning) " " strong { (known.action) } } }
        }
    }
}

fn facts(visit: &Visit, view: &View) -> Markup {
    let (t, reader, message) = (visit.reader.texts, &visit.reader, &view.summary);
    let origin = match message.origin.as_str() {
        "push" => t.origin_push,
        "poll" => t.origin_poll,
        "selected" => t.origin_selected,
        other => other,
    };
    let id = |id: &Option<String>| match id {
        Some(id) => html! { code { (id) } },
        None => page::none(),
    };
    html! {
        dl.facts {
            dt { (t.kind) } dd { (page::kind_word(t, &message.kind)) ", " (origin) }
            dt { (t.claim) } dd { (id(&message.claim_code)) }
            dt { (t.claim_uuid) } dd { (id(&message.claim_uuid)) }
            dt { (t.insuree) } dd {
                @match &view.insuree_uuid {
                    Some(uuid) => a href={ "/console/messages?insuree=" (uuid) } title=(t.insuree_messages) { code { (uuid) } },
                    None => (page::none()),
                }
            }
            @if let Some(sender) = &view.sender { dt { (t.sender) } dd { (sender) } }
            @for other in view.conflict_of.iter().chain(&view.conflicts) {
                dt { (t.same_key) } dd { a href=(address(*other)) { (other) } }
            }
            @if let Some(trace) = &view.trace_id { dt lang="en" { "Trace" } dd { code { (trace) } } }
            dt { (t.received) } dd { (reader.moment(message.received_at)) " (" (reader.ago(message.received_at)) ")" }
            @if let Some(due) = message.due_at {
                dt { (t.next_try) } dd { (reader.moment(due)) @if due > reader.now { " (" (reader.ahead(due)) ")" } }
            }
            @if let Some(settled) = message.settled_at { dt { (t.settled) } dd { (reader.moment(settled)) } }
            dt { (t.tries) } dd { (message.attempts) }
        }
    }
}

/// Buttons for what its state allows.
fn actions(visit: &Visit, view: &View) -> Markup {
    let (t, id) = (visit.reader.texts, view.summary.id);
    let state = MessageState::from_word(&view.summary.state);
    let can_discard = matches!(state, Some(MessageState::Dead | MessageState::Skipped | MessageState::Pending));
    let can_retry =
        (can_discard || state == Some(MessageState::Discarded)) && view.body.is_some() && view.behind.is_none();
    html! {
        div.doings {
            @if can_retry {
                form method="post" action={ (address(id)) "/retry" } {
                    (page::token(visit))
                    button.main type="submit" { (t.retry_now) }
                }
            }
            @if can_discard {
                details {
                    summary { (t.discard) "…" }
                    form method="post" action={ (address(id)) "/discard" } {
                        (page::token(visit))
                        label for="why" { (t.discard_reason) }
                        input #why name="reason" required maxlength=(LONGEST_REASON) autocomplete="off";
                        button.danger type="submit" { (t.discard) }
                    }
                }
            }
            (unlink::form(visit, view))
        }
    }
}

fn issues(visit: &Visit, issues: &[Issue]) -> Markup {
    let t = visit.reader.texts;
    let is_english = visit.reader.language == Language::En;
    html! {
        ul.issues {
            @for issue in issues {
                @let (tone, severity) = severity(t, issue.severity);
                @let (what, advice) = kind(t, issue.code);
                li class=(tone) {
                    div { strong { (severity) (t.colon) (what) } @if !issue.expression.is_empty() { " " code { (issue.expression) } } }
                    div lang="en" { (issue.diagnostics) }
                    // The catalogue knows more of many of them, in English.
                    @let known = catalogue::issue(issue);
                    @if known.is_none() || !is_english { div.quiet { (advice) } }
                    @if let Some(known) = known { div.quiet lang="en" { (known.meaning) " " (known.action) } }
                }
            }
        }
    }
}

fn severity(t: &Texts, severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Fatal => ("bad", t.severity_fatal),
        Severity::Error => ("bad", t.severity_error),
        Severity::Warning => ("open", t.severity_warning),
        Severity::Information => ("", t.severity_information),
    }
}

/// What kind of problem it is, and what to do.
fn kind(t: &Texts, code: IssueType) -> (&'static str, &'static str) {
    let [what, advice] = match code {
        IssueType::Invalid => t.issue_invalid,
        IssueType::Structure => t.issue_structure,
        IssueType::Required => t.issue_required,
        IssueType::Value => t.issue_value,
        IssueType::Conflict => t.issue_conflict,
        IssueType::NotFound => t.issue_not_found,
        IssueType::NotSupported => t.issue_not_supported,
        IssueType::BusinessRule => t.issue_business_rule,
    };
    (what, advice)
}

fn both_documents(visit: &Visit, view: &View) -> Markup {
    let (t, id) = (visit.reader.texts, view.summary.id);
    let until = visit.shown.get(&Personal::Message(id));
    let received = view.body.as_deref().map(|body| String::from_utf8_lossy(body).into_owned());
    let [left, right] = [received.as_deref(), view.mapped.as_deref()].map(|text| text.and_then(documents::lines));
    let titles = titles(t, &view.summary.kind);
    // An answer goes on as it is: there is nothing to be compared.
    let marks = left
        .as_ref()
        .zip(right.as_ref())
        .filter(|_| titles.1.is_some())
        .map(|(left, right)| documents::marks(left, right));
    let known = known(view);
    let how = documents::View { shown: until.is_some(), known: &known, both: t.in_both };
    let side = |title: &str, text: Option<&str>, lines: &Option<Vec<documents::Line>>, side: usize, missing: &str| {
        html! {
            div.side {
                h3 { (title) }
                @match (text, lines) {
                    (Some(_), Some(lines)) => (how.document(lines, marks.as_ref().map(|marks| &marks[side]))),
                    // Not JSON: as it came, or not at all.
                    (Some(text), None) => { @if until.is_some() { pre.document tabindex="0" { (text) } } @else { p.quiet { (t.not_json) } } },
                    (None, _) => p.quiet { (missing) },
                }
            }
        }
    };
    html! {
        @if received.is_some() || view.mapped.is_some() {
            form.reveal method="post" action={ (address(id)) (if until.is_some() { "/hide" } else { "/show" }) } {
                (page::token(visit))
                @match until {
                    None => { button type="submit" { (t.show_data) } span.quiet { (t.show_data_hint) } },
                    Some(until) => { button type="submit" { (t.hide_data) } span.quiet { (fill(t.shown_until, &[&visit.reader.written(*until)])) } },
                }
            }
            @if marks.is_some() {
                p.legend { mark { (t.legend_both) sup { "1" } } " " span.only { (t.legend_only) } }
            }
        }
        div.sides {
            (side(titles.0, received.as_deref(), &left, 0, t.no_document))
            @if let Some(title) = titles.1 { (side(title, view.mapped.as_deref(), &right, 1, t.nothing_sent)) }
        }
    }
}

/// What the documents are. An answer is sent as it is stored, and of a claim that is followed nothing is sent.
fn titles<'t>(t: &'t Texts, kind: &str) -> (&'t str, Option<&'t str>) {
    match Kind::from_word(kind) {
        Some(Kind::Eclaim) => (t.from_hospital, Some(t.to_openimis)),
        Some(Kind::Adjudication) => (t.followed, None),
        Some(Kind::EclaimAnswer) => (t.answer_for_hospital, None),
        Some(Kind::ClaimResponse | Kind::Feedback) | None => (t.as_received, Some(t.as_sent)),
    }
}

/// `POST …/retry`.
pub(super) async fn retry(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    number: Id,
) -> Answer {
    let id = id(number)?;
    let store = &console.store;
    if !store.retry(id, &visit.name, console.now()).await? {
        return Err(not_done(&console, &visit, id).await?);
    }
    console.program.wake();
    tracing::info!(client = visit.name, %id, "retry asked for");
    Ok(to(&address(id)))
}

/// `POST …/discard`.
pub(super) async fn discard(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    Extension(form): Extension<Form>,
    number: Id,
) -> Answer {
    let (id, reason) = (id(number)?, form.get("reason"));
    if !(1..=LONGEST_REASON).contains(&reason.chars().count()) {
        return Err(Trouble::Invalid(visit.reader.texts.discard_reason.to_owned()));
    }
    if !console.store.discard(id, reason, &visit.name, console.now()).await? {
        return Err(not_done(&console, &visit, id).await?);
    }
    tracing::info!(client = visit.name, %id, "discarded");
    Ok(to(&address(id)))
}

/// Why nothing was done: somebody else was quicker.
async fn not_done(console: &Console, visit: &Visit, id: MessageId) -> Result<Trouble, Trouble> {
    let t = visit.reader.texts;
    let view = console.store.view(id).await?.ok_or(Trouble::NotFound)?;
    Ok(Trouble::Conflict(fill(t.state_now, &[&id.to_string(), page::state_word(t, &view.summary.state)])))
}

/// `POST …/show`: the documents with their values, for a while. The audit trail hears of it first.
pub(super) async fn reveal(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    number: Id,
) -> Answer {
    let id = id(number)?;
    let store = &console.store;
    store.view(id).await?.ok_or(Trouble::NotFound)?;
    store.audit_read(&visit.name, id, console.now()).await?;
    tracing::info!(client = visit.name, %id, "documents read");
    console.sessions.show(&visit.session, Personal::Message(id), console.now());
    Ok(to(&format!("{}#documents", address(id))))
}

/// `POST …/hide`.
pub(super) async fn hide(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    number: Id,
) -> Answer {
    let id = id(number)?;
    console.sessions.hide(&visit.session, Personal::Message(id));
    Ok(to(&format!("{}#documents", address(id))))
}
