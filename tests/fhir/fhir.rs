//! What we write is FHIR R4 for others too: read with strict types that are not ours.

use std::path::Path;

use fhirbolt::model::r4::resources::{
    Claim, ClaimResponse, Communication, CommunicationPayloadContent, CoverageEligibilityResponse, OperationOutcome,
};
use mapping::outcome::operation_outcome;
use mapping::{Issue, IssueType};
use serde_json::Value;

/// Strict: an element that R4 does not know is refused.
fn communication(body: &str) -> Result<Communication, String> {
    fhirbolt::json::from_str(body, None).map_err(|error| error.to_string())
}

/// Every document that a case of a map expects, by the name of the case.
fn bodies(map: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/cases").join(map);
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| error.to_string());
    let cases = cases::in_folder(&folder, read).unwrap_or_else(|error| panic!("{error}"));
    let body = |case: cases::Case| {
        let expected: Value = serde_json::from_str(case.section("expected.json")?).expect("JSON");
        Some((case.name, expected["body"].to_string()))
    };
    cases.into_iter().filter_map(body).collect()
}

#[test]
fn every_communication_is_read_by_strict_r4_types() {
    let bodies = bodies("feedback");
    assert!(bodies.len() > 20, "{}", bodies.len());
    for (name, body) in bodies {
        let read = communication(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read.status.value.as_deref(), Some("completed"), "{name}");
        assert_eq!((read.about.len(), read.payload.len()), (1, 5), "{name}");
        for payload in &read.payload {
            let CommunicationPayloadContent::String(content) = &payload.content else { panic!("{name}: no text") };
            assert!(content.value.as_deref().is_some_and(|content| !content.is_empty()), "{name}");
        }
    }
}

/// fhirbolt 0.4 reads decimals as texts only.
fn quote_decimals(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(quote_decimals),
        Value::Object(entries) => {
            for (key, entry) in entries {
                match entry {
                    Value::Number(number) if key == "value" => *entry = number.to_string().into(),
                    other => quote_decimals(other),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn what_goes_between_hospitals_and_openimis_is_read_by_strict_r4_types() {
    type Read = fn(&str) -> Result<usize, String>;
    fn items<T, E: ToString>(read: Result<T, E>, count: fn(&T) -> usize) -> Result<usize, String> {
        read.map(|resource| count(&resource)).map_err(|error| error.to_string())
    }
    let reads: [(&str, usize, Read); 3] = [
        ("claim", 60, |body| items(fhirbolt::json::from_str(body, None), |claim: &Claim| claim.item.len())),
        ("claim-answer", 20, |body| {
            items(fhirbolt::json::from_str(body, None), |answer: &ClaimResponse| answer.item.len())
        }),
        ("eligibility", 10, |body| {
            items(fhirbolt::json::from_str(body, None), |answer: &CoverageEligibilityResponse| {
                answer.insurance.len() + answer.error.len() + usize::from(answer.disposition.is_some())
            })
        }),
    ];
    for (map, least, read) in reads {
        let bodies = bodies(map);
        assert!(bodies.len() > least, "{map}: {}", bodies.len());
        for (name, body) in bodies {
            let mut body: Value = serde_json::from_str(&body).expect("JSON");
            quote_decimals(&mut body);
            let items = read(&body.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(items > 0, "{name}");
            body["encounter"] = 4.into();
            assert!(read(&body.to_string()).is_err(), "{name}: an unknown element was not refused");
        }
    }
}

#[test]
fn the_check_can_fail() {
    let (_, body) = bodies("feedback").remove(0);
    type Change = fn(&mut Value);
    let changed = |change: Change| {
        let mut value: Value = serde_json::from_str(&body).expect("JSON");
        change(&mut value);
        communication(&value.to_string())
    };
    assert!(changed(|_| ()).is_ok());
    let refused: [(&str, Change); 6] = [
        ("an unknown field", |it| it["rating"] = 4.into()),
        ("an unknown field further down", |it| it["payload"][0]["content"] = "yes".into()),
        ("no status", |it| drop(it.as_object_mut().expect("an object").remove("status"))),
        ("no content", |it| drop(it["payload"][0].as_object_mut().expect("an object").remove("contentString"))),
        ("a list that is none", |it| it["payload"] = it["payload"][0].take()),
        ("a text that is a number", |it| it["payload"][4]["contentString"] = 4.into()),
    ];
    for (what, change) in refused {
        assert!(changed(change).is_err(), "{what} was not refused");
    }
}

#[test]
fn every_list_of_issues_is_an_operation_outcome_for_strict_r4_types() {
    use IssueType as Is;
    let codes = [
        Is::BusinessRule,
        Is::Conflict,
        Is::Invalid,
        Is::NotFound,
        Is::NotSupported,
        Is::Required,
        Is::Structure,
        Is::Value,
    ];
    let issues = codes.map(|code| Issue::error(code, "Patient.name", "missing; expected a \"name\""));
    for list in [&issues[..], &[Issue::fatal("", "no path")], &[issues[0].clone().as_warning()], &[]] {
        let text = operation_outcome(list);
        let outcome: OperationOutcome =
            fhirbolt::json::from_str(&text, None).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(outcome.issue.len(), list.len().max(1), "{text}");
    }
}
