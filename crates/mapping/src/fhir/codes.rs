//! What openIMIS' FHIR calls things: its code systems, its types of identifiers, its resources.

use crate::issue::Issue;
use crate::json::{Node, Text};

/// Where openIMIS' FHIR profiles, extensions and code systems live.
pub(crate) const IG: &str = ig!("");

/// An address below it.
macro_rules! ig {
    ($path:literal) => {
        concat!("https://openimis.github.io/openimis_fhir_r4_ig", $path)
    };
}
pub(crate) use ig;

/// Type code of the identifier that holds openIMIS' uuid.
pub(crate) const UUID: &str = "UUID";
/// Type code of the identifier that holds the code people use: a claim's code, an insuree's insurance number.
pub(crate) const CODE: &str = "Code";

/// Resources that openIMIS serves. Only these are named in a diagnostic: any other word could be anything.
const RESOURCES: &[&str] = &[
    "ActivityDefinition",
    "Bundle",
    "Claim",
    "ClaimResponse",
    "ClaimV2",
    "Communication",
    "CommunicationRequest",
    "Contract",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "Group",
    "InsurancePlan",
    "Invoice",
    "Location",
    "Medication",
    "OperationOutcome",
    "Organization",
    "Patient",
    "PaymentNotice",
    "PaymentReconciliation",
    "Practitioner",
    "PractitionerRole",
    "Subscription",
];

/// Whether this is the resource that a map reads. Another one is fatal; no `resourceType` at all is one issue among others.
pub(crate) fn require_resource(
    found: &Node<Text>,
    path: &'static str,
    expected: &'static str,
    issues: &mut Vec<Issue>,
) -> Result<(), Vec<Issue>> {
    match found.require(path, expected, issues).map(Text::trimmed) {
        Some(found) if found != expected => {
            let found = RESOURCES.iter().find(|name| **name == found).unwrap_or(&"something else");
            Err(vec![Issue::fatal(path, format!("expected {expected}; found {found}"))])
        }
        _ => Ok(()),
    }
}

#[cold]
pub(super) fn of_another_type(kind: &str) -> String {
    format!("a reference to {}", RESOURCES.iter().find(|name| **name == kind).unwrap_or(&"something else"))
}

/// Addresses with and without a slash at the end; openIMIS writes some of its own with two in the middle.
pub(crate) fn same_system(one: &str, other: &str) -> bool {
    let plain = |system: &str| system.trim_end_matches('/').replace("_ig//", "_ig/");
    plain(one) == plain(other)
}

/// The name of a code system of openIMIS, under whichever of its published addresses: `CodeSystem/x`, and the pages `CodeSystem-x` and
/// `CodeSystem-x.html` that openIMIS' app for Android writes.
pub(crate) fn own_system(system: &str) -> Option<&str> {
    const SITE: &str = "openimis.github.io/openimis_fhir_r4_ig";
    let (_, rest) = system.split_once("://")?;
    let rest = rest.strip_prefix(SITE)?.strip_prefix('/')?.trim_start_matches('/');
    let name = rest.strip_prefix("CodeSystem").and_then(|rest| rest.strip_prefix(['/', '-']))?;
    let name = name.split(['|', '#', '?']).next().unwrap_or(name).trim_end_matches('/');
    let name = [".html", ".json", ".xml", ".ttl"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    (!name.is_empty()).then_some(name)
}

/// A code system of openIMIS.
pub(crate) fn system(name: &str) -> String {
    format!("{IG}/CodeSystem/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openimis_code_systems_are_known_by_all_their_addresses() {
        for (system, expected) in [
            ("https://openimis.github.io/openimis_fhir_r4_ig/CodeSystem/claim-visit-type", Some("claim-visit-type")),
            ("https://openimis.github.io/openimis_fhir_r4_ig//CodeSystem/claim-visit-type/", Some("claim-visit-type")),
            ("http://openimis.github.io/openimis_fhir_r4_ig/CodeSystem-claim-visit-type", Some("claim-visit-type")),
            (
                "https://openimis.github.io/openimis_fhir_r4_ig/CodeSystem-claim-visit-type.html",
                Some("claim-visit-type"),
            ),
            (
                "https://openimis.github.io/openimis_fhir_r4_ig/CodeSystem/diagnosis-ICD10-level1|1.0",
                Some("diagnosis-ICD10-level1"),
            ),
            ("https://openimis.github.io/openimis_fhir_r4_ig/ValueSet/claim-visit-type", None),
            ("https://openimis.github.io/openimis_fhir_r4_ig/CodeSystem/", None),
            ("https://openimis.github.io/openimis_fhir_r4_ig_of_others/CodeSystem/x", None),
            ("https://example.org/CodeSystem/claim-visit-type", None),
            ("claim-visit-type", None),
        ] {
            assert_eq!(own_system(system), expected, "{system}");
        }
    }
}
