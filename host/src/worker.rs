//! Background work: messages are delivered as they become due, openIMIS is polled, the subscription is kept.

use std::sync::Arc;
use std::time::Duration;

use flow::message::Outcome;
use flow::peers::PeerError;
use flow::poll::{Found, PollError};
use flow::ports::{Clock, Store};
use flow::subscription::Kept;
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Host;

/// Longest sleep of the worker: what another process put back (`messages retry`) is seen after it.
const LONGEST_SLEEP: Duration = Duration::from_secs(2);

/// Turns true once the process is asked to stop.
pub type Stop = watch::Receiver<bool>;

/// Delivers until asked to stop, then waits for what is on its way.
pub async fn deliver(host: Arc<Host>, mut stop: Stop) {
    let concurrency = host.config.worker.concurrency as usize;
    let mut running = JoinSet::new();
    while !*stop.borrow() {
        let free = (concurrency - running.len()) as u32;
        let now = host.flow.clock.now();
        let until = now.saturating_add(host.flow.settings.retry.lease).unwrap_or(now);
        let leased = match free {
            0 => Vec::new(),
            free => host.flow.store.lease(now, until, free).await.unwrap_or_else(|error| {
                tracing::error!(%error, "no messages could be taken for delivery");
                Vec::new()
            }),
        };
        let idle = leased.is_empty();
        for message in leased {
            let host = host.clone();
            running.spawn(async move {
                let delivered = host.flow.deliver(&message).await;
                let (id, kind, attempt) = (message.id, message.kind, message.attempt);
                // Ids and outcomes only; the reason is on the trail.
                match delivered {
                    Ok(Outcome::Delivered { .. }) => tracing::info!(%id, %kind, attempt, "delivered"),
                    Ok(Outcome::Skipped { .. }) => tracing::info!(%id, %kind, "skipped by the task policy"),
                    Ok(Outcome::Waiting { at, .. }) => tracing::debug!(%id, %kind, %at, "waiting"),
                    Ok(Outcome::Retry { at, .. }) => {
                        tracing::warn!(%id, %kind, attempt, %at, "not delivered, will be tried again")
                    }
                    Ok(Outcome::Dead { .. }) => tracing::error!(%id, %kind, "dead letter: see `messages show {id}`"),
                    Err(error) => tracing::error!(%id, %error, "the outcome could not be stored"),
                }
            });
        }
        if !idle {
            continue;
        }
        tokio::select! {
            () = host.wake.notified() => {}
            Some(_) = running.join_next() => {} // its lane is free now
            () = sleep(until_next_due(&host).await) => {}
            () = asked(&mut stop) => {}
        }
    }
    let drain = std_duration(host.config.worker.drain);
    if !running.is_empty() {
        tracing::info!(count = running.len(), "waiting for deliveries on their way");
    }
    if timeout(drain, async { while running.join_next().await.is_some() {} }).await.is_err() {
        tracing::warn!("stopped before every delivery ended; they are taken up again at the next start");
    }
}

async fn until_next_due(host: &Host) -> Duration {
    match host.flow.store.next_due().await {
        Ok(Some(due)) => {
            // At least a breath: a due message that cannot be leased must not turn this into a busy loop.
            let wait = std_duration(due.duration_since(host.flow.clock.now()));
            wait.clamp(Duration::from_millis(50), LONGEST_SLEEP)
        }
        Ok(None) | Err(_) => LONGEST_SLEEP,
    }
}

/// Polls openIMIS for new claims until asked to stop.
pub async fn poll_claims(host: Arc<Host>, mut stop: Stop) {
    let interval = std_duration(host.flow.settings.poll.interval);
    while let Some(polled) = unless_asked(&mut stop, host.flow.poll_claims()).await {
        tell_of_poll(&host, "claims", polled);
        rest(interval, &mut stop).await;
    }
}

/// Polls openIMIS for claims that were selected for feedback until asked to stop.
pub async fn poll_selected(host: Arc<Host>, mut stop: Stop) {
    let interval = std_duration(host.flow.settings.poll.selected_interval);
    while let Some(polled) = unless_asked(&mut stop, host.flow.poll_selected()).await {
        tell_of_poll(&host, "selected claims", polled);
        rest(interval, &mut stop).await;
    }
}

/// Does what can be left in the middle and begun anew, unless asked to stop.
async fn unless_asked<T>(stop: &mut Stop, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = asked(stop) => None,
        done = work => Some(done),
    }
}

/// Waits for the word to stop; for ever if nobody is left to give it.
pub async fn asked(stop: &mut Stop) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn tell_of_poll(host: &Host, what: &str, polled: Result<Found, PollError>) {
    match polled {
        Ok(Found { listed, new, .. }) if new > 0 => {
            tracing::info!(listed, new, "polled {what}");
            host.wake.notify_one();
        }
        Ok(Found { listed, complete, .. }) => tracing::debug!(listed, complete, "polled {what}"),
        Err(PollError::Peer(error)) => warn_of(&error, &format!("{what} were not polled")),
        Err(PollError::Store(error)) => tracing::error!(%error, "{what} were not polled"),
    }
}

async fn rest(pause: Duration, stop: &mut Stop) {
    tokio::select! {
        () = sleep(pause) => {}
        () = asked(stop) => {}
    }
}

/// Keeps the subscription in place until asked to stop.
pub async fn keep_subscription(host: Arc<Host>, mut stop: Stop) {
    let interval = std_duration(host.flow.settings.subscription.check_interval);
    while let Some(kept) = unless_asked(&mut stop, host.flow.keep_subscription()).await {
        // Until it is in place we ask more often: openIMIS may just be starting.
        let wait = match kept {
            Ok(Kept::Unchanged(id)) => {
                tracing::debug!(subscription = id, "subscription is in place");
                interval
            }
            Ok(Kept::Renewed(id)) => {
                tracing::info!(subscription = id, "subscription renewed");
                interval
            }
            Ok(Kept::Created(id)) => {
                tracing::info!(subscription = id, "subscription created");
                interval
            }
            Err(error) => {
                warn_of(&error, "the subscription could not be kept");
                interval.min(Duration::from_secs(60))
            }
        };
        rest(wait, &mut stop).await;
    }
}

/// What a peer said may quote a document: only our own words and the status go to the log.
fn warn_of(error: &PeerError, what: &str) {
    match error {
        PeerError::Failed(peer, status, _)
        | PeerError::Refused(peer, status, _)
        | PeerError::Unreadable(peer, status, _) => {
            tracing::warn!(%peer, status = status.as_u16(), "{what}");
        }
        PeerError::Paused { .. } | PeerError::NotSent(..) | PeerError::NoAnswer(..) => tracing::warn!(%error, "{what}"),
    }
}

fn std_duration(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or_default()
}
