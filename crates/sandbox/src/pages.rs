//! The pages for people: what has arrived, readable at a glance, reloaded every two seconds. No scripts.

use super::{cht::Cht, hospital::Desk, openhim::Core, openimis::OpenImis};
use serde_json::Value;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;\
    color:#222}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}\
    th,td{text-align:left;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #ddd;vertical-align:top}\
    th{font-weight:600;color:#555}code{font-size:.85em;color:#555}.done{color:#176b2c}.open{color:#8a5a00}\
    .bad{color:#a11}p.none{color:#777}button{font:inherit;padding:.1rem .6rem}";

/// openIMIS: the claims, and the feedback on them.
pub(super) fn openimis(openimis: &OpenImis) -> String {
    let mut claims = String::new();
    for claim in openimis.claims_shown() {
        let answers: Vec<_> = claim["feedback"].as_array().into_iter().flatten().map(answer).collect();
        let feedback = match (answers.is_empty(), claim["selected"] == true) {
            (false, _) => format!("<span class=done>{}</span>", answers.join("<br>")),
            (true, true) => "<span class=open>asked for, none yet</span>".into(),
            (true, false) => "none yet".into(),
        };
        row(
            &mut claims,
            &[
                format!("{}<br><code>{}</code>", text(&claim["code"]), text(&claim["uuid"])),
                text(&claim["insuree"]),
                status(&claim),
                feedback,
            ],
        );
    }
    let mut subscriptions = String::new();
    for subscription in openimis.subscriptions() {
        row(
            &mut subscriptions,
            &[
                text(&subscription["criteria"]),
                text(&subscription["channel"]["endpoint"]),
                text(&subscription["status"]),
            ],
        );
    }
    let mut notifications = String::new();
    for notification in openimis.notifications().iter().rev().take(10) {
        let outcome = match notification["error"].as_str() {
            None => "<span class=done>taken</span>".into(),
            Some(error) => format!("<span class=bad>{}</span>", escape(error)),
        };
        row(&mut notifications, &[text(&notification["claim"]), text(&notification["endpoint"]), outcome]);
    }
    page(
        "openIMIS (sandbox stand-in)",
        &[
            table("Claims", &["Claim", "Insuree", "Status", "Feedback"], &claims),
            table("Who is told of new claims", &["Resource", "Address", "Status"], &subscriptions),
            table("Latest notifications", &["Claim", "Address", "Outcome"], &notifications),
        ],
    )
}

fn answer(payload: &Value) -> String {
    let code = &payload["extension"][0]["valueCodeableConcept"]["coding"][0]["code"];
    format!("{}: {}", text(code), text(&payload["contentString"]))
}

/// Where a claim stands, with buttons while an officer may still decide.
fn status(claim: &Value) -> String {
    let (status, uuid) = (text(&claim["status"]), text(&claim["uuid"]));
    if claim["open"] != true {
        return status;
    }
    let button = |word: &str, label: &str| format!("<button name=decision value={word}>{label}</button>");
    format!(
        "{status} <form method=post action=/sandbox/claim style=display:inline>\
         <input type=hidden name=uuid value=\"{uuid}\">{} {}</form>",
        button("pay", "Pay"),
        button("reject", "Reject")
    )
}

/// The hospital: what it sent, and what came back.
pub(super) fn hospital(desk: &Desk) -> String {
    let (sent, answers) = desk.shown();
    let (mut said, mut told) = (String::new(), String::new());
    for sent in sent {
        row(&mut said, &[escape(&sent.what), sent.status.to_string(), summary(&sent.said)]);
    }
    for answer in answers {
        let claim =
            &answer.body["identifier"].as_array().and_then(|all| all.last()).map_or(&Value::Null, |id| &id["value"]);
        let at = answer.at.strftime("%H:%M:%S").to_string();
        row(&mut told, &[text(claim), summary(&answer.body), paid(&answer.body), at]);
    }
    let button = |path: &str, label: &str| {
        format!("<form method=post action={path} style=display:inline><button>{label}</button></form> ")
    };
    page(
        "Hospital (sandbox stand-in)",
        &[
            button("/sandbox/eligibility", "Is Jane Doe insured?") + &button("/sandbox/claim", "Claim for her visit"),
            table("Answers that came back", &["Claim", "Decision", "Paid", "At (UTC)"], &told),
            table("What was sent", &["What", "Status", "Said at once"], &said),
        ],
    )
}

/// What a FHIR resource says, in a few words.
fn summary(resource: &Value) -> String {
    let issues = resource["issue"].as_array().into_iter().flatten();
    let issues: Vec<_> =
        issues.map(|issue| format!("<span class=bad>{}</span>", text(&issue["diagnostics"]))).collect();
    if !issues.is_empty() {
        return issues.join("<br>");
    }
    match (resource["disposition"].as_str(), resource["outcome"].as_str()) {
        (Some(words), outcome) => {
            let class = if outcome == Some("complete") { "done" } else { "open" };
            format!("<span class={class}>{}</span>", escape(words))
        }
        _ => text(&resource["outcome"]),
    }
}

/// Line by line what is paid, and why not.
fn paid(response: &Value) -> String {
    let mut lines = Vec::new();
    for item in response["item"].as_array().into_iter().flatten() {
        let benefits = item["adjudication"].as_array().into_iter().flatten();
        for benefit in benefits.filter(|one| one["category"]["coding"][0]["code"] == "benefit") {
            let reason = text(&benefit["reason"]["text"]);
            lines.push(format!("item {}: {} {reason}", text(&item["itemSequence"]), text(&benefit["amount"]["value"])));
        }
    }
    lines.join("<br>")
}

/// CHT: the reports as a health worker's tasks, and the people they are about.
pub(super) fn cht(cht: &Cht) -> String {
    let mut tasks = String::new();
    for task in cht.tasks_shown() {
        row(&mut tasks, &task_cells(&task));
    }
    let mut people = String::new();
    for person in cht.people() {
        row(
            &mut people,
            &[
                format!("{}<br><code>{}</code>", text(&person["name"]), text(&person["_id"])),
                text(&person["phone"]),
                text(&person["parent"]["_id"]),
                text(&person["openimis_id"]),
            ],
        );
    }
    page(
        "CHT (sandbox stand-in)",
        &[
            table("Tasks", &["Task", "About", "Date (Bikram Sambat)", "State"], &tasks),
            table("People", &["Person", "Phone", "Place", "openIMIS id"], &people),
        ],
    )
}

/// OpenHIM: its mediators and transactions.
pub(super) fn openhim(core: &Core) -> String {
    let (known, came) = core.shown();
    let (mut mediators, mut transactions) = (String::new(), String::new());
    for (mediator, heartbeats) in known {
        let channels = mediator["defaultChannelConfig"].as_array().into_iter().flatten();
        let channels: Vec<_> = channels.map(|channel| text(&channel["urlPattern"])).collect();
        let name = format!("{}<br><code>{}</code>", text(&mediator["name"]), text(&mediator["urn"]));
        row(&mut mediators, &[name, text(&mediator["version"]), heartbeats.to_string(), channels.join("<br>")]);
    }
    for transaction in came {
        let steps = transaction["orchestrations"].as_array().into_iter().flatten();
        let steps: Vec<_> =
            steps.map(|step| format!("{} {}", text(&step["name"]), text(&step["response"]["status"]))).collect();
        let class = match transaction["status"].as_str() {
            Some("Successful") => "done",
            Some("Processing") => "open",
            _ => "bad",
        };
        let state = format!("<span class={class}>{}</span>", text(&transaction["status"]));
        let what = format!(
            "{} {}<br><code>{}</code>",
            text(&transaction["request"]["method"]),
            text(&transaction["request"]["path"]),
            text(&transaction["_id"])
        );
        let found_by = text(&transaction["properties"]["claim_code"]);
        row(&mut transactions, &[what, state, found_by, steps.join("<br>")]);
    }
    page(
        "OpenHIM (sandbox stand-in)",
        &[
            table("Mediators", &["Mediator", "Version", "Heartbeats", "Channels"], &mediators),
            table("Transactions", &["Request", "Status", "Claim", "Orchestrations"], &transactions),
        ],
    )
}

fn task_cells(task: &Value) -> [String; 4] {
    let fields = &task["record"]["fields"];
    let claim = text(&fields["op_claim_id"]);
    let date = ["op_year", "op_month", "op_day"].map(|field| text(&fields[field])).join("-");
    let mut state = String::new();
    for error in task["record"]["errors"].as_array().into_iter().flatten() {
        state += &format!("<span class=bad>{}</span><br>", text(&error["message"]));
    }
    state += &match (task["done"] == true, task["status"].as_u64()) {
        (true, _) => format!("<span class=done>done: {}</span>", answers(&task["answers"])),
        (false, Some(status)) => format!("<span class=bad>the mediator answered {status}</span> {}", button(&claim)),
        (false, None) => format!("<span class=open>open</span> {}", button(&claim)),
    };
    [format!("Ask about claim {claim}"), text(&task["contact"]), date, state]
}

fn answers(payload: &Value) -> String {
    let names = ["care_rendered", "payment_asked", "drug_prescribed", "drug_received", "assessment_rating"];
    names.map(|name| format!("{} {}", name.replace('_', " "), text(&payload[name]))).join(", ")
}

/// Answers the task as a health worker would, with the usual answers. `claim` is escaped already.
fn button(claim: &str) -> String {
    format!(
        "<form method=post action=/sandbox/feedback style=display:inline>\
         <input type=hidden name=claim value=\"{claim}\"><button>Answer it</button></form>"
    )
}

fn page(title: &str, sections: &[String]) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=2>\
         <meta name=viewport content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1>{}</html>\n",
        sections.concat()
    )
}

fn table(title: &str, heads: &[&str], rows: &str) -> String {
    if rows.is_empty() {
        return format!("<h2>{title}</h2><p class=none>Nothing yet.</p>");
    }
    let heads: String = heads.iter().map(|head| format!("<th>{head}</th>")).collect();
    format!("<h2>{title}</h2><table><tr>{heads}</tr>{rows}</table>")
}

/// Appends a row of cells that are HTML already.
fn row(rows: &mut String, cells: &[String]) {
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
    *rows += &format!("<tr>{cells}</tr>");
}

/// A value as escaped text; nothing for null.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escape(text),
        other => escape(&other.to_string()),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            other => escaped.push(other),
        }
    }
    escaped
}
