//! The FHIR fragments that openIMIS writes again and again, spelled as it spells them.

use serde_json::{Value, json};

const GUIDE: &str = "https://openimis.github.io/openimis_fhir_r4_ig/";

/// The payload codes of feedback and openIMIS's questions. `Asessment` is its own spelling.
pub(super) const QUESTIONS: [(&str, &str); 5] = [
    ("CareRendered", "Care Rendered? (yes|no)"),
    ("PaymentAsked", "Payment Asked? (yes|no)"),
    ("DrugPrescribed", "Drug Prescribed? (yes|no)"),
    ("DrugReceived", "Drug Received? (yes|no)"),
    ("Asessment", "Asessment? (0|1|2|3|4|5)"),
];

pub(super) fn code_system(name: &str) -> String {
    format!("{GUIDE}CodeSystem/{name}")
}

pub(super) fn structure(name: &str) -> String {
    format!("{GUIDE}StructureDefinition/{name}")
}

/// A `CodeableConcept` with one coding.
pub(super) fn concept(system: &str, code: &str, display: &str) -> Value {
    json!({"coding": [{"system": code_system(system), "code": code, "display": display}]})
}

/// An `Identifier` of the kind `UUID` or `Code`.
pub(super) fn identifier(kind: &str, value: &str) -> Value {
    json!({"type": {"coding": [{"system": code_system("openimis-identifiers"), "code": kind}]}, "value": value})
}

/// A `Reference` by uuid.
pub(super) fn reference(resource: &str, id: &str) -> Value {
    json!({"reference": format!("{resource}/{id}"), "type": resource, "identifier": identifier("UUID", id)})
}

/// A `Reference` by uuid, with the code that people know.
pub(super) fn named_reference(resource: &str, id: &str, display: &str) -> Value {
    let mut reference = reference(resource, id);
    reference["display"] = json!(display);
    reference
}

/// One payload of a `Communication` or `CommunicationRequest`.
pub(super) fn payload(code: &str, content: &str) -> Value {
    json!({
        "extension": [{
            "url": structure("communication-payload-type"),
            "valueCodeableConcept": {"coding": [{"system": code_system("feedback-payload"), "code": code}]},
        }],
        "contentString": content,
    })
}

/// The value of the identifier of this kind.
pub(super) fn identifier_value<'a>(resource: &'a Value, kind: &str) -> Option<&'a str> {
    let of_kind = |identifier: &&Value| identifier["type"]["coding"][0]["code"] == kind;
    resource["identifier"].as_array()?.iter().find(of_kind)?["value"].as_str()
}

/// An amount in openIMIS's only currency; always a float, as openIMIS writes it.
pub(super) fn money(value: f64) -> Value {
    json!({"value": value, "currency": "$"})
}
