//! Where the patient was treated: the hospital's wards and organizations, and the health facility of openIMIS that they are.

use std::collections::BTreeSet;

use super::references::{Named, PLACES, is_person, named, names, of_openimis};
use super::settings::FacilityRow;
use super::source::Place;
use super::{Settings, Subject, Work};
use crate::bundle::{Documents, Entry};
use crate::fhir::elements::{Identifier, MANY, OpenImisId, Reference, openimis_identifier};
use crate::fhir::primitives::{plain, shown};
use crate::issue::{Issue, IssueType};
use crate::json::{Node, Scalar};
use crate::lookup::Resource;

/// How far up `partOf` and `managingOrganization` a ward's hospital is looked for.
const MAX_STEPS: usize = 12;

/// The health facility, and who enters its claims.
pub(super) struct Facility {
    /// None while openIMIS has not answered, or if it has none.
    pub uuid: Option<String>,
    pub enterer: Option<String>,
}

/// What a place is called, nearest names first, and openIMIS' own name of the first that has one.
struct Called {
    tokens: Vec<String>,
    id: Option<OpenImisId>,
    /// The resources that were read, by their places in the document, and those of them that are no longer in use.
    read: Vec<usize>,
    closed: Vec<String>,
}

/// How openIMIS' facility is called without asking openIMIS: an encounter's number is one hospital's own.
pub(super) fn scope(documents: &Documents, settings: &Settings, subject: &Subject) -> Option<String> {
    let of_place = places(documents, subject).into_iter().find_map(|(_, reference, from)| {
        let called = called(documents, reference, from);
        match row(settings, &called.tokens) {
            Some(row) => Some(row.openimis.trim().to_owned()),
            None => called.id.map(|(OpenImisId::Code(id) | OpenImisId::Uuid(id))| id),
        }
    });
    of_place.or_else(|| Some(settings.default_facility.trim().to_owned())).filter(|scope| !scope.is_empty())
}

fn row<'s>(settings: &'s Settings, tokens: &[String]) -> Option<&'s FacilityRow> {
    tokens.iter().find_map(|token| settings.facilities.iter().find(|row| row.source == *token))
}

/// The places that the claim and the encounter name. FHIR lets a person be a claim's provider.
fn places<'w>(documents: &'w Documents, subject: &'w Subject<'w>) -> Vec<Named<'w>> {
    let mut places: Vec<Named> = Vec::new();
    if let Some((entry, claim)) = &subject.claim {
        places.extend(named(format!("{}.provider", entry.path), &claim.provider, entry));
        places.extend(named(format!("{}.facility", entry.path), &claim.facility, entry));
    }
    if let Some((entry, encounter)) = &subject.encounter {
        places.extend(named(format!("{}.serviceProvider", entry.path), &encounter.service_provider, entry));
        for (index, location) in encounter.location.items().take(MANY).enumerate() {
            let path = format!("{}.location[{index}].location", entry.path);
            places.extend(named(path, &location.location, entry));
        }
    }
    places.retain(|(_, reference, from)| !is_person(documents, reference, from));
    places
}

/// All names of a place and of what it is part of.
fn called(documents: &Documents, reference: &Reference, from: &Entry) -> Called {
    let mut tokens = names(reference);
    let mut id = reference.identifier.value().and_then(of_openimis);
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let mut closed = Vec::new();
    let mut next: Vec<&Entry> = documents.resolve(reference, from, &PLACES).into_iter().collect();
    while let Some(entry) = next.pop() {
        if seen.len() >= MAX_STEPS || !seen.insert(entry.index) {
            continue;
        }
        let Some(place) = documents.parse::<Place>(entry, &mut Vec::new()) else { continue };
        if matches!(place.active.value(), Some(Scalar::Bool(false))) {
            closed.push(format!("{}.active", entry.path));
        }
        if plain(&place.status).is_some_and(|status| status != "active") {
            closed.push(format!("{}.status", entry.path));
        }
        tokens.extend(entry.own_id().map(|id| format!("{}/{id}", entry.kind)));
        tokens.extend(place.identifier.items().take(MANY).flat_map(Identifier::tokens));
        id = id.or_else(|| openimis_identifier(&place.identifier));
        for reference in [&place.part_of, &place.managing_organization].into_iter().filter_map(Node::value) {
            tokens.extend(names(reference));
            next.extend(documents.resolve(reference, entry, &PLACES));
        }
    }
    Called { tokens, id, read: seen.into_iter().collect(), closed }
}

impl<'w> Work<'w> {
    /// The health facility: the table's word for any of the places that the claim and the encounter name, and what these are part of.
    pub(super) fn facility(&mut self, subject: &'w Subject<'w>) -> Option<Facility> {
        let (documents, settings) = (self.documents, self.settings);
        let places = places(documents, subject);
        let mut told = Vec::new();
        for (path, reference, from) in &places {
            let Called { tokens, id, read, closed } = called(documents, reference, from);
            self.check_place(&read, closed);
            if let Some(row) = row(settings, &tokens) {
                let uuid = self.facility_uuid(OpenImisId::parse(&row.openimis), path);
                return Some(Facility { uuid, enterer: row.enterer.clone() });
            }
            let resolved = documents.resolve(reference, from, &PLACES).is_some();
            if let Some(id) = id.or_else(|| self.trusted(reference, resolved)) {
                return Some(Facility { uuid: self.facility_uuid(id, path), enterer: None });
            }
            told.extend(tokens.first().map(|token| shown(token)));
        }
        let default = settings.default_facility.trim();
        if !default.is_empty() {
            let uuid =
                self.facility_uuid(OpenImisId::parse(default), &subject.of_either("provider", "serviceProvider"));
            let row = settings.facilities.iter().find(|row| row.openimis.trim() == default);
            return Some(Facility { uuid, enterer: row.and_then(|row| row.enterer.clone()) });
        }
        let path = places.first().map_or(subject.of_either("provider", "serviceProvider"), |(path, ..)| path.clone());
        told.truncate(3);
        if told.is_empty() && places.is_empty() {
            self.issues.push(Issue::missing(path, "the health facility, or the setting default_facility"));
        } else if told.is_empty() {
            let expected = "a reference to the health facility, or the setting default_facility";
            self.issues.push(Issue::unusable(path, expected, "one without reference and identifier"));
        } else {
            let text = format!(
                "no openIMIS facility for {}; expected a row of facilities, or default_facility",
                told.join(", ")
            );
            self.error(IssueType::NotFound, path, text);
        }
        None
    }

    /// A place's modifiers: a ward may be closed on paper only, so that is told.
    fn check_place(&mut self, read: &[usize], closed: Vec<String>) {
        for index in read {
            self.heed(&self.documents.entries[*index]);
        }
        for path in closed {
            self.warn(IssueType::BusinessRule, path, "a place that is not in use; is it the right one?");
        }
    }

    fn facility_uuid(&mut self, id: OpenImisId, path: &str) -> Option<String> {
        let (OpenImisId::Code(told) | OpenImisId::Uuid(told)) = id.clone();
        self.known(Resource::Organization, id, path, "health facility", Some(&told)).map(|known| known.uuid)
    }
}
