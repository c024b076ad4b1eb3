//! How registration, settings and reports go, for `GET /admin/openhim` and the console.

use jiff::Timestamp;
use serde::Serialize;

use super::live::{InForce, RefusedSetting};
use crate::Host;

/// How it goes.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The mediator's name in OpenHIM.
    pub urn: String,
    /// Whether the core knows the mediator, as of the last answer.
    pub registered: bool,
    /// Since when.
    pub registered_at: Option<Timestamp>,
    /// The last heartbeat that the core answered.
    pub last_heartbeat: Option<Timestamp>,
    /// What is wrong with registration or heartbeats, and what to do.
    pub problem: Option<Problem>,
    /// Settings that the console offers.
    pub settings: Vec<InForce>,
    /// Values of the console that cannot be used; what was in force before stays.
    pub refused: Vec<RefusedSetting>,
    /// Transactions that were told, since the start.
    pub reports: Reports,
}

/// Something that is wrong, since when.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// Since then.
    pub since: Timestamp,
    /// What, and what to do.
    pub text: String,
}

/// Transactions that are told what became of their messages.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reports {
    /// Whether they are: `openhim.report`.
    pub enabled: bool,
    /// Told since the start.
    pub told: u64,
    /// Given up since the start.
    pub given_up: u64,
    /// Why the last one could not be told; gone when one could.
    pub problem: Option<Problem>,
}

/// The changing part.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub registered_at: Option<Timestamp>,
    pub last_heartbeat: Option<Timestamp>,
    pub problem: Option<Problem>,
    pub taken: super::live::Taken,
    pub reports: Reports,
}

impl Problem {
    /// The same problem goes on, or another one begins. True: it is another one.
    pub(super) fn note(problem: &mut Option<Self>, text: String, now: Timestamp) -> bool {
        if problem.as_ref().is_some_and(|problem| problem.text == text) {
            return false;
        }
        *problem = Some(Self { since: now, text });
        true
    }
}

impl super::OpenHim {
    /// None: OpenHIM is not configured.
    pub fn status(&self, host: &Host) -> Option<Status> {
        let settings = &host.config.openhim;
        settings.url.as_ref()?;
        let state = self.state().clone();
        Some(Status {
            urn: settings.urn.clone(),
            registered: state.registered_at.is_some(),
            registered_at: state.registered_at,
            last_heartbeat: state.last_heartbeat,
            problem: state.problem,
            settings: if settings.configure { super::live::in_force(host) } else { Vec::new() },
            refused: state.taken.refused,
            reports: Reports { enabled: settings.report, ..state.reports },
        })
    }
}
