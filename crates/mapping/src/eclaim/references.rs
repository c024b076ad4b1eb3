//! References of a claim: where they stand, what they point at, and how a table may name it.

use crate::bundle::{Condition, Documents, Entry, parts};
use crate::fhir::codes::{CODE, UUID};
use crate::fhir::elements::{Identifier, OpenImisId, Reference};
use crate::fhir::primitives::{plain, uuid};
use crate::json::Node;

/// Resources that are a place.
pub(super) const PLACES: [&str; 2] = ["Organization", "Location"];
/// Resources that are somebody.
const PEOPLE: [&str; 2] = ["Practitioner", "PractitionerRole"];

/// A reference, where it stands, and in which resource.
pub(super) type Named<'w> = (String, &'w Reference<'w>, &'w Entry<'w>);

/// A reference that is there, with its path and its resource.
pub(super) fn named<'w>(path: String, node: &'w Node<Reference<'w>>, entry: &'w Entry<'w>) -> Option<Named<'w>> {
    node.value().map(|reference| (path, reference, entry))
}

/// The uuid, else the code, that an identifier of openIMIS holds.
pub(super) fn of_openimis(identifier: &Identifier) -> Option<OpenImisId> {
    let uuid = identifier.of_openimis(UUID).and_then(uuid).map(|uuid| OpenImisId::Uuid(uuid.to_string()));
    uuid.or_else(|| identifier.of_openimis(CODE).map(|code| OpenImisId::Code(code.to_owned())))
}

/// How a table may name what a reference points at: `Type/id`, the id, its identifier.
pub(super) fn names(reference: &Reference) -> Vec<String> {
    let mut names = Vec::new();
    if let Some((kind, id)) = parts(reference) {
        names.extend(kind.map(|kind| format!("{kind}/{id}")));
        names.push(id.to_owned());
    }
    names.extend(plain(&reference.reference).and_then(Condition::of).into_iter().flat_map(Condition::tokens));
    names.extend(reference.identifier.value().into_iter().flat_map(Identifier::tokens));
    names
}

/// Whether a reference is to somebody, not to a place.
pub(super) fn is_person(documents: &Documents, reference: &Reference, from: &Entry) -> bool {
    parts(reference).and_then(|(kind, _)| kind).is_some_and(|kind| PEOPLE.contains(&kind))
        || documents.resolve(reference, from, &PEOPLE).is_some()
}
