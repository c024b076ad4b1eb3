//! What holds for any document: it is mapped, refused, or something is looked up; never a panic, never another answer for the same text.
//! Fixtures with texts and elements changed stand for "any"; the order is fixed, so that a failure can be seen again.

use fastrand::Rng;
use mapping::lookup::{Answer, Outcome};
use mapping::{Mapped, Severity, eclaim, eligibility, facility};
use mediator_tests::fixtures::{Case, cases};
use mediator_tests::outcomes::known;
use serde_json::{Value, json};

/// Documents made of each fixture.
const PER_FIXTURE: usize = 40;

/// What an element is replaced with.
fn odd(random: &mut Rng) -> Value {
    let odds = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(2.005),
        json!(1e300),
        json!(""),
        json!(" "),
        json!("\u{0}é"),
        json!("2026-02-30"),
        json!("0000-00-00T24:00:00+99:99"),
        json!("urn:uuid:"),
        json!("/_history/"),
        json!("Patient/"),
        json!("#"),
        json!("|"),
        json!([]),
        json!({}),
        json!([null]),
        json!({"reference": "#"}),
        json!({"coding": [{"system": "", "code": "x"}]}),
        json!({"value": 3}),
        json!("x".repeat(3000)),
    ];
    odds[random.usize(..odds.len())].clone()
}

/// How many elements there are in an element.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(entries) => entries.values().map(size).sum(),
        _ => 0,
    }
}

/// Changes one element, each as likely as any other: replaced, taken away, or doubled.
fn change(value: &mut Value, random: &mut Rng) {
    let mut at = random.usize(..size(value));
    if at == 0 {
        *value = odd(random);
        return;
    }
    at -= 1;
    let what = random.u8(..10);
    match value {
        Value::Array(items) => {
            for index in 0..items.len() {
                let size = size(&items[index]);
                match (at, what) {
                    (0, 0..2) => drop(items.remove(index)),
                    (0, 2) => items.push(items[index].clone()),
                    _ if at < size => change(&mut items[index], random),
                    _ => {
                        at -= size;
                        continue;
                    }
                }
                return;
            }
        }
        Value::Object(entries) => {
            for (key, entry) in entries.iter_mut() {
                let (key, size) = (key.clone(), size(entry));
                match (at, what) {
                    (0, 0..2) => drop(entries.remove(&key)),
                    _ if at < size => change(entry, random),
                    _ => {
                        at -= size;
                        continue;
                    }
                }
                return;
            }
        }
        _ => {}
    }
}

/// A document with one to three elements changed, or a text with a few bytes changed.
fn changed(case: &Case, random: &mut Rng) -> String {
    let times = 1 + random.usize(..3);
    if let (true, Ok(mut document)) = (random.u8(..) < 200, serde_json::from_str::<Value>(&case.input)) {
        (0..times).for_each(|_| change(&mut document, random));
        return document.to_string();
    }
    let mut bytes = case.input.as_bytes().to_vec();
    for _ in 0..times {
        let at = random.usize(..=bytes.len());
        match random.u8(..4) {
            0 => bytes.truncate(at),
            1 => drop(bytes.splice(at..at, *b"\"0,{}[]")),
            _ if at < bytes.len() => bytes[at] = random.u8(32..127),
            _ => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Maps with all answers at once, which is what the last round of look-ups sees.
fn holds(map: &str, run: impl Fn(&Case, &str, &[Answer]) -> Outcome, good: impl Fn(&Mapped)) {
    let mut random = Rng::with_seed(2082);
    let [mut mapped, mut refused, mut asked] = [0; 3];
    for case in cases(map).into_iter().filter(|case| case.input.len() < 20_000) {
        let answers = known(&case);
        for _ in 0..PER_FIXTURE {
            let text = changed(&case, &mut random);
            let outcome = run(&case, &text, &answers);
            assert_eq!(outcome, run(&case, &text, &answers), "the same document, another answer: {text}");
            let issues = match &outcome {
                Outcome::Mapped(found) => {
                    mapped += 1;
                    good(found);
                    assert!(found.warnings.iter().all(|issue| issue.severity >= Severity::Warning), "{text}");
                    &found.warnings
                }
                Outcome::Issues(issues) => {
                    refused += 1;
                    assert!(issues.iter().any(|issue| issue.severity <= Severity::Error), "{text}");
                    issues
                }
                Outcome::Needs(wanted) => {
                    asked += 1;
                    assert!(!wanted.is_empty() && wanted.len() < 50, "{text}");
                    assert!(
                        wanted.iter().all(|lookup| answers.iter().all(|answer| answer.lookup != *lookup)),
                        "{text}"
                    );
                    continue;
                }
            };
            for issue in issues {
                let line = issue.to_string();
                assert!(line.is_ascii() && issue.diagnostics.len() < 400, "{line}");
            }
        }
    }
    assert!(mapped > 150 && refused > 150 && asked > 3, "{mapped} mapped, {refused} refused, {asked} asked");
}

/// An amount in hundredths, from its digits.
fn cents(text: &str) -> i128 {
    let (whole, rest) = text.split_once('.').expect("two decimals");
    assert_eq!(rest.len(), 2, "{text}");
    format!("{whole}{rest}").parse().expect("digits")
}

/// The numbers of the elements `"name":{"value":…`, as they are written.
fn amounts(body: &str, name: &str) -> Vec<i128> {
    let start = format!("\"{name}\":{{\"value\":");
    body.split(&start).skip(1).map(|rest| cents(rest.split([',', '}']).next().unwrap_or_default())).collect()
}

#[test]
fn any_claim_is_mapped_or_refused_and_its_total_is_what_it_adds_up_to() {
    let run = |case: &Case, text: &str, answers: &[Answer]| {
        let received: Option<String> = case.read("received.json");
        let settings: eclaim::Settings = case.read("settings.json");
        eclaim::envelope(text, &settings);
        eclaim::map(text, received.as_deref(), answers, &settings)
    };
    holds("claim", run, |mapped| {
        let body: Value = serde_json::from_str(&mapped.body).expect("JSON");
        let code = body["identifier"][0]["value"].as_str().expect("a code");
        assert_eq!(mapped.idempotency_key, format!("eclaim/{code}"));
        assert!((1..=20).contains(&code.len()), "{code}");
        let (quantities, prices) = (amounts(&mapped.body, "quantity"), amounts(&mapped.body, "unitPrice"));
        assert!(!quantities.is_empty() && quantities.len() == prices.len());
        let sum: i128 = quantities.iter().zip(&prices).map(|(quantity, price)| quantity * price).sum();
        let total = amounts(&mapped.body, "total")[0];
        assert!((total * 100 - sum).abs() <= 50, "{total} for {sum}");
        assert!(total > 0);
        assert!(!body["diagnosis"].as_array().expect("a list").is_empty());
        assert!(body["billablePeriod"]["start"].as_str() <= body["billablePeriod"]["end"].as_str());
        for reference in ["patient", "enterer", "provider"] {
            let text = body[reference]["reference"].as_str().expect("a reference");
            let (_, uuid) = text.split_once('/').expect("Type/uuid");
            assert_eq!(body[reference]["identifier"]["value"], uuid);
            assert!(mapping::ids::ClaimUuid::parse(uuid).is_some(), "{text}");
        }
    });
}

#[test]
fn any_question_is_answered_or_refused() {
    let run = |case: &Case, text: &str, answers: &[Answer]| {
        let received: Option<String> = case.read("received.json");
        eligibility::map(text, received.as_deref(), answers, &case.read("settings.json"))
    };
    holds("eligibility", run, |mapped| {
        let body: Value = serde_json::from_str(&mapped.body).expect("JSON");
        let in_force = body["insurance"].as_array().into_iter().flatten().any(|insurance| insurance["inforce"] == true);
        assert_eq!(body["disposition"] == "insured", in_force, "{body}");
    });
}

#[test]
fn any_facility_is_mapped_or_refused() {
    let run = |case: &Case, text: &str, answers: &[Answer]| {
        let settings: facility::Settings = case.read("settings.json");
        facility::envelope(text, &settings);
        drop(facility::page(text));
        facility::map(text, answers, &settings)
    };
    holds("facility", run, |mapped| {
        let body: Value = serde_json::from_str(&mapped.body).expect("JSON");
        let action = body["action"].as_str().expect("an action");
        assert_eq!(body.get("input").is_some(), action != "none", "{body}");
        assert_eq!(body["input"].get("uuid").is_some(), action == "update", "{body}");
        assert_eq!(body["changes"].as_array().is_none_or(Vec::is_empty), action != "update", "{body}");
        let length = |element: &str| body["input"][element].as_str().map_or(0, |text| text.chars().count());
        assert!(
            length("code") <= 8 && length("name") <= 100 && length("address") <= 100 && length("phone") <= 50,
            "{body}"
        );
    });
}

#[test]
fn any_answer_of_openimis_is_told_or_refused() {
    let mut random = Rng::with_seed(345);
    let [mut told, mut refused] = [0; 2];
    for case in cases("claim-answer") {
        let text = |section: &str| case.text(section).expect("a document");
        let (sent, original, settings) = (text("sent.json"), text("original.json"), eclaim::Settings::default());
        for _ in 0..PER_FIXTURE {
            let response = changed(&case, &mut random);
            match eclaim::answer::map(&response, sent, original, None, &settings) {
                Ok(mapped) => {
                    told += 1;
                    let body: Value = serde_json::from_str(&mapped.body).expect("JSON");
                    assert_eq!(body["resourceType"], "ClaimResponse");
                }
                Err(issues) => {
                    refused += 1;
                    assert!(issues.iter().any(|issue| issue.severity <= Severity::Error), "{response}");
                }
            }
        }
    }
    assert!(told > 150 && refused > 100, "{told} told, {refused} refused");
}

#[test]
fn a_megabyte_of_nonsense_is_told_by_its_size_only() {
    let nonsense = "निरर्थक ".repeat(1 << 16);
    let quoted = serde_json::to_string(&nonsense).expect("JSON");
    let many = vec![r#"{"sequence": "x", "quantity": {"value": -1}}"#; 20_000].join(",");
    // Everything refers to something long, by every way there is: none of it may be read again and again.
    let long = "x".repeat(300_000);
    let person = format!(
        r#"{{"resource": {{"resourceType": "Practitioner", "id": "p", "identifier": [{{"value": "p"}}], "text": "{long}"}}}}"#
    );
    let stay = |participants: &str, of: &str| {
        format!(
            r#"{{"resource": {{"resourceType": "Encounter", "id": "e", "participant": [{participants}], "partOf": {of}}}}}"#
        )
    };
    let by_id = vec![r#"{"individual": {"reference": "Practitioner/p"}}"#; 10_000].join(",");
    let by_identifier = vec![r#"{"individual": {"identifier": {"value": "p"}}}"#; 10_000].join(",");
    let conditions = vec![r#"{"condition": {"reference": "Condition/c"}}"#; 10_000].join(",");
    let entries = [
        person.clone(),
        stay(&by_id, "{}"),
        stay(&by_identifier, r##"{"reference": "#none"}"##),
        format!(r#"{{"resource": {{"resourceType": "Condition", "id": "c", "text": "{long}"}}}}"#),
        format!(r#"{{"resource": {{"resourceType": "Encounter", "diagnosis": [{conditions}]}}}}"#),
    ];
    let of_one = |count: usize, kind: &str| {
        let act = |number: usize| {
            format!(
                r#"{{"resource": {{"resourceType": "{kind}", "id": "{number}", "encounter": {{"reference": "Encounter/e"}}}}}}"#
            )
        };
        (0..count).map(act).collect::<Vec<_>>().join(",")
    };
    let bundle = |entries: &str| format!(r#"{{"resourceType": "Bundle", "type": "collection", "entry": [{entries}]}}"#);
    let documents = [
        bundle(&entries.join(",")),
        bundle(&[&person, &stay(&by_id, "{}"), &of_one(5000, "Procedure")].map(String::as_str).join(",")),
        bundle(&[stay("", "{}"), of_one(5000, "Condition"), of_one(5000, "Location")].join(",")),
        nonsense.clone(),
        quoted.clone(),
        format!(r#"{{"resourceType": {quoted}}}"#),
        format!(
            r#"{{"resourceType": "Claim", "id": {quoted}, "patient": {{"reference": {quoted}}}, "created": {quoted}, "item": [{{"productOrService": {{"text": {quoted}}}}}]}}"#
        ),
        format!(r#"{{"resourceType": "Claim", "item": [{many}]}}"#),
        format!(r#"{{"resourceType": "Location", "name": {quoted}, "identifier": [{{"value": {quoted}}}]}}"#),
        "[".repeat(1 << 20),
        r#"{"resourceType":"Bundle","entry":[{"resource":"#.repeat(1 << 16),
    ];
    for document in &documents {
        for outcome in [
            eclaim::map(document, Some("2026-11-12"), &[], &eclaim::Settings::default()),
            eligibility::map(document, None, &[], &eligibility::Settings::default()),
            facility::map(document, &[], &facility::Settings::default()),
        ] {
            let Outcome::Issues(issues) = outcome else { panic!("nonsense cannot be mapped") };
            assert!(!issues.is_empty() && issues.len() <= 201, "{}", issues.len());
            for issue in issues {
                assert!(issue.to_string().len() < 400 && issue.to_string().is_ascii(), "{issue}");
            }
        }
    }
}
