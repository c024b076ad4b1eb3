//! A stand-in for CHT (cht-core 5.2, or another version): the REST API a mediator uses, and what a community health worker (CHW) does.

mod chw;
mod contacts;
mod deployment;
mod documents;
mod error;
mod page;
mod records;
mod routes;

use super::keep::Kept;
use super::server::{Fault, Gate, held};
use axum::{Router, response::IntoResponse};
use chw::{Outbound, Pushed};
pub use deployment::ChtVersion;
use deployment::Deployment;
use error::{Accepts, Refusal};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Instant,
};
use uuid::Uuid;

/// The CHT stand-in; clones share one state.
#[derive(Clone)]
pub struct Cht(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    http: reqwest::Client,
    gate: Gate,
    state: Mutex<State>,
}

struct State {
    places: Vec<Value>,
    people: Vec<Value>,
    /// Reports of form OP.
    records: Vec<Value>,
    /// `_id`s of documents that were deleted, with their last revision; and whether they are taken again.
    deleted: HashMap<String, String>,
    refuses_deleted: bool,
    /// Feedback forms a CHW has filled in.
    feedback: Vec<Pushed>,
    outbound: Option<Outbound>,
    deployment: Deployment,
    /// Wrong tries in a row, and until when the account is locked.
    tries: HashMap<String, (u32, Option<Instant>)>,
}

impl Kept for Cht {
    fn memory(&self) -> Value {
        let state = self.state();
        json!([state.people, state.records, state.feedback])
    }

    fn recall(&self, memory: Value) -> serde_json::Result<()> {
        let (people, records, feedback) = serde_json::from_value(memory)?;
        let mut state = self.state();
        (state.people, state.records, state.feedback) = (people, records, feedback);
        Ok(())
    }
}

impl Cht {
    pub(super) fn new(address: SocketAddr, http: reqwest::Client) -> Self {
        let refuse = |status| Accepts::JSON.refuse(Refusal::new(status, "Injected by the sandbox")).into_response();
        let state = State {
            places: vec![place("sandbox-village", "Sandbox village"), place("sandbox-town", "Sandbox town")],
            people: Vec::new(),
            records: Vec::new(),
            deleted: HashMap::new(),
            refuses_deleted: false,
            feedback: Vec::new(),
            outbound: None,
            deployment: Deployment::default(),
            tries: HashMap::new(),
        };
        Self(Arc::new(Inner { address, http, gate: Gate::new(refuse), state: Mutex::new(state) }))
    }

    pub(super) fn router(&self) -> Router {
        routes::router(self)
    }

    /// The base address, with the slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}/", self.0.address)
    }

    /// The stored reports of form OP, in order; faulty ones have something in `errors`.
    pub fn records(&self) -> Vec<Value> {
        self.state().records.clone()
    }

    /// The persons, in order of creation.
    pub fn people(&self) -> Vec<Value> {
        self.state().people.clone()
    }

    /// Where outbound push sends feedback (the whole URL), and with which Basic credentials.
    pub fn set_outbound(&self, url: String, user: String, password: String) {
        self.state().outbound = Some(Outbound { url, user, password });
    }

    /// Appends faults for the next `count` requests (pages excepted). A count of 0 clears what is pending, `usize::MAX`
    /// lasts until then: the peer is down.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        self.0.gate.fail_next(count, fault);
    }

    /// The same for requests whose path begins with `path`.
    pub fn fail_next_at(&self, path: &'static str, count: usize, fault: Fault) {
        self.0.gate.fail_next_at(path, count, fault);
    }

    /// `METHOD path?query` and status of each request, in order; status 0 where a fault kept the answer back.
    pub fn requests(&self) -> Vec<(String, u16)> {
        self.0.gate.requests()
    }

    /// What the page shows of each report, newest first: the report, its contact's name, what was answered.
    pub(super) fn tasks_shown(&self) -> Vec<Value> {
        let state = self.state();
        let shown = |record: &Value| {
            let contact = state.contact_of(record).map_or(Value::Null, |contact| contact["name"].clone());
            let of_record = || state.feedback.iter().filter(|pushed| pushed.report == record["_id"]);
            let pushed = of_record().find(|pushed| pushed.arrived()).or_else(|| of_record().next_back());
            json!({
                "record": record,
                "contact": contact,
                "done": pushed.is_some_and(Pushed::arrived),
                "answers": pushed.map(|pushed| &pushed.payload),
                "status": pushed.and_then(|pushed| pushed.status),
            })
        };
        state.records.iter().rev().map(shown).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        held(&self.0.state)
    }
}

impl State {
    /// The person a report is about.
    fn contact_of(&self, record: &Value) -> Option<&Value> {
        let fields = &record["fields"];
        let named = [&fields["patient_id"], &fields["patient_uuid"]];
        self.people.iter().find(|person| named.contains(&&person["_id"]))
    }
}

fn place(id: &str, name: &str) -> Value {
    json!({
        "_id": id, "_rev": revision(), "type": "health_center", "name": name, "reported_date": now(),
    })
}

/// A first revision as CouchDB names it.
fn revision() -> String {
    format!("1-{}", Uuid::new_v4().simple())
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
