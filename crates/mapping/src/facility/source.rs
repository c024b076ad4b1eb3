//! A registry's resources. Only the elements that are read.

use serde::Deserialize;

use crate::json::{Node, Scalar, Text, object_shape};
use crate::r4::{Address, Concept, ContactPoint, List, Reference};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Location<'a> {
    #[serde(borrow, default)]
    pub identifier: List<OfficialIdentifier<'a>>,
    #[serde(borrow, default)]
    pub status: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub name: Node<Text<'a>>,
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
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Organization<'a> {
    #[serde(borrow, default)]
    pub identifier: List<OfficialIdentifier<'a>>,
    #[serde(borrow, default)]
    pub active: Node<Scalar<'a>>,
    #[serde(borrow, default)]
    pub name: Node<Text<'a>>,
    #[serde(borrow, default, rename = "type")]
    pub kind: List<Concept<'a>>,
    #[serde(borrow, default)]
    pub telecom: List<ContactPoint<'a>>,
    #[serde(borrow, default)]
    pub part_of: Node<Reference<'a>>,
}

/// An identifier, and whether it is the official one.
#[derive(Debug, Deserialize)]
pub(super) struct OfficialIdentifier<'a> {
    #[serde(borrow, default, rename = "use")]
    pub usage: Node<Text<'a>>,
    #[serde(borrow, default, rename = "type")]
    pub kind: Node<Concept<'a>>,
    #[serde(borrow, default)]
    pub system: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub value: Node<Text<'a>>,
}

object_shape!(Location, Organization, OfficialIdentifier);

/// Whether a `Location` is a place where people are treated, and no area or jurisdiction.
pub(super) fn is_facility(location: &Location) -> bool {
    let physical = location.physical_type.value().into_iter().flat_map(Concept::codes);
    let kinds = location.kind.items().flat_map(Concept::codes);
    !physical
        .chain(kinds)
        .any(|code| matches!(code, "jdn" | "area" | "jurisdiction" | "urn:ihe:iti:mcsd:2019:jurisdiction"))
}
