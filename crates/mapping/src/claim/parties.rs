//! Who enters the claim, and what openIMIS answers about people, places and things.

use super::places::{Facility, is_person};
use super::source::{Found, Person};
use super::{Subject, Work};
use crate::bundle::{Condition, Entry, parts};
use crate::codes;
use crate::fhir::elements::{Identifier, MANY, OpenImisId, Reference, openimis_identifier};
use crate::fhir::primitives::{plain, shape_of, shown, uuid};
use crate::issue::{Issue, IssueType};
use crate::json::{Node, document};
use crate::lookup::{By, MAX_CODE, Resource, is_askable, with_code};

/// A reference, where it stands, and in which resource.
pub(super) type Named<'w> = (String, &'w Reference<'w>, &'w Entry<'w>);

impl<'w> Work<'w> {
    /// The claim administrator: the table's word for who made the claim or treated the patient, else the facility's, else the setting.
    pub(super) fn enterer(&mut self, subject: &'w Subject<'w>, facility: Option<&Facility>) -> Option<String> {
        const WHAT: &str = "claim administrator";
        let documents = self.documents;
        let mut people: Vec<Named> = Vec::new();
        if let Some((entry, claim)) = &subject.claim {
            people.extend(named(format!("{}.enterer", entry.path), &claim.enterer, entry));
            let provider = named(format!("{}.provider", entry.path), &claim.provider, entry);
            people.extend(provider.filter(|(_, reference, from)| is_person(documents, reference, from)));
        }
        if let Some((entry, encounter)) = &subject.encounter {
            for (index, participant) in encounter.participant.items().take(MANY).enumerate() {
                let path = format!("{}.participant[{index}].individual", entry.path);
                people.extend(named(path, &participant.individual, entry));
            }
        }
        let mut told = Vec::new();
        for (path, reference, from) in &people {
            let (tokens, id) = self.person(reference, from);
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
                    &subject.of_either("enterer", "participant"),
                    WHAT,
                    Some(code),
                )?
                .uuid,
            );
        }
        facility?; // whoever is unknown with the facility may be known with it
        let path = told.into_iter().next().unwrap_or_else(|| subject.of_either("enterer", "participant"));
        let text = "no openIMIS claim administrator; expected a row of practitioners, the facility's enterer, or default_enterer";
        self.error(IssueType::NotFound, path, text);
        None
    }

    /// How a table may name somebody, and openIMIS' own name. A `PractitionerRole` is who has it.
    fn person(&mut self, reference: &Reference, from: &Entry) -> (Vec<String>, Option<OpenImisId>) {
        let mut tokens = names(reference);
        let mut id = reference.identifier.value().and_then(of_openimis);
        let documents = self.documents;
        let mut next = documents.resolve(reference, from, &["Practitioner", "PractitionerRole"]);
        while let Some(entry) = next.take() {
            let Some(person) = documents.parse::<Person>(entry, &mut self.issues) else { break };
            self.heed(entry);
            tokens.extend(entry.own_id().map(|id| format!("{}/{id}", entry.kind)));
            tokens.extend(person.identifier.items().take(MANY).flat_map(Identifier::tokens));
            id = id.or_else(|| openimis_identifier(&person.identifier));
            if let (true, Some(practitioner)) = (entry.kind == "PractitionerRole", person.practitioner.value()) {
                tokens.extend(names(practitioner));
                next = documents.resolve(practitioner, entry, &["Practitioner"]);
            }
        }
        (tokens, id)
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
        if !is_askable(&code) {
            let expected = format!("a code of up to {MAX_CODE} characters, as openIMIS holds");
            self.issues.push(Issue::unusable(path.to_owned(), &expected, shape_of(&code)));
            return None;
        }
        let found = self.questions.ask(resource, By::Code, &code)?;
        let told = told.map(|code| format!(" {}", shown(code))).unwrap_or_default();
        let mut uuids: Vec<(String, &'w str)> = Vec::new();
        // openIMIS' FHIR answers with everything where it does not know what it is asked to search by.
        let found: Vec<&'w String> = with_code(found.iter(), &code, |text| openimis_code(text));
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
    let identifier = crate::fhir::elements::of_openimis(&found.identifier, crate::fhir::codes::CODE, None);
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

pub(super) fn named<'w>(path: String, node: &'w Node<Reference<'w>>, entry: &'w Entry<'w>) -> Option<Named<'w>> {
    node.value().map(|reference| (path, reference, entry))
}

pub(super) fn of_openimis(identifier: &Identifier) -> Option<OpenImisId> {
    let uuid =
        identifier.of_openimis(crate::fhir::codes::UUID).and_then(uuid).map(|uuid| OpenImisId::Uuid(uuid.to_string()));
    uuid.or_else(|| identifier.of_openimis(crate::fhir::codes::CODE).map(|code| OpenImisId::Code(code.to_owned())))
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
