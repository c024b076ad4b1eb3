//! The contract, as rules that an answer keeps or breaks. What `wit/mapping` promises in words is asked here.

use std::collections::BTreeSet;

use mapping::ids::ClaimUuid;
use mapping::{Issue, IssueType, MapResult, Mapped, Severity, claim_response, feedback};
use serde_json::Value;

use super::super::Interface;
use super::case::{Case, LOOKS_UP, With};
use super::expected::{LONGEST_BODY, shortened};

/// An issue is a sentence or two, not a document.
const LONGEST_DIAGNOSTICS: usize = 500;
const LONGEST_EXPRESSION: usize = 300;
/// More issues of one document than anybody reads.
const MOST_ISSUES: usize = 1000;
/// A key is kept for as long as the message.
pub const LONGEST_KEY: usize = 200;

/// Inputs that no mapping can use.
pub fn bad_inputs(interface: Interface) -> Vec<Case> {
    let inputs = [
        ("(nothing)", String::new()),
        ("(no JSON)", "Not found".to_owned()),
        ("(half a document)", r#"{"resourceType": "#.to_owned()),
        ("(null)", "null".to_owned()),
        ("(an array)", "[]".to_owned()),
        ("(a text)", r#""text""#.to_owned()),
        ("(a number)", "3".to_owned()),
        ("(an empty object)", "{}".to_owned()),
        ("(another resource)", r#"{"resourceType": "OperationOutcome", "issue": []}"#.to_owned()),
        ("(a zero byte)", "\0".to_owned()),
        ("(100,000 brackets)", "[".repeat(100_000)),
        ("(a megabyte of text)", format!(r#"{{"resourceType": "{}"}}"#, "निरर्थक ".repeat(1 << 16))),
    ];
    inputs.into_iter().flat_map(|(name, input)| Case::input_only(interface, name, &input)).collect()
}

/// What is wrong with two answers to one input.
pub fn broken(case: &Case, first: &MapResult, second: &MapResult, bad: bool) -> BTreeSet<String> {
    let mut broken = BTreeSet::new();
    if first != second {
        broken.insert("the same input gives two different answers".to_owned());
    }
    match first {
        Ok(_) if bad => drop(broken.insert("expected issues: this cannot be mapped".to_owned())),
        Ok(mapped) => document(case, mapped, &mut broken),
        Err(issues) if issues.is_empty() => drop(broken.insert("refused without an issue that says why".to_owned())),
        Err(issues) if issues.iter().all(|issue| issue.severity > Severity::Error) => {
            broken.insert("refused without an issue of severity error or fatal".to_owned());
        }
        Err(issues) => words(case, issues, &mut broken),
    }
    broken
}

fn document(case: &Case, mapped: &Mapped, broken: &mut BTreeSet<String>) {
    let key = &mapped.idempotency_key;
    if key.chars().count() > LONGEST_KEY {
        broken.insert(format!("idempotency-key is longer than {LONGEST_KEY} characters"));
    }
    if mapped.body.len() > LONGEST_BODY {
        broken.insert(format!("body is longer than {LONGEST_BODY} bytes"));
        return;
    }
    let Ok(Value::Object(body)) = serde_json::from_str(&mapped.body) else {
        broken.insert("body is not a JSON object".to_owned());
        return;
    };
    if let Err(expected) = keeps_key(case, body.get("_id").and_then(Value::as_str), key) {
        let (expected, found) = (shortened(&expected, LONGEST_KEY), shortened(key, LONGEST_KEY));
        broken.insert(format!("idempotency-key: expected {expected}, found {found}"));
    }
    for warning in mapped.warnings.iter().filter(|warning| warning.severity <= Severity::Error) {
        broken.insert(format!("warnings: severity is {}, expected warning or information", warning.severity));
    }
    words(case, &mapped.warnings, broken);
}

/// Whether the key is the one that the WIT documents. The error says what was expected.
fn keeps_key(case: &Case, id: Option<&str>, key: &str) -> Result<(), String> {
    let (kind, wanted) = match case.interface {
        Interface::ClaimResponse => {
            ("claim", claim_response::envelope(case.input()).claim_uuid.map(|uuid| uuid.to_string()))
        }
        Interface::Feedback => {
            let envelope = feedback::envelope(case.input());
            ("feedback", envelope.report_id.or(envelope.claim_uuid.map(|uuid| uuid.to_string())))
        }
        Interface::Patient => match id {
            Some(id) => ("person", Some(id.to_owned())),
            None => return Err("body to have an _id, and person/<_id>".to_owned()),
        },
        Interface::Claim if matches!(case.with, With::ClaimAnswer { .. }) => {
            let envelope = claim_response::envelope(case.input());
            let wanted = envelope.claim_uuid.zip(envelope.status);
            ("claim-answer", wanted.map(|(uuid, status)| format!("{uuid}/{status:?}").to_lowercase()))
        }
        Interface::Claim => ("eclaim", None),
        Interface::Eligibility => ("eligibility", None),
        Interface::Facility => ("facility", None),
    };
    match (wanted, key.strip_prefix(kind).and_then(|rest| rest.strip_prefix('/'))) {
        (Some(wanted), found) if found != Some(&wanted) => Err(format!("{kind}/{wanted}")),
        (None, None | Some("")) => Err(format!("{kind}/…")),
        _ => Ok(()),
    }
}

/// What issues say, and what they must not say.
fn words(case: &Case, issues: &[Issue], broken: &mut BTreeSet<String>) {
    if issues.len() > MOST_ISSUES {
        broken.insert(format!("more than {MOST_ISSUES} issues of one document"));
    }
    let mut said = BTreeSet::new();
    if let Ok(input) = serde_json::from_str(case.input()) {
        match case.interface {
            Interface::ClaimResponse | Interface::Feedback | Interface::Patient => texts(&input, &mut said),
            // Codes and amounts have to be told to whoever keeps the tables; who was treated must not.
            Interface::Claim | Interface::Eligibility => texts_of_people(&input, &mut said),
            Interface::Facility => {} // nothing of it is private
        }
    }
    said.retain(|text| !may_be_told(case.interface, text));
    issues.iter().take(MOST_ISSUES).for_each(|issue| issue_words(issue, &said, broken));
}

fn issue_words(issue: &Issue, said: &BTreeSet<String>, broken: &mut BTreeSet<String>) {
    if issue.diagnostics.starts_with(LOOKS_UP) {
        return; // our own words: the case does not say what the mapping wants to know
    }
    if issue.diagnostics.trim().is_empty() {
        broken.insert("an issue has no diagnostics".to_owned());
    }
    if issue.diagnostics.chars().count() > LONGEST_DIAGNOSTICS {
        broken.insert(format!("diagnostics are longer than {LONGEST_DIAGNOSTICS} characters"));
    }
    let path = issue.expression.as_ref();
    // A rule of the settings, or a document that cannot be read at all, is about no element.
    let of_an_element = issue.severity != Severity::Fatal && issue.code != IssueType::BusinessRule;
    if of_an_element && path.trim().is_empty() {
        broken.insert(
            "an issue has no expression: expected the FHIRPath of the element, or the path of the key".to_owned(),
        );
    }
    if path.chars().count() > LONGEST_EXPRESSION || path.contains(char::is_control) {
        broken.insert("expression is not a FHIRPath, nor the path of a key".to_owned());
    }
    for text in said {
        for (place, told) in [("diagnostics", issue.diagnostics.as_str()), ("expression", path)] {
            if told.contains(text.as_str()) {
                let text = shortened(text, LONGEST_EXPRESSION);
                broken.insert(format!("{place} of an issue repeat what the document says: {text:?}"));
            }
        }
    }
}

/// All texts of a document, and its longer numbers as texts.
fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.trim().to_owned())),
        Value::Number(number) => drop(found.insert(number.to_string())),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(entries) => entries.values().for_each(|value| texts(value, found)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// What a document says of people, and in people's own words.
fn texts_of_people(value: &Value, found: &mut BTreeSet<String>) {
    const KEYS: [&str; 9] =
        ["family", "given", "text", "display", "birthDate", "telecom", "subscriberId", "valueString", "note"];
    match value {
        Value::Array(items) => items.iter().for_each(|item| texts_of_people(item, found)),
        Value::Object(entries) => {
            for (key, value) in entries {
                if KEYS.contains(&key.as_str()) {
                    texts(value, found);
                } else {
                    texts_of_people(value, found);
                }
            }
        }
        _ => {}
    }
}

/// Words of the standards, uuids, addresses of code systems and claim dates name no person.
fn may_be_told(interface: Interface, text: &str) -> bool {
    const WORDS: [&str; 16] = [
        "Bundle",
        "Claim",
        "ClaimResponse",
        "Code",
        "Communication",
        "Coverage",
        "Encounter",
        "Group",
        "Location",
        "OperationOutcome",
        "Organization",
        "Patient",
        "Practitioner",
        "RelatedPerson",
        "UUID",
        "openIMIS",
    ];
    let is_number = text.parse::<f64>().is_ok();
    let date = interface == Interface::ClaimResponse && text.parse::<jiff::civil::Date>().is_ok();
    let code = text.chars().all(|character| character.is_ascii_lowercase() || character == '-');
    let short = text.chars().count() < if is_number { 5 } else { 4 };
    short || date || code || text.contains("://") || WORDS.contains(&text) || ClaimUuid::parse(text).is_some()
}
