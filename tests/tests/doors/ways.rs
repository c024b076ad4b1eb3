//! What becomes of what came in: the loop on stand-in peers, peers that are away, and servers that die.

use std::time::Duration;

use mediator_tests::running::{count, eventually, notification, sample_claim};
use sandbox::Fault;
use serde_json::{Value, json};

use crate::server::{CLAIM, CREDENTIALS, FEEDBACK, Kept, On, World};

const RECORDS: &str = "POST /api/v2/records";
const DOWN: usize = usize::MAX;

/// Fills in the feedback form of a claim in the CHT stand-in; its answers are pushed to the mediator.
async fn fill_in(world: &World, answers: Value) -> Value {
    let outbound = format!("{}{FEEDBACK}", world.url);
    world.sandbox.cht.set_outbound(outbound, CREDENTIALS.0.into(), CREDENTIALS.1.into());
    world.sandbox.cht.submit_feedback(&answers).await.expect("a push")
}

fn states(messages: &[Kept]) -> Vec<&str> {
    messages.iter().map(|message| message.state.as_str()).collect()
}

pub async fn a_claim_becomes_a_task_and_the_feedback_returns_to_the_claim(on: On) {
    let world = World::start(on, &[]).await;
    assert_eq!(world.post(CLAIM, sample_claim()).await.status(), 202);
    if on != On::Host {
        assert_eq!(world.sandbox.cht.records().len(), 1, "delivered before it is answered: {}", world.log());
    }
    world.settled().await;
    let records = world.sandbox.cht.records();
    assert_eq!(records.len(), 1, "{records:#?}");
    assert_eq!(records[0]["errors"], json!([]), "CHT found nothing wrong");
    assert_eq!(records[0]["fields"]["op_claim_id"], "CHT979");
    assert_eq!(records[0]["fields"]["patient_id"], world.sandbox.cht.people()[0]["_id"]);

    let pushed = fill_in(&world, json!({"claim": "CHT979", "drug_received": "no"})).await;
    assert_eq!(pushed["status"], 202);
    let messages = world.settled().await;
    assert_eq!(states(&messages), ["delivered", "delivered"], "{messages:?}");
    let communications = world.sandbox.openimis.communications();
    assert_eq!(communications.len(), 1);
    assert_eq!(communications[0]["about"][0]["reference"], "Claim/d3256498-ad16-4482-a2d2-4a6d9c78ba81");
    let answers: Vec<&Value> =
        communications[0]["payload"].as_array().expect("payloads").iter().map(|p| &p["contentString"]).collect();
    assert_eq!(answers, ["yes", "no", "yes", "no", "4"]);
}

pub async fn the_person_in_cht_is_the_insuree_and_nothing_is_invented(on: On) {
    let world = World::start(on, &[]).await;
    world.post(CLAIM, sample_claim()).await;
    world.settled().await;
    let mut person = world.sandbox.cht.people().remove(0);
    for chts_own in ["_rev", "reported_date"] {
        person.as_object_mut().expect("an object").remove(chts_own);
    }
    let expected = json!({
        "_id": "e9284b2c-5b41-5474-9aa7-9bad21c7e039",
        "type": "person",
        "name": "Kalpana Udaharan",
        "parent": {"_id": "sandbox-village"},
        "sex": "female",
        "date_of_birth": "1985-04-14",
        "phone": "+9779800000000",
        "openimis_id": "7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73",
        "chf_id": "119000001",
    });
    assert_eq!(person, expected);
}

pub async fn what_a_peer_that_is_away_cannot_take_is_delivered_later(on: On) {
    let world = World::start(on, &[]).await;
    world.sandbox.cht.fail_next(DOWN, Fault::Status(503));
    assert_eq!(world.post(CLAIM, sample_claim()).await.status(), 202, "it is stored, and that is what counts");
    let waiting = eventually("an attempt failed", || async {
        let mut messages = world.messages().await;
        (messages[0].state == "pending" && messages[0].attempts > 0).then(|| messages.remove(0))
    })
    .await;
    assert!(waiting.reason.contains("503"), "{waiting:?}");
    assert!(world.sandbox.cht.records().is_empty());

    world.sandbox.cht.fail_next(0, Fault::Reset); // well again
    let messages = world.settled().await;
    assert_eq!(states(&messages), ["delivered"], "{messages:?}");
    assert_eq!(world.sandbox.cht.records().len(), 1);
}

pub async fn messages_of_one_claim_arrive_in_their_order(on: On) {
    let world = World::start(on, &[]).await;
    world.sandbox.cht.fail_next(DOWN, Fault::Status(503));
    assert_eq!(world.post(CLAIM, sample_claim()).await.status(), 202);
    let feedback = mediator_tests::running::sample_feedback();
    assert_eq!(world.post(FEEDBACK, feedback).await.status(), 202);
    assert!(world.sandbox.openimis.communications().is_empty(), "the claim stands before its feedback");
    world.sandbox.cht.fail_next(0, Fault::Reset);
    let messages = world.settled().await;
    assert_eq!(states(&messages), ["delivered", "delivered"], "{messages:?}");
    assert_eq!((world.sandbox.cht.records().len(), world.sandbox.openimis.communications().len()), (1, 1));
}

pub async fn a_record_whose_answer_was_lost_is_not_sent_twice(on: On) {
    let world = World::start(on, &[("budget", "20s"), ("cht.timeout", "2s")]).await;
    world.post(CLAIM, sample_claim()).await;
    world.settled().await;
    let claim = world.sandbox.openimis.enter_claim("LOST01");
    let other = notification(&world.sandbox, claim).await;
    world.sandbox.cht.fail_next_at("/api/v2/records", 1, Fault::ProcessThenHang(Duration::from_secs(300)));
    assert_eq!(world.post(CLAIM, other).await.status(), 202);
    let messages = world.settled().await;
    assert_eq!(states(&messages), ["delivered", "delivered"], "{messages:?}");
    assert_eq!(world.sandbox.cht.records().len(), 2, "{}", world.log());
    assert_eq!(count(&world.sandbox.cht.requests(), RECORDS), 2, "it was asked for, not sent again");
}

pub async fn a_server_that_is_killed_in_the_middle_loses_and_doubles_nothing(on: On) {
    let mut world = World::start(on, &[("budget", "10s"), ("cht.timeout", "20s"), ("drain_budget", "10s")]).await;
    world.post(CLAIM, sample_claim()).await;
    world.settled().await;
    let claim = world.sandbox.openimis.enter_claim("KILL01");
    let other = notification(&world.sandbox, claim).await;
    world.sandbox.cht.fail_next_at("/api/v2/records", 1, Fault::ProcessThenHang(Duration::from_secs(300)));
    let address = format!("{}{CLAIM}", world.url);
    let (client, body) = (world.client.clone(), other.clone());
    let posted = tokio::spawn(async move {
        let request = client.post(address).basic_auth(CREDENTIALS.0, Some(CREDENTIALS.1));
        request.header("content-type", "application/json").body(body).send().await.is_ok()
    });
    eventually("CHT has the record", || async { (world.sandbox.cht.records().len() == 2).then_some(()) }).await;
    let on_its_way = world.messages().await;
    assert_eq!(on_its_way[1].state, "leased", "{on_its_way:?}");
    world.kill_and_start().await;
    posted.await.expect("answered, or cut off");

    let messages = world.settled().await;
    assert_eq!(states(&messages), ["delivered", "delivered"], "{messages:?}");
    assert_eq!(world.sandbox.cht.records().len(), 2, "{}", world.log());
    assert_eq!(world.post(CLAIM, other).await.json::<Value>().await.expect("JSON")["duplicate"], true);
}

pub async fn a_peer_that_refuses_our_credentials_is_left_alone(on: On) {
    let changes = [("cht.password", "not-the-password"), ("retry.pause", "1h")];
    let world = World::start(on, &changes).await;
    assert_eq!(world.post(CLAIM, sample_claim()).await.status(), 202);
    eventually("CHT was asked", || async { (!world.sandbox.cht.requests().is_empty()).then_some(()) }).await;
    let before = world.sandbox.cht.requests().len();
    for code in ["ALONE01", "ALONE02", "ALONE03"] {
        let claim = world.sandbox.openimis.enter_claim(code);
        assert_eq!(world.post(CLAIM, notification(&world.sandbox, claim).await).await.status(), 202);
    }
    let reasons = eventually("every claim waits", || async {
        let messages = world.messages().await;
        messages.iter().all(|message| message.state == "pending").then_some(messages)
    })
    .await;
    assert!(reasons[0].reason.contains("left alone") || reasons[0].reason.contains("401"), "{reasons:?}");
    assert_eq!(world.sandbox.cht.requests().len(), before, "CHT locks an account that is tried with a wrong password");
}
