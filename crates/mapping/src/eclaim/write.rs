//! The `Claim` as openIMIS takes it, element by element as it was recorded.

use serde::Serialize;

use super::Parts;
use super::lines::{Line, sum};
use super::settings::VISIT_TYPES;
use crate::Mapped;
use crate::decimal::Amount;
use crate::fhir::codes::{CODE, IG, system};
use crate::fhir::write::{ConceptOut, IdentifierOut, MoneyOut, ReferenceOut};
use crate::issue::Issue;
use crate::json::to_json;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claim<'a> {
    resource_type: &'static str,
    identifier: [IdentifierOut; 1],
    status: &'static str,
    #[serde(rename = "type")]
    kind: ConceptOut,
    #[serde(rename = "use")]
    usage: &'static str,
    patient: ReferenceOut,
    billable_period: Period,
    created: String,
    enterer: ReferenceOut,
    provider: ReferenceOut,
    priority: ConceptOut,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    supporting_info: Vec<SupportingInfo<'a>>,
    diagnosis: Vec<Diagnosis>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    insurance: Vec<Insurance>,
    item: Vec<Item<'a>>,
    total: MoneyOut<'a>,
}

#[derive(Serialize)]
struct Period {
    start: String,
    end: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SupportingInfo<'a> {
    sequence: usize,
    category: ConceptOut,
    value_string: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Diagnosis {
    sequence: usize,
    diagnosis_codeable_concept: ConceptOut,
}

#[derive(Serialize)]
struct Insurance {
    sequence: usize,
    focal: bool,
    coverage: ReferenceOut,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    extension: [ItemReference; 1],
    sequence: u32,
    category: Words<'a>,
    product_or_service: Words<'a>,
    quantity: Quantity,
    unit_price: MoneyOut<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemReference {
    url: String,
    value_reference: ReferenceOut,
}

#[derive(Serialize)]
struct Words<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct Quantity {
    value: Amount,
}

/// Writes the claim; its code is the key, so that the same encounter sent twice is one claim.
pub(super) fn claim(parts: &Parts, issues: &mut Vec<Issue>) -> Option<Mapped> {
    let display = VISIT_TYPES.iter().find(|(code, _)| *code == parts.visit_type).map(|(_, display)| *display);
    let priority = "http://terminology.hl7.org/CodeSystem/processpriority".to_owned();
    let currency = parts.currency.as_str();
    let claim = Claim {
        resource_type: "Claim",
        identifier: [IdentifierOut::new(CODE, &parts.code)],
        status: "active",
        kind: ConceptOut::new(system("claim-visit-type"), parts.visit_type, display),
        usage: "claim",
        patient: ReferenceOut::new("Patient", &parts.insuree),
        billable_period: Period { start: parts.dates.start.to_string(), end: parts.dates.end.to_string() },
        created: parts.dates.created.to_string(),
        enterer: ReferenceOut::new("Practitioner", &parts.enterer),
        provider: ReferenceOut::new("Organization", &parts.provider),
        priority: ConceptOut::new(priority, "normal", None),
        supporting_info: parts
            .notes
            .iter()
            .enumerate()
            .map(|(index, (code, text))| note(index + 1, code, text))
            .collect(),
        diagnosis: parts.diagnoses.iter().enumerate().map(|(index, code)| diagnosis(index + 1, code)).collect(),
        insurance: parts.coverage.iter().map(|uuid| insurance(uuid)).collect(),
        item: parts.lines.iter().map(|line| item(line, currency)).collect(),
        total: MoneyOut { value: Amount(sum(&parts.lines)), currency },
    };
    match to_json(&claim) {
        Ok(body) => Some(Mapped { body, idempotency_key: format!("eclaim/{}", parts.code), warnings: Vec::new() }),
        Err(_) => {
            issues.push(Issue::fatal("Claim", "the claim could not be written"));
            None
        }
    }
}

fn note<'a>(sequence: usize, code: &str, text: &'a str) -> SupportingInfo<'a> {
    let category = ConceptOut::new(system("claim-supporting-info-category"), code, None);
    SupportingInfo { sequence, category, value_string: text }
}

fn diagnosis(sequence: usize, code: &str) -> Diagnosis {
    Diagnosis { sequence, diagnosis_codeable_concept: ConceptOut::new(system("diagnosis-ICD10-level1"), code, None) }
}

fn insurance(uuid: &str) -> Insurance {
    Insurance { sequence: 1, focal: true, coverage: ReferenceOut::new("Coverage", uuid) }
}

fn item<'a>(line: &'a Line, currency: &'a str) -> Item<'a> {
    let (kind, category) = if line.is_service { ("ActivityDefinition", "service") } else { ("Medication", "item") };
    let url = format!("{IG}/StructureDefinition/claim-item-reference");
    Item {
        extension: [ItemReference { url, value_reference: ReferenceOut::new(kind, &line.uuid) }],
        sequence: line.sequence,
        category: Words { text: category },
        product_or_service: Words { text: &line.code },
        quantity: Quantity { value: Amount(line.quantity) },
        unit_price: MoneyOut { value: Amount(line.price), currency },
    }
}
