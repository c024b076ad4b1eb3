//! Transactions of OpenHIM are told what became of their messages: delivered, or a dead letter. What is to be told stands in the store, so
//! that neither a stop nor a core that is away loses it; deliveries do not wait for it.

use std::sync::Arc;
use std::time::Duration;

use flow::message::{State, TrailEntry};
use flow::openhim::core::{Call, CoreError};
use flow::openhim::report::Report;
use flow::ports::{Clock, StoreError};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

use super::api::{CallError, call};
use super::status::{Problem, Reports};
use crate::Host;
use crate::worker::{Stop, asked};
use store::{Pending, View};

/// When a message is looked at first. Most are delivered at once, but the core is still writing down its own answer then, which would take
/// the place of what it is told.
pub(super) const FIRST_LOOK: SignedDuration = SignedDuration::from_secs(2);
/// Time between two looks at what is due.
const LOOK: Duration = Duration::from_millis(500);
/// Wait after the core refused or said nothing, doubled each time; and the longest.
const REFUSED: Duration = Duration::from_secs(1);
const REFUSED_LONGEST: Duration = Duration::from_secs(60);
/// Wait after the store failed.
const STORE_FAILED: Duration = Duration::from_secs(5);
/// How many are taken at a time.
const AT_A_TIME: u32 = 64;
/// For how long. Whoever takes them after that looks first what the core has.
const TAKEN: SignedDuration = SignedDuration::from_mins(5);
/// Longest wait after a refused call.
const LONGEST: SignedDuration = SignedDuration::from_mins(10);
/// A dead letter that was told is looked at again: it may still be put back and delivered.
const DEAD: SignedDuration = SignedDuration::from_hours(1);
/// How long a refused call is waited after; doubled each time.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(5);

/// What came of one.
enum Told {
    /// The core has it.
    Yes,
    /// Not yet; the core may have it all the same.
    NotYet(CallError),
    /// It never will be.
    Never(CallError),
}

/// What came of a look at what is due.
enum Worked {
    /// There was nothing.
    Nothing,
    /// All of it is done.
    All,
    /// There may be more.
    Some,
    /// The core cannot be told anything now.
    Refused,
}

/// Tells transactions until asked to stop.
pub async fn report(host: Arc<Host>, mut stop: Stop) {
    let mut refusals = 0;
    loop {
        let worked = tokio::select! {
            biased;
            () = asked(&mut stop) => return,
            worked = some(&host) => worked,
        };
        let mut wait = LOOK;
        match worked {
            Ok(Worked::Some) => {
                refusals = 0;
                continue;
            }
            Ok(Worked::All) => refusals = 0,
            Ok(Worked::Nothing) => {}
            // However many are due: the core is asked for one of them, and ever less often.
            Ok(Worked::Refused) => {
                wait = REFUSED.saturating_mul(1 << refusals).min(REFUSED_LONGEST);
                refusals = (refusals + 1).min(8);
            }
            Err(error) => {
                wait = STORE_FAILED;
                tracing::error!(%error, "OpenHIM's transactions were not told");
            }
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = asked(&mut stop) => return,
        }
    }
}

/// Tells some.
async fn some(host: &Host) -> Result<Worked, StoreError> {
    let begun = Instant::now();
    let store = &host.flow.store;
    let now = store.now(host.flow.clock.now()).await?;
    let (taken, may_be_more) = store.take_reports(now, after(now, TAKEN), AT_A_TIME).await?;
    for (place, report) in taken.iter().enumerate() {
        // Before they are anybody's again: two that tell the same at the same time would tell it twice.
        if begun.elapsed() > TAKEN.unsigned_abs() / 2 {
            store.put_reports_back(&taken[place..], now).await?;
            return Ok(Worked::Some);
        }
        // One that cannot be told now stands for all.
        if !one(host, report).await? {
            store.put_reports_back(&taken[place + 1..], after(now, FIRST_WAIT)).await?;
            return Ok(Worked::Refused);
        }
    }
    Ok(match (may_be_more, taken.is_empty()) {
        (true, _) => Worked::Some,
        (false, true) => Worked::Nothing,
        (false, false) => Worked::All,
    })
}

/// Tells one. False: the core cannot be told anything now.
async fn one(host: &Host, report: &Pending) -> Result<bool, StoreError> {
    let store = &host.flow.store;
    // Retention took the message: it ended long ago.
    let Some(view) = store.view(report.message).await? else { return store.remove_report(report).await.map(|()| true) };
    let told = told(host, report, &view).await;
    let now = store.now(host.flow.clock.now()).await?;
    let age = now.duration_since(report.created_at);
    match told {
        Told::Yes => {
            noted(host, |reports| {
                reports.told += 1;
                reports.problem = None;
            });
            let (id, state) = (report.message, report.state);
            tracing::debug!(%id, transaction = report.transaction, %state, "OpenHIM was told");
            match state {
                State::Dead => store.put_report_off(report, after(now, DEAD), Some(state), false).await?,
                _ => store.remove_report(report).await?,
            }
            Ok(true)
        }
        Told::NotYet(error)
            if host.flow.clock.is_doubted()
                || age < host.config.openhim.report_give_up_after + waited(&view, report) =>
        {
            note(host, &error, now);
            let wait = FIRST_WAIT * (1 << report.tries.saturating_sub(1).min(8));
            store.put_report_off(report, after(now, wait.min(LONGEST)), report.told, true).await?;
            // A failure of the core may be about this one transaction; a refusal or silence is about all.
            Ok(matches!(error, CallError::Refused(CoreError::Failed(..))))
        }
        Told::NotYet(error) | Told::Never(error) => {
            note(host, &error, now);
            noted(host, |reports| reports.given_up += 1);
            let (id, transaction, state) = (report.message, &report.transaction, report.state);
            let error = error.unquoted();
            tracing::error!(%id, transaction, %state, error, "given up: OpenHIM is not told of this message");
            store.remove_report(report).await.map(|()| true)
        }
    }
}

/// How long the message itself took: the time for telling begins at its end.
fn waited(view: &View, report: &Pending) -> SignedDuration {
    let ended = view.summary.settled_at.unwrap_or(report.created_at);
    ended.duration_since(report.created_at).max(SignedDuration::ZERO)
}

async fn told(host: &Host, report: &Pending, view: &View) -> Told {
    // That it was received the transaction shows already.
    let since = view.trail.iter().filter(|line| line.at >= report.created_at && !line.event.starts_with("received"));
    let mut trail: Vec<TrailEntry> = since.map(entry).collect();
    if report.told.is_some() {
        // It was a dead letter then: up to there it was told.
        let before = trail.iter().rposition(|line| line.event == "dead letter");
        trail.drain(..before.map_or(0, |before| before + 1));
    }
    let about = Report {
        id: report.message,
        state: report.state,
        reason: view.summary.reason.as_deref().unwrap_or_default(),
        issues: &view.issues,
        trail: &trail,
        settled_at: view.summary.settled_at.unwrap_or(report.created_at),
    };
    // An earlier try may have reached the core: steps are added, and would stand there twice.
    if report.tries > 1 {
        match call(host, &Call::Transaction(&report.transaction)).await {
            Ok(transaction) if about.is_told(&transaction) => return Told::Yes,
            Ok(_) => {}
            Err(error) => return judged(error),
        }
    }
    match call(host, &Call::Update(&report.transaction, &about.update())).await {
        Ok(_) => Told::Yes,
        Err(error) => judged(error),
    }
}

/// Credentials can be corrected and a core comes back; a transaction that is not there, or a document that it does not take, stay so.
fn judged(error: CallError) -> Told {
    match error {
        CallError::Refused(CoreError::Unknown(_) | CoreError::Invalid(_)) => Told::Never(error),
        error => Told::NotYet(error),
    }
}

fn noted(host: &Host, note: impl FnOnce(&mut Reports)) {
    note(&mut host.openhim.state().reports);
}

fn note(host: &Host, error: &CallError, now: Timestamp) {
    if Problem::note(&mut host.openhim.state().reports.problem, error.to_string(), now) {
        let error = error.unquoted();
        tracing::warn!(error, "OpenHIM could not be told what became of a message; it is tried again");
    }
}

fn entry(line: &store::TrailLine) -> TrailEntry {
    TrailEntry {
        at: line.at,
        event: line.event.clone(),
        detail: String::new(),
        status: line.status,
        duration_ms: line.duration_ms,
    }
}

fn after(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(now)
}
