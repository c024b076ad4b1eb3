//! The page for people: the reports as a health worker's tasks, and the people they are about.

use maud::{Markup, html};
use serde_json::Value;

use super::Cht;
use crate::html::{cell, lines, page, table, text};

pub(super) fn show(cht: &Cht) -> String {
    let tasks: Vec<_> = cht.tasks_shown().iter().map(task).collect();
    let people: Vec<_> = cht.people().iter().map(person).collect();
    let content = html! {
        (table("Tasks", ["Task", "About", "Date (Bikram Sambat)", "State"], &tasks))
        (table("People", ["Person", "Phone", "Place", "openIMIS id"], &people))
    };
    page("CHT (sandbox stand-in)", &content)
}

fn task(task: &Value) -> [Markup; 4] {
    let fields = &task["record"]["fields"];
    let claim = text(&fields["op_claim_id"]);
    let date = ["op_year", "op_month", "op_day"].map(|field| text(&fields[field])).join("-");
    let errors = task["record"]["errors"].as_array().into_iter().flatten();
    let errors = errors.map(|error| html! { span.bad { (text(&error["message"])) } });
    let state = match (task["done"] == true, task["status"].as_u64()) {
        (true, _) => html! { span.done { "done: " (answers(&task["answers"])) } },
        (false, Some(status)) => html! { span.bad { "the mediator answered " (status) } " " (button(&claim)) },
        (false, None) => html! { span.open { "open" } " " (button(&claim)) },
    };
    let state = lines(errors.chain([state]));
    [html! { "Ask about claim " (claim) }, cell(&task["contact"]), html! { (date) }, state]
}

fn answers(payload: &Value) -> String {
    let names = ["care_rendered", "payment_asked", "drug_prescribed", "drug_received", "assessment_rating"];
    names.map(|name| format!("{} {}", name.replace('_', " "), text(&payload[name]))).join(", ")
}

/// Answers the task as a health worker would, with the usual answers.
fn button(claim: &str) -> Markup {
    html! {
        form method="post" action="/sandbox/feedback" {
            input type="hidden" name="claim" value=(claim);
            button { "Answer it" }
        }
    }
}

fn person(person: &Value) -> [Markup; 4] {
    let name = html! { (text(&person["name"])) br; code { (text(&person["_id"])) } };
    [name, cell(&person["phone"]), cell(&person["parent"]["_id"]), cell(&person["openimis_id"])]
}
