//! What two documents with the same claim code must agree in to be the same claim: insuree, facility and first day.

use super::dates::clock;
use super::{Settings, Subject, Work};
use crate::bundle::Documents;
use crate::fhir::primitives::{offset, optional_day};
use crate::lookup::{Questions, Resource};

/// The facts of a claim, each with its name; what cannot be read without asking openIMIS is left out. A number and openIMIS' uuid of the same
/// insuree or facility have names of their own, since nobody can compare them here.
pub fn agreement(document: &str, settings: &Settings) -> Vec<(&'static str, String)> {
    let mut issues = Vec::new();
    let Ok(documents) = Documents::read(document, &["Claim"], &mut issues) else { return Vec::new() };
    let Some(offset) = offset(settings.utc_offset_minutes) else { return Vec::new() };
    let subject = Subject::of(&documents, &mut issues);
    let offset = clock(&documents, &subject, offset);
    let questions = Questions::new(&[]);
    let mut work = Work { documents: &documents, settings, offset, days: None, issues, questions };
    let mut facts = Vec::new();
    match work.insuree(&subject) {
        Some(insuree) => facts.push(("insuree.uuid", insuree.uuid)),
        None => facts.extend(work.questions.code_of(Resource::Patient).map(|number| ("insuree.number", number))),
    }
    match work.facility(&subject).and_then(|facility| facility.uuid) {
        Some(uuid) => facts.push(("facility.uuid", uuid)),
        None => facts.extend(work.questions.code_of(Resource::Organization).map(|code| ("facility.code", code))),
    }
    let of_claim = subject.claim.as_ref().and_then(|(_, claim)| claim.billable_period.value());
    let period = of_claim.or_else(|| subject.encounter.as_ref()?.1.period.value());
    let day = period.and_then(|period| optional_day(&period.start, "", offset, &mut Vec::new()));
    facts.extend(day.map(|day| ("day", day.to_string())));
    facts
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claim(change: impl FnOnce(&mut Value)) -> Vec<(&'static str, String)> {
        let code = |value: &str| json!({"identifier": {"type": {"coding": [{"code": "Code"}]}, "value": value}});
        let mut claim = json!({
            "resourceType": "Claim",
            "identifier": [code("DUPCODE1")["identifier"]],
            "patient": code("070707070"),
            "provider": code("HF001"),
            "billablePeriod": {"start": "2026-11-10", "end": "2026-11-12"},
            "item": [{"sequence": 1}],
        });
        change(&mut claim);
        agreement(&claim.to_string(), &Settings::default())
    }

    fn text(value: &str) -> String {
        value.to_owned()
    }

    #[test]
    fn insuree_facility_and_first_day_are_read_as_far_as_they_are_there() {
        let facts =
            [("insuree.number", text("070707070")), ("facility.code", text("HF001")), ("day", text("2026-11-10"))];
        assert_eq!(claim(|_| ()), facts);
        assert_eq!(claim(|claim| claim["item"] = json!([{"sequence": 2}, {"sequence": 3}])), facts);
        assert_eq!(claim(|claim| claim["billablePeriod"]["end"] = "2026-11-30".into()), facts);
        assert_eq!(claim(|claim| claim["billablePeriod"]["start"] = "2026-11-10T08:00:00+05:45".into()), facts);
        assert_eq!(claim(|claim| claim["patient"] = Value::Null), facts[1..]);
        assert_eq!(claim(|claim| claim["billablePeriod"] = json!({"start": "soon"})), facts[..2]);
    }

    #[test]
    fn another_insuree_facility_or_day_is_seen() {
        let other =
            |path: &str, value: &str| claim(|claim| *claim.pointer_mut(path).expect("an element") = value.into());
        let same = claim(|_| ());
        for (path, value) in [
            ("/patient/identifier/value", "119000001"),
            ("/provider/identifier/value", "HF002"),
            ("/billablePeriod/start", "2026-10-01"),
        ] {
            assert_eq!(other(path, value).iter().filter(|fact| !same.contains(fact)).count(), 1, "{path}");
        }
    }

    #[test]
    fn what_is_no_claim_has_none() {
        assert_eq!(agreement("{}", &Settings::default()), []);
        assert_eq!(agreement("no JSON", &Settings::default()), []);
    }
}
