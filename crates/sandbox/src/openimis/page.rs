//! The page for people: the claims, and the feedback on them.

use maud::{Markup, html};
use serde_json::Value;

use super::OpenImis;
use crate::html::{cell, lines, page, table, text};

pub(super) fn show(openimis: &OpenImis) -> String {
    let claims: Vec<_> = openimis.claims_shown().iter().map(claim).collect();
    let subscriptions: Vec<_> = openimis.subscriptions().iter().map(subscription).collect();
    let notifications: Vec<_> = openimis.notifications().iter().rev().take(10).map(notification).collect();
    let content = html! {
        (table("Claims", ["Claim", "Insuree", "Status", "Feedback"], &claims))
        (table("Subscribers to new claims", ["Resource", "Address", "Status"], &subscriptions))
        (table("Latest notifications", ["Claim", "Address", "Outcome"], &notifications))
    };
    page("openIMIS (sandbox stand-in)", &content)
}

fn claim(claim: &Value) -> [Markup; 4] {
    let answers: Vec<_> = claim["feedback"].as_array().into_iter().flatten().map(answer).collect();
    let feedback = match (answers.is_empty(), claim["selected"] == true) {
        (false, _) => html! { span.done { (lines(answers)) } },
        (true, true) => html! { span.open { "asked for, none yet" } },
        (true, false) => html! { "none yet" },
    };
    let code = html! { (text(&claim["code"])) br; code { (text(&claim["uuid"])) } };
    [code, cell(&claim["insuree"]), status(claim), feedback]
}

fn answer(payload: &Value) -> Markup {
    let code = &payload["extension"][0]["valueCodeableConcept"]["coding"][0]["code"];
    html! { (text(code)) ": " (text(&payload["contentString"])) }
}

/// Where a claim stands, with buttons while an officer may still decide.
fn status(claim: &Value) -> Markup {
    html! {
        (text(&claim["status"]))
        @if claim["open"] == true {
            " "
            form method="post" action="/sandbox/claim" {
                input type="hidden" name="uuid" value=(text(&claim["uuid"]));
                button name="decision" value="pay" { "Pay" }
                " "
                button name="decision" value="reject" { "Reject" }
            }
        }
    }
}

fn subscription(subscription: &Value) -> [Markup; 3] {
    let channel = &subscription["channel"];
    [cell(&subscription["criteria"]), cell(&channel["endpoint"]), cell(&subscription["status"])]
}

fn notification(notification: &Value) -> [Markup; 3] {
    let outcome = match notification["error"].as_str() {
        None => html! { span.done { "accepted" } },
        Some(error) => html! { span.bad { (error) } },
    };
    [cell(&notification["claim"]), cell(&notification["endpoint"]), outcome]
}
