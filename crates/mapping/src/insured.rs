//! The insurance number, wherever hospitals write it: among the patient's identifiers, in a person attribute of OpenMRS, in the reference to
//! the patient, or in a `Coverage`.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::bundle::{Condition, Documents, Entry};
use crate::json::{Node, Text, object_shape};
use crate::r4::{Identifier, List, MANY, Period, Reference, plain};

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
    extension: List<Attribute<'a>>,
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

object_shape!(Patient, Attribute, AttributePart, Coverage);

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
    fn number(&self, names: &[String]) -> Option<&str> {
        let named = || self.identifier.items().filter(|found| found.is_one_of(names)).find_map(Identifier::value);
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
    let mut numbers: BTreeSet<String> = of_patient
        .filter(|found| found.is_one_of(names))
        .filter_map(|found| found.value().map(str::to_owned))
        .collect();
    if let Some(Condition { system: Some(system), value }) = plain(&reference.reference).and_then(Condition::of)
        && names.contains(&system)
    {
        numbers.insert(value);
    }
    if let (true, Some(patient)) = (numbers.is_empty(), patient) {
        numbers.extend(patient.attributes(names).map(str::to_owned));
    }
    if numbers.is_empty() {
        let all = || documents.of("Coverage").take(MANY).collect();
        let coverages: Vec<&Entry> = if coverages.is_empty() { all() } else { coverages.to_vec() };
        let parsed = coverages.iter().filter_map(|entry| documents.parse::<Coverage>(entry, &mut Vec::new()));
        numbers.extend(parsed.filter_map(|coverage| coverage.number(names).map(str::to_owned)));
    }
    match numbers.len() {
        0 | 1 => Ok(numbers.pop_first()),
        several => Err(several),
    }
}
