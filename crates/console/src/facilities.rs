//! A registry's facilities that are not in openIMIS: why, another try, and what a possible duplicate is.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use flow::facilities::{Counts, State as FacilityState};
use maud::{Markup, html};
use url::form_urlencoded;

use super::format::{fill, grouped};
use super::page::{self, Answer, MenuEntry};
use super::sign_in::to;
use super::texts::Texts;
use super::trouble::Trouble;
use super::visit::{Form, Visit};
use super::{Console, HOME};
use flow::facilities::is_code;
use store::{FacilityFilter, FacilityLine, FacilityView, RunLine};

/// Facilities a page.
const PAGE: u32 = 50;
/// Runs that are shown.
const RUNS: u32 = 5;
const LIST: &str = "/console/facilities";

type Id = Result<Path<i64>, PathRejection>;

fn id(id: Id) -> Result<i64, Trouble> {
    id.map(|Path(id)| id).map_err(|_| Trouble::NotFound)
}

fn address(id: i64) -> String {
    format!("{LIST}/{id}")
}

fn state_word(t: &Texts, state: FacilityState) -> &'static str {
    t.facility_states[FacilityState::ALL.iter().position(|known| *known == state).unwrap_or_default()]
}

/// As messages in a like state are coloured.
fn badge(t: &Texts, state: FacilityState) -> Markup {
    let colour = match state {
        FacilityState::Done => "delivered",
        FacilityState::Failed => "dead",
        FacilityState::PossibleDuplicate | FacilityState::Due => "pending",
    };
    html! { span class={ "badge " (colour) } { (state_word(t, state)) } }
}

/// `GET /console/facilities`: those that are not done, unless a state is asked for.
pub(super) async fn list(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Answer {
    let (mut state, mut before) = (None, None);
    for (name, value) in form_urlencoded::parse(visit.uri.query().unwrap_or_default().as_bytes()) {
        match &*name {
            "state" => state = Some(FacilityState::from_word(&value).ok_or(Trouble::NotFound)?),
            "before" => before = Some(value.parse().map_err(|_| Trouble::NotFound)?),
            _ => {}
        }
    }
    let store = &console.store;
    let facilities = store.facilities(&FacilityFilter { state, before, limit: PAGE }).await?;
    let (counts, runs) = (store.facility_counts().await?, store.facility_runs(RUNS).await?);
    let older = facilities.last().filter(|_| facilities.len() == PAGE as usize).map(|last| last.id);
    let query = state.map(|state| format!("&state={}", state.word())).unwrap_or_default();
    let count = |state| counts.iter().find(|(counted, _)| *counted == state).map_or(0, |(_, count)| *count);
    let t = visit.reader.texts;
    let body = html! {
        h1 { (t.facilities) }
        p.quiet { (if console.uses.registry { t.facilities_hint } else { t.facilities_no_registry }) }
        nav.choices aria-label=(t.state) {
            a href=(LIST) aria-current=[state.is_none().then_some("true")] { (t.facilities_not_done) }
            @for known in FacilityState::ALL {
                a href={ (LIST) "?state=" (known.word()) } aria-current=[(state == Some(known)).then_some("true")] {
                    (state_word(t, known)) " " (grouped(count(known)))
                }
            }
        }
        @if facilities.is_empty() { p.empty { (t.facilities_none) } } @else { (table(&visit, &facilities)) }
        nav.pages aria-label=(t.pages) {
            @if before.is_some() { a href={ (LIST) "?" (query.trim_start_matches('&')) } { "« " (t.newest) } }
            @if let Some(older) = older { a rel="next" href={ (LIST) "?before=" (older) (query) } { (t.older) " »" } }
        }
        @if count(FacilityState::Failed) > 0 {
            form method="post" action={ (LIST) "/retry" } {
                (page::token(&visit))
                button type="submit" { (fill(t.facility_retry_all, &[&grouped(count(FacilityState::Failed))])) }
            }
        }
        (last_runs(&console, &visit, &runs))
    };
    Ok(page::full(&visit, MenuEntry::Facilities, t.facilities, &body))
}

fn table(visit: &Visit, facilities: &[FacilityLine]) -> Markup {
    let (t, reader) = (visit.reader.texts, &visit.reader);
    let titles = [t.number, t.state, t.facility_code, t.facility_registry, t.facility_name, t.reason, t.since];
    html! {
        div.wide.panel tabindex="0" role="region" aria-label=(t.facilities) {
            table {
                caption.unseen { (t.facilities) }
                thead { tr { @for title in titles { th scope="col" { (title) } } th scope="col" { span.unseen { (t.retry_now) } } } }
                tbody {
                    @for line in facilities {
                        tr {
                            th scope="row" { a href=(address(line.id)) { (line.id) } }
                            td { (badge(t, line.state)) }
                            td { @match &line.code { Some(code) => code { (code) }, None => (page::none()) } }
                            td { code { (line.source) } }
                            td { @match &line.name { Some(name) => (name), None => (page::none()) } }
                            td lang="en" { (line.reason.as_deref().unwrap_or_default()) }
                            td { (reader.ago(line.since)) }
                            td { @if line.state == FacilityState::Failed { (retry_form(visit, line.id)) } }
                        }
                    }
                }
            }
        }
    }
}

fn retry_form(visit: &Visit, id: i64) -> Markup {
    html! {
        form method="post" action={ (address(id)) "/retry" } {
            (page::token(visit))
            button type="submit" { (visit.reader.texts.retry_now) }
        }
    }
}

fn last_runs(console: &Console, visit: &Visit, runs: &[RunLine]) -> Markup {
    let (t, reader) = (visit.reader.texts, &visit.reader);
    let state = |run: &RunLine| match run.state.as_str() {
        "running" => t.facility_run_states[0],
        "interrupted" => t.facility_run_states[1],
        "done" => t.facility_run_states[2],
        _ => t.facility_run_states[3],
    };
    html! {
        section aria-labelledby="runs" {
            h2 #runs { (t.facility_runs) }
            @if runs.is_empty() { p.empty { (t.not_yet) } }
            @for run in runs {
                p {
                    (reader.moment(run.started_at)) (t.colon) (state(run)) ", "
                    @match run.since {
                        Some(since) if !run.whole => { (fill(t.facility_run_since, &[&reader.written(since)])) }
                        _ => { (t.facility_run_all) }
                    }
                    ". " (told(t, run.counts))
                    @if let Some(reason) = &run.reason { br; span.bad lang="en" { (reason) } }
                    @if let (Some(at), "interrupted") = (run.next_at, run.state.as_str()) { " " (t.next_try) (t.colon) (reader.ahead(at)) }
                }
            }
            @if console.uses.registry {
                form.doings method="post" action={ (LIST) "/sync" } {
                    (page::token(visit))
                    button type="submit" name="what" value="changed" { (t.facility_run_now) }
                    button type="submit" name="what" value="all" { (t.facility_run_all_now) }
                }
            }
        }
    }
}

fn told(t: &Texts, counts: Counts) -> String {
    let Counts { listed, created, updated, unchanged, failed, possible_duplicates, .. } = counts;
    let values = [listed, created, updated, unchanged, failed, possible_duplicates].map(grouped);
    fill(t.facility_counts, &values.each_ref().map(String::as_str))
}

/// `GET /console/facilities/{id}`.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    number: Id,
) -> Answer {
    let view = console.store.facility(id(number)?).await?.ok_or(Trouble::NotFound)?;
    let title = fill(visit.reader.texts.facility_title, &[&view.line.id.to_string()]);
    Ok(page::full(&visit, MenuEntry::Facilities, &title, &whole(&visit, &title, &view)))
}

fn whole(visit: &Visit, title: &str, view: &FacilityView) -> Markup {
    let (t, reader, line) = (visit.reader.texts, &visit.reader, &view.line);
    html! {
        header.title { h1 { (title) } (badge(t, line.state)) }
        section aria-label=(t.facts) {
            dl.facts {
                dt { (t.facility_name) } dd { @match &line.name { Some(name) => (name), None => (page::none()) } }
                dt { (t.facility_code) } dd { @match &line.code { Some(code) => code { (code) }, None => (page::none()) } }
                dt { (t.facility_registry) } dd { code { (line.source) } }
                @if let Some(reason) = &line.reason { dt { (t.reason) } dd lang="en" { (reason) } }
                dt { (t.tries) } dd { (line.attempts) }
                dt { (t.since) } dd { (reader.moment(line.since)) }
            }
            @if line.state == FacilityState::Failed { (retry_form(visit, line.id)) }
        }
        @if line.state == FacilityState::PossibleDuplicate { (decision(visit, line)) }
        @if !view.issues.is_empty() {
            section aria-label=(t.issues) {
                h2 { (t.issues) }
                ul { @for issue in &view.issues { li lang="en" { code { (issue.expression) } (t.colon) (issue.diagnostics) } } }
            }
        }
        @if let Some(document) = &view.document {
            section aria-label=(t.as_received) { h2 { (t.as_received) } pre { (pretty(document)) } }
        }
        p { a href=(LIST) { (t.back) } }
    }
}

/// Facilities are no persons: nothing is hidden.
fn pretty(document: &str) -> String {
    let parsed = serde_json::from_str::<serde_json::Value>(document);
    parsed.ok().and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| document.to_owned())
}

fn decision(visit: &Visit, line: &FacilityLine) -> Markup {
    let t = visit.reader.texts;
    html! {
        section aria-label=(t.facility_decide) {
            h2 { (t.facility_decide) }
            p { (t.facility_decide_hint) }
            form method="post" action={ (address(line.id)) "/same" } {
                (page::token(visit))
                label for="same" { (t.facility_code) } " "
                input #same name="code" required maxlength="8" autocomplete="off" spellcheck="false" value=(candidate(line));
                " " button.main type="submit" { (t.facility_same) }
            }
            form method="post" action={ (address(line.id)) "/another" } {
                (page::token(visit))
                button.main type="submit" { (t.facility_another) }
            }
        }
    }
}

/// The code with which the reason begins: a proposal only, which the admin reads.
fn candidate(line: &FacilityLine) -> &str {
    let first = line.reason.as_deref().and_then(|reason| reason.split_whitespace().next()).unwrap_or_default();
    let code = first.trim_matches(|letter: char| !letter.is_alphanumeric());
    if is_code(code) { code } else { "" }
}

/// `POST …/retry`.
pub(super) async fn retry(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    number: Id,
) -> Answer {
    let id = id(number)?;
    let store = &console.store;
    let view = store.facility(id).await?.ok_or(Trouble::NotFound)?;
    if store.ask_facilities_again(Some(id), &visit.name, console.now()).await? == 0 {
        return Err(Trouble::Conflict(state_word(visit.reader.texts, view.line.state).to_owned()));
    }
    console.program.wake_facilities();
    Ok(to(&address(id)))
}

/// `POST /console/facilities/retry`: all that failed.
pub(super) async fn retry_all(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Answer {
    console.store.ask_facilities_again(None, &visit.name, console.now()).await?;
    console.program.wake_facilities();
    Ok(to(&format!("{LIST}?state=due")))
}

/// `POST /console/facilities/sync`: a run, now.
pub(super) async fn sync(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    Extension(form): Extension<Form>,
) -> Answer {
    if !console.uses.registry {
        return Err(Trouble::Conflict(visit.reader.texts.facilities_no_registry.to_owned()));
    }
    let whole = form.get("what") == "all";
    let what = if whole { "all facilities" } else { "changed facilities" };
    console.store.audited(&visit.name, "sync facilities", None, what, console.now()).await?;
    console.program.ask_for_facility_run(whole);
    Ok(to(LIST))
}

/// `POST …/same`: it is the facility of this code.
pub(super) async fn same(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    Extension(form): Extension<Form>,
    number: Id,
) -> Answer {
    let code = form.get("code");
    if !is_code(code) {
        return Err(Trouble::Invalid(visit.reader.texts.facility_code.to_owned()));
    }
    decided(&console, &visit, id(number)?, Some(code)).await
}

/// `POST …/another`: it is another facility.
pub(super) async fn another(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    number: Id,
) -> Answer {
    decided(&console, &visit, id(number)?, None).await
}

async fn decided(console: &Console, visit: &Visit, id: i64, code: Option<&str>) -> Answer {
    let store = &console.store;
    let view = store.facility(id).await?.ok_or(Trouble::NotFound)?;
    let national_id = view.line.code.as_deref().map(|own| console.program.national_id(own)).unwrap_or_default();
    if !store.decide_facility(id, &national_id, code, &visit.name, console.now()).await? {
        return Err(Trouble::Conflict(state_word(visit.reader.texts, view.line.state).to_owned()));
    }
    console.program.wake_facilities();
    tracing::info!(client = visit.name, facility = id, "a possible duplicate was decided");
    Ok(to(&address(id)))
}

/// How many are not in openIMIS, for the overview; nothing if none.
pub(super) async fn notice(console: &Console, visit: &Visit) -> Result<Markup, Trouble> {
    let counts = console.store.facility_counts().await?;
    let open: u64 = counts.iter().filter(|(state, _)| *state != FacilityState::Done).map(|(_, count)| count).sum();
    if open == 0 {
        return Ok(html! {});
    }
    let text = fill(visit.reader.texts.facilities_open, &[&grouped(open)]);
    Ok(html! { p.alarm.calm { a #facilities href={ (HOME) "/facilities" } { (text) } } })
}
