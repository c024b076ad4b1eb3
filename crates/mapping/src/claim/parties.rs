//! Who was treated, where, and who enters the claim: as openIMIS knows them.

use super::source::{Coverage, Found, Person, Place};
use super::{Subject, Work};
use crate::bundle::{Entry, parts};
use crate::codes;
use crate::fhir::uuid;
use crate::issue::{Issue, IssueType};
use crate::json::{Node, Text, document};
use crate::lookup::{By, Resource};
use crate::r4::{Identifier, OpenImisId, Reference, openimis_identifier, plain, shown};

/// How far up `partOf` and `managingOrganization` a ward's hospital is looked for.
const MAX_STEPS: usize = 12;

/// The health facility, and who enters its claims.
pub(super) struct Facility {
    /// None while openIMIS has not answered, or if it has none.
    pub uuid: Option<String>,
    pub enterer: Option<String>,
}

/// The insuree, as openIMIS knows her.
pub(super) struct Insuree {
    pub uuid: String,
    /// The insurance number, where it is known.
    pub number: Option<String>,
}

/// A reference, where it stands, and in which resource.
type Named<'w> = (String, &'w Reference<'w>, &'w Entry<'w>);

impl<'w> Work<'w> {
    /// openIMIS' uuid of the insuree.
    pub(super) fn insuree(&mut self, subject: &'w Subject<'w>) -> Option<Insuree> {
        const EXPECTED: &str = "the insurance number or openIMIS' uuid of the patient";
        let claim = subject.claim.as_ref();
        let of_claim = claim.and_then(|(entry, claim)| named(format!("{}.patient", entry.path), &claim.patient, entry));
        let encounter = subject.encounter.as_ref();
        let of_encounter =
            || encounter.and_then(|(entry, found)| named(format!("{}.subject", entry.path), &found.subject, entry));
        let Some((path, reference, from)) = of_claim.or_else(of_encounter) else {
            let path = subject.of_either("patient", "subject");
            self.issues.push(Issue::missing(path, "a reference to the patient"));
            return None;
        };
        let entry = self.documents.resolve(reference, from, &["Patient"]);
        let person: Option<Person> = entry.and_then(|entry| self.documents.parse(entry, &mut self.issues));
        let own = reference.identifier.value();
        let id = own
            .and_then(of_openimis)
            .or_else(|| openimis_identifier(&person.as_ref()?.identifier))
            .or_else(|| self.insurance_number(person.as_ref(), own))
            .or_else(|| self.trusted(reference, entry.is_some()));
        let Some(id) = id else {
            let path = entry.map_or(path, |entry| format!("{}.identifier", entry.path));
            self.issues.push(Issue::missing(path, EXPECTED));
            return None;
        };
        let number = match &id {
            OpenImisId::Code(number) => Some(number.clone()),
            OpenImisId::Uuid(_) => None,
        };
        let asked = number.is_some();
        let found = self.known(Resource::Patient, id, &path, "insuree with this insurance number", None)?;
        if let (true, Some(person), Some(text)) = (asked, &person, found.text) {
            self.compare(person, text, &entry.map_or(path, |entry| entry.path.clone()));
        }
        let number = number.or_else(|| openimis_code(found.text?));
        Some(Insuree { uuid: found.uuid, number })
    }

    /// The insurance number among the patient's identifiers, in the reference, or in the document's only coverage.
    fn insurance_number(&self, person: Option<&Person>, own: Option<&Identifier>) -> Option<OpenImisId> {
        let names = &self.settings.insurance_number;
        let of_patient = person.into_iter().flat_map(|person| person.identifier.items()).chain(own);
        let mut numbers = of_patient.filter(|found| found.is_one_of(names)).filter_map(Identifier::value);
        if let Some(number) = numbers.next() {
            return Some(OpenImisId::Code(number.to_owned()));
        }
        let coverages = self.documents.of("Coverage");
        let mut numbers: Vec<String> = coverages
            .filter_map(|entry| self.documents.parse::<Coverage>(entry, &mut Vec::new()))
            .filter_map(|coverage| plain(&coverage.subscriber_id).map(str::to_owned))
            .collect();
        numbers.dedup();
        match &mut numbers[..] {
            [number] => Some(OpenImisId::Code(std::mem::take(number))),
            _ => None,
        }
    }

    /// openIMIS' uuid in a reference that the document does not resolve, where the settings say so.
    fn trusted(&self, reference: &Reference, resolved: bool) -> Option<OpenImisId> {
        let id = parts(reference).map(|(_, id)| id).filter(|_| self.settings.trust_references && !resolved)?;
        uuid(id).map(|uuid| OpenImisId::Uuid(uuid.to_string()))
    }

    /// Somebody else's card, or a slip of the pen: somebody should look.
    fn compare(&mut self, person: &Person, openimis: &str, path: &str) {
        let Ok(insuree) = document::<Person>(openimis, "Patient") else { return };
        let differ = |one: &Node<Text>, other: &Node<Text>| matches!((plain(one), plain(other)), (Some(one), Some(other)) if one != other);
        let elements =
            [("birthDate", &person.birth_date, &insuree.birth_date), ("gender", &person.gender, &insuree.gender)];
        for (name, one, other) in elements {
            if differ(one, other) {
                let text = "differs from openIMIS' for this insurance number; is it the same person?";
                let issue = Issue::error(IssueType::Conflict, format!("{path}.{name}"), text);
                self.issues.push(issue.as_warning());
            }
        }
    }

    /// The health facility: the table's word for any of the places that the claim and the encounter name, and what these are part of.
    pub(super) fn facility(&mut self, subject: &'w Subject<'w>) -> Option<Facility> {
        let mut places: Vec<Named> = Vec::new();
        if let Some((entry, claim)) = &subject.claim {
            places.extend(named(format!("{}.provider", entry.path), &claim.provider, entry));
            places.extend(named(format!("{}.facility", entry.path), &claim.facility, entry));
        }
        if let Some((entry, encounter)) = &subject.encounter {
            places.extend(named(format!("{}.serviceProvider", entry.path), &encounter.service_provider, entry));
            for (index, location) in encounter.location.items().enumerate() {
                let path = format!("{}.location[{index}].location", entry.path);
                places.extend(named(path, &location.location, entry));
            }
        }
        let mut told = Vec::new();
        for (path, reference, from) in &places {
            let (tokens, id) = self.place(reference, from);
            let row = tokens.iter().find_map(|token| self.settings.facilities.iter().find(|row| row.source == *token));
            if let Some(row) = row {
                let id = OpenImisId::parse(&row.openimis);
                let uuid = self
                    .known(Resource::Organization, id, path, "health facility", Some(&row.openimis))
                    .map(|known| known.uuid);
                return Some(Facility { uuid, enterer: row.enterer.clone() });
            }
            let resolved = self.documents.resolve(reference, from, &["Organization", "Location"]).is_some();
            let id = id.or_else(|| self.trusted(reference, resolved));
            if let Some(id) = id {
                let code = match &id {
                    OpenImisId::Code(code) | OpenImisId::Uuid(code) => code.clone(),
                };
                let uuid = self
                    .known(Resource::Organization, id, path, "health facility", Some(&code))
                    .map(|known| known.uuid);
                return Some(Facility { uuid, enterer: None });
            }
            told.extend(tokens.first().map(|token| shown(token)));
        }
        if !self.settings.default_facility.trim().is_empty() {
            let code = self.settings.default_facility.trim();
            let id = OpenImisId::parse(code);
            let uuid = self
                .known(Resource::Organization, id, &subject.of_claim("provider"), "health facility", Some(code))
                .map(|known| known.uuid);
            let row = self.settings.facilities.iter().find(|row| row.openimis.trim() == code);
            return Some(Facility { uuid, enterer: row.and_then(|row| row.enterer.clone()) });
        }
        let path = places.first().map_or(subject.of_either("provider", "serviceProvider"), |(path, ..)| path.clone());
        told.truncate(3);
        if told.is_empty() {
            self.issues.push(Issue::missing(path, "the health facility, or the setting default_facility"));
        } else {
            let text = format!(
                "no openIMIS facility for {}; expected a row of facilities, or default_facility",
                told.join(", ")
            );
            self.error(IssueType::NotFound, path, text);
        }
        None
    }

    /// All names of a place and of what it is part of, nearest first, and openIMIS' own name of the first that has one.
    fn place(&self, reference: &Reference, from: &Entry) -> (Vec<String>, Option<OpenImisId>) {
        let mut tokens = names(reference);
        let mut id = reference.identifier.value().and_then(of_openimis);
        let mut seen: Vec<String> = Vec::new();
        let mut next =
            self.documents.resolve(reference, from, &["Organization", "Location"]).into_iter().collect::<Vec<_>>();
        while let Some(entry) = next.pop() {
            if seen.contains(&entry.path) || seen.len() >= MAX_STEPS {
                continue;
            }
            seen.push(entry.path.clone());
            let Some(place) = self.documents.parse::<Place>(entry, &mut Vec::new()) else { continue };
            tokens.extend(entry.own_id().map(|id| format!("{}/{id}", entry.kind)));
            tokens.extend(place.identifier.items().flat_map(Identifier::tokens));
            id = id.or_else(|| openimis_identifier(&place.identifier));
            for reference in [&place.part_of, &place.managing_organization].into_iter().filter_map(Node::value) {
                tokens.extend(names(reference));
                next.extend(self.documents.resolve(reference, entry, &["Organization", "Location"]));
            }
        }
        (tokens, id)
    }

    /// The claim administrator: the table's word for who made the claim or treated the patient, else the facility's, else the setting.
    pub(super) fn enterer(&mut self, subject: &'w Subject<'w>, facility: Option<&Facility>) -> Option<String> {
        const WHAT: &str = "claim administrator";
        let mut people: Vec<Named> = Vec::new();
        if let Some((entry, claim)) = &subject.claim {
            people.extend(named(format!("{}.enterer", entry.path), &claim.enterer, entry));
        }
        if let Some((entry, encounter)) = &subject.encounter {
            for (index, participant) in encounter.participant.items().enumerate() {
                let path = format!("{}.participant[{index}].individual", entry.path);
                people.extend(named(path, &participant.individual, entry));
            }
        }
        let mut told = Vec::new();
        for (path, reference, from) in &people {
            let mut tokens = names(reference);
            let mut id = reference.identifier.value().and_then(of_openimis);
            if let Some(entry) = self.documents.resolve(reference, from, &["Practitioner"])
                && let Some(person) = self.documents.parse::<Person>(entry, &mut self.issues)
            {
                tokens.extend(person.identifier.items().flat_map(Identifier::tokens));
                id = id.or_else(|| openimis_identifier(&person.identifier));
            }
            let row = codes::find(&self.settings.practitioners, &tokens).map(|row| row.openimis.as_str());
            let id = row.map(OpenImisId::parse).or(id);
            if let Some(id) = id {
                return Some(self.known(Resource::Practitioner, id, path, WHAT, row)?.uuid);
            }
            told.push(path.clone());
        }
        let of_facility = facility.and_then(|facility| facility.enterer.as_deref());
        let fallback = of_facility.or(Some(self.settings.default_enterer.trim()).filter(|code| !code.is_empty()));
        if let Some(code) = fallback {
            return Some(
                self.known(
                    Resource::Practitioner,
                    OpenImisId::parse(code),
                    &subject.of_claim("enterer"),
                    WHAT,
                    Some(code),
                )?
                .uuid,
            );
        }
        facility?; // whoever is unknown with the facility may be known with it
        let path = told.into_iter().next().unwrap_or_else(|| subject.of_claim("enterer"));
        let text = "no openIMIS claim administrator; expected a row of practitioners, the facility's enterer, or default_enterer";
        self.error(IssueType::NotFound, path, text);
        None
    }

    /// openIMIS' uuid of something, looked up where only a code is known. `told`: the code, where an issue may repeat it.
    pub(super) fn known(
        &mut self,
        resource: Resource,
        id: OpenImisId,
        path: &str,
        what: &str,
        told: Option<&str>,
    ) -> Option<Known<'w>> {
        let code = match id {
            OpenImisId::Uuid(uuid) => return Some(Known { uuid, text: None }),
            OpenImisId::Code(code) => code,
        };
        let found = self.questions.ask(resource, By::Code, &code)?;
        let told = told.map(|code| format!(" {}", shown(code))).unwrap_or_default();
        let mut uuids: Vec<(String, &'w str)> = Vec::new();
        // openIMIS' FHIR answers with everything where it does not know what it is asked to search by.
        let found: Vec<&'w String> =
            found.iter().filter(|text| openimis_code(text).is_none_or(|found| found == code)).collect();
        for text in &found {
            match openimis_uuid(text) {
                Some(uuid) if uuids.iter().all(|(other, _)| *other != uuid) => uuids.push((uuid, text)),
                Some(_) => {}
                None => self.error(
                    IssueType::Structure,
                    path,
                    format!("openIMIS' answer holds no uuid of the {what}{told}"),
                ),
            }
        }
        match uuids.len() {
            0 if found.is_empty() => self.error(IssueType::NotFound, path, format!("openIMIS has no {what}{told}")),
            0 => {}
            1 => return uuids.pop().map(|(uuid, text)| Known { uuid, text: Some(text) }),
            many => {
                self.error(IssueType::Conflict, path, format!("openIMIS has {many} for the {what}{told}; expected one"))
            }
        }
        None
    }
}

/// What openIMIS knows.
pub(super) struct Known<'w> {
    pub uuid: String,
    /// The resource that openIMIS answered, if it was asked.
    pub text: Option<&'w str>,
}

/// The code in a resource or node of openIMIS.
pub(crate) fn openimis_code(text: &str) -> Option<String> {
    let found: Found = document(text, "answer").ok()?;
    let identifier = found.identifier.items().find_map(|identifier| identifier.of_openimis(crate::fhir::CODE));
    identifier.or_else(|| plain(&found.code)).or_else(|| plain(&found.chf_id)).map(str::to_owned)
}

/// The uuid in a resource or node of openIMIS: the identifier of type `UUID`, GraphQL's `uuid`, else the id.
pub(crate) fn openimis_uuid(text: &str) -> Option<String> {
    let found: Found = document(text, "answer").ok()?;
    match openimis_identifier(&found.identifier) {
        Some(OpenImisId::Uuid(uuid)) => Some(uuid),
        _ => [&found.uuid, &found.id].into_iter().find_map(|id| uuid(plain(id)?)).map(|uuid| uuid.to_string()),
    }
}

fn named<'w>(path: String, node: &'w Node<Reference<'w>>, entry: &'w Entry<'w>) -> Option<Named<'w>> {
    node.value().map(|reference| (path, reference, entry))
}

fn of_openimis(identifier: &Identifier) -> Option<OpenImisId> {
    let uuid = identifier.of_openimis(crate::fhir::UUID).and_then(uuid).map(|uuid| OpenImisId::Uuid(uuid.to_string()));
    uuid.or_else(|| identifier.of_openimis(crate::fhir::CODE).map(|code| OpenImisId::Code(code.to_owned())))
}

/// How a table may name what a reference points at: `Type/id`, the id, its identifier.
fn names(reference: &Reference) -> Vec<String> {
    let mut names = Vec::new();
    if let Some((kind, id)) = parts(reference) {
        names.extend(kind.map(|kind| format!("{kind}/{id}")));
        names.push(id.to_owned());
    }
    names.extend(reference.identifier.value().into_iter().flat_map(Identifier::tokens));
    names
}
