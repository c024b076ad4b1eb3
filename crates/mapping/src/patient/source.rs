//! openIMIS' `Patient`. Only the elements that are read.

use serde::Deserialize;
use uuid::Uuid;

use crate::fhir::elements::ContactPoint;
use crate::fhir::openimis::{Contained, Identifier, Reference, identifier};
use crate::fhir::period::Period;
use crate::fhir::primitives::plain;
use crate::in_use::{Repeated, Repetition, best, repetition};
use crate::json::{Node, Scalar, Text, Words, document, object_shape};
use crate::modifiers::ModifierExtension;

#[derive(Debug, Deserialize)]
pub(super) struct Patient<'a> {
    #[serde(borrow, default, rename = "resourceType")]
    pub resource_type: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub id: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub identifier: Node<Vec<Node<Identifier<'a>>>>,
    #[serde(borrow, default)]
    pub name: Node<Vec<Node<HumanName<'a>>>>,
    #[serde(borrow, default)]
    pub telecom: Node<Vec<Node<ContactPoint<'a>>>>,
    #[serde(borrow, default)]
    pub gender: Node<Text<'a>>,
    #[serde(borrow, default, rename = "birthDate")]
    pub birth_date: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub meta: Node<Meta<'a>>,
    #[serde(borrow, default)]
    pub active: Node<Scalar<'a>>,
    #[serde(borrow, default, rename = "deceasedBoolean")]
    pub deceased_boolean: Node<Scalar<'a>>,
    #[serde(borrow, default, rename = "deceasedDateTime")]
    pub deceased_date_time: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub link: Node<Vec<Node<Link<'a>>>>,
    #[serde(borrow, default, rename = "modifierExtension")]
    pub modifier_extension: ModifierExtension<'a>,
    #[serde(borrow, default, rename = "implicitRules")]
    pub implicit_rules: Node<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Meta<'a> {
    #[serde(borrow, default, rename = "lastUpdated")]
    pub last_updated: Node<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Link<'a> {
    #[serde(borrow, default, rename = "type")]
    pub kind: Node<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct HumanName<'a> {
    #[serde(borrow, default, rename = "use")]
    pub usage: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub text: Node<Words<'a>>,
    #[serde(borrow, default)]
    pub family: Node<Words<'a>>,
    #[serde(borrow, default)]
    pub given: Node<Vec<Node<Words<'a>>>>,
    #[serde(borrow, default)]
    pub period: Node<Period<'a>>,
}

/// As far as it says where openIMIS has the insuree.
#[derive(Debug, Deserialize)]
struct Resident<'a> {
    #[serde(borrow, default)]
    address: Node<Vec<Node<Address<'a>>>>,
    #[serde(borrow, default)]
    meta: Node<Meta<'a>>,
}

#[derive(Debug, Deserialize)]
struct Address<'a> {
    #[serde(borrow, default, rename = "use")]
    pub usage: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub period: Node<Period<'a>>,
    #[serde(borrow, default)]
    pub extension: Node<Vec<Node<Extension<'a>>>>,
}

#[derive(Debug, Deserialize)]
struct Extension<'a> {
    #[serde(borrow, default)]
    pub url: Node<Text<'a>>,
    #[serde(borrow, default, rename = "valueReference")]
    pub value: Node<Reference<'a>>,
}

object_shape!(Patient, Resident, Meta, Link, HumanName, Address, Extension);

impl Repeated for HumanName<'_> {
    fn repetition(&self) -> Repetition<'_> {
        repetition(&self.usage, &self.period, None)
    }
}

impl Repeated for Address<'_> {
    fn repetition(&self) -> Repetition<'_> {
        repetition(&self.usage, &self.period, None)
    }
}

/// The day of a document, where it says one.
pub(super) fn day<'n>(meta: &'n Node<Meta<'_>>) -> Option<&'n str> {
    plain(&meta.value()?.last_updated)
}

/// The value of openIMIS' own identifier of a type (`UUID`, `Code`) that counts most in a FHIR `Patient`.
pub fn identifier_of(patient: &str, code: &str) -> Option<String> {
    let patient: Patient = document(patient, "Patient").ok()?;
    identifier(&patient.identifier, code, day(&patient.meta)).map(str::to_owned)
}

/// openIMIS' uuid of the location where an insuree lives, from a FHIR `Patient`: that of the address that counts most.
pub fn location(patient: &str) -> Option<Uuid> {
    let patient: Resident = document(patient, "Patient").ok()?;
    best(patient.address.items(), day(&patient.meta), |address| {
        let is_location = |extension: &&Extension| {
            plain(&extension.url).is_some_and(|url| url.ends_with("/address-location-reference"))
        };
        let references = address.extension.items().filter(is_location).filter_map(|extension| extension.value.value());
        references
            .into_iter()
            .find_map(|reference| reference.uuid("", &["Location"], &Contained::default(), &mut Vec::new()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(usage: &str, end: &str, location: &str) -> String {
        format!(
            r#"{{"use": "{usage}", "period": {{"end": {end}}}, "extension": [{{"url": "x/address-location-reference",
                "valueReference": {{"reference": "{location}"}}}}]}}"#
        )
    }

    #[test]
    fn an_insuree_lives_where_the_address_in_use_says() {
        let [old, ended, temp, home] =
            ["0", "1", "2", "3"].map(|last| format!("4842AF48-fa6a-46fa-b5bb-08001bb58f5{last}"));
        let of = |addresses: &[String]| {
            let patient =
                format!(r#"{{"meta": {{"lastUpdated": "2026-11-30"}}, "address": [{}]}}"#, addresses.join(","));
            location(&patient).map(|uuid| uuid.to_string())
        };
        let old = address("old", "null", &format!("Location/{old}"));
        let ended = address("home", "\"2026-11-29\"", &format!("Location/{ended}"));
        let (at_temp, at_home) =
            (address("temp", "null", &format!("#Location/{temp}")), address("home", "null", &home));
        assert_eq!(of(&[old.clone(), ended.clone()]), None);
        assert_eq!(of(&[old.clone(), at_temp.clone()]), Some(temp.to_lowercase()));
        assert_eq!(of(&[old, ended, at_temp, at_home]), Some(home.to_lowercase()));
        assert_eq!(location(r#"{"address": [{}]}"#), None);
    }

    #[test]
    fn an_old_number_is_not_the_insurees() {
        let number = |usage: &str, value: &str| {
            format!(r#"{{"use": "{usage}", "type": {{"coding": [{{"code": "Code"}}]}}, "value": "{value}"}}"#)
        };
        let of = |numbers: &[String]| identifier_of(&format!(r#"{{"identifier": [{}]}}"#, numbers.join(",")), "Code");
        assert_eq!(of(&[number("old", "1"), number("usual", "2"), number("official", "3")]), Some("3".to_owned()));
        assert_eq!(of(&[number("old", "1")]), None);
    }
}
