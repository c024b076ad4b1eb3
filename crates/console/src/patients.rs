//! Insurees who look like a CHT contact: somebody says whether they are the same person.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use maud::{Markup, html};
use serde_json::Value;
use url::form_urlencoded;

use super::format::fill;
use super::mask::HIDDEN;
use super::page::{self, Answer, MenuEntry};
use super::session::Personal;
use super::sign_in::to;
use super::texts::Texts;
use super::trouble::Trouble;
use super::visit::{Form, Visit};
use super::{Console, HOME};
use store::{Decided, PROPOSAL_STATES, Proposal, ProposalFilter, ProposalView};

/// Proposals a page.
const PAGE: u32 = 50;
/// Keys that both sides may have, in the order in which they are compared. What is in one of them only stands below.
const FIELDS: [&str; 7] = ["name", "date_of_birth", "phone", "sex", "chf_id", "openimis_id", "place"];

type Id = Result<Path<i64>, PathRejection>;

fn id(id: Id) -> Result<i64, Trouble> {
    id.map(|Path(id)| id).map_err(|_| Trouble::NotFound)
}

fn address(id: i64) -> String {
    format!("/console/patients/{id}")
}

fn state_word<'t>(t: &'t Texts, state: &'t str) -> &'t str {
    match state {
        "open" => t.patient_open,
        "confirmed" => t.patient_confirmed,
        "refused" => t.patient_refused,
        "closed" => t.patient_closed,
        other => other,
    }
}

/// `GET /console/patients`: the open ones, unless another state is asked for.
pub(super) async fn list(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Answer {
    let (mut state, mut before) = ("open".to_owned(), None);
    for (name, value) in form_urlencoded::parse(visit.uri.query().unwrap_or_default().as_bytes()) {
        match &*name {
            "state" => state = value.into_owned(),
            "before" => before = Some(value.parse().map_err(|_| Trouble::NotFound)?),
            _ => {}
        }
    }
    if !PROPOSAL_STATES.contains(&state.as_str()) {
        return Err(Trouble::NotFound);
    }
    let filter = ProposalFilter { state: Some(state.clone()), before, limit: PAGE };
    let proposals = console.store.proposals(&filter).await?;
    let older = proposals.last().filter(|_| proposals.len() == PAGE as usize).map(|last| last.id);
    let t = visit.reader.texts;
    let body = html! {
        h1 { (t.patients) }
        p.quiet { (t.patients_hint) }
        nav.choices aria-label=(t.state) {
            @for known in PROPOSAL_STATES {
                a href={ "/console/patients?state=" (known) } aria-current=[(known == state).then_some("true")] {
                    (state_word(t, known))
                }
            }
        }
        @if proposals.is_empty() { p.empty { (t.patients_none) } } @else { (table(&visit, &proposals)) }
        nav.pages aria-label=(t.pages) {
            @if before.is_some() { a href={ "/console/patients?state=" (state) } { "« " (t.newest) } }
            @if let Some(older) = older {
                a rel="next" href={ "/console/patients?state=" (state) "&before=" (older) } { (t.older) " »" }
            }
        }
    };
    Ok(page::full(&visit, MenuEntry::Patients, t.patients, &body))
}

fn table(visit: &Visit, proposals: &[Proposal]) -> Markup {
    let (t, reader) = (visit.reader.texts, &visit.reader);
    html! {
        div.wide.panel tabindex="0" role="region" aria-label=(t.patients) {
            table {
                caption.unseen { (t.patients) }
                thead {
                    tr {
                        @for title in [t.number, t.patient_likeness, t.patient_why, t.insuree, t.patient_waiting, t.since] {
                            th scope="col" { (title) }
                        }
                    }
                }
                tbody {
                    @for proposal in proposals {
                        tr {
                            th scope="row" { a href=(address(proposal.id)) { (proposal.id) } }
                            td { (likeness(t, proposal)) }
                            td lang="en" { (proposal.why) }
                            td { code { (proposal.insuree_uuid.chars().take(8).collect::<String>()) "…" } }
                            td { (proposal.waiting) }
                            td { (reader.ago(proposal.created_at)) }
                        }
                    }
                }
            }
        }
    }
}

fn likeness(t: &Texts, proposal: &Proposal) -> String {
    let how = if proposal.kind == "several" { t.patient_several } else { t.patient_similar };
    format!("{:.0} %, {how}", proposal.score * 100.0)
}

/// `GET /console/patients/{id}`.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    number: Id,
) -> Answer {
    let id = id(number)?;
    let view = console.store.proposal(id).await?.ok_or(Trouble::NotFound)?;
    let t = visit.reader.texts;
    let body = whole(&visit, &view);
    Ok(page::full(&visit, MenuEntry::Patients, t.patient_title, &body))
}

fn whole(visit: &Visit, view: &ProposalView) -> Markup {
    let (t, reader, proposal) = (visit.reader.texts, &visit.reader, &view.proposal);
    let is_open = proposal.state == "open";
    let until = visit.shown.get(&Personal::Proposal(proposal.id));
    html! {
        header.title { h1 { (t.patient_title) } span.badge { (state_word(t, &proposal.state)) } }
        section aria-label=(t.facts) {
            dl.facts {
                dt { (t.insuree) } dd { a href={ "/console/messages?insuree=" (proposal.insuree_uuid) } { code { (proposal.insuree_uuid) } } }
                dt { (t.patient_contact) } dd { code { (proposal.contact_id) } }
                dt { (t.patient_likeness) } dd { (likeness(t, proposal)) }
                dt { (t.patient_why) } dd lang="en" { (proposal.why) }
                dt { (t.patient_waiting) } dd {
                    (proposal.waiting)
                    @for message in &view.messages { " " a href={ "/console/messages/" (message) } { (message) } }
                }
                dt { (t.since) } dd { (reader.moment(proposal.created_at)) }
                @if let Some(at) = proposal.decided_at {
                    dt { (t.patient_decided) }
                    dd { (reader.moment(at)) @if let Some(who) = &proposal.decided_by { ", " (who) } }
                }
            }
        }
        @if is_open {
            section aria-label=(t.documents) {
                form.reveal method="post" action={ (address(proposal.id)) (if until.is_some() { "/hide" } else { "/show" }) } {
                    (page::token(visit))
                    @match until {
                        None => { button type="submit" { (t.show_data) } span.quiet { (t.patient_decide_hint) " " (t.show_data_hint) } },
                        Some(until) => { button type="submit" { (t.hide_data) } span.quiet { (fill(t.shown_until, &[&reader.written(*until)])) } },
                    }
                }
                (comparison(t, view, until.is_some()))
                @if until.is_some() { (decision(visit, proposal.id)) }
            }
        }
        p { a href="/console/patients" { (t.back) } }
    }
}

/// Who decides has to have seen both: it links one person's claims with another's telephone if it is wrong.
fn decision(visit: &Visit, id: i64) -> Markup {
    let t = visit.reader.texts;
    html! {
        form.decision method="post" {
            (page::token(visit))
            label { input type="checkbox" name="sure" value="yes" required; " " (t.patient_sure) }
            div.doings {
                button.main type="submit" formaction={ (address(id)) "/confirm" } { (t.patient_same) }
                button.main type="submit" formaction={ (address(id)) "/refuse" } { (t.patient_other) }
            }
        }
    }
}

/// A browser asks for the tick by itself.
fn sure(visit: &Visit, form: &Form) -> Result<(), Trouble> {
    match form.get("sure") {
        "yes" => Ok(()),
        _ => Err(Trouble::Invalid(visit.reader.texts.patient_sure.to_owned())),
    }
}

fn comparison(t: &Texts, view: &ProposalView, is_shown: bool) -> Markup {
    let further = |side: &Value| -> Vec<String> {
        let keys = side.as_object().into_iter().flat_map(|side| side.keys());
        keys.filter(|key| !FIELDS.contains(&key.as_str())).cloned().collect()
    };
    let mut fields: Vec<String> = FIELDS.map(str::to_owned).into();
    fields.extend(further(&view.insuree));
    fields.extend(further(&view.contact).into_iter().filter(|key| view.insuree.get(key).is_none()));
    fields.retain(|field| [&view.insuree, &view.contact].iter().any(|side| !text(side, field).is_empty()));
    let value = |side: &Value, field: &str| {
        let text = text(side, field);
        if text.is_empty() {
            "–".to_owned()
        } else if is_shown {
            text
        } else {
            HIDDEN.to_owned()
        }
    };
    html! {
        table {
            caption.unseen { (t.patient_title) }
            thead { tr { th scope="col" { (t.field) } th scope="col" { "openIMIS" } th scope="col" { "CHT" } } }
            tbody {
                @for field in &fields {
                    @let is_same = text(&view.insuree, field) == text(&view.contact, field);
                    tr {
                        th scope="row" { (named(t, field)) }
                        @for side in [&view.insuree, &view.contact] {
                            td { @if is_same { mark { (value(side, field)) } } @else { (value(side, field)) } }
                        }
                    }
                }
            }
        }
    }
}

/// A field as the reader calls it.
fn named<'t>(t: &'t Texts, field: &'t str) -> &'t str {
    FIELDS.iter().position(|known| *known == field).map_or(field, |at| t.patient_fields[at])
}

fn text(side: &Value, field: &str) -> String {
    match side.get(field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// `POST …/show`: with names and numbers, for a while. The audit trail hears of it first.
pub(super) async fn reveal(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    number: Id,
) -> Answer {
    let id = id(number)?;
    let store = &console.store;
    store.proposal(id).await?.ok_or(Trouble::NotFound)?;
    store.audited(&visit.name, "read patient", None, &format!("of proposal {id}"), console.now()).await?;
    console.sessions.show(&visit.session, Personal::Proposal(id), console.now());
    Ok(to(&address(id)))
}

/// `POST …/hide`.
pub(super) async fn hide(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    number: Id,
) -> Answer {
    let id = id(number)?;
    console.sessions.hide(&visit.session, Personal::Proposal(id));
    Ok(to(&address(id)))
}

/// `POST …/confirm`: the same person.
pub(super) async fn confirm(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    Extension(form): Extension<Form>,
    number: Id,
) -> Answer {
    let id = id(number)?;
    sure(&visit, &form)?;
    let decided = console.store.confirm_match(id, &visit.name, console.now()).await?;
    decided_page(&console, &visit, id, decided)
}

/// `POST …/refuse`: another person.
pub(super) async fn refuse(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    Extension(form): Extension<Form>,
    number: Id,
) -> Answer {
    let id = id(number)?;
    sure(&visit, &form)?;
    let decided = console.store.refuse_match(id, &visit.name, console.now()).await?;
    decided_page(&console, &visit, id, decided)
}

fn decided_page(console: &Console, visit: &Visit, id: i64, decided: Decided) -> Answer {
    match decided {
        Decided::Done { .. } => {
            console.program.wake();
            tracing::info!(client = visit.name, proposal = id, "a possible match was decided");
            console.sessions.hide(&visit.session, Personal::Proposal(id));
            Ok(to(&address(id)))
        }
        // Somebody else was quicker.
        Decided::NotOpen(state) => Err(Trouble::Conflict(state_word(visit.reader.texts, &state).to_owned())),
        Decided::NotFound => Err(Trouble::NotFound),
    }
}

/// How many wait, for the overview; nothing if none.
pub(super) async fn notice(console: &Console, visit: &Visit) -> Result<Markup, Trouble> {
    let filter = ProposalFilter { state: Some("open".to_owned()), before: None, limit: PAGE };
    let open = console.store.proposals(&filter).await?.len();
    if open == 0 {
        return Ok(html! {});
    }
    let count = if open == PAGE as usize { format!("{open}+") } else { open.to_string() };
    let text = fill(visit.reader.texts.patients_open, &[&count]);
    Ok(html! { p.alarm.calm { a #patients href={ (HOME) "/patients" } { (text) } } })
}
