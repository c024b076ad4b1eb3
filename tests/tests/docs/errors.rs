//! `docs/errors.md`: the catalogue as a page, and whether a problem is missing in it.

use std::collections::{BTreeMap, BTreeSet};

use flow::catalogue::{self, Entry, Sign, Stage};
use http::StatusCode;
use mapping::{Issue, claim_response, feedback, patient};
use mediator_tests::fixtures::{Case, cases};
use serde_json::{Value, json};

use super::render::linked;
use super::told::{Told, told};

const HEAD: &str = "\
# Errors

What can go wrong, what it means and what to do. A message's page in the console and `openimis-mediator messages show`
give the reason of a message and the issues of its document; the mediator's answers are `OperationOutcome`s with a
status. This page is made from the program's own catalogue, and every text that the program can say leads to a line of
it.
";

/// The page.
pub fn page() -> String {
    let mut out = HEAD.to_owned();
    let reasons = |stage: Stage| move |sign: &Sign| matches!(sign, Sign::Reason(of, _) if *of == stage);
    type IsPart = Box<dyn Fn(&Sign) -> bool>;
    let parts: [(&str, &str, IsPart); 5] = [
        (
            "Dead letters",
            "Somebody has to change something; afterwards `openimis-mediator messages retry`.",
            Box::new(reasons(Stage::Dead)),
        ),
        (
            "Issues of a document",
            "`code` and element of an issue, as `messages show`, the console and an `OperationOutcome` tell them.",
            Box::new(|sign| matches!(sign, Sign::Issue(..))),
        ),
        ("Why a message waits", "It is tried again by itself.", Box::new(reasons(Stage::Waiting))),
        ("Why a message was skipped", "It was left out on purpose.", Box::new(reasons(Stage::Skipped))),
        (
            "Answers of the mediator",
            "Status and issue code of a refusal. All other statuses are in [HTTP API](http-api.md).",
            Box::new(|sign| matches!(sign, Sign::Refusal(..))),
        ),
    ];
    for (title, says, is_part) in parts {
        out.push_str(&format!(
            "\n## {title}\n\n{says}\n\n| What you see | Meaning | What to do |\n| --- | --- | --- |\n"
        ));
        for entry in catalogue::entries().filter(|entry| is_part(&entry.sign)) {
            out.push_str(&row(entry));
        }
    }
    out
}

fn row(entry: &Entry) -> String {
    let seen = match entry.sign {
        Sign::Reason(_, pieces) => format!("`{}`", pieces.join("…").trim_start_matches('…').trim()),
        Sign::Issue(code, elements, says) => {
            let elements: Vec<String> = elements
                .iter()
                .filter(|element| !element.is_empty())
                .map(|element| format!("`{}`", element.replace('*', "…")))
                .collect();
            let says = if says.is_empty() { String::new() } else { format!(" “{says}”") };
            format!("`{code}` {}{says}", elements.join(", ")).trim_end().to_owned()
        }
        Sign::Refusal(status, code, says) => {
            let says = if says.is_empty() { String::new() } else { format!(" “{says}”") };
            format!("{} `{code}`{says}", status.as_u16())
        }
    };
    let text = |text: &str| linked(text).replace('|', "\\|");
    format!("| <a id=\"{}\"></a>{seen} | {} | {} |\n", entry.id, text(entry.meaning), text(entry.action))
}

/// The issues that the cases of all mappings expect.
fn expected() -> Vec<Issue> {
    let mut all = Vec::new();
    let root = mediator_tests::fixtures::root();
    for map in std::fs::read_dir(root).expect("cases").map(|entry| entry.expect("an entry").path()) {
        let map = map.file_name().expect("a name").to_str().expect("text").to_owned();
        for case in if map == "README.md" { Vec::new() } else { cases(&map) } {
            for line in case.text("error.txt").unwrap_or_default().lines() {
                let mut words = line.splitn(3, ' ');
                let (severity, code) = (words.next().expect("a severity"), words.next().expect("a code"));
                let (path, text) = match words.next() {
                    Some(rest) if !code.ends_with(':') => rest.split_once(": ").expect("an element and a text"),
                    rest => ("", rest.unwrap_or_default()),
                };
                let code = code.trim_end_matches(':');
                let issue = serde_json::json!(
                    {"severity": severity, "code": code, "expression": path, "diagnostics": text});
                all.push(serde_json::from_value(issue).unwrap_or_else(|error| panic!("{line}: {error}")));
            }
        }
    }
    all
}

/// A document with one element removed, or with another kind of value in its place: once for each element of the first levels.
fn broken(text: &str) -> Vec<String> {
    fn change(value: &Value, depth: usize, whole: &dyn Fn(Value) -> Value, out: &mut Vec<String>) {
        const LEVELS: usize = 5;
        for other in [Value::Null, json!("x"), json!(7), json!([]), json!({})] {
            out.push(whole(other).to_string());
        }
        match value {
            _ if depth == LEVELS => {}
            Value::Object(entries) => {
                for (key, entry) in entries {
                    let inner = |new: Value| {
                        let mut entries = entries.clone();
                        entries.insert(key.clone(), new);
                        whole(Value::Object(entries))
                    };
                    change(entry, depth + 1, &inner, out);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate().take(2) {
                    let inner = |new: Value| {
                        let mut items = items.clone();
                        items[index] = new;
                        whole(Value::Array(items))
                    };
                    change(item, depth + 1, &inner, out);
                }
            }
            _ => {}
        }
    }
    let mut out = vec![text[..text.floor_char_boundary(text.len() / 2)].to_owned()];
    if let Ok(document) = serde_json::from_str::<Value>(text) {
        change(&document, 0, &|new| new, &mut out);
    }
    out
}

/// Every issue that the cases, whole and broken, lead to, of the mappings that the mediator uses.
fn issues() -> Vec<Issue> {
    let results = |name: &str, map: fn(&Case) -> mapping::MapResult| cases(name).iter().map(map).collect::<Vec<_>>();
    let mut all = results("claim-response", |case| {
        let contact: Option<claim_response::ContactLink> = case.read("contact.json");
        let date: Option<String> = case.read("claim-date.json");
        claim_response::map(&case.input, date.as_deref(), contact.as_ref(), &case.read("settings.json"))
    });
    all.extend(results("feedback", |case| {
        let insuree: Option<String> = case.read("insuree.json");
        feedback::map(&case.input, insuree.as_deref(), &case.read("settings.json"))
    }));
    all.extend(results("patient", |case| {
        let codes: Vec<String> = case.read("locations.json");
        patient::map(&case.input, &codes, &case.read("settings.json"))
    }));
    type Map = fn(&str) -> mapping::MapResult;
    let maps: [(&str, Map); 3] = [
        ("claim-response", |text| claim_response::map(text, None, None, &Default::default())),
        ("feedback", |text| feedback::map(text, None, &Default::default())),
        ("patient", |text| patient::map(text, &[], &Default::default())),
    ];
    for (name, map) in maps {
        for case in cases(name) {
            all.push(map(&case.input));
            all.extend(broken(&case.input).iter().map(|text| map(text)));
        }
    }
    all.into_iter().flat_map(|result| result.map(|mapped| mapped.warnings).unwrap_or_else(|issues| issues)).collect()
}

#[test]
fn the_catalogue_of_errors_is_made_from_the_code() {
    super::is_up_to_date("docs/errors.md", &page());
}

#[test]
fn every_issue_that_a_document_can_have_is_in_the_catalogue() {
    let mut missing = BTreeSet::new();
    let mut met = BTreeSet::new();
    for (issues, is_own) in [(issues(), true), (expected(), false)] {
        for issue in issues {
            match catalogue::issue(&issue) {
                // Of the mappings that people meet every day each element has a line of its own.
                Some(entry) if !(is_own && entry.id.starts_with("any-")) => drop(met.insert(entry.id)),
                _ => drop(missing.insert(format!("{} {}", issue.code, issue.expression))),
            }
        }
    }
    assert!(missing.is_empty(), "add to crates/flow/src/catalogue/issues.rs: {missing:#?}");
    let all: BTreeSet<&str> =
        catalogue::entries().filter(|entry| matches!(entry.sign, Sign::Issue(..))).map(|entry| entry.id).collect();
    // A fault of the program's own: nothing that comes in leads to it.
    let never: BTreeSet<&str> = all.difference(&met).copied().filter(|id| *id != "could-not-be-written").collect();
    assert!(never.is_empty(), "nothing leads to these any more: {never:#?}");
}

#[test]
fn every_reason_that_the_sources_name_is_in_the_catalogue_and_no_other() {
    let mut met = BTreeSet::new();
    let mut missing = Vec::new();
    let all = told();
    assert!(all.len() > 30, "{all:#?}");
    for (place, what) in &all {
        let Told::Reason(stage, text) = what else { continue };
        match catalogue::reason(text) {
            Some(entry) => {
                met.insert(entry.id);
                if let (Sign::Reason(known, _), Some(stage)) = (entry.sign, stage) {
                    assert_eq!(known, *stage, "{place}: {text:?} is {}", entry.id);
                }
            }
            None => missing.push(format!("{place}: {text}")),
        }
    }
    assert!(missing.is_empty(), "add to crates/flow/src/catalogue/reasons.rs: {missing:#?}");
    // What is put together in ways that are not followed here is at least somewhere in the sources.
    let texts: Vec<&str> = all
        .iter()
        .filter_map(|(_, told)| if let Told::Text(text) = told { Some(text.as_str()) } else { None })
        .collect();
    met.extend(catalogue::entries().filter_map(|entry| match entry.sign {
        Sign::Reason(_, pieces) => {
            let own = pieces.iter().filter(|piece| piece.len() > 10 && !piece.contains("is left alone"));
            let own: Vec<_> = own.collect();
            let is_there = |piece: &&&str| texts.iter().any(|text| text.contains(piece.trim()));
            (!own.is_empty() && own.iter().all(is_there)).then_some(entry.id)
        }
        _ => None,
    }));
    no_entry_is_left(&met, |sign| matches!(sign, Sign::Reason(..)));
}

#[test]
fn every_refusal_that_the_sources_name_is_in_the_catalogue_and_no_other() {
    let mut met = BTreeSet::new();
    let mut missing = Vec::new();
    for (place, what) in told() {
        let Told::Refusal(status, code, text) = what else { continue };
        let status = StatusCode::from_u16(status).expect("a status");
        match catalogue::refusal(status, &code, &text) {
            Some(entry) => drop(met.insert(entry.id)),
            None => missing.push(format!("{place}: {status} {code} {text}")),
        }
    }
    assert!(missing.is_empty(), "add to crates/flow/src/catalogue/refusals.rs: {missing:#?}");
    met.insert("http-not-json"); // an issue of the document, told with 400
    no_entry_is_left(&met, |sign| matches!(sign, Sign::Refusal(..)));
}

fn no_entry_is_left(met: &BTreeSet<&str>, is_one: fn(&Sign) -> bool) {
    let left: Vec<&str> = catalogue::entries()
        .filter(|entry| is_one(&entry.sign) && !met.contains(entry.id))
        .map(|entry| entry.id)
        .collect();
    assert!(left.is_empty(), "no text of the sources leads to these any more: {left:?}");
}

#[test]
fn every_problem_has_one_name() {
    let mut names: BTreeMap<&str, u32> = BTreeMap::new();
    for entry in catalogue::entries() {
        *names.entry(entry.id).or_default() += 1;
        assert!(
            entry.meaning.ends_with('.') && entry.action.ends_with('.'),
            "{}: sentences end with a full stop",
            entry.id
        );
    }
    let twice: Vec<_> = names.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
