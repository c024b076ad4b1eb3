//! When the facilities are brought to openIMIS: as the schedules say, at once where a run was left in the middle, and when an admin asks.

use std::sync::Arc;
use std::time::Duration;

use cronexpr::{Crontab, MakeTimestamp};
use flow::facilities::{Counts, Event, RunRequest};
use flow::ports::{Clock, StoreError};
use jiff::Timestamp;
use tokio::time::sleep;

use super::{SyncError, retry, sync};
use crate::Host;
use crate::worker::{Stop, asked};
use store::RunLine;

/// Time between two looks: another process may have put a facility back, or finished a run.
const LOOK: Duration = Duration::from_secs(10);
/// Runs that are looked at for the last whole one.
const RUNS: u32 = 200;
/// As which the schedule begins runs.
const ACTOR: &str = "schedule";

/// Does it until asked to stop. What is left in the middle is taken up at the next start.
pub async fn keep(host: Arc<Host>, mut stop: Stop) {
    let since = host.flow.clock.now();
    while !*stop.borrow() {
        let pause = look(&host, since, &mut stop).await;
        tokio::select! {
            () = asked(&mut stop) => {}
            () = host.facilities.asked.notified() => {}
            () = sleep(pause) => {}
        }
    }
}

/// Does what is due; how long to wait for the next look.
async fn look(host: &Host, since: Timestamp, stop: &mut Stop) -> Duration {
    match due(host, since).await {
        Ok(Due::Run { whole, actor }) => run(host, whole, actor, stop).await,
        Ok(Due::Later(at)) => {
            try_again(host, stop).await;
            let wait = at.duration_since(host.flow.clock.now());
            return Duration::try_from(wait).unwrap_or_default().clamp(Duration::from_millis(100), LOOK);
        }
        Err(error) => tracing::error!(%error, "the facilities cannot be looked after"),
    }
    LOOK
}

enum Due {
    Run { whole: bool, actor: &'static str },
    Later(Timestamp),
}

async fn due(host: &Host, since: Timestamp) -> Result<Due, StoreError> {
    let store = &host.flow.store;
    let now = host.flow.clock.now();
    if let Some(whole) = host.facilities.take_run() {
        return Ok(Due::Run { whole, actor: "console" });
    }
    let runs = store.facility_runs(RUNS).await?;
    let open = runs.first().filter(|run| matches!(run.state.as_str(), "running" | "interrupted"));
    if let Some(run) = open {
        return Ok(match run.next_at {
            Some(at) if at > now => Due::Later(at),
            _ => Due::Run { whole: run.whole, actor: ACTOR },
        });
    }
    let [changed, whole] = host.config.facilities.schedules();
    let last = |of: fn(&&RunLine) -> bool| runs.iter().find(of).map_or(since, |run| run.started_at);
    let (changed, whole) = (next(changed, last(|_| true)), next(whole, last(|run| run.whole)));
    if whole <= now {
        return Ok(Due::Run { whole: true, actor: ACTOR });
    }
    Ok(if changed <= now { Due::Run { whole: false, actor: ACTOR } } else { Due::Later(changed.min(whole)) })
}

/// The first moment after a moment; far away where there is none.
fn next(schedule: Option<Crontab>, after: Timestamp) -> Timestamp {
    let next = schedule.and_then(|schedule| schedule.find_next(MakeTimestamp(after)).ok());
    next.map_or(Timestamp::MAX, |next| next.timestamp())
}

async fn run(host: &Host, whole: bool, actor: &str, stop: &mut Stop) {
    let wanted = RunRequest { whole, dry_run: false, actor: actor.to_owned() };
    let done = sync(&host.flow.fresh(), &host.config, &wanted, &mut heard, asked(stop)).await;
    tell(if whole { "all facilities" } else { "changed facilities" }, done);
}

async fn try_again(host: &Host, stop: &mut Stop) {
    match host.flow.store.is_facility_due().await {
        Ok(false) => {}
        Ok(true) => {
            tell("facilities again", retry(&host.flow.fresh(), &host.config, ACTOR, &mut heard, asked(stop)).await)
        }
        Err(error) => tracing::error!(%error, "the facilities that are due cannot be looked for"),
    }
}

fn heard(event: Event<'_>) {
    match event {
        Event::Facility(record) => {
            let code = record.code.as_deref().unwrap_or_default();
            let action = record.action.map_or("", |action| action.word());
            tracing::debug!(source = record.source, code, state = record.state.word(), action, "facility");
        }
        Event::Warning(issue) => tracing::warn!(%issue, "a page of the registry"),
        // The reason may be what openIMIS said.
        Event::Waiting { until, .. } => tracing::info!(%until, "the facilities wait for openIMIS"),
        Event::Page { .. } => {}
    }
}

fn tell(what: &str, done: Result<Counts, SyncError>) {
    match done {
        Ok(counts) => {
            let Counts { listed, created, updated, unchanged, failed, possible_duplicates, .. } = counts;
            tracing::info!(listed, created, updated, unchanged, failed, possible_duplicates, "{what}: done");
        }
        Err(SyncError::Asked) => {}
        Err(SyncError::Busy(holder)) => tracing::debug!(owner = holder.owner, "{what}: another run is at work"),
        Err(error) => {
            let error = error.unquoted();
            tracing::warn!(error, "{what}: not done, they go on later; the run's reason is in `facilities runs`");
        }
    }
}
