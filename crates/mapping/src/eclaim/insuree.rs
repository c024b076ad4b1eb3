//! Who was treated, as openIMIS knows her.

use super::known::openimis_code;
use super::references::{Named, named, of_openimis};
use super::{Subject, Work};
use crate::bundle::{Entry, parts};
use crate::fhir::elements::{MANY, OpenImisId, Reference, openimis_identifier_on};
use crate::fhir::primitives::{optional_day, plain, uuid};
use crate::insured::{Patient, insurance_number, unnamed};
use crate::issue::{Issue, IssueType};
use crate::json::{Node, Scalar, Text, document};
use crate::lookup::Resource;

/// The insuree, as openIMIS knows her.
pub(super) struct Insuree {
    pub uuid: String,
    /// The insurance number, where it is known.
    pub number: Option<String>,
}

impl<'w> Work<'w> {
    /// openIMIS' uuid of the insuree.
    pub(super) fn insuree(&mut self, subject: &'w Subject<'w>) -> Option<Insuree> {
        let claim = subject.claim.as_ref();
        let of_claim = claim.and_then(|(entry, claim)| named(format!("{}.patient", entry.path), &claim.patient, entry));
        let encounter = subject.encounter.as_ref();
        let of_encounter =
            || encounter.and_then(|(entry, found)| named(format!("{}.subject", entry.path), &found.subject, entry));
        let Some((path, reference, from)): Option<Named> = of_claim.or_else(of_encounter) else {
            let path = subject.of_either("patient", "subject");
            self.issues.push(Issue::missing(path, "a reference to the patient"));
            return None;
        };
        let entry = self.documents.resolve(reference, from, &["Patient"]);
        let patient: Option<Patient> = entry.and_then(|entry| self.documents.parse(entry, &mut self.issues));
        let identifiers = entry.map_or(path.clone(), |entry| format!("{}.identifier", entry.path));
        let own = reference.identifier.value().and_then(of_openimis);
        let id = match own
            .or_else(|| openimis_identifier_on(&patient.as_ref()?.identifier, self.documents.day.as_deref()))
        {
            Some(id) => Some(id),
            None => self.insurance_number(subject, patient.as_ref(), reference, &identifiers)?,
        };
        let Some(id) = id.or_else(|| self.trusted(reference, entry.is_some())) else {
            let names = &self.settings.insurance_number;
            self.issues.push(unnamed(&path, reference, entry.zip(patient.as_ref()), names));
            return None;
        };
        let number = match &id {
            OpenImisId::Code(number) => Some(number.clone()),
            OpenImisId::Uuid(_) => None,
        };
        let found = self.known(Resource::Patient, id, &path, "insuree with this insurance number", None)?;
        if let (true, Some(patient), Some(text)) = (number.is_some(), &patient, found.text) {
            self.compare(patient, text, &entry.map_or(path, |entry| entry.path.clone()));
        }
        let number = number.or_else(|| openimis_code(found.text?));
        Some(Insuree { uuid: found.uuid, number })
    }

    /// The insurance number; `Some(None)` if there is none. Several different ones are an issue.
    fn insurance_number(
        &mut self,
        subject: &Subject,
        patient: Option<&Patient>,
        reference: &Reference,
        path: &str,
    ) -> Option<Option<OpenImisId>> {
        let documents = self.documents;
        let named: Vec<&Entry> = subject.claim.as_ref().map_or_else(Vec::new, |(entry, claim)| {
            let references = claim.insurance.items().take(MANY).filter_map(|insurance| insurance.coverage.value());
            references.filter_map(|reference| documents.resolve(reference, entry, &["Coverage"])).collect()
        });
        for entry in &named {
            self.documents.heed(entry, &mut self.issues);
        }
        match insurance_number(&self.settings.insurance_number, patient, reference, documents, &named) {
            Ok(number) => Some(number.map(OpenImisId::Code)),
            Err(count) => {
                let text = format!("{count} different insurance numbers; expected one");
                self.error(IssueType::Conflict, path, text);
                None
            }
        }
    }

    /// What the patient's record says of itself: that it is not to be used, or that it cannot be right.
    pub(super) fn check_patient(&mut self, subject: &'w Subject<'w>) {
        let claim = subject.claim.as_ref().and_then(|(from, claim)| Some((*from, claim.patient.value()?)));
        let encounter = || subject.encounter.as_ref().and_then(|(from, it)| Some((*from, it.subject.value()?)));
        let Some((from, reference)) = claim.or_else(encounter) else { return };
        let Some(entry) = self.documents.resolve(reference, from, &["Patient"]) else { return };
        self.heed(entry);
        let Some(patient) = self.documents.parse::<Patient>(entry, &mut Vec::new()) else { return };
        let path = &entry.path;
        if matches!(patient.active.value(), Some(Scalar::Bool(false))) {
            let text = "the patient's record is not in use; is it the right one?";
            self.warn(IssueType::BusinessRule, format!("{path}.active"), text);
        }
        if patient.link.items().any(|link| plain(&link.kind) == Some("replaced-by")) {
            let text = "another record replaces the patient's; is it the right one?";
            self.warn(IssueType::BusinessRule, format!("{path}.link"), text);
        }
        let read = |node: &Node<Text>| optional_day(node, "", self.offset, &mut Vec::new());
        let (born, died, days) = (read(&patient.birth_date), read(&patient.deceased_date_time), self.days);
        if born.zip(days).is_some_and(|(born, (_, end))| born > end) {
            let text = "born after the services were given";
            self.warn(IssueType::Conflict, format!("{path}.birthDate"), text);
        }
        if died.zip(days).is_some_and(|(died, (start, _))| died < start) {
            let text = "died before the services were given";
            self.warn(IssueType::Conflict, format!("{path}.deceasedDateTime"), text);
        }
    }

    /// openIMIS' uuid in a reference that the document does not resolve, where the settings say so.
    pub(super) fn trusted(&self, reference: &Reference, resolved: bool) -> Option<OpenImisId> {
        let id = parts(reference).map(|(_, id)| id).filter(|_| self.settings.trust_references && !resolved)?;
        uuid(id).map(|uuid| OpenImisId::Uuid(uuid.to_string()))
    }

    /// Somebody else's card, or a slip of the pen: somebody should look. OpenMRS writes the year only of a birth date that is estimated, so
    /// a shorter date does not differ.
    fn compare(&mut self, patient: &Patient, openimis: &str, path: &str) {
        let Ok(insuree) = document::<Patient>(openimis, "Patient") else { return };
        let both = |one: &Node<Text>, other: &Node<Text>, differ: &dyn Fn(&str, &str) -> bool| {
            plain(one).zip(plain(other)).is_some_and(|(one, other)| differ(one, other))
        };
        let dates = |one: &str, other: &str| !one.starts_with(other) && !other.starts_with(one);
        let words = |one: &str, other: &str| !one.eq_ignore_ascii_case(other) && one != "unknown" && other != "unknown";
        let elements = [
            ("birthDate", both(&patient.birth_date, &insuree.birth_date, &dates)),
            ("gender", both(&patient.gender, &insuree.gender, &words)),
        ];
        for (name, _) in elements.into_iter().filter(|(_, differ)| *differ) {
            let text = "differs from openIMIS' for this insurance number; is it the same person?";
            let issue = Issue::error(IssueType::Conflict, format!("{path}.{name}"), text);
            self.issues.push(issue.as_warning());
        }
    }
}
