//! Which CHT contact an insuree becomes: found, proposed to a person, or made; on every version of CHT.

use mediator_tests::running::{Mediator, config, messages, notification, reason, sandbox, story};
use sandbox::{CHT_PASSWORD, ChtVersion, Sandbox, USER};
use serde_json::{Value, json};
use store::{Proposal, ProposalFilter, View};
use tempfile::TempDir;

mod decided;
mod gone;
mod matched;
mod versions;

/// Kalpana Udaharan, 1985-04-14, +9779800000000, insurance number 119000001: the patient of the documented sample.
const INSUREE: &str = "7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73";
/// Jane Doe, the stand-in's other insuree.
const OTHER_INSUREE: &str = "00000000-0000-4000-8000-000000000006";
/// The `_id` that the mediator computes of the insuree's uuid.
const CREATED: &str = "e9284b2c-5b41-5474-9aa7-9bad21c7e039";
/// All ways, as by default.
const ALL: &str = r#"["openimis-id", "insurance-number", "phone"]"#;

async fn world() -> (Sandbox, TempDir) {
    (sandbox().await, tempfile::tempdir().expect("a folder"))
}

/// Somebody whom CHT had before the mediator came: the insuree, but for `changes`.
fn contact(id: &str, changes: Value) -> Value {
    let mut contact = json!({"_id": id, "name": "Kalpana Udaharan", "phone": "+9779800000000",
        "date_of_birth": "1985-04-14", "sex": "female", "place": "sandbox-village"});
    let fields = contact.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => drop(fields.remove(name)),
            value => drop(fields.insert(name.clone(), value.clone())),
        }
    }
    contact
}

async fn put(sandbox: &Sandbox, contact: &Value) {
    let sent = reqwest::Client::new().post(format!("{}api/v1/people", sandbox.cht.url()));
    let sent = sent.basic_auth(USER, Some(CHT_PASSWORD)).header("accept", "application/json").json(contact);
    let answer = sent.send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{contact}");
}

async fn mediator(sandbox: &Sandbox, dir: &TempDir, changes: &[(&str, &str)]) -> Mediator {
    let changes = [&[("cht.match_by", ALL)], changes].concat();
    Mediator::start(config(sandbox, dir, &changes)).await
}

/// Posts the documented claim of the insuree.
async fn claim(mediator: &Mediator) -> View {
    let sample = mediator_tests::running::sample_claim();
    assert_eq!(mediator.post("/mediator/claim-response", sample).await.status(), 202);
    mediator.settled().await.pop().expect("a message")
}

async fn open(mediator: &Mediator) -> Vec<Proposal> {
    let filter = ProposalFilter { state: Some("open".to_owned()), before: None, limit: 100 };
    mediator.host.flow.store.proposals(&filter).await.expect("a store")
}

/// Whom the reports in CHT are about.
fn patients(sandbox: &Sandbox) -> Vec<String> {
    let of = |record: &Value| record["fields"]["patient_id"].as_str().expect("a patient").to_owned();
    sandbox.cht.records().iter().map(of).collect()
}

fn waits(message: &View) {
    let reason = reason(message);
    assert!(message.summary.state == "dead" && reason.starts_with("waits for a person: "), "{}", story([message]));
}
