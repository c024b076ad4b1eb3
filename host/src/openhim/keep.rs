//! Registration at the start and whenever the core has forgotten the mediator, heartbeats, and settings that come with their answers.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use flow::Kind;
use flow::openhim::core::{Call, CoreError};
use flow::openhim::registration::Registration;
use flow::ports::Clock;
use serde_json::Value;
use tokio::time::sleep;

use super::api::{CallError, call};
use super::live;
use super::status::Problem;
use crate::Host;
use crate::worker::{Stop, asked};

/// Longest wait while the core is away: OpenHIM's console calls a mediator away after 60 s.
const AWAY: Duration = Duration::from_secs(60);
/// Waits after a refusal: somebody has to change something.
const REFUSED: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));

/// Keeps the mediator known to the core until asked to stop.
pub async fn keep(host: Arc<Host>, mut stop: Stop) {
    let beat: Duration = host.config.openhim.heartbeat.try_into().unwrap_or_default();
    let mut failures = 0;
    loop {
        let done = tokio::select! {
            biased;
            () = asked(&mut stop) => return,
            done = alive(&host) => done,
        };
        let wait = match &done {
            Ok(()) => {
                failures = 0;
                beat
            }
            Err(error) => {
                tell(&host, error);
                failures += 1;
                wait(error, beat, failures)
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = asked(&mut stop) => return,
        }
    }
}

/// One heartbeat, after a registration where it is needed.
async fn alive(host: &Host) -> Result<(), CallError> {
    if host.openhim.state().registered_at.is_none() {
        register(host).await?;
    }
    match heartbeat(host).await {
        // Its database was emptied, or somebody deleted the mediator.
        Err(CallError::Refused(CoreError::Unknown(_))) => {
            tracing::warn!("OpenHIM's core has forgotten this mediator: it is registered anew");
            register(host).await?;
            heartbeat(host).await
        }
        done => done,
    }
}

async fn register(host: &Host) -> Result<(), CallError> {
    host.openhim.state().registered_at = None;
    let openhim = &host.config.openhim;
    let inbound = &host.config.inbound;
    let Some(endpoint) = &openhim.endpoint else { return Err(CallError::Unusable("endpoint")) };
    let (username, password) = match (&openhim.route_username, &openhim.route_password) {
        (Some(username), password) => (username, password),
        (None, _) => (&inbound.username, &inbound.password),
    };
    let Some(password) = password else { return Err(CallError::Unusable("route_password")) };
    let (definitions, values) = (live::definitions(), live::values(&host.flow.fresh().settings));
    let registration = Registration {
        urn: &openhim.urn,
        name: &openhim.name,
        version: env!("CARGO_PKG_VERSION"),
        endpoint,
        route: (username, password),
        clients: [openhim.clients(Kind::ClaimResponse), openhim.clients(Kind::Feedback)],
        settings: openhim.configure.then_some((definitions.as_slice(), &values)),
    };
    call(host, &Call::Register(&registration.document())).await?;
    host.openhim.state().registered_at = Some(host.flow.clock.now());
    tracing::info!(urn = openhim.urn, "registered with OpenHIM");
    Ok(())
}

async fn heartbeat(host: &Host) -> Result<(), CallError> {
    let openhim = &host.config.openhim;
    let uptime = host.openhim.started.elapsed().as_secs_f64();
    let config = match call(host, &Call::Heartbeat { urn: &openhim.urn, uptime, config: openhim.configure }).await {
        Ok(config) => config,
        Err(error) => {
            if matches!(error, CallError::Refused(CoreError::Unknown(_))) {
                host.openhim.state().registered_at = None;
            }
            return Err(error);
        }
    };
    let was_away = {
        let mut state = host.openhim.state();
        state.last_heartbeat = Some(host.flow.clock.now());
        state.problem.take()
    };
    if was_away.is_some() {
        tracing::info!("OpenHIM's core answers as it should again");
    }
    if openhim.configure && config != Value::Null {
        live::take(host, &config).await;
    }
    Ok(())
}

/// Once for each problem: it may last for weeks.
fn tell(host: &Host, error: &CallError) {
    let is_new = Problem::note(&mut host.openhim.state().problem, error.to_string(), host.flow.clock.now());
    let logged = error.unquoted();
    match error {
        _ if !is_new => tracing::debug!(error = logged, "OpenHIM: still no heartbeat"),
        CallError::Away(_) => {
            tracing::warn!(error = logged, "OpenHIM does not hear from this mediator; messages go on")
        }
        _ => tracing::error!(error = logged, "OpenHIM does not take this mediator; messages go on"),
    }
}

/// Not at the same moment as all others that lost the core with us.
fn wait(error: &CallError, beat: Duration, failures: u32) -> Duration {
    let doubled = |first: Duration| first.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let wait = match error {
        CallError::Refused(CoreError::Failed(..)) | CallError::Away(_) => doubled(beat.min(AWAY)).min(AWAY),
        _ => doubled(REFUSED.0.min(beat * 3)).min(REFUSED.1),
    };
    let spread = RandomState::new().hash_one(failures) % 100; // in containers all have the same process id
    wait.mul_f64(1.0 - spread as f64 / 500.0)
}
