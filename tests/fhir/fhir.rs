//! What we write is FHIR R4 for others too: read with strict types that are not ours.

use std::path::Path;

use fhirbolt::model::r4::resources::{Communication, CommunicationPayloadContent, OperationOutcome};
use mapping::issue::operation_outcome;
use mapping::{Issue, IssueType};
use serde_json::Value;

/// Strict: an element that R4 does not know is refused.
fn communication(body: &str) -> Result<Communication, String> {
    fhirbolt::json::from_str(body, None).map_err(|error| error.to_string())
}

/// Every Communication that a fixture expects, by the fixture's name.
fn bodies() -> Vec<(String, String)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/feedback");
    let folders = std::fs::read_dir(fixtures).expect("fixtures").map(|entry| entry.expect("a folder").path());
    let mut bodies: Vec<_> = folders
        .filter_map(|folder| {
            let text = std::fs::read_to_string(folder.join("expected.json")).ok()?;
            let expected: Value = serde_json::from_str(&text).expect("JSON");
            Some((folder.display().to_string(), expected["body"].to_string()))
        })
        .collect();
    bodies.sort();
    bodies
}

#[test]
fn every_communication_is_read_by_strict_r4_types() {
    let bodies = bodies();
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

#[test]
fn the_check_can_fail() {
    let (_, body) = bodies().remove(0);
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
