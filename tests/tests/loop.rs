//! The loop on stand-in peers: a claim becomes a task, the answers come back to the claim, whatever is started, stopped or killed
//! in between.

use std::time::Duration;

use mediator_tests::running::{
    INBOUND_PASSWORD, INBOUND_USER, Mediator, Process, config, count, environment, eventually, messages, notification,
    openimis, post, reason, sample_claim, sample_feedback, sandbox, settled, states, store_path, story,
};
use openimis_mediator::config::StoreSettings;
use sandbox::{Fault, Sandbox};
use serde_json::{Value, json};
use store::{SqlStore, View};
use tempfile::TempDir;

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";
const RECORDS: &str = "POST /api/v2/records";
const DOWN: usize = usize::MAX;

async fn peers() -> (Sandbox, TempDir) {
    (sandbox().await, tempfile::tempdir().expect("a folder"))
}

/// Fills in the feedback form of a claim in the CHT stand-in; its answers are pushed to the mediator.
async fn fill_in(sandbox: &Sandbox, mediator_url: &str, answers: Value) -> Value {
    let outbound = format!("{mediator_url}{FEEDBACK}");
    sandbox.cht.set_outbound(outbound, INBOUND_USER.into(), INBOUND_PASSWORD.into());
    sandbox.cht.submit_feedback(&answers).await.expect("a push")
}

/// The dead letter of a mediator that has nothing else.
async fn only(mediator: &Mediator) -> View {
    let mut messages = mediator.settled().await;
    assert_eq!(messages.len(), 1, "{}", story(&messages));
    messages.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_becomes_a_task_and_the_feedback_returns_to_the_claim() {
    let (sandbox, dir) = peers().await;
    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;

    let answer = mediator.post(CLAIM, sample_claim()).await;
    assert_eq!(answer.status(), 202);
    mediator.settled().await;
    let records = sandbox.cht.records();
    assert_eq!(records.len(), 1, "{records:#?}");
    assert_eq!(records[0]["errors"], json!([]), "CHT found nothing wrong");
    assert_eq!(records[0]["fields"]["op_claim_id"], "CHT979");
    assert_eq!(records[0]["fields"]["patient_id"], sandbox.cht.people()[0]["_id"]);

    let pushed = fill_in(&sandbox, &mediator.url, json!({"claim": "CHT979", "drug_received": "no"})).await;
    assert_eq!(pushed["status"], 202);
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered", "delivered"], "{}", story(&messages));
    let communications = sandbox.openimis.communications();
    assert_eq!(communications.len(), 1);
    assert_eq!(communications[0]["about"][0]["reference"], "Claim/d3256498-ad16-4482-a2d2-4a6d9c78ba81");
    let answers: Vec<&Value> =
        communications[0]["payload"].as_array().expect("payloads").iter().map(|p| &p["contentString"]).collect();
    assert_eq!(answers, ["yes", "no", "yes", "no", "4"]);
    mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_person_in_cht_is_the_insuree_and_nothing_is_invented() {
    let (sandbox, dir) = peers().await;
    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.settled().await;
    let mut person = sandbox.cht.people().remove(0);
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

#[tokio::test(flavor = "multi_thread")]
async fn each_message_keeps_its_trail() {
    let (sandbox, dir) = peers().await;
    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.settled().await;
    fill_in(&sandbox, &mediator.url, json!({"claim": "CHT979"})).await;
    let [claim, feedback] = &mediator.settled().await[..] else { panic!("two messages") };
    let events = |view: &View| view.trail.iter().map(|line| (line.event.clone(), line.status)).collect::<Vec<_>>();
    let line = |event: &str, status: Option<u16>| (event.to_owned(), status);
    assert_eq!(
        events(claim),
        [
            line("received", None),
            line("POST /api/api_fhir_r4/login/", Some(200)),
            line("GET /api/api_fhir_r4/Patient/7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73/", Some(200)),
            line("POST /api/v1/people", Some(200)),
            line("linked", None),
            line("mapped", None), // the sample's id and request differ
            line("POST /api/v2/records", Some(200)),
            line("delivered", None),
        ]
    );
    assert_eq!(
        events(feedback),
        [line("received", None), line("POST /api/api_fhir_r4/Communication/", Some(201)), line("delivered", None)]
    );
    assert_eq!(claim.related.len(), 1, "the feedback is found from the claim");
    assert_eq!(feedback.related[0].id, claim.summary.id);
    assert!(claim.trail.iter().all(|line| line.status.is_none() || line.duration_ms.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_claims_of_one_patient_are_one_person_and_two_reports() {
    let (sandbox, dir) = peers().await;
    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    for code in ["ONE", "TWO"] {
        let claim = sandbox.openimis.enter_claim(code);
        assert_eq!(mediator.post(CLAIM, notification(&sandbox, claim).await).await.status(), 202);
    }
    assert_eq!(states(&mediator.settled().await), ["delivered", "delivered"]);
    let (people, records) = (sandbox.cht.people(), sandbox.cht.records());
    assert_eq!((people.len(), records.len()), (1, 2));
    assert!(records.iter().all(|record| record["fields"]["patient_id"] == people[0]["_id"]), "{records:#?}");
    assert_ne!(records[0]["fields"]["op_claim_uuid"], records[1]["fields"]["op_claim_uuid"]);

    let third = sandbox.openimis.enter_claim("THREE");
    mediator.post(CLAIM, notification(&sandbox, third).await).await;
    mediator.settled().await;
    assert!(count(&sandbox.cht.requests(), "POST /api/v1/people") <= 2, "a known patient is not created again");
    assert!(count(&sandbox.openimis.requests(), "GET /api/api_fhir_r4/Patient/") <= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_that_cht_has_from_before_is_taken() {
    let (sandbox, first) = peers().await;
    let mediator = Mediator::start(config(&sandbox, &first, &[])).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.settled().await;
    mediator.stop().await;

    // A mediator that lost its store: CHT answers 409 to the same `_id`.
    let second = tempfile::tempdir().expect("a folder");
    let mediator = Mediator::start(config(&sandbox, &second, &[])).await;
    let claim = sandbox.openimis.enter_claim("AGAIN");
    mediator.post(CLAIM, notification(&sandbox, claim).await).await;
    let message = only(&mediator).await;
    assert_eq!(message.summary.state, "delivered", "{}", story([&message]));
    let people: Vec<_> =
        message.trail.iter().filter(|line| line.event == "POST /api/v1/people").map(|line| line.status).collect();
    assert_eq!(people, [Some(409)]);
    assert_eq!(sandbox.cht.people().len(), 1);
    assert_eq!(sandbox.cht.records()[1]["fields"]["patient_id"], sandbox.cht.people()[0]["_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_comes_to_the_place_of_the_nearest_location_in_the_table() {
    for (places, expected) in [
        (r#"[{location_code = "R1D1", place_id = "sandbox-town"}]"#, "sandbox-town"),
        (
            r#"[{location_code = "R1", place_id = "sandbox-village"}, {location_code = "R1D1M1V1", place_id = "sandbox-town"}]"#,
            "sandbox-town",
        ),
        (r#"[{location_code = "R2", place_id = "sandbox-town"}]"#, "sandbox-village"), // the default
    ] {
        let (sandbox, dir) = peers().await;
        let mediator = Mediator::start(config(&sandbox, &dir, &[("mapping.patient.places", places)])).await;
        mediator.post(CLAIM, sample_claim()).await;
        assert_eq!(only(&mediator).await.summary.state, "delivered");
        assert_eq!(sandbox.cht.people()[0]["parent"]["_id"], expected, "{places}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insuree_without_a_place_is_a_dead_letter_until_the_table_is_completed() {
    let (sandbox, dir) = peers().await;
    let table = ("mapping.patient.places", r#"[{location_code = "R9", place_id = "sandbox-town"}]"#);
    let mediator = Mediator::start(config(&sandbox, &dir, &[table, ("mapping.patient.default_place", "")])).await;
    mediator.post(CLAIM, sample_claim()).await;
    let dead = only(&mediator).await;
    assert_eq!(dead.summary.state, "dead");
    assert_eq!(dead.issues.len(), 1, "{}", story([&dead]));
    assert_eq!(dead.issues[0].expression, "Patient.address");
    let told = &dead.issues[0].diagnostics;
    assert!(told.contains("R1D1M1V1, R1D1M1, R1D1, R1"), "the codes of which one is to be added: {told}");
    assert!(reason(&dead).contains(told), "{}", reason(&dead));
    assert!(sandbox.cht.people().is_empty());
    mediator.stop().await;

    let table = ("mapping.patient.places", r#"[{location_code = "R1", place_id = "sandbox-town"}]"#);
    let mediator = Mediator::start(config(&sandbox, &dir, &[table, ("mapping.patient.default_place", "")])).await;
    assert!(mediator.store().retry(dead.summary.id, "an admin", jiff::Timestamp::now()).await.expect("the store"));
    assert_eq!(only(&mediator).await.summary.state, "delivered");
    assert_eq!(sandbox.cht.people()[0]["parent"]["_id"], "sandbox-town");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_cht_does_not_know_is_a_dead_letter_with_chts_words() {
    let (sandbox, dir) = peers().await;
    let mediator = Mediator::start(config(&sandbox, &dir, &[("mapping.patient.default_place", "nowhere")])).await;
    mediator.post(CLAIM, sample_claim()).await;
    let dead = only(&mediator).await;
    assert_eq!((dead.summary.state.as_str(), dead.summary.attempts), ("dead", 1));
    assert!(reason(&dead).contains("Failed to find place"), "{}", story([&dead]));
    assert!(sandbox.cht.records().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_that_openimis_does_not_know_is_a_dead_letter() {
    let (sandbox, dir) = peers().await;
    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    let claim = sample_claim().replace("7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73", "7b00e6ec-e0f5-4d07-a8e0-ec00a4160e74");
    mediator.post(CLAIM, claim).await;
    let dead = only(&mediator).await;
    assert_eq!(dead.summary.state, "dead");
    assert!(reason(&dead).contains("openIMIS does not know"), "{}", story([&dead]));
    assert!(sandbox.cht.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_login_serves_many_messages() {
    let (sandbox, dir) = peers().await;
    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    for number in 0..20 {
        let claim = sandbox.openimis.enter_claim(&format!("MANY{number}"));
        mediator.post(CLAIM, notification(&sandbox, claim).await).await;
    }
    mediator.settled().await;
    for number in 0..20 {
        fill_in(&sandbox, &mediator.url, json!({"claim": format!("MANY{number}")})).await;
    }
    assert_eq!(states(&mediator.settled().await), ["delivered"; 40]);
    assert_eq!((sandbox.cht.records().len(), sandbox.openimis.communications().len()), (20, 20));
    assert_eq!(sandbox.openimis.logins(), 1);
    assert_eq!(sandbox.cht.people().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_wait_are_delivered_after_a_restart() {
    let (sandbox, dir) = peers().await;
    sandbox.cht.fail_next(DOWN, Fault::Reset);
    sandbox.openimis.fail_next(DOWN, Fault::Reset);
    let mediator = Mediator::start(config(&sandbox, &dir, &[("retry.first", "1h")])).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.post(FEEDBACK, sample_feedback()).await;
    eventually("the claim was tried", || async { (mediator.messages().await[0].trail.len() > 2).then_some(()) }).await;
    mediator.stop().await;
    sandbox.cht.fail_next(0, Fault::Reset);
    sandbox.openimis.fail_next(0, Fault::Reset);

    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    let [claim, feedback] = &mediator.messages().await[..] else { panic!("two messages") };
    assert_eq!(
        (claim.summary.state.as_str(), feedback.summary.attempts),
        ("pending", 0),
        "the feedback waits for its claim"
    );
    mediator.store().retry(claim.summary.id, "an admin", jiff::Timestamp::now()).await.expect("the store"); // not in an hour, now
    assert_eq!(states(&mediator.settled().await), ["delivered", "delivered"]);
    assert_eq!((sandbox.cht.records().len(), sandbox.openimis.communications().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_a_delivery_on_its_way() {
    let (sandbox, dir) = peers().await;
    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    let first = sandbox.openimis.enter_claim("FIRST");
    mediator.post(CLAIM, notification(&sandbox, first).await).await;
    mediator.settled().await;
    sandbox.cht.fail_next(1, Fault::Hang(Duration::from_millis(500)));
    mediator.post(CLAIM, sample_claim()).await;
    eventually("the record is on its way", || async { (count(&sandbox.cht.requests(), RECORDS) == 2).then_some(()) })
        .await;
    mediator.stop().await;
    let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("the store");
    let message = messages(&store).await.remove(1);
    assert_eq!(message.summary.state, "pending", "its outcome was written: {}", story([&message]));
    assert!(message.trail.iter().any(|line| line.event == "retry"), "{}", story([&message]));
}

/// The program is killed while CHT has the record and has not answered, or has not even looked at it; then it starts again.
async fn killed_while_cht_keeps_silent(silence: Fault) {
    let (sandbox, dir) = peers().await;
    let env = environment(&sandbox, &dir, &[("cht.timeout", "50s")]);
    let client = reqwest::Client::new();
    let process = Process::serve(&env, &dir).await;
    let first = sandbox.openimis.enter_claim("FIRST");
    post(&client, &format!("{}{CLAIM}", process.url), notification(&sandbox, first).await).await;
    eventually("the patient is linked", || async { (sandbox.cht.records().len() == 1).then_some(()) }).await;

    sandbox.cht.fail_next(1, silence);
    let answer = post(&client, &format!("{}{CLAIM}", process.url), sample_claim()).await;
    assert_eq!(answer.status(), 202);
    post(&client, &format!("{}{FEEDBACK}", process.url), sample_feedback()).await;
    eventually("the record is on its way", || async { (count(&sandbox.cht.requests(), RECORDS) == 2).then_some(()) })
        .await;
    process.kill().await;

    let process = Process::serve(&env, &dir).await;
    let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("the store");
    assert_eq!(states(&settled(&store).await), ["delivered", "delivered", "delivered"], "{}", process.log());
    let of_sample = |record: &&Value| record["fields"]["op_claim_id"] == "CHT979";
    assert_eq!(sandbox.cht.records().iter().filter(of_sample).count(), 1, "{:#?}", sandbox.cht.requests());
    assert_eq!(sandbox.openimis.communications().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_after_cht_took_the_record_leaves_one_report() {
    killed_while_cht_keeps_silent(Fault::ProcessThenHang(Duration::from_secs(300))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_cht_took_the_record_leaves_one_report() {
    killed_while_cht_keeps_silent(Fault::Hang(Duration::from_secs(300))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_openimis_takes_the_feedback_leaves_one_feedback() {
    let (sandbox, dir) = peers().await;
    let env = environment(&sandbox, &dir, &[("openimis.timeout", "50s")]);
    let client = reqwest::Client::new();
    let process = Process::serve(&env, &dir).await;
    post(&client, &format!("{}{CLAIM}", process.url), sample_claim()).await;
    eventually("the record is there", || async { (sandbox.cht.records().len() == 1).then_some(()) }).await;
    sandbox.openimis.fail_next(1, Fault::ProcessThenHang(Duration::from_secs(300)));
    post(&client, &format!("{}{FEEDBACK}", process.url), sample_feedback()).await;
    eventually("the feedback is on its way", || async { (sandbox.openimis.communications().len() == 1).then_some(()) })
        .await;
    process.kill().await;

    let _process = Process::serve(&env, &dir).await;
    let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("the store");
    let messages = settled(&store).await;
    assert_eq!(states(&messages), ["delivered", "delivered"]);
    assert_eq!(reason(&messages[1]), "openIMIS has it from an earlier attempt");
    assert_eq!(sandbox.openimis.communications().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_claim_is_as_openimis_shows_it_after_the_loop() {
    let (sandbox, dir) = peers().await;
    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    let claim = sandbox.openimis.enter_claim("SHOWN");
    sandbox.openimis.select_for_feedback(claim);
    mediator.post(CLAIM, notification(&sandbox, claim).await).await;
    mediator.settled().await;
    fill_in(&sandbox, &mediator.url, json!({"claim": "SHOWN", "assessment_rating": "5"})).await;
    mediator.settled().await;
    let request: Value =
        serde_json::from_str(&openimis(&sandbox, &format!("CommunicationRequest/{claim}/")).await).expect("JSON");
    assert_eq!(request["status"], "completed");
}
