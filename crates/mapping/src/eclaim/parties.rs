//! Who enters the claim.

use super::places::Facility;
use super::references::{Named, is_person, named, names, of_openimis};
use super::source::Person;
use super::{Subject, Work};
use crate::bundle::Entry;
use crate::codes;
use crate::fhir::elements::{Identifier, MANY, OpenImisId, Reference, openimis_identifier};
use crate::issue::IssueType;
use crate::lookup::Resource;

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
}
