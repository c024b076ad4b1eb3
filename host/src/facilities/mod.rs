//! Facilities of a registry, brought to openIMIS: one run at a time, whoever does it. What a run does is `flow::facilities`.
//!
//! `schedule`: when. Here: the lease, and what an admin decides.

mod schedule;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flow::facilities::{Counts, RunError, RunObserver, RunRequest};
use flow::ports::{Clock, StoreError};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::sleep;
use uuid::Uuid;

use crate::HostFlow;
use crate::config::{Config, Facilities};
pub use schedule::keep;
use store::Holder;

/// Why nothing was brought to openIMIS, or not all.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// There is no registry in the configuration.
    #[error("facilities.url is not set: there is no registry")]
    NoRegistry,
    /// Another one is at it.
    #[error("another run is at work ({}), at least until {}; it goes on by itself", .0.owner, .0.until.strftime("%H:%M:%S UTC"))]
    Busy(Holder),
    /// The lease ran out, and another one took it.
    #[error("another run has taken over, since this one did not get through to the store in time")]
    LeaseLost,
    /// Somebody stopped it.
    #[error("stopped; it goes on where it was with the next start")]
    Asked,
    /// It goes on later.
    #[error(transparent)]
    Stopped(#[from] RunError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SyncError {
    /// Without the own words of the registry and of openIMIS, which may name people: for the log.
    pub fn unquoted(&self) -> String {
        match self {
            Self::Stopped(RunError::Interrupted { unquoted, .. }) => unquoted.clone(),
            other => other.to_string(),
        }
    }
}

/// What admins ask the running mediator for.
#[derive(Debug, Default)]
pub struct Wishes {
    /// A run: over all facilities if true.
    run: Mutex<Option<bool>>,
    asked: Notify,
}

impl Wishes {
    /// A run, now.
    pub fn ask_for_run(&self, whole: bool) {
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        *run = Some(whole || run.unwrap_or(false));
        self.asked.notify_one();
    }

    /// Something is due again.
    pub fn wake(&self) {
        self.asked.notify_one();
    }

    fn take_run(&self) -> Option<bool> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Brings the registry's facilities to openIMIS, until it is done or `stopped`.
pub async fn sync(
    flow: &HostFlow,
    config: &Config,
    asked: &RunRequest,
    tell: RunObserver<'_>,
    stopped: impl Future<Output = ()>,
) -> Result<Counts, SyncError> {
    let registry = config.facilities.registry().ok_or(SyncError::NoRegistry)?;
    let work = flow.sync_facilities(&registry, asked, tell);
    match asked.dry_run {
        true => unless(stopped, work).await,
        false => leased(flow, &config.facilities, &asked.actor, unless(stopped, work)).await,
    }
}

/// Tries those again that an admin wants to be tried again, until it is done or `stopped`.
pub async fn retry(
    flow: &HostFlow,
    config: &Config,
    actor: &str,
    tell: RunObserver<'_>,
    stopped: impl Future<Output = ()>,
) -> Result<Counts, SyncError> {
    leased(flow, &config.facilities, actor, unless(stopped, flow.retry_facilities(tell))).await
}

/// What is left in the middle is taken up later.
async fn unless(
    stopped: impl Future<Output = ()>,
    work: impl Future<Output = Result<Counts, RunError>>,
) -> Result<Counts, SyncError> {
    tokio::select! {
        biased;
        () = stopped => Err(SyncError::Asked),
        done = work => Ok(done?),
    }
}

/// Works as long as the lease is ours.
async fn leased(
    flow: &HostFlow,
    settings: &Facilities,
    actor: &str,
    work: impl Future<Output = Result<Counts, SyncError>>,
) -> Result<Counts, SyncError> {
    let owner = format!("{actor}, {}", Uuid::new_v4().simple());
    if let Err(holder) = take(flow, &owner, settings.lease).await? {
        return Err(SyncError::Busy(holder));
    }
    let done = tokio::select! {
        done = work => done,
        () = keep_lease(flow, &owner, settings.lease) => Err(SyncError::LeaseLost),
    };
    // Whoever waits need not wait for its end.
    if let Err(error) = flow.store.give_facilities_back(&owner).await {
        tracing::warn!(%error, "the lease of the facilities was not given back; it runs out");
    }
    done
}

async fn take(flow: &HostFlow, owner: &str, lease: SignedDuration) -> Result<Result<(), Holder>, StoreError> {
    let now = flow.store.now(flow.clock.now()).await?;
    let until = now.saturating_add(lease).unwrap_or(Timestamp::MAX);
    flow.store.lease_facilities(owner, now, until).await
}

/// Ends when the lease is lost. A store that fails for a moment does not end it.
async fn keep_lease(flow: &HostFlow, owner: &str, lease: SignedDuration) {
    let pause = Duration::try_from(lease / 3).unwrap_or(Duration::from_secs(1));
    loop {
        sleep(pause).await;
        match take(flow, owner, lease).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(error) => tracing::warn!(%error, "the lease of the facilities could not be renewed yet"),
        }
    }
}

/// The national id of a facility that is a possible duplicate: what the admin's decision is kept under. Where a row of codes leads to its
/// code, the row's; else the code is the id.
pub fn national_id(flow: &HostFlow, code: &str) -> String {
    let settings = flow.fresh().settings;
    let row = settings.mapping.facility.codes.iter().find(|row| row.openimis.trim() == code);
    row.map_or_else(|| code.to_owned(), |row| row.source.clone())
}
