//! A registry, an openIMIS and a mediator between them.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use flow::facilities::{Action, Counts, Event, Record, RunRequest, State};
use mediator_tests::running::{config, sandbox};
use openimis_mediator::Host;
use openimis_mediator::facilities::{SyncError, retry, sync};
use sandbox::{REGISTRY_PASSWORD, Registry, Sandbox, USER};
use serde_json::Value;
use store::{FacilityFilter, FacilityLine, SqlStore};
use tempfile::TempDir;

/// What every facility of the stand-in needs to be mapped.
pub const TABLES: [(&str, &str); 4] = [
    ("mapping.facility.levels", r#"[{ source = "http://registry.example.org/types|health-post", openimis = "D" }]"#),
    (
        "mapping.facility.legal_forms",
        r#"[{ source = "http://terminology.hl7.org/CodeSystem/organization-type|govt", openimis = "G" }]"#,
    ),
    (
        "mapping.facility.districts",
        r#"[{ source = "Location/rapta", openimis = "R1D1" }, { source = "Location/jambero", openimis = "R1D2" }]"#,
    ),
    ("facilities.retry", "50ms"),
];

pub struct World {
    pub registry: Registry,
    pub sandbox: Sandbox,
    pub dir: TempDir,
}

impl World {
    pub async fn new() -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let registry = Registry::start(free).await.expect("a free port");
        Self { registry, sandbox: sandbox().await, dir: tempfile::tempdir().expect("a folder") }
    }

    /// The settings of a mediator between them.
    pub fn changes<'c>(&'c self, url: &'c str, changes: &[(&'c str, &'c str)]) -> Vec<(&'c str, &'c str)> {
        let registry = [
            ("facilities.url", url),
            ("facilities.username", USER),
            ("facilities.password", REGISTRY_PASSWORD),
            // Only when the test asks.
            ("facilities.schedule", ""),
            ("facilities.whole_schedule", ""),
        ];
        [&registry, &TABLES[..], changes].concat()
    }

    pub async fn host(&self, changes: &[(&str, &str)]) -> Arc<Host> {
        let url = self.registry.url();
        let config = config(&self.sandbox, &self.dir, &self.changes(&url, changes));
        Host::build(config).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The node that openIMIS has of a code.
    pub fn node(&self, code: &str) -> Option<Value> {
        self.sandbox.openimis.health_facilities().into_iter().find(|node| node["code"] == code)
    }

    /// How many requests openIMIS got that write.
    pub fn openimis_requests(&self) -> usize {
        self.sandbox.openimis.requests().iter().filter(|(line, _)| line.contains("graphql")).count()
    }
}

/// What became of a facility, as a run told it: source, what, why.
pub type Told = Vec<(String, String, String)>;

pub fn asked(whole: bool, dry_run: bool) -> RunRequest {
    RunRequest { whole, dry_run, actor: "a test".to_owned() }
}

fn hear(told: &Mutex<Told>, event: Event<'_>) {
    let Event::Facility(Record { source, state, action, changes, reason, .. }) = event else { return };
    let what = match (state, action) {
        (State::Done, Some(action)) => Action::word(*action),
        (state, _) => state.word(),
    };
    let why = reason.clone().unwrap_or_else(|| changes.join(", "));
    told.lock().expect("told").push((source.clone(), what.to_owned(), why));
}

/// A run, and what it told.
pub async fn run(host: &Host, whole: bool, dry_run: bool) -> (Result<Counts, SyncError>, Told) {
    let told = Mutex::default();
    let done = sync(&host.flow, &host.config, &asked(whole, dry_run), &mut |event| hear(&told, event), pending()).await;
    (done, told.into_inner().expect("told"))
}

/// A run that gets to its end.
pub async fn synced(host: &Host) -> (Counts, Told) {
    let (done, told) = run(host, false, false).await;
    (done.unwrap_or_else(|error| panic!("{error}: {told:#?}")), told)
}

/// Those that are due, tried again.
pub async fn tried_again(host: &Host) -> Counts {
    retry(&host.flow, &host.config, "a test", &mut |_| {}, pending()).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Those that are not done.
pub async fn open(store: &SqlStore) -> Vec<FacilityLine> {
    store.facilities(&FacilityFilter { state: None, before: None, limit: 1000 }).await.expect("the store")
}
