//! Fixtures of the maps between hospitals, registries and openIMIS, and what holds for every one of them.

mod any;

use mapping::lookup::Outcome;
use mapping::{MapResult, Severity, eclaim, eligibility, facility};
use mediator_tests::fixtures::{Case, cases, check_all};
use mediator_tests::outcomes::{drive, known};
use mediator_tests::running::workspace;
use serde_json::Value;

fn map_claim(case: &Case) -> MapResult {
    let received: Option<String> = case.read("received.json");
    let settings: eclaim::Settings = case.read("settings.json");
    assert_eq!(settings.problems(), Vec::<String>::new(), "{}", case.name);
    drive(case, |known| eclaim::map(&case.input, received.as_deref(), known, &settings))
}

fn map_claim_answer(case: &Case) -> MapResult {
    let text = |section: &str| case.text(section).unwrap_or_else(|| panic!("{} has no {section}", case.name));
    let valuated: Option<String> = case.read("valuated.json");
    let (sent, original) = (text("sent.json"), text("original.json"));
    eclaim::answer::map(&case.input, sent, original, valuated.as_deref(), &case.read("settings.json"))
}

fn map_eligibility(case: &Case) -> MapResult {
    let received: Option<String> = case.read("received.json");
    let settings: eligibility::Settings = case.read("settings.json");
    drive(case, |known| eligibility::map(&case.input, received.as_deref(), known, &settings))
}

fn map_facility(case: &Case) -> MapResult {
    let settings: facility::Settings = case.read("settings.json");
    assert_eq!(settings.problems(), Vec::<String>::new(), "{}", case.name);
    drive(case, |known| facility::map(&case.input, known, &settings))
}

#[test]
fn every_claim_fixture_maps_as_written() {
    check_all("claim", map_claim);
}

#[test]
fn every_claim_answer_fixture_maps_as_written() {
    check_all("claim-answer", map_claim_answer);
}

#[test]
fn every_eligibility_fixture_maps_as_written() {
    check_all("eligibility", map_eligibility);
}

#[test]
fn every_facility_fixture_maps_as_written() {
    check_all("facility", map_facility);
}

type Map = fn(&Case) -> MapResult;
const MAPS: [(&str, Map); 4] = [
    ("claim", map_claim),
    ("claim-answer", map_claim_answer),
    ("eligibility", map_eligibility),
    ("facility", map_facility),
];

fn case(name: &str) -> Case {
    let (map, _) = name.split_once('/').expect("map/case");
    cases(map).into_iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no fixture {name}"))
}

#[test]
fn warnings_never_block_and_errors_always_do() {
    for (name, map) in MAPS {
        for case in cases(name) {
            match map(&case) {
                Ok(mapped) => {
                    assert!(mapped.warnings.iter().all(|issue| issue.severity >= Severity::Warning), "{}", case.name)
                }
                Err(issues) => assert!(issues.iter().any(|issue| issue.severity <= Severity::Error), "{}", case.name),
            }
        }
    }
}

/// The recorded request went to openIMIS and was taken: what is written has to be the same, element by element.
#[test]
fn a_claim_is_what_openimis_took() {
    let case = case("claim/recorded");
    let mapped = map_claim(&case).expect("a claim");
    let found: Value = serde_json::from_str(&mapped.body).expect("JSON");
    let recorded: Value = serde_json::from_str(&case.input).expect("JSON");
    assert_eq!(found, recorded);
}

/// A hospital's own claim has the elements of the recorded one, of the same kinds, and no others.
#[test]
fn a_hospitals_claim_has_the_recorded_shape() {
    fn shape(value: &Value, path: &str, found: &mut std::collections::BTreeSet<String>) {
        match value {
            Value::Object(entries) => {
                entries.iter().for_each(|(key, value)| shape(value, &format!("{path}.{key}"), found))
            }
            Value::Array(items) => items.iter().for_each(|value| shape(value, &format!("{path}[]"), found)),
            Value::String(_) => drop(found.insert(format!("{path}: text"))),
            Value::Number(_) => drop(found.insert(format!("{path}: number"))),
            other => drop(found.insert(format!("{path}: {other}"))),
        }
    }
    let shape_of = |name: &str| {
        let mapped = map_claim(&case(name)).expect("a claim");
        let mut found = std::collections::BTreeSet::new();
        shape(&serde_json::from_str(&mapped.body).expect("JSON"), "Claim", &mut found);
        found
    };
    assert_eq!(shape_of("claim/encounter"), shape_of("claim/recorded"));
    assert_eq!(shape_of("claim/claim-in-bundle"), shape_of("claim/recorded"));
}

/// What people write in words and numbers of insured people are never told; codes of code systems are.
#[test]
fn no_issue_tells_who_was_treated() {
    let secrets = ["070707070", "NHIS-", "Jane", "Sita", "1972-08-09", "1980-01-01", "malaria", "+977"];
    let mut checked = 0;
    for (name, map) in MAPS.into_iter().filter(|(name, _)| *name != "facility") {
        for case in cases(name).into_iter().filter(|case| !case.name.contains("/needs-")) {
            let issues = map(&case).map_or_else(|issues| issues, |mapped| mapped.warnings);
            for issue in issues {
                let line = issue.to_string();
                assert!(secrets.iter().all(|secret| !line.contains(secret)), "{}: {line}", case.name);
                assert!(issue.diagnostics.len() < 300 && line.is_ascii(), "{}: {line}", case.name);
                checked += 1;
            }
        }
    }
    assert!(checked > 60, "{checked}");
}

#[test]
fn the_same_encounter_is_the_same_claim_however_it_is_sent() {
    let code = |name: &str| {
        let case = case(name);
        let settings: eclaim::Settings = case.read("settings.json");
        let envelope = eclaim::envelope(&case.input, &settings);
        if let Ok(mapped) = map_claim(&case) {
            assert_eq!(envelope.claim_code.map(|code| format!("eclaim/{code}")), Some(mapped.idempotency_key));
        }
        eclaim::envelope(&case.input, &settings).claim_code.expect("a code")
    };
    let first = code("claim/encounter");
    assert_eq!(first.len(), 16);
    assert!(first.starts_with('B') && first.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
    // As a claim, in a transaction, with a mistake in it: the encounter is the same.
    for name in [
        "claim/claim-in-bundle",
        "claim/transaction",
        "claim/item-unknown",
        "claim/claim-alone",
        "claim/encounter-without-id",
    ] {
        assert_eq!(code(name), first, "{name}");
    }
    assert_ne!(code("claim/inpatient"), first);
    assert_eq!(eclaim::envelope("no JSON", &eclaim::Settings::default()), eclaim::Envelope::default());
}

#[test]
fn codes_of_many_encounters_differ() {
    let settings = eclaim::Settings { code_length: 12, ..eclaim::Settings::default() };
    let code = |number: u32| {
        let document = serde_json::json!({"resourceType": "Bundle", "type": "collection",
            "entry": [{"resource": {"resourceType": "Encounter", "id": number.to_string()}}]});
        eclaim::envelope(&document.to_string(), &settings).claim_code.expect("a code")
    };
    let codes: std::collections::BTreeSet<String> = (0..5000).map(code).collect();
    assert_eq!(codes.len(), 5000);
}

/// Servers that count their encounters all have a first one.
#[test]
fn the_same_number_at_two_hospitals_is_two_claims() {
    let case = case("claim/encounter-with-a-number");
    let settings: eclaim::Settings = case.read("settings.json");
    let code = |settings: &eclaim::Settings| eclaim::envelope(&case.input, settings).claim_code.expect("a code");
    let elsewhere = |facility: &str| {
        let mut rows = settings.facilities.to_vec();
        rows[0].openimis = facility.to_owned();
        code(&eclaim::Settings { facilities: rows.into(), ..settings.clone() })
    };
    assert_eq!(code(&settings), elsewhere("HF001"));
    assert_ne!(code(&settings), elsewhere("HF002"));
    let without_table = eclaim::Settings { default_facility: "HF001".to_owned(), ..eclaim::Settings::default() };
    assert_eq!(code(&settings), code(&without_table), "the same facility, however it is found");
}

/// `count` items of one product at 1.05, 1.06, …
fn claim_of(count: usize) -> (Case, String) {
    let case = case("claim/claim-alone");
    let mut claim: Value = serde_json::from_str(&case.input).expect("JSON");
    let mut item = claim["item"][0].take();
    let entries = item.as_object_mut().expect("an object");
    entries.retain(|key, _| key != "net" && key != "sequence");
    let price = |number: usize| serde_json::json!({"value": 105 + number, "currency": "NPR"});
    let items: Vec<Value> = (0..count)
        .map(|number| {
            let mut item = item.clone();
            item["unitPrice"] = price(number);
            item
        })
        .collect();
    claim["item"] = items.into();
    claim.as_object_mut().expect("an object").remove("total");
    (case, claim.to_string())
}

#[test]
fn a_bill_of_hundreds_of_items_adds_up() {
    let (mut case, input) = claim_of(700);
    case.input = input;
    let mapped = map_claim(&case).expect("a claim");
    let body: Value = serde_json::from_str(&mapped.body).expect("JSON");
    assert_eq!(body["item"].as_array().map(Vec::len), Some(700));
    let expected: usize = (0..700).map(|number| 2 * (105 + number)).sum();
    assert_eq!(body["total"]["value"], expected as f64);
}

#[test]
fn a_bill_without_end_is_one_issue_and_asks_nothing() {
    let (case, input) = claim_of(1001);
    let settings: eclaim::Settings = case.read("settings.json");
    let issues = match eclaim::map(&input, None, &known(&case), &settings) {
        Outcome::Issues(issues) => issues,
        other => panic!("{other:?}"),
    };
    let told: Vec<String> = issues.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["error not-supported Claim.item: 1001 items; expected up to 1000 in one claim"]);
}

#[test]
fn a_look_up_that_failed_is_asked_for_again_and_one_that_found_nothing_is_not() {
    let case = case("claim/encounter");
    let settings: eclaim::Settings = case.read("settings.json");
    let all = known(&case);
    let Outcome::Needs(first) = eclaim::map(&case.input, None, &[], &settings) else { panic!("nothing is known") };
    let Outcome::Needs(again) = eclaim::map(&case.input, None, &[], &settings) else { panic!("nothing is known") };
    assert_eq!(first, again);
    let empty: Vec<_> =
        all.iter().map(|answer| mapping::lookup::Answer { found: Vec::new(), ..answer.clone() }).collect();
    let Outcome::Issues(issues) = eclaim::map(&case.input, None, &empty, &settings) else { panic!("all is answered") };
    let errors = issues.iter().filter(|issue| issue.severity == Severity::Error).count();
    assert!(errors >= 4, "all that openIMIS does not have is told at once: {issues:?}");
}

#[test]
fn a_page_of_a_registry_is_taken_apart() {
    let text = std::fs::read_to_string(workspace().join("tests/fixtures/facility/page.json")).expect("a page");
    let page = facility::page(&text).expect("a page");
    assert_eq!(page.next.as_deref(), Some("http://registry.example.org/fhir?_getpages=7&_getpagesoffset=2"));
    assert_eq!(page.facilities.len(), 2, "areas are no facilities");
    let settings: facility::Settings = case("facility/create").read("settings.json");
    let codes: Vec<Option<String>> =
        page.facilities.iter().map(|facility| facility::envelope(facility, &settings).code).collect();
    assert_eq!(codes, [Some("HF901".to_owned()), Some("HF902".to_owned())]);
    for facility in &page.facilities {
        assert!(facility::envelope(facility, &settings).fingerprint.is_some(), "{facility}");
    }
    assert!(facility::page("{}").is_err());
    assert!(facility::page(r#"{"resourceType": "Patient"}"#).is_err());
}

/// A registry may send the boundary of a district with each of its facilities, and its wards and beds.
#[test]
fn of_a_page_only_what_is_read_is_kept_and_wards_are_no_facilities() {
    let boundary = "A".repeat(100_000);
    let area = serde_json::json!({"resourceType": "Location", "id": "d", "physicalType": {"coding": [{"code": "jdn"}]},
        "identifier": [{"value": "D-07"}], "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/location-boundary-geojson",
        "valueAttachment": {"data": boundary}}]});
    let place = |id: usize, kind: &str| {
        serde_json::json!({"resourceType": "Location", "id": format!("p{id}"), "identifier": [{"value": format!("HF{id}")}],
            "physicalType": {"coding": [{"code": kind}]}, "text": {"div": boundary}, "partOf": {"reference": "Location/d"}})
    };
    let kinds = ["bu", "wa", "ro", "bd", "si"];
    let places = kinds.iter().enumerate().map(|(id, kind)| place(id, kind));
    let entries: Vec<Value> = places.chain([area]).map(|resource| serde_json::json!({"resource": resource})).collect();
    let page = serde_json::json!({"resourceType": "Bundle", "type": "searchset", "entry": entries}).to_string();
    let found = facility::page(&page).expect("a page");
    assert_eq!(found.facilities.len(), 2);
    let settings: facility::Settings = case("facility/create").read("settings.json");
    for (facility, code) in found.facilities.iter().zip(["HF0", "HF4"]) {
        assert!(facility.len() < 1000, "{}", facility.len());
        assert!(facility.contains("D-07"), "its district is with it: {facility}");
        assert_eq!(facility::envelope(facility, &settings).code.as_deref(), Some(code));
    }
}

#[test]
fn a_fingerprint_changes_with_what_openimis_holds_and_with_nothing_else() {
    let fingerprint = |name: &str| {
        let case = case(name);
        facility::envelope(&case.input, &case.read("settings.json")).fingerprint
    };
    let create = fingerprint("facility/create");
    assert!(create.is_some());
    assert_eq!(fingerprint("facility/unchanged"), create, "other version, order and endpoint");
    for other in ["facility/renamed", "facility/closed", "facility/moved", "facility/telecom"] {
        assert!(fingerprint(other).is_some());
        assert_ne!(fingerprint(other), create, "{other}");
    }
}

#[test]
fn settings_tell_all_their_problems_at_once() {
    let claim: eclaim::Settings = serde_json::from_str(
        r#"{"code_prefix": "TOOLONG", "code_length": 30, "utc_offset_minutes": 2000, "visit_type": "X", "insurance_number": [" "],
            "diagnoses": [{"source": "a|1", "openimis": "A02"}, {"source": "a|1", "openimis": ""}],
            "items": [{"source": "", "kind": "item", "openimis": "", "uuid": "no", "price": "1.234"}],
            "visit_types": [{"source": "a|b", "openimis": "Z"}],
            "facilities": [{"source": "x", "openimis": " "}], "practitioners": [{"source": "x|", "openimis": "CA1"}]}"#,
    )
    .expect("settings");
    assert_eq!(claim.problems().len(), 14, "{:#?}", claim.problems());
    assert_eq!(eclaim::Settings::default().problems(), Vec::<String>::new());
    let facility: facility::Settings = serde_json::from_str(
        r#"{"levels": [{"source": "a", "openimis": "X"}], "default_level": "X", "legal_forms": [{"source": "a", "openimis": "XX"}],
            "default_legal_form": "XX", "default_care_type": "X", "closed_status": "gone", "suspended_status": "",
            "codes": [{"source": "1", "openimis": "123456789"}], "districts": [{"source": "d", "openimis": ""}]}"#,
    )
    .expect("settings");
    assert_eq!(facility.problems().len(), 9, "{:#?}", facility.problems());
    assert_eq!(facility::Settings::default().problems(), Vec::<String>::new());
    let eligibility =
        eligibility::Settings { utc_offset_minutes: 1081, insurance_number: vec![String::new()], ..Default::default() };
    assert_eq!(eligibility.problems().len(), 2);
}

#[test]
fn a_concept_map_gives_rows_of_what_is_sure() {
    let map = r#"{"resourceType": "ConceptMap", "status": "active", "group": [{"source": "https://cielterminology.org|2024",
        "target": "http://hl7.org/fhir/sid/icd-10", "element": [
        {"code": "116128", "target": [{"code": "B54", "equivalence": "equivalent"}]},
        {"code": "117399", "target": [{"code": "I10", "equivalence": "wider"}, {"code": "I10.1", "equivalence": "narrower"}]},
        {"code": "5", "target": [{"code": "R05", "equivalence": "inexact"}]},
        {"code": "6", "target": [{"code": "R06", "relationship": "source-is-narrower-than-target"}]}]}]}"#;
    let (rows, warnings) = mapping::codes::concept_map(map).expect("rows");
    let rows: Vec<(&str, &str)> = rows.iter().map(|row| (row.source.as_str(), row.openimis.as_str())).collect();
    let ciel = "https://cielterminology.org";
    assert_eq!(
        rows,
        [
            (format!("{ciel}|116128").as_str(), "B54"),
            (format!("{ciel}|117399").as_str(), "I10"),
            (format!("{ciel}|6").as_str(), "R06"),
        ]
    );
    assert_eq!(warnings.len(), 1, "{warnings:?}");

    let twice = r#"{"resourceType": "ConceptMap", "status": "retired", "group": [{"source": "s", "element": [
        {"target": [{"code": "A"}]}, {"code": "1", "target": [{"code": "A"}, {"code": "B"}]}, 7]}]}"#;
    let issues = mapping::codes::concept_map(twice).expect_err("problems");
    assert_eq!(issues.len(), 4, "{issues:?}");
    assert!(mapping::codes::concept_map("[]").is_err());
    assert!(mapping::codes::concept_map(r#"{"resourceType": "ConceptMap"}"#).is_err());
    assert!(mapping::codes::concept_map(r#"{"resourceType": "Patient"}"#).is_err());
}
