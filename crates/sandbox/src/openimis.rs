//! A stand-in for openIMIS with its FHIR R4 module 1.10.0: what is stored, and what an officer at its screens does.

mod claim;
mod communication;
mod facilities;
mod fhir;
mod graphql;
mod lists;
mod officer;
mod page;
mod patients;
mod refusal;
mod register;
mod routes;
mod seed;
mod subscription;

pub use claim::ClaimStatus;

use super::keep::Kept;
use super::server::{Fault, Gate, held};
use axum::{Router, response::IntoResponse};
use claim::{Claim, FeedbackStatus};
use communication::Feedback;
use jiff::Timestamp;
use lists::Totals;
use patients::Patients;
use refusal::Refusal;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use subscription::{Notification, Subscription};
use uuid::Uuid;

/// Where the FHIR module is mounted.
const BASE: &str = "/api/api_fhir_r4/";

/// The openIMIS stand-in; clones share one state.
#[derive(Clone)]
pub struct OpenImis(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    http: reqwest::Client,
    gate: Gate,
    state: Mutex<State>,
}

struct State {
    claims: Vec<Claim>,
    feedback: Vec<Feedback>,
    subscriptions: Vec<Subscription>,
    notifications: Vec<Notification>,
    patients: Patients,
    locations: Vec<Value>,
    facilities: facilities::Facilities,
    /// Bearer tokens and when they end, in Unix seconds.
    tokens: HashMap<String, i64>,
    logins: usize,
    totals: Totals,
    /// How long officers take; none: they wait to be told.
    adjudicated_after: Option<Duration>,
}

impl Kept for OpenImis {
    fn memory(&self) -> Value {
        let state = self.state();
        json!([state.claims, state.feedback, state.subscriptions])
    }

    fn recall(&self, memory: Value) -> serde_json::Result<()> {
        let (claims, feedback, subscriptions) = serde_json::from_value(memory)?;
        let mut state = self.state();
        (state.claims, state.feedback, state.subscriptions) = (claims, feedback, subscriptions);
        Ok(())
    }
}

impl OpenImis {
    pub(super) fn new(address: SocketAddr, http: reqwest::Client) -> Self {
        let refuse = |status| Refusal::fatal(status, "Injected by the sandbox").into_response();
        let state = State {
            claims: vec![seed::sample_claim()],
            feedback: Vec::new(),
            subscriptions: Vec::new(),
            notifications: Vec::new(),
            patients: Patients(seed::patients()),
            locations: seed::locations(),
            facilities: facilities::Facilities::default(),
            tokens: HashMap::new(),
            logins: 0,
            totals: Totals::default(),
            adjudicated_after: None,
        };
        Self(Arc::new(Inner { address, http, gate: Gate::new(refuse), state: Mutex::new(state) }))
    }

    pub(super) fn router(&self) -> Router {
        routes::router(self)
    }

    /// The FHIR base address, with the slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}{BASE}", self.0.address)
    }

    /// Feedback that arrived, in order, as `Communication` resources.
    pub fn communications(&self) -> Vec<Value> {
        self.state().feedback.iter().map(|feedback| feedback.resource.clone()).collect()
    }

    /// What each feedback was about (`Claim/<uuid>`) and when it arrived, in order.
    pub fn feedback_arrivals(&self) -> Vec<(String, Timestamp)> {
        let about = |resource: &Value| resource["about"][0]["reference"].as_str().unwrap_or_default().to_owned();
        self.state().feedback.iter().map(|feedback| (about(&feedback.resource), feedback.validity_from)).collect()
    }

    /// The subscriptions, as resources, in order of creation.
    pub fn subscriptions(&self) -> Vec<Value> {
        self.state().subscriptions.iter().map(Subscription::resource).collect()
    }

    /// What came of each notification: `{claim, endpoint, success, error}`, in order.
    pub fn notifications(&self) -> Vec<Value> {
        self.state().notifications.iter().map(Notification::summary).collect()
    }

    /// How many logins succeeded.
    pub fn logins(&self) -> usize {
        self.state().logins
    }

    /// Makes all tokens invalid: the next use of one is answered 401.
    pub fn expire_tokens(&self) {
        self.state().tokens.clear();
    }

    /// Types a claim of the sample insuree into openIMIS's own screens, dated today; notifies nobody.
    pub fn enter_claim(&self, code: &str) -> Uuid {
        self.enter_claim_of(code, seed::SAMPLE_INSUREE)
    }

    /// As [`Self::enter_claim`], for any insuree (who need not exist).
    pub fn enter_claim_of(&self, code: &str, insuree: Uuid) -> Uuid {
        let today = Timestamp::now().strftime("%Y-%m-%d").to_string();
        let claim = Claim::entered(code, insuree, seed::claim_body(&today));
        let uuid = claim.uuid;
        self.state().claims.push(claim);
        uuid
    }

    /// Enrols a further insuree (invented), who lives where the sample's does.
    pub fn enrol(&self, insuree: Uuid, chf_id: &str) {
        self.state().patients.0.push(seed::further_patient(insuree, chf_id));
    }

    /// Submits a claim: it is checked and found in order. Like all below: does nothing if there is no such claim.
    pub fn submit_claim(&self, uuid: Uuid) {
        self.set_claim_status(uuid, ClaimStatus::Checked);
    }

    /// Rejects a claim.
    pub fn reject_claim(&self, uuid: Uuid) {
        self.set_claim_status(uuid, ClaimStatus::Rejected);
    }

    /// Moves a claim to any status; does not move what `_lastUpdated` looks at.
    pub fn set_claim_status(&self, uuid: Uuid, status: ClaimStatus) {
        self.change(uuid, |claim| claim.status = status);
    }

    /// An officer wants feedback on the claim: its `CommunicationRequest` becomes active, even if it was delivered.
    pub fn select_for_feedback(&self, uuid: Uuid) {
        self.change(uuid, |claim| claim.feedback_status = FeedbackStatus::Selected);
    }

    /// An officer wants it no more: the `CommunicationRequest` becomes revoked.
    pub fn bypass_feedback(&self, uuid: Uuid) {
        self.change(uuid, |claim| claim.feedback_status = FeedbackStatus::Bypassed);
    }

    /// Appends faults for the next `count` requests (pages excepted). A count of 0 clears what is pending, `usize::MAX`
    /// lasts until then: the peer is down.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        self.0.gate.fail_next(count, fault);
    }

    /// `METHOD path?query` and status of each request, in order; status 0 where a fault kept the answer back.
    pub fn requests(&self) -> Vec<(String, u16)> {
        self.0.gate.requests()
    }

    /// What the page shows of each claim, newest first.
    pub(super) fn claims_shown(&self) -> Vec<Value> {
        let state = self.state();
        let feedback = |claim: &Claim| {
            let about = format!("Claim/{}", claim.uuid);
            let found = state.feedback.iter().find(|feedback| feedback.resource["about"][0]["reference"] == about);
            found.map(|feedback| feedback.resource["payload"].clone())
        };
        let shown = |claim: &Claim| {
            json!({
                "code": claim.code,
                "uuid": claim.uuid.to_string(),
                "insuree": state.patients.name(claim.insuree),
                "status": claim.status.name(),
                "open": matches!(claim.status, ClaimStatus::Checked | ClaimStatus::Processed),
                "selected": claim.feedback_status == FeedbackStatus::Selected,
                "feedback": feedback(claim),
            })
        };
        state.claims.iter().rev().map(shown).collect()
    }

    fn change(&self, uuid: Uuid, change: impl FnOnce(&mut Claim)) {
        if let Some(claim) = self.state().claims.iter_mut().find(|claim| claim.uuid == uuid) {
            change(claim);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        held(&self.0.state)
    }
}
