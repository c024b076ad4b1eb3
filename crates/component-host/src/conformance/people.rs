//! The rule over all cases of `patient`: the same insuree is the same person for ever, and nobody else.

use std::collections::BTreeMap;

use mapping::MapResult;
use mapping::ids::InsureeUuid;
use serde_json::Value;

use super::super::Interface;
use super::case::Case;
use super::contract::LONGEST_KEY;

/// Who became whom, and in which case.
#[derive(Default)]
pub struct People {
    persons: BTreeMap<InsureeUuid, (String, String)>,
    insurees: BTreeMap<String, (InsureeUuid, String)>,
}

impl People {
    /// What is wrong with a person, held against those of the cases before.
    pub fn confused(&mut self, case: &Case, answer: &MapResult) -> Option<String> {
        let Ok(mapped) = answer else { return None };
        let insuree = (case.interface == Interface::Patient).then(|| insuree(case.input()))??;
        let id = mapped.idempotency_key.strip_prefix("person/").filter(|id| id.len() <= LONGEST_KEY)?.to_owned();
        let (person, before) = self.persons.entry(insuree).or_insert_with(|| (id.clone(), case.name()));
        if *person != id {
            return Some(format!("_id: expected that of {before}, which has the same Patient.id"));
        }
        let (other, before) = self.insurees.entry(id).or_insert_with(|| (insuree, case.name()));
        (*other != insuree)
            .then(|| format!("_id: expected another one than that of {before}, which has another Patient.id"))
    }
}

/// The uuid of `Patient.id`. None where an identifier says another one: which of the two counts is the mapping's to decide.
fn insuree(input: &str) -> Option<InsureeUuid> {
    let patient: Value = serde_json::from_str(input).ok()?;
    let parsed = |value: &Value| value.as_str().and_then(InsureeUuid::parse);
    let id = parsed(&patient["id"])?;
    let identifiers = patient["identifier"].as_array().into_iter().flatten();
    identifiers.filter_map(|identifier| parsed(&identifier["value"])).all(|other| other == id).then_some(id)
}
