//! What the console shows of the mediator, and what it asks it to do.

use std::sync::Arc;

use auth::Scope;
use console::program::{Answering, Mappings, OpenHim, Program, UsedMapping};
use console::{Parts, Uses};
use flow::breaker::Health;
use flow::peers::{Peer, PeerError};
use flow::ports::Clock;
use flow::settings::Poll;
use flow::subscription::ListedSubscription;
use jiff::Timestamp;
use mapping::ids::InsureeUuid;

use crate::Host;
use crate::facilities::national_id;
use crate::openhim::adopt::plainly;
use crate::openhim::status::Problem;
use store::DiskLevel;

/// What the console is made of.
pub(crate) fn parts(host: Arc<Host>) -> Parts {
    let config = &host.config;
    Parts {
        settings: config.console.clone(),
        store: host.flow.store.clone(),
        admission: host.doors.admission.clone(),
        has_certificate: host.doors.has_certificate(),
        uses: Uses {
            registry: config.facilities.url.is_some(),
            subscription: config.subscription.callback.is_some(),
            hospital: config.eclaim.callback.url.is_some(),
            eclaims: config.clients.iter().any(|client| client.scopes.contains(&Scope::Eclaim)),
        },
        program: host,
    }
}

impl Program for Host {
    fn now(&self) -> Timestamp {
        self.flow.clock.now()
    }

    fn is_clock_doubted(&self) -> bool {
        self.flow.clock.is_doubted()
    }

    fn disk(&self) -> DiskLevel {
        self.disk_level()
    }

    fn health(&self, peer: Peer) -> Health {
        self.flow.health(peer)
    }

    fn poll(&self) -> Poll {
        self.flow.fresh().settings.poll.clone()
    }

    fn mappings(&self) -> Mappings {
        let used = self.flow.mapper.mappings().into_iter().map(|used| UsedMapping {
            mapping: used.mapping.name(),
            interface: used.interface,
            sha256: used.sha256,
            file: used.file.file_name().unwrap_or_default().display().to_string(),
            since: used.since,
        });
        let refused = self.flow.mapper.refused().into_iter();
        let refused = refused.map(|refusal| (refusal.file.display().to_string(), refusal.reason));
        Mappings { used: used.collect(), refused: refused.collect() }
    }

    fn openhim(&self) -> Option<OpenHim> {
        let status = self.openhim.status(self)?;
        let problem = |problem: Option<Problem>| problem.map(|problem| (problem.text, problem.since));
        let differing = status.settings.iter().filter_map(|setting| {
            let file = setting.file.as_ref()?;
            Some((setting.key, plainly(&setting.value), plainly(file)))
        });
        let refused = status.refused.iter().map(|refused| (refused.param.to_string(), refused.reason.to_string()));
        Some(OpenHim {
            differing: differing.collect(),
            refused: refused.collect(),
            is_registered: status.registered,
            problem: problem(status.problem),
            report_problem: problem(status.reports.problem),
            last_heartbeat: status.last_heartbeat,
            reports: status.reports.enabled,
            urn: status.urn,
        })
    }

    fn national_id(&self, code: &str) -> String {
        national_id(&self.flow, code)
    }

    fn own_subscriptions(&self) -> Answering<'_, Result<Vec<ListedSubscription>, PeerError>> {
        Box::pin(self.flow.own_subscriptions())
    }

    fn insuree_numbered<'a>(&'a self, number: &'a str) -> Answering<'a, Result<Option<InsureeUuid>, PeerError>> {
        Box::pin(self.flow.insuree_numbered(number))
    }

    fn wake(&self) {
        self.wake.notify_one();
    }

    fn wake_facilities(&self) {
        self.facilities.wake();
    }

    fn ask_for_facility_run(&self, whole: bool) {
        self.facilities.ask_for_run(whole);
    }
}
