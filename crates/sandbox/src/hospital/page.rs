//! The page for people: what the hospital sent, and the answers that came back.

use maud::{Markup, html};
use serde_json::Value;

use super::{Desk, HospitalAnswer, Sent};
use crate::html::{cell, lines, page, table, text};

pub(super) fn show(desk: &Desk) -> String {
    let (sent, answers) = desk.shown();
    let answers: Vec<_> = answers.iter().map(answer).collect();
    let sent: Vec<_> = sent.iter().map(request).collect();
    let content = html! {
        (button("/sandbox/eligibility", "Is Jane Doe insured?"))
        " "
        (button("/sandbox/claim", "Claim for her visit"))
        (table("Answers that came back", ["Claim", "Decision", "Paid", "At (UTC)"], &answers))
        (table("Requests that were sent", ["What", "Status", "First answer"], &sent))
    };
    page("Hospital (sandbox stand-in)", &content)
}

fn button(path: &str, label: &str) -> Markup {
    html! { form method="post" action=(path) { button { (label) } } }
}

fn answer(answer: &HospitalAnswer) -> [Markup; 4] {
    let identifiers = answer.body["identifier"].as_array();
    let claim = identifiers.and_then(|all| all.last()).map_or(&Value::Null, |identifier| &identifier["value"]);
    let at = answer.at.strftime("%H:%M:%S").to_string();
    [cell(claim), summary(&answer.body), paid(&answer.body), html! { (at) }]
}

fn request(sent: &Sent) -> [Markup; 3] {
    [html! { (sent.what) }, html! { (sent.status) }, summary(&sent.said)]
}

/// What a FHIR resource says, in a few words.
fn summary(resource: &Value) -> Markup {
    let issues = resource["issue"].as_array().filter(|issues| !issues.is_empty());
    if let Some(issues) = issues {
        return lines(issues.iter().map(|issue| html! { span.bad { (text(&issue["diagnostics"])) } }));
    }
    match (resource["disposition"].as_str(), resource["outcome"].as_str()) {
        (Some(words), Some("complete")) => html! { span.done { (words) } },
        (Some(words), _) => html! { span.open { (words) } },
        _ => cell(&resource["outcome"]),
    }
}

/// Line by line what is paid, and why not.
fn paid(response: &Value) -> Markup {
    let items = response["item"].as_array().into_iter().flatten();
    lines(items.flat_map(|item| {
        let benefits = item["adjudication"].as_array().into_iter().flatten();
        let benefits = benefits.filter(|one| one["category"]["coding"][0]["code"] == "benefit");
        benefits.map(|benefit| {
            let (item, amount) = (text(&item["itemSequence"]), text(&benefit["amount"]["value"]));
            html! { "item " (item) ": " (amount) " " (text(&benefit["reason"]["text"])) }
        })
    }))
}
