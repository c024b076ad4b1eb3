//! Every fixture through the first door: the mappings as Rust functions. And what holds for every one of them.

use std::collections::BTreeSet;

use mapping::claim_response::ClaimStatus;
use mapping::ids::ClaimUuid;
use mapping::{Issue, MapResult, Severity, claim_response, feedback, patient};
use mediator_tests::fixtures::{Case, cases, check_all};
use serde_json::Value;

fn map_claim_response(case: &Case) -> MapResult {
    let contact: Option<claim_response::ContactLink> = case.read("contact.json");
    let date: Option<String> = case.read("claim-date.json");
    claim_response::map(&case.input, date.as_deref(), contact.as_ref(), &case.read("settings.json"))
}

fn map_feedback(case: &Case) -> MapResult {
    let insuree: Option<String> = case.read("insuree.json");
    feedback::map(&case.input, insuree.as_deref(), &case.read("settings.json"))
}

fn map_patient(case: &Case) -> MapResult {
    let locations: Vec<String> = case.read("locations.json");
    patient::map(&case.input, &locations, &case.read("settings.json"))
}

#[test]
fn every_claim_response_fixture_maps_as_written() {
    check_all("claim-response", map_claim_response);
}

#[test]
fn every_feedback_fixture_maps_as_written() {
    check_all("feedback", map_feedback);
}

#[test]
fn every_patient_fixture_maps_as_written() {
    check_all("patient", map_patient);
}

/// Every case of every map with its result.
fn all() -> Vec<(Case, MapResult)> {
    type Map = fn(&Case) -> MapResult;
    let maps: [(&str, Map); 3] =
        [("claim-response", map_claim_response), ("feedback", map_feedback), ("patient", map_patient)];
    let mut results = Vec::new();
    for (name, map) in maps {
        results.extend(cases(name).into_iter().map(|case| {
            let result = map(&case);
            (case, result)
        }));
    }
    results
}

fn issues(result: &MapResult) -> &[Issue] {
    match result {
        Ok(mapped) => &mapped.warnings,
        Err(issues) => issues,
    }
}

#[test]
fn warnings_never_block_and_errors_always_do() {
    for (case, result) in all() {
        let worst = issues(&result).iter().map(|issue| issue.severity).min();
        match result {
            Ok(_) => assert!(worst.is_none_or(|worst| worst >= Severity::Warning), "{}", case.name),
            Err(_) => assert!(worst.is_some_and(|worst| worst <= Severity::Error), "{}", case.name),
        }
    }
}

/// Texts of a document that an issue may repeat: words of the standards, which tell nothing about anybody.
const WORDS: &[&str] = &[
    "active",
    "cancelled",
    "claim",
    "Code",
    "draft",
    "entered-in-error",
    "false",
    "female",
    "male",
    "name",
    "number",
    "phone",
    "preauthorization",
    "predetermination",
    "UUID",
    "yes",
];

/// All texts of a document, and its numbers of three digits and more as texts.
fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.trim().to_owned())),
        Value::Number(number) => drop(found.insert(number.to_string())),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(entries) => entries.values().for_each(|value| texts(value, found)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Uuids, resource types and claim dates outside the calendar are told on purpose: they name a document, not a person.
fn may_be_told(case: &Case, text: &str) -> bool {
    let resource =
        ["ClaimResponse", "Claim", "Patient", "Bundle", "Group", "OperationOutcome", "Organization"].contains(&text);
    let date =
        case.name.starts_with("claim-response/") && text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
    text.len() < 3 || resource || date || ClaimUuid::parse(text).is_some() || WORDS.contains(&text)
}

#[test]
fn no_issue_repeats_what_a_document_says() {
    let mut checked = 0;
    for (case, result) in all() {
        let mut said = BTreeSet::new();
        if let Ok(document) = serde_json::from_str(&case.input) {
            texts(&document, &mut said);
        }
        for issue in issues(&result) {
            for text in said.iter().filter(|text| !may_be_told(&case, text)) {
                assert!(!issue.diagnostics.contains(text.as_str()), "{}: {issue} tells {text:?}", case.name);
                checked += 1;
            }
        }
    }
    assert!(checked > 500, "{checked}");
}

#[test]
fn a_megabyte_of_nonsense_is_told_by_its_size_only() {
    let nonsense = "निरर्थक ".repeat(1 << 16); // more than a megabyte in UTF-8
    let quoted = format!("\"{nonsense}\"");
    let code = r#"{"type": {"coding": [{"code": "Code"}]}, "value": "#;
    let documents = [
        format!(
            r#"{{"resourceType": "ClaimResponse", "id": {quoted}, "patient": {{"reference": {quoted}}}, "created": {quoted}, "identifier": [{code}1}}]}}"#
        ),
        format!(r#"{{"resourceType": {quoted}}}"#),
        quoted.clone(),
        nonsense.clone(),
        format!(
            r#"{{"care_rendered": {quoted}, "assessment_rating": {quoted}, "claimuuid": {quoted}, "doc._id": {quoted}}}"#
        ),
        format!(
            r#"{{"resourceType": "Patient", "id": {quoted}, "gender": {quoted}, "birthDate": {quoted}, "telecom": [{{"value": {quoted}}}]}}"#
        ),
        "[".repeat(1 << 20),
        "{\"doc\":".repeat(1 << 18),
    ];
    for document in &documents {
        let results = [
            claim_response::map(document, Some(&nonsense), None, &claim_response::Settings::default()),
            feedback::map(document, None, &feedback::Settings::default()),
            patient::map(document, &[], &patient::Settings::default()),
        ];
        for result in results {
            let issues = result.expect_err("nonsense cannot be mapped");
            assert!(!issues.is_empty() && issues.len() < 12);
            for issue in issues {
                assert!(issue.to_string().len() < 250, "{issue}");
                assert!(issue.to_string().is_ascii(), "{issue}");
            }
        }
    }
}

#[test]
fn an_envelope_names_the_claim_that_is_mapped() {
    for case in cases("claim-response") {
        let envelope = claim_response::envelope(&case.input);
        let Ok(mapped) = map_claim_response(&case) else { continue };
        let key = envelope.claim_uuid.map(|uuid| format!("claim/{uuid}"));
        assert_eq!(key, Some(mapped.idempotency_key), "{}", case.name);
        assert!(envelope.insuree_uuid.is_some() && envelope.claim_code.is_some(), "{}", case.name);
    }
    for case in cases("feedback") {
        let envelope = feedback::envelope(&case.input);
        let Ok(mapped) = map_feedback(&case) else { continue };
        let body: Value = serde_json::from_str(&mapped.body).expect("JSON");
        let claim = envelope.claim_uuid.map(|uuid| format!("Claim/{uuid}")).unwrap_or_default();
        let known: Option<String> = case.read("insuree.json");
        let insuree = envelope.insuree_uuid.map(|uuid| uuid.to_string()).or(known.map(|uuid| uuid.to_lowercase()));
        let insuree = insuree.map(|uuid| format!("Patient/{uuid}")).unwrap_or_default();
        assert_eq!(body["about"][0]["reference"], claim, "{}", case.name);
        assert_eq!(body["subject"]["reference"], insuree, "{}", case.name);
        let id = envelope.report_id.or(envelope.claim_uuid.map(|uuid| uuid.to_string()));
        assert_eq!(Some(mapped.idempotency_key), id.map(|id| format!("feedback/{id}")), "{}", case.name);
    }
}

#[test]
fn an_envelope_tells_how_far_a_claim_has_come() {
    let status = |name: &str| {
        let case = cases("claim-response").into_iter().find(|case| case.name.ends_with(name)).expect("a fixture");
        claim_response::envelope(&case.input).status
    };
    assert_eq!(status("/recorded-notification"), Some(ClaimStatus::Checked));
    assert_eq!(status("/recorded-entered-in-openimis"), Some(ClaimStatus::Entered));
    assert_eq!(status("/documented-sample"), Some(ClaimStatus::Entered));
    assert_eq!(status("/recorded-rejected"), Some(ClaimStatus::Rejected));
    assert_eq!(status("/reference-bare-uuid"), None);
    assert_eq!(status("/malformed"), None);
    let reached = |codes: &[&str]| {
        let totals: Vec<Value> =
            codes.iter().map(|code| serde_json::json!({"category": {"coding": [{"code": code}]}})).collect();
        claim_response::envelope(&serde_json::json!({"outcome": "complete", "total": totals}).to_string()).status
    };
    assert_eq!(reached(&["2", "4", "8"]), Some(ClaimStatus::Processed));
    assert_eq!(reached(&["16", "2", "4", "8"]), Some(ClaimStatus::Valuated));
    assert_eq!(reached(&["32"]), None);
}

#[test]
fn an_insuree_is_the_same_person_in_every_spelling_of_the_uuid() {
    let ids: BTreeSet<String> =
        ["uuid-upper-case", "uuid-without-hyphens", "uuid-in-id-only", "uuid-in-identifier-only"]
            .into_iter()
            .map(|name| {
                let case = cases("patient").into_iter().find(|case| case.name.ends_with(name)).expect("a fixture");
                map_patient(&case).expect("a person").idempotency_key
            })
            .collect();
    // UUIDv5 in the URL namespace of "https://openimis.github.io/openimis_fhir_r4_ig/Patient/7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73", as
    // any other implementation computes it.
    assert_eq!(ids, BTreeSet::from(["person/e9284b2c-5b41-5474-9aa7-9bad21c7e039".to_owned()]));
}
