//! The mappings between hospitals, registries and openIMIS: any document ends in a mapped one, in issues, or in look-ups that end.

use mapping::lookup::{Answer, By, Lookup, Outcome, Resource};
use mapping::{IssueType, MapResult, Mapped, Severity, eclaim, eligibility, facility};
use serde::Deserialize;
use serde_json::Value;

use crate::input::{Choices, Parts};

const RECEIVED: &str = "2026-11-12T10:00:00Z";
/// More rounds of look-ups than any mapping may need.
const ROUNDS: usize = 4;

/// What the cases of a mapping share, for what a piece of data does not hold.
macro_rules! shared {
    ($path:literal) => {
        include_str!(concat!("../../wit/cases/", $path))
    };
}

/// What openIMIS has, as the `known.json` of a case says.
#[derive(Deserialize)]
struct Known {
    resource: Resource,
    by: By,
    value: String,
    found: Vec<Value>,
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).expect("a fixture")
}

/// openIMIS: it has what is asked for, or nothing, or says something else, as the data wants.
struct OpenImis<'d> {
    known: Vec<Known>,
    choices: Choices<'d>,
    texts: Parts<'d>,
}

impl OpenImis<'_> {
    fn answer(&mut self, lookup: Lookup) -> Answer {
        let same = |known: &&Known| known.resource == lookup.resource && known.by == lookup.by;
        let of_fixture = || {
            let Some(known) = self.known.iter().find(same) else { return Vec::new() };
            // Whatever the code is, openIMIS has it.
            let asked = Value::from(lookup.value.as_str()).to_string();
            let known_by = Value::from(known.value.as_str()).to_string();
            known.found.iter().map(|found| found.to_string().replace(&known_by, &asked)).collect()
        };
        let found = match self.choices.below(4) {
            0 => of_fixture(),
            1 => Vec::new(),
            2 => self.texts.text().into_iter().collect(),
            _ => [of_fixture(), self.texts.text().into_iter().collect()].concat(),
        };
        Answer { lookup, found }
    }

    /// Runs a mapping until it needs nothing more.
    fn drive(&mut self, map: &impl Fn(&[Answer]) -> Outcome) -> (MapResult, Vec<Answer>) {
        let mut answers: Vec<Answer> = Vec::new();
        for _ in 0..ROUNDS {
            let wanted = match map(&answers) {
                Outcome::Mapped(mapped) => return (Ok(mapped), answers),
                Outcome::Issues(issues) => return (Err(issues), answers),
                Outcome::Needs(wanted) => wanted,
            };
            assert!(!wanted.is_empty(), "needs nothing");
            for lookup in wanted {
                assert!(answers.iter().all(|answer| answer.lookup != lookup), "asked twice: {lookup:?}");
                assert!((1..=50).contains(&lookup.value.chars().count()), "{lookup:?}");
                let answer = self.answer(lookup);
                answers.push(answer);
            }
        }
        panic!("{ROUNDS} rounds of look-ups were not enough");
    }
}

/// Maps, and checks what holds for every mapping.
fn checked(data: &[u8], known: &str, map: impl Fn(&str, &[Answer]) -> Outcome) -> Option<Mapped> {
    let mut parts = Parts::of(data);
    let text = parts.text().unwrap_or_default();
    let choices = parts.choices();
    let mut openimis = OpenImis { known: read(known), choices, texts: parts };
    let (result, answers) = openimis.drive(&|answers| map(&text, answers));
    let again = |text: &str| match map(text, &answers) {
        Outcome::Mapped(mapped) => Ok(mapped),
        Outcome::Issues(issues) => Err(issues),
        Outcome::Needs(wanted) => panic!("all is known, and yet: {wanted:?}"),
    };
    assert_eq!(result, again(&text), "the same document, another result");
    told(&result);
    crate::maps::is_fatal_unless_json(&text, &result);
    // How a document is set makes no difference, but where two resources are compared as they are written, or a key is there twice.
    let as_written = |result: &MapResult| {
        let issues = result.as_ref().map_or_else(|issues| issues, |mapped| &mapped.warnings);
        issues.iter().any(|issue| matches!(issue.code, IssueType::Structure | IssueType::Conflict))
    };
    if let (false, Ok(document)) = (as_written(&result), serde_json::from_str::<Value>(&text))
        && !crate::maps::has_fraction(&document)
        && texts(&text) == texts(&document.to_string())
        && !as_written(&Err(openimis_issues(map(&document.to_string(), &answers))))
    {
        assert_eq!(result, again(&document.to_string()), "the same document in one line, another result");
    }
    result.ok()
}

/// How many texts a JSON document holds: fewer than before, if a key was there twice.
fn texts(json: &str) -> usize {
    let (mut quotes, mut escaped) = (0, false);
    for byte in json.bytes() {
        quotes += usize::from(byte == b'"' && !escaped);
        escaped = byte == b'\\' && !escaped;
    }
    quotes / 2
}

fn openimis_issues(outcome: Outcome) -> Vec<mapping::Issue> {
    match outcome {
        Outcome::Mapped(mapped) => mapped.warnings,
        Outcome::Issues(issues) => issues,
        Outcome::Needs(_) => Vec::new(),
    }
}

/// Issues are few, short, and tell no text that could be anything.
fn told(result: &MapResult) {
    let issues = match result {
        Ok(mapped) => {
            assert!(mapped.warnings.iter().all(|issue| issue.severity >= Severity::Warning));
            &mapped.warnings
        }
        Err(issues) => {
            assert!(issues.iter().any(|issue| issue.severity <= Severity::Error), "refused for no reason");
            issues
        }
    };
    assert!(issues.len() <= 201, "{}", issues.len());
    for issue in issues {
        assert!(!issue.diagnostics.is_empty() && issue.diagnostics.len() < 400, "{issue}");
        assert!(issue.to_string().is_ascii(), "{issue}");
    }
}

fn body(mapped: &Mapped) -> Value {
    serde_json::from_str(&mapped.body).expect("a mapped body is JSON")
}

/// Parts: document; what openIMIS does with each look-up; its texts.
pub fn claim(data: &[u8]) {
    let settings: eclaim::Settings = read(shared!("claim/settings.json"));
    let run = |text: &str, answers: &[Answer]| eclaim::map(text, Some(RECEIVED), answers, &settings);
    let Some(mapped) = checked(data, shared!("claim/known.json"), run) else { return };
    let text = Parts::of(data).text().unwrap_or_default();
    let body = body(&mapped);
    let code = body["identifier"][0]["value"].as_str().expect("a code");
    assert!((1..=20).contains(&code.len()), "{code}");
    assert_eq!(mapped.idempotency_key, format!("eclaim/{code}"));
    assert_eq!(eclaim::envelope(&text, &settings).claim_code.as_deref(), Some(code));
    for (element, kind) in [("patient", "Patient"), ("enterer", "Practitioner"), ("provider", "Organization")] {
        let (found, uuid) =
            body[element]["reference"].as_str().and_then(|text| text.split_once('/')).expect("Type/uuid");
        assert_eq!(found, kind);
        assert!(mapping::ids::ClaimUuid::parse(uuid).is_some_and(|parsed| parsed.to_string() == uuid), "{uuid}");
    }
    let items = body["item"].as_array().expect("a list");
    assert!((1..=1000).contains(&items.len()));
    assert!((1..=5).contains(&body["diagnosis"].as_array().map_or(0, Vec::len)));
    assert!(body["billablePeriod"]["start"].as_str() <= body["billablePeriod"]["end"].as_str());
    let (quantities, prices) = (cents(&mapped.body, "quantity"), cents(&mapped.body, "unitPrice"));
    assert_eq!((quantities.len(), prices.len()), (items.len(), items.len()));
    let sum: i128 = quantities.iter().zip(&prices).map(|(quantity, price)| quantity * price).sum();
    let total = cents(&mapped.body, "total")[0];
    assert!(total > 0 && (total * 100 - sum).abs() <= 50, "{total} for {sum}");
}

/// The numbers of the elements `"name":{"value":…` in hundredths, from their digits.
fn cents(body: &str, name: &str) -> Vec<i128> {
    let start = format!("\"{name}\":{{\"value\":");
    let digits = |rest: &str| {
        let number = rest.split([',', '}']).next().unwrap_or_default();
        let (whole, rest) = number.split_once('.').expect("two decimals");
        assert_eq!(rest.len(), 2, "{number}");
        format!("{whole}{rest}").parse().expect("digits")
    };
    body.split(&start).skip(1).map(digits).collect()
}

/// Parts: openIMIS' answer; the claim as sent; the hospital's document; the amount that is paid.
pub fn claim_answer(data: &[u8]) {
    let mut parts = Parts::of(data);
    let response = parts.text().unwrap_or_default();
    let sent = parts.text().unwrap_or_else(|| shared!("claim-answer/sent.json").to_owned());
    let original = parts.text().unwrap_or_else(|| shared!("claim-answer/original.json").to_owned());
    let valuated = parts.text();
    let settings = eclaim::Settings::default();
    let map = || eclaim::answer::map(&response, &sent, &original, valuated.as_deref(), &settings);
    let result = map();
    assert_eq!(result, map(), "the same answer, another result");
    told(&result);
    let Ok(mapped) = result else { return };
    let body = body(&mapped);
    assert_eq!(body["resourceType"], "ClaimResponse");
    assert!(mapped.idempotency_key.starts_with("claim-answer/"));
    let disposition = body["disposition"].as_str().expect("a text");
    let is_final = body["outcome"] == "complete";
    assert_eq!(is_final, disposition != "in progress", "{body}");
    for item in body["item"].as_array().expect("a list") {
        assert!(item["itemSequence"].as_u64().is_some_and(|sequence| sequence > 0), "{item}");
        let amounts = item["adjudication"].as_array().expect("a list");
        assert!(amounts.iter().all(|amount| amount["amount"]["value"].as_f64().is_some_and(|value| value >= 0.0)));
    }
}

/// Parts: document; what openIMIS does with each look-up; its texts.
pub fn eligibility(data: &[u8]) {
    let settings = eligibility::Settings::default();
    let run = |text: &str, answers: &[Answer]| eligibility::map(text, Some(RECEIVED), answers, &settings);
    let Some(mapped) = checked(data, shared!("eligibility/known.json"), run) else { return };
    let body = body(&mapped);
    assert_eq!(body["resourceType"], "CoverageEligibilityResponse");
    let policies = body["insurance"].as_array().map_or(&[][..], Vec::as_slice);
    let in_force = policies.iter().any(|policy| policy["inforce"] == true);
    assert_eq!(body["disposition"] == "insured", in_force, "{body}");
    let first_out = policies.iter().position(|policy| policy["inforce"] == false).unwrap_or(policies.len());
    assert!(policies[first_out..].iter().all(|policy| policy["inforce"] == false), "those in force come first: {body}");
    for required in ["status", "purpose", "patient", "created", "request", "outcome", "insurer"] {
        assert!(body.get(required).is_some(), "{required} is missing: {body}");
    }
}

/// Parts: one facility, or a page of them; what openIMIS does with each look-up; its texts.
pub fn facility(data: &[u8]) {
    let settings: facility::Settings = read(shared!("facility/settings.json"));
    let run = |text: &str, answers: &[Answer]| facility::map(text, answers, &settings);
    let text = Parts::of(data).text().unwrap_or_default();
    if let Ok(page) = facility::page(&text) {
        assert!(page.warnings.iter().all(|issue| issue.severity >= Severity::Warning));
        for one in &page.facilities {
            let alone = facility::page(one).expect("what was taken apart can be read");
            assert!(!alone.facilities.is_empty(), "a facility is one, also alone: {one}");
        }
    }
    let Some(mapped) = checked(data, shared!("facility/known.json"), run) else { return };
    let body = body(&mapped);
    let action = body["action"].as_str().expect("an action");
    let envelope = facility::envelope(&text, &settings);
    assert_eq!(envelope.code.as_deref(), body["code"].as_str());
    let fingerprint = envelope.fingerprint.expect("what is mapped has a fingerprint");
    assert_eq!(mapped.idempotency_key, format!("facility/{}/{fingerprint}", body["code"].as_str().expect("a code")));
    assert_eq!(body.get("input").is_some(), action != "none", "{body}");
    assert_eq!(body["input"].get("uuid").is_some(), action == "update", "{body}");
    let length = |element: &str| body["input"][element].as_str().map_or(0, |text| text.chars().count());
    assert!(length("code") <= 8 && length("name") <= 100 && length("phone") <= 50, "{body}");
}
