//! What the stand-in knows from the start: four areas, two insurees (invented), and the claim of the documented sample.

use super::{
    claim::Claim,
    fhir::{code_system, identifier, named_reference, reference, structure},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::{Uuid, uuid};

/// The patient of the documentation's sample `ClaimResponse`.
pub(super) const SAMPLE_INSUREE: Uuid = uuid!("7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73");
const SAMPLE_CLAIM: Uuid = uuid!("d3256498-ad16-4482-a2d2-4a6d9c78ba81");
/// The insuree of openIMIS's demo data, as in the recordings.
const DEMO_INSUREE: &str = "00000000-0000-4000-8000-000000000006";
const VILLAGE: &str = "4842af48-fa6a-46fa-b5bb-08001bb58f5f";

/// 2025-08-25T06:15:00Z, the day of the documented sample.
const SAMPLE_ENTERED: i64 = 1_756_102_500;

/// Region, district, municipality, village.
pub(super) fn locations() -> Vec<Value> {
    let rows = [
        ("40c4010d-8c9d-4be3-8653-e647b21b19a9", "R1", "Ultha", "R", "Region"),
        ("35043da3-1e04-46f9-a67e-00b9973b588f", "R1D1", "Rapta", "D", "District"),
        ("820e1a1f-4195-445b-a14c-4f762fad6780", "R1D1M1", "Jamu", "W", "Municipality"),
        (VILLAGE, "R1D1M1V1", "Rachla", "V", "Village"),
    ];
    let parents = std::iter::once(None).chain(rows.iter().map(Some));
    rows.iter().zip(parents).map(|(row, parent)| location(*row, parent.map(|parent| (parent.0, parent.1)))).collect()
}

type Area = (&'static str, &'static str, &'static str, &'static str, &'static str);

fn location((id, code, name, kind, kind_name): Area, parent: Option<(&str, &str)>) -> Value {
    let mut location = json!({
        "resourceType": "Location",
        "id": id,
        "identifier": [identifier("UUID", id), identifier("Code", code)],
        "status": "active",
        "name": name,
        "mode": "instance",
        // The doubled slash is openIMIS's.
        "physicalType": {"coding": [{
            "system": code_system("location-type").replace("/CodeSystem", "//CodeSystem"),
            "code": kind,
            "display": kind_name,
        }]},
    });
    if let Some((id, code)) = parent {
        location["partOf"] = named_reference("Location", id, code);
    }
    location
}

/// The two insurees. Udaharan is Nepali for "example".
pub(super) fn patients() -> Vec<Value> {
    let sample = SAMPLE_INSUREE.to_string();
    vec![
        patient(&sample, "119000001", ("Udaharan", "Kalpana"), "female", "1985-04-14", "+9779800000000"),
        patient(DEMO_INSUREE, "070707070", ("Doe", "Jane"), "male", "1972-08-09", "+25670000000"),
    ]
}

/// Somebody else of the village.
pub(super) fn further_patient(id: Uuid, chf_id: &str) -> Value {
    patient(&id.to_string(), chf_id, ("Udaharan", chf_id), "female", "1990-01-01", "+9779800000001")
}

fn patient(id: &str, chf_id: &str, name: (&str, &str), gender: &str, born: &str, phone: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "id": id,
        "extension": [
            {"url": structure("patient-is-head"), "valueBoolean": true},
            {"url": structure("patient-card-issued"), "valueBoolean": true},
            {
                "url": structure("patient-group-reference"),
                "valueReference": reference("Group", "00000000-0000-4000-8000-000000000007"),
            },
        ],
        "identifier": [identifier("UUID", id), identifier("Code", chf_id)],
        "name": [{"use": "usual", "family": name.0, "given": [name.1]}],
        "telecom": [{"system": "phone", "value": phone, "use": "home"}],
        "gender": gender,
        "birthDate": born,
        "address": [{
            "extension": [
                {"url": structure("address-municipality"), "valueString": "Jamu"},
                {"url": structure("address-location-reference"), "valueReference": reference("Location", VILLAGE)},
            ],
            "use": "temp",
            "type": "physical",
            "city": "Rachla",
            "district": "Rapta",
            "state": "Ultha",
        }],
    })
}

/// The documented sample: CHT979, typed in long ago.
pub(super) fn sample_claim() -> Claim {
    let mut body = claim_body("2025-08-25");
    body["enterer"] = named_reference("Practitioner", "c60bacae-2aac-4bbf-bdad-7258ebb75f1f", "CA001");
    body["item"] = json!([item(1, "ActivityDefinition", "488d8bcb-5b88-438c-9077-f177f6f32626", ("A1", 1.0, 999.0))]);
    body["total"] = json!({"value": 999.0, "currency": "$"});
    let validity_from = Timestamp::from_second(SAMPLE_ENTERED).unwrap_or(Timestamp::UNIX_EPOCH);
    Claim { uuid: SAMPLE_CLAIM, validity_from, ..Claim::entered("CHT979", SAMPLE_INSUREE, body) }
}

/// The `Claim` resource of a claim typed into openIMIS's own screens, of that day.
pub(super) fn claim_body(day: &str) -> Value {
    json!({
        "resourceType": "Claim",
        "status": "active",
        "type": {"coding": [{"system": code_system("claim-visit-type"), "code": "O", "display": "Other"}]},
        "use": "claim",
        "billablePeriod": {"start": day, "end": day},
        "created": day,
        "enterer": named_reference("Practitioner", "00000000-0000-4000-8000-000000000004", "CA001"),
        "provider": named_reference("Organization", "00000000-0000-4000-8000-000000000001", "HF001"),
        "priority": {"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/processpriority", "code": "normal", "display": "Normal",
        }]},
        "diagnosis": [{"sequence": 1, "diagnosisCodeableConcept": {"coding": [{
            "system": code_system("diagnosis-ICD10-level1"), "code": "A02", "display": "Other salmonella infections",
        }]}}],
        "insurance": [{
            "sequence": 1, "focal": true, "coverage": reference("Coverage", "00000000-0000-4000-8000-000000000009"),
        }],
        "item": [
            item(1, "Medication", "00000000-0000-4000-8000-000000000002", ("0004", 2.0, 10.0)),
            item(2, "ActivityDefinition", "00000000-0000-4000-8000-000000000003", ("M1", 1.0, 100.0)),
        ],
        "total": {"value": 120.0, "currency": "$"},
    })
}

fn item(sequence: u8, resource: &str, id: &str, (code, quantity, price): (&str, f64, f64)) -> Value {
    json!({
        "extension": [{"url": structure("claim-item-reference"), "valueReference": reference(resource, id)}],
        "sequence": sequence,
        "category": {"text": if resource == "Medication" { "item" } else { "service" }},
        "productOrService": {"text": code},
        "quantity": {"value": quantity},
        "unitPrice": {"value": price, "currency": "$"},
    })
}
