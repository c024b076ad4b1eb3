//! A registry's resources. Only the elements that are read.

use serde::Deserialize;

use super::settings::Settings;
use crate::codes;
use crate::fhir::elements::{Address, Concept, ContactPoint, Identifier, List, Reference};
use crate::fhir::primitives::{plain, shown};
use crate::issue::{Issue, IssueType};
use crate::json::{Node, Scalar, Text, Words, object_shape};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Location<'a> {
    #[serde(borrow, default)]
    pub identifier: List<Identifier<'a>>,
    #[serde(borrow, default)]
    pub status: Node<Text<'a>>,
    #[serde(borrow, default)]
    mode: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub name: Node<Words<'a>>,
    #[serde(borrow, default, rename = "type")]
    pub kind: List<Concept<'a>>,
    #[serde(borrow, default)]
    pub telecom: List<ContactPoint<'a>>,
    #[serde(borrow, default)]
    pub address: Node<Address<'a>>,
    #[serde(borrow, default)]
    pub physical_type: Node<Concept<'a>>,
    #[serde(borrow, default)]
    pub managing_organization: Node<Reference<'a>>,
    #[serde(borrow, default)]
    pub part_of: Node<Reference<'a>>,
    #[serde(borrow, default)]
    pub meta: Node<Meta<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Organization<'a> {
    #[serde(borrow, default)]
    pub identifier: List<Identifier<'a>>,
    #[serde(borrow, default)]
    pub active: Node<Scalar<'a>>,
    #[serde(borrow, default)]
    pub name: Node<Words<'a>>,
    #[serde(borrow, default, rename = "type")]
    pub kind: List<Concept<'a>>,
    #[serde(borrow, default)]
    pub telecom: List<ContactPoint<'a>>,
    #[serde(borrow, default)]
    pub part_of: Node<Reference<'a>>,
    #[serde(borrow, default)]
    pub meta: Node<Meta<'a>>,
}

/// When the registry changed the resource last.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta<'a> {
    #[serde(borrow, default)]
    last_updated: Node<Text<'a>>,
}

object_shape!(Location, Organization, Meta);

/// The day on which a resource was as it is.
pub(super) fn day<'n>(meta: &'n Node<Meta<'_>>) -> Option<&'n str> {
    plain(&meta.value()?.last_updated)
}

/// Whether a `Location` is a place where people are treated as a whole: no area or jurisdiction, no wing, ward, room or bed, and no kind of
/// place.
pub(super) fn is_facility(location: &Location) -> bool {
    let physical = location.physical_type.value().into_iter().flat_map(Concept::codes);
    let mut physical =
        physical.filter(|code| matches!(*code, "jdn" | "area" | "wi" | "wa" | "lvl" | "co" | "ro" | "bd"));
    let kinds = location.kind.items().flat_map(Concept::codes);
    let mut areas =
        kinds.filter(|code| matches!(*code, "jdn" | "area" | "jurisdiction" | "urn:ihe:iti:mcsd:2019:jurisdiction"));
    physical.next().is_none() && areas.next().is_none() && plain(&location.mode) != Some("kind")
}

/// Whether an organization is a facility itself: mCSD gives each facility a `Location` and an `Organization`.
pub(super) fn is_paired(organization: &Organization) -> bool {
    let mut kinds = organization.kind.items().flat_map(Concept::codes);
    kinds.any(|code| matches!(code, "facility" | "urn:ihe:iti:mcsd:2019:facility"))
}

/// A national id, and with the system that it is of.
#[derive(Clone, Debug)]
pub(super) struct NationalId {
    pub value: String,
    with_system: Option<String>,
}

impl NationalId {
    pub fn of(identifier: &Identifier) -> Option<Self> {
        let value = identifier.value()?.to_owned();
        let with_system = plain(&identifier.system).map(|system| format!("{system}|{value}"));
        Some(Self { value, with_system })
    }

    /// Whether a row of a table is of this id.
    pub fn is(&self, source: &str) -> bool {
        source == self.value || self.with_system.as_deref() == Some(source)
    }

    pub fn is_one_of(&self, sources: &[String]) -> bool {
        sources.iter().any(|source| self.is(source))
    }
}

impl crate::shapes::Told for Location<'_> {}
impl crate::shapes::Told for Organization<'_> {}

/// Types that no table knows: the defaults stand in for them.
pub(super) fn tell_unknown_types(settings: &Settings, path: &str, types: &[String], issues: &mut Vec<Issue>) {
    let Settings { levels, sub_levels, legal_forms, care_types, .. } = settings;
    let is_known = [levels, sub_levels, legal_forms, care_types].iter().any(|rows| codes::find(rows, types).is_some());
    if types.is_empty() || is_known {
        return;
    }
    let told: Vec<String> = types.iter().take(3).map(|token| shown(token)).collect();
    let told = told.join(", ");
    let text = format!("no row for {told} in levels, sub_levels, legal_forms or care_types; the defaults were written");
    issues.push(Issue::error(IssueType::NotFound, path.to_owned(), text).as_warning());
}
