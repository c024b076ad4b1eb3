//! What the document holds of the encounter and nobody claims: told, so that no bill is shorter than somebody thinks.

use std::collections::{BTreeMap, BTreeSet};

use super::acts::{KINDS, based_on};
use super::source::Other;
use super::{Subject, Work};
use crate::bundle::{Entry, told};
use crate::fhir::primitives::{plain, shown};
use crate::issue::IssueType;

/// What other resources refer to, and what says nothing of the visit.
const NOTHING_DONE: [&str; 29] = [
    "AuditEvent",
    "Basic",
    "Binary",
    "CareTeam",
    "Claim",
    "Composition",
    "Condition",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "Device",
    "Encounter",
    "Endpoint",
    "EpisodeOfCare",
    "Group",
    "HealthcareService",
    "Location",
    "Medication",
    "MessageHeader",
    "OperationOutcome",
    "Organization",
    "Parameters",
    "Patient",
    "Person",
    "Practitioner",
    "PractitionerRole",
    "Provenance",
    "RelatedPerson",
    "Substance",
];
/// What hospitals put on bills.
const BILLABLE: [&str; 10] = [
    "DeviceRequest",
    "DeviceUseStatement",
    "ImagingStudy",
    "Immunization",
    "Invoice",
    "MedicationAdministration",
    "NutritionOrder",
    "SupplyDelivery",
    "SupplyRequest",
    "VisionPrescription",
];
const NOT_DONE: [&str; 4] = ["entered-in-error", "not-done", "cancelled", "abandoned"];

impl Work<'_> {
    /// `charged`: what others stand for, by their places in the document.
    pub(super) fn tell_unread(&mut self, subject: &Subject, charged: &BTreeSet<usize>) {
        let documents = self.documents;
        let mut others: BTreeMap<&str, (String, usize)> = BTreeMap::new();
        for entry in &documents.entries {
            let kind = entry.kind.as_str();
            if entry.is_contained() || kind.is_empty() || KINDS.contains(&kind) || NOTHING_DONE.contains(&kind) {
                continue;
            }
            let is_charged = charged.contains(&entry.index);
            let Some(other) = documents.parse::<Other>(entry, &mut Vec::new()) else { continue };
            let is_done = !plain(&other.status).is_some_and(|status| NOT_DONE.contains(&status));
            if is_charged || !is_done || !self.may_be_of(subject, entry, &other) {
                continue;
            }
            if !BILLABLE.contains(&kind) {
                others.entry(told(kind)).or_insert_with(|| (entry.path.clone(), 0)).1 += 1;
                continue;
            }
            // Given for a prescription, which is claimed.
            if kind == "MedicationAdministration" && !based_on(documents, entry).is_empty() {
                continue;
            }
            let code = [&other.code, &other.vaccine_code, &other.medication_codeable_concept];
            let code = code.into_iter().find_map(|concept| concept.value()?.tokens().into_iter().next());
            let code = code.map(|code| format!(" of {}", shown(&code))).unwrap_or_default();
            let text =
                format!("{kind}{code} is not claimed; expected a ChargeItem or one of {}", KINDS[..4].join(", "));
            self.warn(IssueType::NotSupported, entry.path.clone(), text);
        }
        for (kind, (path, count)) in others {
            let text = match count {
                1 => format!("{kind} of the visit is not claimed"),
                many => format!("{kind} of the visit is not claimed; there are {many} of them"),
            };
            self.warn(IssueType::NotSupported, path, text);
        }
    }

    fn may_be_of(&self, subject: &Subject, entry: &Entry, other: &Other) -> bool {
        let named = other.encounter.value().or(other.context.value());
        let named = named.and_then(|reference| self.documents.resolve(reference, entry, &["Encounter"]));
        named.is_none_or(|encounter| subject.encounters.contains(&encounter.index))
    }
}
