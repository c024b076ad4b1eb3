//! Retrying many: asked for with a filter, done in slices in the background, followed on a page of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use flow::State as MessageState;
use jiff::Timestamp;
use maud::{Markup, html};

use super::Console;
use super::filter::Asked;
use super::format::{fill, grouped};
use super::page::{self, Answer, MenuEntry};
use super::sign_in::to;
use super::trouble::Trouble;
use super::visit::{Form, Visit};
use store::Filter;

/// Most that run at a time: each takes its turns at the store.
const AT_ONCE: usize = 4;
/// Most that are remembered.
const REMEMBERED: usize = 100;
/// Most that are counted beforehand.
const COUNTED: u32 = 1_000_000;

/// What was begun since the process started.
#[derive(Default)]
pub(super) struct Jobs {
    all: Mutex<BTreeMap<u64, Arc<Job>>>,
    last: AtomicU64,
}

/// One retry of many.
struct Job {
    who: String,
    begun: Timestamp,
    asked: Asked,
    total: u64,
    retried: AtomicU64,
    end: Mutex<End>,
}

/// How it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Running,
    Done,
    /// The store failed; what was put back stays so.
    Failed,
}

impl Job {
    fn end(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Jobs {
    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Job>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None: enough run already.
    fn begin(&self, job: Job) -> Option<(u64, Arc<Job>)> {
        let mut all = self.all();
        if all.values().filter(|job| *job.end() == End::Running).count() >= AT_ONCE {
            return None;
        }
        while all.len() >= REMEMBERED
            && let Some(oldest) = all.iter().find(|(_, job)| *job.end() != End::Running).map(|(id, _)| *id)
        {
            all.remove(&oldest);
        }
        let (id, job) = (self.last.fetch_add(1, Ordering::Relaxed) + 1, Arc::new(job));
        all.insert(id, job.clone());
        Some((id, job))
    }
}

/// The filter, if many can be retried by it.
fn filter(visit: &Visit, asked: &Asked) -> Result<Filter, Trouble> {
    let filter = asked.filter(&visit.reader).map_err(|wrong| Trouble::Invalid(wrong.join(", ")))?;
    match filter.state {
        Some(MessageState::Dead | MessageState::Skipped | MessageState::Discarded | MessageState::Pending) => {
            Ok(Filter { before: None, ..filter })
        }
        _ => Err(Trouble::Invalid(visit.reader.texts.retry_which_state.to_owned())),
    }
}

/// `GET /console/retry`: says what would be done.
pub(super) async fn ask(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Answer {
    let asked = Asked::from_query(visit.uri.query().unwrap_or_default());
    let filter = filter(&visit, &asked)?;
    let count = console.store.count_fitting(&filter, COUNTED).await?;
    let t = visit.reader.texts;
    let title = fill(t.retry_all, &[&grouped(count)]);
    let body = html! {
        h1 { (title) }
        p { (t.retry_all_hint) }
        (described(&visit, &asked))
        form.confirm method="post" action="/console/retry" {
            (page::token(&visit))
            (asked.hidden())
            button.main type="submit" disabled[count == 0] { (t.retry_now) }
            a href={ "/console/messages" (asked.query(None)) } { (t.back) }
        }
    };
    Ok(page::full(&visit, MenuEntry::Messages, &title, &body))
}

/// The filter in words.
fn described(visit: &Visit, asked: &Asked) -> Markup {
    let t = visit.reader.texts;
    let of = |label: &str, value: &str| html! { @if !value.is_empty() { dt { (label) } dd { (value) } } };
    html! {
        dl.facts {
            (of(t.state, page::state_word(t, &asked.state)))
            (of(t.kind, page::kind_word(t, &asked.kind)))
            (of(t.claim, &asked.claim)) (of(t.insuree, &asked.insuree)) (of(t.from, &asked.from)) (of(t.to, &asked.to))
        }
    }
}

/// `POST /console/retry`. It goes on also when nobody looks any more.
pub(super) async fn begin(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    Extension(form): Extension<Form>,
) -> Answer {
    let asked = Asked::from_form(&form);
    let filter = filter(&visit, &asked)?;
    let total = console.store.count_fitting(&filter, COUNTED).await?;
    let job = Job {
        who: visit.name.clone(),
        begun: console.now(),
        asked,
        total,
        retried: AtomicU64::new(0),
        end: Mutex::new(End::Running),
    };
    let Some((id, job)) = console.jobs.begin(job) else {
        return Err(Trouble::Conflict(visit.reader.texts.retry_enough.to_owned()));
    };
    let console = console.clone();
    tokio::spawn(async move {
        let (store, now) = (&console.store, console.now());
        let progress = |count| {
            job.retried.store(count, Ordering::Relaxed);
            console.program.wake();
        };
        let done = store.retry_all(&filter, &job.who, now, progress).await;
        match &done {
            Ok(count) => tracing::info!(client = job.who, count, "retry of many asked for"),
            Err(error) => tracing::error!(client = job.who, %error, "a retry of many stopped half-way"),
        }
        *job.end() = if done.is_ok() { End::Done } else { End::Failed };
    });
    Ok(to(&format!("/console/jobs/{id}")))
}

/// `GET /console/jobs/{id}`: the page, or the part of it that htmx asks for again and again.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    number: Result<Path<u64>, PathRejection>,
) -> Answer {
    let Path(id) = number.map_err(|_| Trouble::NotFound)?;
    let job = console.jobs.all().get(&id).cloned().ok_or(Trouble::NotFound)?;
    let progress = progress(&visit, id, &job);
    if visit.is_part {
        return Ok(page::part(&progress));
    }
    let t = visit.reader.texts;
    let title = fill(t.retry_all, &[&grouped(job.total)]);
    let refresh = (*job.end() == End::Running).then_some(2);
    let body = html! {
        h1 { (title) }
        p.quiet { (job.who) ", " (visit.reader.moment(job.begun)) }
        (described(&visit, &job.asked))
        // Stays while its content is exchanged: what hears the page out is told of the change.
        div role="status" { (progress) }
    };
    Ok(page::refreshed(&visit, MenuEntry::Messages, &title, refresh, &body))
}

fn progress(visit: &Visit, id: u64, job: &Job) -> Markup {
    let t = visit.reader.texts;
    let (end, retried) = (*job.end(), job.retried.load(Ordering::Relaxed));
    // What cannot be put back (no document any more) does not count, but it is done all the same.
    let percent = match end {
        End::Done => 100,
        _ => (retried * 100).checked_div(job.total).unwrap_or(100).min(99),
    };
    let address = (end == End::Running).then(|| format!("/console/jobs/{id}"));
    let trigger = address.as_ref().map(|_| "every 1s");
    let text = match end {
        End::Running => t.retry_running,
        End::Done => t.retry_done,
        End::Failed => t.retry_failed,
    };
    let text = fill(text, &[&grouped(retried), &grouped(job.total)]);
    html! {
        div #progress hx-get=[address] hx-trigger=[trigger] hx-swap="outerHTML" {
            progress max="100" value=(percent) aria-label=(t.progress) { (percent) " %" }
            p class=(match end { End::Running => "open", End::Done => "good", End::Failed => "bad" }) {
                (percent) " % · " (text)
            }
            @if end != End::Running { p { a href={ "/console/messages" (job.asked.query(None)) } { (t.back) } } }
        }
    }
}
