//! How openIMIS is written to: several mutations in one request, and what its log says of each. openIMIS carries each out by itself, so one
//! that fails harms no other, and a request a facility would take five times as long.
//!
//! GraphQL only: openIMIS' FHIR (1.10) answers every POST and PUT of an Organization with a fault.

use std::fmt::Write;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Action, Event, RunObserver};
use crate::Flow;
use crate::message::Trail;
use crate::peers::graphql::{logged_error, nodes};
use crate::peers::{Peer, PeerError};
use crate::ports::{Clock, Http, Mapper, Store};
use crate::settings::std_duration;

/// Mutations in one request; openIMIS needs about 10 ms for each.
pub(super) const BATCH: usize = 20;
/// An openIMIS without the mutations.
pub(super) const NO_SUCH_TYPE: &str =
    "it has no mutation createHealthFacility: its module location is missing or too old";
/// What openIMIS says of a missing right.
const NO_RIGHT: &str = "unauthorized";
/// Longest pause of openIMIS that a run waits for; after a longer one it is taken up later.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(2);
/// How often in a row.
const PAUSES: u32 = 10;
const FIRST_WAIT: SignedDuration = SignedDuration::from_millis(50);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(2);

/// A facility that is to be written.
#[derive(Clone, Debug)]
pub(super) struct Mutation {
    pub action: Action,
    pub input: Value,
}

/// What became of one: openIMIS' reason if it was not done.
pub(super) type WriteResult = Result<(), String>;

impl Mutation {
    fn field(&self) -> (&'static str, &'static str) {
        match self.action {
            Action::Update => ("updateHealthFacility", "UpdateHealthFacilityMutationInput"),
            Action::Create | Action::None => ("createHealthFacility", "CreateHealthFacilityMutationInput"),
        }
    }

    /// Without what this openIMIS does not know. Not taken: a status, for an older openIMIS would make a closed facility an open one.
    pub fn fitted(mut self, elements: &[String]) -> Result<Self, String> {
        let Some(input) = self.input.as_object_mut().filter(|_| !elements.is_empty()) else { return Ok(self) };
        let is_closed = input.get("status").and_then(Value::as_str).is_some_and(|status| status != "AC");
        input.retain(|name, _| elements.contains(name));
        match is_closed && !input.contains_key("status") {
            true => Err("this openIMIS knows no status of a facility, so it cannot be closed there".to_owned()),
            false => Ok(self),
        }
    }
}

/// The document for so many mutations; what is written travels as variables.
fn document(mutations: &[Mutation]) -> String {
    let (mut declared, mut asked) = (String::new(), String::new());
    for (number, mutation) in mutations.iter().enumerate() {
        let (field, kind) = mutation.field();
        let _ = write!(declared, "$m{number}: {kind}! "); // to a text: cannot fail
        let _ = write!(asked, "m{number}: {field}(input: $m{number}) {{ clientMutationId }} ");
    }
    format!("mutation WriteFacilities({declared}) {{ {asked} }}")
}

fn log_document(count: usize) -> String {
    let (mut declared, mut asked) = (String::new(), String::new());
    for number in 0..count {
        let _ = write!(declared, "$l{number}: String! ");
        let _ = write!(
            asked,
            "l{number}: mutationLogs(clientMutationId: $l{number}, first: 1) {{ edges {{ node {{ status error }} }} }} "
        );
    }
    format!("query FacilityLogs({declared}) {{ {asked} }}")
}

/// What openIMIS' log says of a mutation; none: nothing yet.
fn logged(node: &Value) -> Option<WriteResult> {
    match node["status"].as_i64()? {
        2 => Some(Ok(())),
        1 => Some(Err(format!("openIMIS refused it: {}", logged_error(node["error"].as_str().unwrap_or_default())))),
        _ => None,
    }
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Writes facilities; what became of each, in their order. The error is of the whole: whether anything was written is not known.
    pub(super) async fn write_facilities(
        &self,
        mutations: &[Mutation],
        tell: RunObserver<'_>,
    ) -> Result<Vec<WriteResult>, PeerError> {
        let mut written = Vec::new();
        for batch in mutations.chunks(BATCH) {
            match self.write_batch(batch, tell).await {
                // One of them made the whole request unreadable: each by itself, then.
                Err(PeerError::Refused(_, StatusCode::BAD_REQUEST, text)) if batch.len() == 1 => {
                    written.push(Err(format!("openIMIS refused it: {text}")));
                }
                Err(PeerError::Refused(_, StatusCode::BAD_REQUEST, _)) => {
                    for one in batch {
                        match self.write_batch(std::slice::from_ref(one), tell).await {
                            Err(PeerError::Refused(_, _, text)) => {
                                written.push(Err(format!("openIMIS refused it: {text}")))
                            }
                            other => written.extend(other?),
                        }
                    }
                }
                other => written.extend(other?),
            }
        }
        Ok(written)
    }

    async fn write_batch(&self, batch: &[Mutation], tell: RunObserver<'_>) -> Result<Vec<WriteResult>, PeerError> {
        let began = self.clock.now();
        let mut ids = Vec::new();
        let mut variables = Map::new();
        for (number, mutation) in batch.iter().enumerate() {
            let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{began}/{number}/{}", mutation.input).as_bytes());
            let mut input = mutation.input.clone();
            input["clientMutationId"] = id.to_string().into();
            variables.insert(format!("m{number}"), input);
            ids.push(id.to_string());
        }
        let variables = Value::Object(variables);
        let mut pauses = 0;
        let sent = loop {
            match self.graphql(&document(batch), variables.clone(), &mut Trail::default()).await {
                Err(error) if self.was_waited_for(&error, &mut pauses, tell).await => {}
                sent => break sent.map(|_| ()),
            }
        };
        match sent {
            // Nothing was done.
            Err(error @ (PeerError::NotSent(..) | PeerError::Paused { .. } | PeerError::Refused(..))) => Err(error),
            Err(error @ PeerError::Failed(_, StatusCode::FORBIDDEN, _)) => Err(error),
            // What of it was done stands in the log.
            unknown => self.logs(&ids, unknown.err(), tell).await,
        }
    }

    /// What the log says of each. `failed`: the request itself failed, so what is not in the log was perhaps never begun.
    async fn logs(
        &self,
        ids: &[String],
        failed: Option<PeerError>,
        tell: RunObserver<'_>,
    ) -> Result<Vec<WriteResult>, PeerError> {
        let until = self.clock.now().saturating_add(self.settings.openimis.timeout).unwrap_or(Timestamp::MAX);
        let variables: Map<String, Value> =
            ids.iter().enumerate().map(|(number, id)| (format!("l{number}"), id.clone().into())).collect();
        let (document, variables) = (log_document(ids.len()), Value::Object(variables));
        let mut wait = FIRST_WAIT;
        loop {
            let data = self.ask_patiently(&document, &variables, tell).await?;
            let of = |number: usize| nodes(&data[format!("l{number}")]).next().and_then(logged);
            let told: Vec<Option<WriteResult>> = (0..ids.len()).map(of).collect();
            let mut refusals = told.iter().flatten().filter_map(|written| written.as_ref().err());
            if refusals.any(|reason| reason.ends_with(NO_RIGHT)) {
                // Not the facility's fault: nothing else will be written either.
                return Err(PeerError::Failed(Peer::OpenImis, StatusCode::FORBIDDEN, NO_RIGHT.to_owned()));
            }
            let is_over = self.clock.now() >= until;
            if told.iter().all(Option::is_some) || is_over || failed.is_some() {
                let missing = match &failed {
                    Some(error) => format!("{error}; whether it was written is not known, the next run compares"),
                    None => "openIMIS has not said in time what became of it; the next run compares".to_owned(),
                };
                return Ok(told.into_iter().map(|told| told.unwrap_or_else(|| Err(missing.clone()))).collect());
            }
            self.clock.pause(std_duration(wait)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// A question that waits where openIMIS asks for a slower pace.
    pub(super) async fn ask_patiently(
        &self,
        document: &str,
        variables: &Value,
        tell: RunObserver<'_>,
    ) -> Result<Value, PeerError> {
        let mut pauses = 0;
        loop {
            match self.graphql(document, variables.clone(), &mut Trail::default()).await {
                Err(error) if self.was_waited_for(&error, &mut pauses, tell).await => {}
                told => return told,
            }
        }
    }

    /// Waits for the end of a short pause; nothing was sent. False: it is no such, or there were enough.
    async fn was_waited_for(&self, error: &PeerError, pauses: &mut u32, tell: RunObserver<'_>) -> bool {
        let PeerError::Paused { until, reason, .. } = error else { return false };
        let wait = until.duration_since(self.clock.now());
        if wait > LONGEST_PAUSE || *pauses >= PAUSES {
            return false;
        }
        *pauses += 1;
        tell(Event::Waiting { until: *until, reason });
        self.clock.pause(std_duration(wait.max(FIRST_WAIT))).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mutation(action: Action, input: Value) -> Mutation {
        Mutation { action, input }
    }

    #[test]
    fn a_document_holds_nothing_of_what_is_written() {
        let mutations = [
            mutation(Action::Create, json!({"code": "\") { evil }"})),
            mutation(Action::Update, json!({"code": "HF1"})),
        ];
        assert_eq!(
            document(&mutations),
            "mutation WriteFacilities($m0: CreateHealthFacilityMutationInput! $m1: UpdateHealthFacilityMutationInput! ) { \
             m0: createHealthFacility(input: $m0) { clientMutationId } m1: updateHealthFacility(input: $m1) { clientMutationId }  }"
        );
    }

    #[test]
    fn what_an_older_openimis_does_not_know_is_left_out_but_no_closed_facility_becomes_an_open_one() {
        let elements: Vec<String> = ["code", "name"].map(str::to_owned).into();
        let open = mutation(
            Action::Create,
            json!({"code": "HF1", "name": "One", "status": "AC", "contractStartDate": "2026-01-01"}),
        );
        let fitted = open.clone().fitted(&elements).expect("it fits");
        assert_eq!(fitted.input, json!({"code": "HF1", "name": "One"}));
        assert_eq!(open.clone().fitted(&[]).expect("all of it").input, open.input);
        mutation(Action::Update, json!({"code": "HF1", "status": "IN"}))
            .fitted(&elements)
            .expect_err("it would be open");
    }

    #[test]
    fn the_log_tells_what_became_of_a_mutation() {
        assert_eq!(logged(&json!({"status": 2, "error": null})), Some(Ok(())));
        assert_eq!(logged(&json!({"status": 0})), None);
        assert_eq!(logged(&Value::Null), None);
        let refused = logged(&json!({"status": 1, "error": "[{\"message\": \"no\", \"detail\": \"taken\"}]"}));
        assert_eq!(refused, Some(Err("openIMIS refused it: no: taken".to_owned())));
    }
}
