//! The insurance number, wherever hospitals write it: among the patient's identifiers, in a person attribute of OpenMRS, in the reference to
//! the patient, or in a `Coverage`.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::bundle::{Condition, Documents, Entry, parts, told};
use crate::fhir::codes::UUID;
use crate::fhir::elements::{Identifier, List, MANY, Reference};
use crate::fhir::period::Period;
use crate::fhir::primitives::{plain, uuid};
use crate::in_use::{NO_LONGER, best, may_be_meant};
use crate::issue::{Issue, IssueType};
use crate::json::{Node, Scalar, Text, object_shape};
use crate::shapes::told;

/// Among the names: the id of a reference to a patient is the insurance number.
const PATIENT_ID: &str = "Patient/";
const ATTRIBUTE: &str = "http://fhir.openmrs.org/ext/person-attribute";
const ATTRIBUTE_TYPE: &str = "http://fhir.openmrs.org/ext/person-attribute-type";
const ATTRIBUTE_VALUE: &str = "http://fhir.openmrs.org/ext/person-attribute-value";

/// A hospital's `Patient`, or openIMIS' own.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Patient<'a> {
    #[serde(borrow, default)]
    pub id: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub identifier: List<Identifier<'a>>,
    #[serde(borrow, default)]
    pub gender: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub birth_date: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub active: Node<Scalar<'a>>,
    #[serde(borrow, default)]
    pub deceased_date_time: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub link: List<PatientLink<'a>>,
    #[serde(borrow, default)]
    extension: List<Attribute<'a>>,
}

/// Another record of the same person.
#[derive(Debug, Deserialize)]
pub(crate) struct PatientLink<'a> {
    #[serde(borrow, default, rename = "type")]
    pub kind: Node<Text<'a>>,
}

/// A person attribute of OpenMRS: its type's name and its value.
#[derive(Debug, Deserialize)]
struct Attribute<'a> {
    #[serde(borrow, default)]
    url: Node<Text<'a>>,
    #[serde(borrow, default)]
    extension: List<AttributePart<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AttributePart<'a> {
    #[serde(borrow, default)]
    url: Node<Text<'a>>,
    #[serde(borrow, default)]
    value_string: Node<Text<'a>>,
}

/// A hospital's record of an insurance.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Coverage<'a> {
    #[serde(borrow, default)]
    pub identifier: List<Identifier<'a>>,
    #[serde(borrow, default)]
    pub status: Node<Text<'a>>,
    #[serde(borrow, default)]
    subscriber_id: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub period: Node<Period<'a>>,
}

object_shape!(Patient, PatientLink, Attribute, AttributePart, Coverage);
told! {
    Patient { id, identifier, gender, birth_date, active, deceased_date_time, link, extension }
    PatientLink { kind }
    Attribute { url, extension }
    AttributePart { url, value_string }
    Coverage { identifier, status, subscriber_id, period }
}

impl Patient<'_> {
    /// Values of person attributes whose type is one of these.
    fn attributes<'p>(&'p self, names: &'p [String]) -> impl Iterator<Item = &'p str> {
        let attributes = self.extension.items().filter(|found| plain(&found.url) == Some(ATTRIBUTE));
        attributes.filter_map(move |attribute| {
            let part = |url: &str| {
                let part = attribute.extension.items().find(|part| plain(&part.url) == Some(url));
                part.and_then(|part| plain(&part.value_string))
            };
            part(ATTRIBUTE_VALUE)
                .filter(|_| part(ATTRIBUTE_TYPE).is_some_and(|kind| names.iter().any(|name| name == kind)))
        })
    }
}

impl Coverage<'_> {
    fn number(&self, names: &[String], on: Option<&str>) -> Option<&str> {
        let named = || best(self.identifier.items(), on, |found| found.value().filter(|_| found.is_one_of(names)));
        plain(&self.subscriber_id).or_else(named)
    }
}

/// The one insurance number, if there is one. The error is how many different ones there are: whose claim it is must not be a guess.
/// `coverages`: those that the claim or question names. Without any, all of the document count.
pub(crate) fn insurance_number<'w>(
    names: &[String],
    patient: Option<&Patient>,
    reference: &Reference,
    documents: &Documents<'w>,
    coverages: &[&Entry<'w>],
) -> Result<Option<String>, usize> {
    let own = reference.identifier.value();
    let of_patient = patient.into_iter().flat_map(|patient| patient.identifier.items()).chain(own);
    let on = documents.day.as_deref();
    let value = |found: &Identifier| found.value().map(str::to_owned).filter(|_| found.is_one_of(names));
    let mut numbers: BTreeSet<String> = may_be_meant(of_patient, on, value).into_iter().collect();
    if let Some(Condition { system: Some(system), value }) = plain(&reference.reference).and_then(Condition::of)
        && names.contains(&system)
    {
        numbers.insert(value);
    }
    if let (true, Some(patient)) = (numbers.is_empty(), patient) {
        numbers.extend(patient.attributes(names).map(str::to_owned));
    }
    if numbers.is_empty() {
        numbers = of_coverages(names, documents, coverages, on);
    }
    if let (true, None, Some(number)) = (numbers.is_empty(), patient, of_reference(names, reference)) {
        numbers.insert(number.to_owned());
    }
    match numbers.len() {
        0 | 1 => Ok(numbers.pop_first()),
        several => Err(several),
    }
}

/// The numbers of coverages that are active, else of those that no longer are. What is a draft or a mistake says nothing.
fn of_coverages<'w>(
    names: &[String],
    documents: &Documents<'w>,
    coverages: &[&Entry<'w>],
    on: Option<&str>,
) -> BTreeSet<String> {
    let all = || documents.of("Coverage").take(MANY).collect();
    let coverages: Vec<&Entry> = if coverages.is_empty() { all() } else { coverages.to_vec() };
    let parsed: Vec<Coverage> =
        coverages.iter().filter_map(|entry| documents.parse::<Coverage>(entry, &mut Vec::new())).collect();
    let of = |status: &str| -> BTreeSet<String> {
        let of_status = parsed.iter().filter(|coverage| plain(&coverage.status).unwrap_or("active") == status);
        of_status.filter_map(|coverage| coverage.number(names, on).map(str::to_owned)).collect()
    };
    let active = of("active");
    if active.is_empty() { of("cancelled") } else { active }
}

/// The id of a patient whom the document does not hold, where the names say that it is the insurance number: openIMIS' own API takes it so. A
/// uuid is none.
fn of_reference<'r>(names: &[String], reference: &'r Reference) -> Option<&'r str> {
    let (kind, id) = parts(reference).filter(|_| names.iter().any(|name| name == PATIENT_ID))?;
    (kind == Some("Patient") && uuid(id).is_none()).then_some(id)
}

/// Why nobody is found: what is there in place of an insurance number.
pub(crate) fn unnamed(
    path: &str,
    reference: &Reference,
    patient: Option<(&Entry, &Patient)>,
    names: &[String],
) -> Issue {
    const EXPECTED: &str = "the insurance number or openIMIS' uuid of the patient";
    let kinds = names.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(", ");
    let others = |count: usize, path: String| {
        let issue = Issue::missing(path, EXPECTED);
        match count {
            0 => issue,
            count => {
                let text = format!(
                    "{}; found identifiers ({count}), none in use of openIMIS' or of {kinds}",
                    issue.diagnostics
                );
                Issue { diagnostics: text, ..issue }
            }
        }
    };
    let own = reference.identifier.value();
    let of_patient = patient.iter().flat_map(|(_, patient)| patient.identifier.items()).chain(own);
    let mut numbers = of_patient.filter(|found| found.is_one_of(names) || found.is_of_openimis());
    if numbers.any(|found| found.is_there() && found.of_openimis(UUID).is_none()) {
        let path = patient.map_or(path, |(entry, _)| entry.path.as_str());
        return Issue::unusable(format!("{path}.identifier"), EXPECTED, NO_LONGER);
    }
    if let Some((entry, patient)) = patient {
        return others(patient.identifier.value().map_or(0, Vec::len), format!("{}.identifier", entry.path));
    }
    let Some(text) = plain(&reference.reference) else {
        let is_there = !matches!(reference.identifier, Node::Absent);
        let path = if is_there { format!("{path}.identifier") } else { path.to_owned() };
        return others(usize::from(is_there), path);
    };
    let kind = parts(reference).and_then(|(kind, _)| kind).filter(|kind| *kind != "Patient");
    let found = match kind {
        Some(kind) => format!("a reference to {}", told(kind)),
        None if text.starts_with('#') => "a reference to a contained resource that is not there".to_owned(),
        None => "a reference to a patient whom the document does not hold".to_owned(),
    };
    let expected = format!("{EXPECTED}, in the Patient of the document or in the reference's identifier");
    Issue::error(IssueType::NotFound, format!("{path}.reference"), format!("expected {expected}; found {found}"))
}
