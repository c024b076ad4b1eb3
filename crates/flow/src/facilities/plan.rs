//! What is to become of one facility: the mapping's word, its questions answered from what openIMIS has.

use std::time::Duration;

use mapping::facility::{Envelope, Settings};
use mapping::lookup::{Answer, By, Outcome, Resource};
use mapping::{Issue, IssueType, Severity};
use serde::Deserialize;
use serde_json::Value;

use super::known::KnownFacilities;
use super::write::Mutation;
use super::{Action, Decision, Record, State};
use crate::ports::{Clock, Http, Mapper, MapperError, Store};
use crate::{Flow, storable};

/// How often a mapping may ask anew.
const ROUNDS: usize = 4;
/// How often a call waits for a free instance, a twentieth of a second each.
const TRIES: usize = 200;

/// A facility on its way.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub source: String,
    pub name: Option<String>,
    pub document: String,
}

/// What is to be done.
pub(super) enum Plan {
    /// Nothing is written: openIMIS has it so, or it cannot be written.
    Settled(Record),
    /// It is written; the record says what it is if that works.
    Write { mutation: Mutation, record: Record },
}

#[derive(Deserialize)]
struct Bundle {
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "fullUrl")]
    full_url: Option<String>,
    #[serde(default)]
    resource: Head,
}

#[derive(Default, Deserialize)]
struct Head {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    name: Value,
}

/// What a mapping says is to be done.
#[derive(Deserialize)]
struct Word {
    action: Action,
    code: String,
    #[serde(default)]
    changes: Vec<String>,
    input: Option<Value>,
}

impl Item {
    /// The facility stands first in its document.
    pub fn new(document: String) -> Self {
        let first = serde_json::from_str::<Bundle>(&document).ok().and_then(|bundle| bundle.entry.into_iter().next());
        let (full_url, resource) = first.map_or((None, Head::default()), |entry| (entry.full_url, entry.resource));
        // Leniently: an element of another shape must not take the others along.
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let source = text(&resource.id).map(|id| format!("Location/{id}")).or(full_url);
        let name = text(&resource.name);
        Self { source: source.unwrap_or_else(|| "Location without an id".to_owned()), name, document }
    }

    pub fn record(&self, envelope: &Envelope, state: State) -> Record {
        Record {
            source: self.source.clone(),
            code: envelope.code.clone(),
            national_id: None,
            name: self.name.clone(),
            fingerprint: envelope.fingerprint.clone(),
            state,
            action: None,
            changes: Vec::new(),
            reason: None,
            issues: Vec::new(),
            document: self.document.clone(),
        }
    }

    /// It has the place of another facility, whose code stays known.
    pub fn another(&self, envelope: &Envelope, reason: String) -> Record {
        Record { code: None, ..self.failed(envelope, reason) }
    }

    pub fn failed(&self, envelope: &Envelope, reason: String) -> Record {
        Record { reason: Some(reason), ..self.record(envelope, State::Failed) }
    }
}

/// The settings with what admins decided.
pub(super) fn with_decisions(settings: &Settings, decisions: &[Decision]) -> Settings {
    let mut settings = settings.clone();
    for Decision { national_id, code } in decisions {
        match code {
            // What the file says of an id goes first.
            Some(code) if settings.codes.iter().all(|row| row.source != *national_id) => {
                settings.codes.push(mapping::codes::CodeRow { source: national_id.clone(), openimis: code.clone() });
            }
            Some(_) => {}
            None if settings.distinct.contains(national_id) => {}
            None => settings.distinct.push(national_id.clone()),
        }
    }
    settings
}

/// The name of another facility in the district, and nothing else, is in the way.
fn is_possible_duplicate(issues: &[Issue]) -> bool {
    let mut errors = issues.iter().filter(|issue| issue.severity <= Severity::Error).peekable();
    errors.peek().is_some()
        && errors.all(|issue| issue.code == IssueType::Conflict && issue.expression.ends_with(".name"))
}

/// All errors in one line.
fn told(issues: &[Issue]) -> String {
    let errors = issues.iter().filter(|issue| issue.severity <= Severity::Error);
    errors.map(|issue| issue.diagnostics.as_str()).collect::<Vec<_>>().join("; ")
}

/// Waits for a free instance of a mapping.
macro_rules! unless_busy {
    ($clock:expr, $call:expr) => {{
        let mut tries = 0;
        loop {
            match $call.await {
                Err(MapperError::Busy(_)) if tries < TRIES => {
                    tries += 1;
                    $clock.pause(Duration::from_millis(50)).await;
                }
                done => break done,
            }
        }
    }};
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    pub(super) async fn facility_envelope(&self, document: &str, settings: &Settings) -> Result<Envelope, MapperError> {
        unless_busy!(self.clock, self.mapper.facility_envelope(document, settings))
    }

    /// Asks the mapping. The error is the mapping's and of all facilities; one that fails with this facility only is a failed record.
    pub(super) async fn plan_facility(
        &self,
        item: &Item,
        envelope: &Envelope,
        known: &mut KnownFacilities,
        settings: &Settings,
    ) -> Result<Plan, MapperError> {
        let mut answers: Vec<Answer> = Vec::new();
        let unstorable = storable::issues(&item.document);
        for _ in 0..=ROUNDS {
            let outcome = match unless_busy!(self.clock, self.mapper.facility(&item.document, &answers, settings)) {
                Ok(outcome) => outcome,
                Err(error @ MapperError::Unusable(..)) => return Err(error),
                Err(error) => return Ok(Plan::Settled(item.failed(envelope, error.to_string()))),
            };
            let outcome = if unstorable.is_empty() { outcome } else { Outcome::Issues(unstorable.clone()) };
            match outcome {
                Outcome::Needs(wanted) => {
                    if wanted.iter().any(|lookup| answers.iter().any(|answer| answer.lookup == *lookup)) {
                        break;
                    }
                    answers.extend(wanted.into_iter().map(|lookup| known.answer(lookup)));
                }
                Outcome::Issues(issues) => {
                    let state = if is_possible_duplicate(&issues) { State::PossibleDuplicate } else { State::Failed };
                    let reason = Some(told(&issues));
                    return Ok(Plan::Settled(Record { reason, issues, ..item.record(envelope, state) }));
                }
                Outcome::Mapped(mapped) => {
                    let record = Record { issues: mapped.warnings, ..item.record(envelope, State::Done) };
                    return Ok(planned(item, envelope, record, &mapped.body, &answers, known));
                }
            }
        }
        let reason = format!("the mapping still asked after {ROUNDS} rounds of look-ups, or asked the same again");
        Ok(Plan::Settled(item.failed(envelope, reason)))
    }
}

/// What the mapping wrote, as something to do.
fn planned(
    item: &Item,
    envelope: &Envelope,
    record: Record,
    body: &str,
    answers: &[Answer],
    known: &mut KnownFacilities,
) -> Plan {
    let failed = |reason: &str| Plan::Settled(item.failed(envelope, reason.to_owned()));
    let Ok(word) = serde_json::from_str::<Word>(body) else {
        return failed("the mapping wrote something else than action, code and input");
    };
    let record = Record { code: Some(word.code.clone()), action: Some(word.action), changes: word.changes, ..record };
    if word.action == Action::None {
        return Plan::Settled(record);
    }
    let Some(input) = word.input else { return failed("the mapping wrote no input") };
    let name = input["name"].as_str().map(str::to_owned);
    let mutation = match (Mutation { action: word.action, input }).fitted(&known.elements) {
        Ok(mutation) => mutation,
        Err(reason) => return failed(&reason),
    };
    let of_district = |answer: &&Answer| (answer.lookup.resource, answer.lookup.by) == (Resource::Location, By::Code);
    if let (Some(district), Some(name)) = (answers.iter().find(of_district), name) {
        // At once: the next facility of this name in the district is a possible duplicate of this one.
        known.put(&word.code, &name, &district.lookup.value);
    }
    Plan::Write { mutation, record }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_facility_is_called_by_its_id() {
        let item =
            Item::new(r#"{"entry":[{"resource":{"id":"hf-1","name":"One"}},{"resource":{"id":"area"}}]}"#.to_owned());
        assert_eq!((item.source.as_str(), item.name.as_deref()), ("Location/hf-1", Some("One")));
        assert_eq!(Item::new("nonsense".to_owned()).source, "Location without an id");
        let misshapen = Item::new(r#"{"entry":[{"resource":{"id":"hf-2","name":5}}]}"#.to_owned());
        assert_eq!((misshapen.source.as_str(), misshapen.name), ("Location/hf-2", None));
    }

    #[test]
    fn only_the_name_of_another_facility_makes_a_possible_duplicate() {
        let name = Issue::error(IssueType::Conflict, "Bundle.entry[0].resource.name", "HF001 has the same name");
        let other = Issue::error(IssueType::NotFound, "Bundle.entry[0].resource.partOf", "no district");
        let warning = other.clone().as_warning();
        assert!(is_possible_duplicate(&[name.clone(), warning]));
        assert!(!is_possible_duplicate(&[name, other]));
        assert!(!is_possible_duplicate(&[]));
    }

    #[test]
    fn what_an_admin_decided_counts_like_a_row_of_the_settings_and_the_settings_go_first() {
        let decision =
            |id: &str, code: Option<&str>| Decision { national_id: id.to_owned(), code: code.map(str::to_owned) };
        let row = |source: &str, openimis: &str| mapping::codes::CodeRow {
            source: source.to_owned(),
            openimis: openimis.to_owned(),
        };
        let settings = Settings { codes: vec![row("A", "HF1")].into(), ..Settings::default() };
        let all = [decision("A", Some("HF9")), decision("B", Some("HF2")), decision("C", None)];
        let settings = with_decisions(&settings, &all);
        assert_eq!(settings.codes[..], [row("A", "HF1"), row("B", "HF2")]);
        assert_eq!(settings.distinct[..], ["C"]);
    }
}
