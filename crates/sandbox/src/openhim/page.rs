//! The page for people: the mediators of OpenHIM and their transactions.

use maud::{Markup, html};
use serde_json::Value;

use super::Core;
use crate::html::{cell, lines, page, table, text};

pub(super) fn show(core: &Core) -> String {
    let (mediators, transactions) = core.shown();
    let mediators: Vec<_> = mediators.iter().map(|(mediator, beats)| mediator_row(mediator, *beats)).collect();
    let transactions: Vec<_> = transactions.iter().map(transaction_row).collect();
    let content = html! {
        (table("Mediators", ["Mediator", "Version", "Heartbeats", "Channels"], &mediators))
        (table("Transactions", ["Request", "Status", "Claim", "Orchestrations"], &transactions))
    };
    page("OpenHIM (sandbox stand-in)", &content)
}

fn mediator_row(mediator: &Value, heartbeats: u32) -> [Markup; 4] {
    let channels = mediator["defaultChannelConfig"].as_array().into_iter().flatten();
    let channels = lines(channels.map(|channel| cell(&channel["urlPattern"])));
    let name = html! { (text(&mediator["name"])) br; code { (text(&mediator["urn"])) } };
    [name, cell(&mediator["version"]), html! { (heartbeats) }, channels]
}

fn transaction_row(transaction: &Value) -> [Markup; 4] {
    let status = text(&transaction["status"]);
    let class = match status.as_ref() {
        "Successful" => "done",
        "Processing" => "open",
        _ => "bad",
    };
    let steps = transaction["orchestrations"].as_array().into_iter().flatten();
    let steps = lines(steps.map(|step| html! { (text(&step["name"])) " " (text(&step["response"]["status"])) }));
    let request = &transaction["request"];
    let request = html! {
        (text(&request["method"])) " " (text(&request["path"])) br; code { (text(&transaction["_id"])) }
    };
    [request, html! { span class=(class) { (status) } }, cell(&transaction["properties"]["claim_code"]), steps]
}
