//! What a client of OpenHIM is answered, and what its transaction shows.

use flow::Kind;
use flow::http_api::Answer;
use flow::openhim::envelope::{Details, envelope as wrap};
use flow::receive::{Journal, Step, StepResult};
use jiff::Timestamp;
use mediator_tests::running::{sample_claim, sample_feedback};
use reqwest::Response;
use sandbox::Fault;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::{CLAIM, FEEDBACK, URN, World, as_openhim};

const TRANSACTION: &str = "6b00f59fbc94ec5852f61b6e";

async fn body(answer: Response) -> Value {
    let text = answer.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// An answer in OpenHIM's form. The core ends where an orchestration has no request, and stores none without name and time.
async fn envelope(answer: Response) -> Value {
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"application/json+openhim".parse().expect("a value"))
    );
    let envelope = body(answer).await;
    assert_eq!(envelope["x-mediator-urn"], URN);
    assert!(envelope["response"]["status"].is_u64() && envelope["response"]["body"].is_string(), "{envelope}");
    assert!(envelope["response"]["timestamp"].is_string(), "{envelope}");
    for step in envelope["orchestrations"].as_array().expect("a list") {
        assert!(step["name"].is_string() && step["request"]["timestamp"].is_string(), "{step}");
        assert!(step["response"]["status"].is_u64(), "{step}");
    }
    envelope
}

fn names(envelope: &Value) -> Vec<(&str, u64)> {
    let steps = envelope["orchestrations"].as_array().expect("a list").iter();
    steps
        .map(|step| (step["name"].as_str().expect("a name"), step["response"]["status"].as_u64().expect("a status")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_through_openhim_is_answered_as_directly_and_its_transaction_shows_what_was_done() {
    let world = World::start(&[]).await;
    world.open().await;
    let answer = world.post("openimis", CLAIM, sample_claim()).await;
    assert_eq!(answer.status(), 202);
    assert!(answer.headers()["content-type"].to_str().expect("text").starts_with("application/json;"));
    assert_eq!(body(answer).await, json!({"status": "accepted", "id": 1, "duplicate": false}), "as directly");
    let transactions = world.openhim.transactions();
    let [transaction] = transactions.as_slice() else { panic!("{transactions:?}") };
    assert_eq!(transaction["status"], "Successful");
    let found_by =
        json!({"message_id": "1", "claim_code": "CHT979", "claim_uuid": "d3256498-ad16-4482-a2d2-4a6d9c78ba81"});
    assert_eq!(transaction["properties"], found_by);
    assert_eq!(names(transaction), [("mapped (trial) by map-claim-response", 200), ("stored", 201)]);
    world.mediator.settled().await;
    assert_eq!(world.sandbox.cht.records().len(), 1);

    // The same once more, and the feedback.
    assert_eq!(body(world.post("openimis", CLAIM, sample_claim()).await).await["duplicate"], true);
    assert_eq!(names(&world.openhim.transactions()[1])[1], ("stored", 200));
    assert_eq!(world.post("cht", FEEDBACK, sample_feedback()).await.status(), 202);
    let feedback = &world.openhim.transactions()[2];
    assert_eq!((&feedback["status"], &feedback["properties"]["message_id"]), (&json!("Successful"), &json!("2")));

    // Who is not named in a channel does not come as far as the mediator.
    assert_eq!(world.post("cht", CLAIM, sample_claim()).await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_mapped_is_told_with_its_issues() {
    let world = World::start(&[]).await;
    let mut claim: Value = serde_json::from_str(&sample_claim()).expect("JSON");
    claim["patient"] = json!({"reference": "Practitioner/1"});
    let refused = envelope(as_openhim(&world.mediator, CLAIM, TRANSACTION, claim.to_string()).await).await;
    assert_eq!((&refused["status"], &refused["response"]["status"]), (&json!("Completed"), &json!(422)));
    let outcome: Value = serde_json::from_str(refused["response"]["body"].as_str().expect("text")).expect("JSON");
    assert_eq!(outcome["resourceType"], "OperationOutcome");
    assert_eq!(refused["response"]["headers"]["content-type"], "application/json");
    assert_eq!(names(&refused), [("mapped (trial) by map-claim-response", 422), ("stored", 201)]);
    assert!(refused["error"].is_null(), "it must not be sent again");

    let kept = envelope(as_openhim(&world.mediator, FEEDBACK, TRANSACTION, "{}".to_owned()).await).await;
    assert_eq!((&kept["status"], &kept["response"]["status"]), (&json!("Completed"), &json!(202)), "taken, not well");

    let broken = envelope(as_openhim(&world.mediator, CLAIM, TRANSACTION, "{".to_owned()).await).await;
    assert_eq!((&broken["status"], &broken["response"]["status"]), (&json!("Completed"), &json!(400)));
    assert_eq!((names(&broken).len(), &broken["properties"]), (0, &json!({})), "nothing was done with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_is_an_error_that_openhim_may_send_again() {
    let world = World::start(&[]).await;
    let file = format!("sqlite://{}", mediator_tests::running::store_path(&world.dir).display());
    let mut other = SqliteConnection::connect(&file).await.expect("a connection");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("the lock");
    let failed = envelope(as_openhim(&world.mediator, CLAIM, TRANSACTION, sample_claim()).await).await;
    assert_eq!((&failed["status"], &failed["response"]["status"]), (&json!("Failed"), &json!(503)));
    assert!(failed["error"]["message"].is_string(), "the core queues it: {failed}");
    assert_eq!(names(&failed)[1], ("not stored", 503));
    sqlx::query("ROLLBACK").execute(&mut other).await.expect("the lock is free");
    let stored = envelope(as_openhim(&world.mediator, CLAIM, TRANSACTION, sample_claim()).await).await;
    assert_eq!(stored["status"], "Successful");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_at_the_door_is_refused_in_plain_json() {
    let world = World::start(&[("server.max_body_bytes", "1024")]).await;
    let url = format!("{}{CLAIM}", world.mediator.url);
    let request = world.mediator.client.post(&url).header("X-OpenHIM-TransactionID", TRANSACTION);
    let answer = request.header("content-type", "application/json").body("{}").send().await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (401, &"application/json".parse().expect("a value"))
    );
    let answer = as_openhim(&world.mediator, CLAIM, TRANSACTION, " ".repeat(2000)).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (413, &"application/json".parse().expect("a value"))
    );
}

#[test]
fn what_a_mapping_says_as_it_stops_stays_here() {
    let now = Timestamp::UNIX_EPOCH;
    let done = StepResult::NotMapped("mapping map-feedback stopped: no rating of Sita Rai".to_owned());
    let journal = Journal { steps: vec![Step { done, from: now, to: now }], ..Journal::default() };
    let shown = Details { urn: URN, kind: Kind::Feedback, journal: &journal, id: None, told_later: false };
    let wrapped = String::from_utf8(wrap(&Answer::new(Vec::new()), &shown, now).into_body()).expect("text");
    assert!(wrapped.contains("mapping map-feedback stopped") && !wrapped.contains("Sita"), "{wrapped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_holds_no_document_but_the_one_that_came() {
    let world = World::start(&[]).await;
    world.sandbox.cht.fail_next(1, Fault::Status(500));
    let shown = envelope(as_openhim(&world.mediator, CLAIM, TRANSACTION, sample_claim()).await).await;
    let patient = serde_json::from_str::<Value>(&sample_claim()).expect("JSON")["patient"]["reference"].to_string();
    assert!(!shown.to_string().contains(patient.trim_matches('"')), "{shown}");
}
