//! Transactions are told what became of their messages, however late, and whoever was away meanwhile.

use auth::credential::hash_password;
use flow::MessageId;
use jiff::SignedDuration;
use mediator_tests::running::{eventually, sample_claim, store_path};
use sandbox::{Fault, OpenHimAuth};
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};

use crate::{CLAIM, FEEDBACK, World, as_openhim, core, shown_to_admins, with_admin};

const REPORT: (&str, &str) = ("openhim.report", "true");

/// Waits until the transaction with this place has this status.
async fn transaction(world: &World, place: usize, status: &str) -> Value {
    eventually(&format!("transaction {place} is {status}"), || async {
        let transaction = world.openhim.transactions().get(place).cloned()?;
        (transaction["status"] == status).then_some(transaction)
    })
    .await
}

fn names(transaction: &Value) -> Vec<String> {
    let steps = transaction["orchestrations"].as_array().expect("a list").iter();
    steps.map(|step| step["name"].as_str().expect("a name").to_owned()).collect()
}

/// What is still to be told, as the store has it.
async fn waiting(world: &World) -> i64 {
    world.mediator.store().count_reports().await.expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_told_of_the_delivery() {
    let world = World::start(&[REPORT]).await;
    world.open().await;
    assert_eq!(world.post("openimis", CLAIM, sample_claim()).await.status(), 202);
    let told = transaction(&world, 0, "Successful").await;
    let names = names(&told);
    assert_eq!(names[..2], ["mapped (trial) by map-claim-response", "stored"], "what was there stays: {names:?}");
    assert!(names.iter().any(|name| name == "POST /api/v2/records"), "{names:?}");
    assert_eq!(names.last().map(String::as_str), Some("message 1: delivered"), "{names:?}");
    for step in told["orchestrations"].as_array().expect("a list") {
        assert!(step["request"]["timestamp"].is_string(), "{step}");
    }
    assert_eq!(told["response"]["status"], 202, "the answer of then");
    eventually("nothing is left to tell", || async { (waiting(&world).await == 0).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn until_the_end_a_transaction_is_processing_and_every_one_of_a_message_is_told() {
    let world = World::start(&[REPORT]).await;
    world.open().await;
    world.sandbox.cht.fail_next(usize::MAX, Fault::Status(503));
    for place in 0..2 {
        assert_eq!(world.post("openimis", CLAIM, sample_claim()).await.status(), 202);
        assert_eq!(world.openhim.transactions()[place]["status"], "Processing");
    }
    assert_eq!(waiting(&world).await, 2);
    world.sandbox.cht.fail_next(0, Fault::Reset);
    transaction(&world, 0, "Successful").await;
    transaction(&world, 1, "Successful").await;
    assert_eq!(world.sandbox.cht.records().len(), 1, "and one task");
    // After its end: told at the next look.
    assert_eq!(world.post("openimis", CLAIM, sample_claim()).await.status(), 202);
    transaction(&world, 2, "Successful").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_told_without_a_word_of_the_peers_and_so_is_its_delivery_later() {
    let world = World::start(&[REPORT]).await;
    world.open().await;
    let answer = world.post("cht", FEEDBACK, r#"{"doc": {"_id": "r-1"}, "claimuuid": "nonsense"}"#.to_owned()).await;
    assert_eq!(answer.status(), 202);
    let failed = transaction(&world, 0, "Failed").await;
    let end = failed["orchestrations"].as_array().and_then(|steps| steps.last()).expect("steps");
    assert_eq!((end["name"].as_str(), end["response"]["status"].as_u64()), (Some("message 1: dead"), Some(422)));
    assert!(end["response"]["body"].as_str().is_some_and(|body| body.contains("claimuuid")), "its issues: {end}");
    assert!(failed["error"].is_null() && failed["autoRetry"] == false, "core must not send it again: {failed}");

    world.sandbox.cht.fail_next(1, Fault::Status(400));
    assert_eq!(world.post("openimis", CLAIM, sample_claim()).await.status(), 202);
    let message = world.mediator.settled().await.pop().expect("a message");
    let reason = message.summary.reason.as_deref().unwrap_or_default();
    assert!(message.summary.state == "dead" && reason.contains("Injected by the sandbox"), "{reason}");
    let failed = transaction(&world, 1, "Failed").await;
    let end = failed["orchestrations"].as_array().and_then(|steps| steps.last()).expect("steps");
    let told = end["response"]["body"].as_str().expect("text");
    assert!(told.starts_with("CHT refused") && told.contains("see message 2"), "{told}");
    assert!(!failed.to_string().contains("Injected by the sandbox"), "{failed}");

    assert!(world.mediator.store().retry(MessageId(2), "test", jiff::Timestamp::now()).await.expect("put back"));
    world.mediator.host.wake.notify_one();
    let told = names(&transaction(&world, 1, "Successful").await);
    // Its person was tried twice, everything else once; and no step is told again.
    for (name, times) in
        [("POST /api/v1/people", 2), ("message 2: dead", 1), ("POST /api/v2/records", 1), ("message 2: delivered", 1)]
    {
        assert_eq!(told.iter().filter(|told| *told == name).count(), times, "{name}: {told:?}");
    }
}

/// Makes due what is to be told.
async fn bring_forward(world: &World) {
    let file = format!("sqlite://{}", store_path(&world.dir).display());
    let mut other = SqliteConnection::connect(&file).await.expect("a connection");
    sqlx::query("UPDATE openhim_report SET due_at = 0").execute(&mut other).await.expect("done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_that_is_away_is_told_when_it_is_back_also_after_a_restart_and_once() {
    let world = World::start(&[REPORT]).await;
    world.open().await;
    assert_eq!(world.post("openimis", CLAIM, sample_claim()).await.status(), 202);
    // Whatever is told now arrives, and the mediator does not hear of it.
    world.openhim.fail_next(usize::MAX, Fault::ProcessThenHang(std::time::Duration::ZERO));
    transaction(&world, 0, "Successful").await;
    world.mediator.settled().await;
    let World { mediator, openhim, sandbox, dir } = world;
    mediator.stop().await;
    openhim.fail_next(0, Fault::Reset);
    let again = World::on(openhim, sandbox, dir, &[REPORT]).await;
    again.known().await;
    bring_forward(&again).await;
    eventually("nothing is left to tell", || async { (waiting(&again).await == 0).then_some(()) }).await;
    let told = names(&again.openhim.transactions()[0]);
    assert_eq!(told.iter().filter(|name| *name == "message 1: delivered").count(), 1, "once: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_told_is_given_up_and_said() {
    let admin = with_admin();
    let changes: Vec<(&str, &str)> = admin
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .chain([REPORT, ("openhim.report_give_up_after", "1ms")])
        .collect();
    let world = World::start(&changes).await;
    world.known().await;
    // A transaction that the core does not have; and no transaction at all, which is nobody's to be told.
    as_openhim(&world.mediator, CLAIM, "6b00f59fbc94ec5852f61b6e", sample_claim()).await;
    as_openhim(&world.mediator, CLAIM, "../mediators", sample_claim()).await;
    assert!(waiting(&world).await <= 1);
    let status = eventually("it is given up", || async {
        let reports = world.status().reports;
        (reports.given_up == 1).then_some(reports)
    })
    .await;
    assert!(status.problem.is_some_and(|problem| problem.text.contains("Could not update transaction")));
    let shown = shown_to_admins(&world.mediator).await;
    assert_eq!((&shown["reports"]["waiting"], &shown["reports"]["given_up"]), (&0.into(), &1.into()), "{shown}");
    assert_eq!(world.mediator.settled().await[0].summary.state, "delivered", "whatever OpenHIM is told");
    let strange = world.openhim.requests();
    assert!(strange.iter().all(|(line, _)| !line.contains("..")), "{strange:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_openhims_own_client_is_believed_when_it_names_a_transaction() {
    let hash = hash_password(&"route-password".into()).expect("a hash");
    let scopes = r#"["claim-response", "feedback"]"#;
    let clients = format!(r#"[{{name = "him", username = "openhim", password_hash = "{hash}", scopes = {scopes}}}]"#);
    let route = [("openhim.route_username", "openhim"), ("openhim.route_password", "route-password")];
    let world = World::start(&[REPORT, ("clients", &clients), route[0], route[1]]).await;
    world.open().await;
    assert_eq!(world.post("openimis", CLAIM, sample_claim()).await.status(), 202);
    let told = transaction(&world, 0, "Successful").await;
    eventually("nothing is left to tell", || async { (waiting(&world).await == 0).then_some(()) }).await;

    // Another client of the mediator, with somebody else's transaction.
    let id = told["_id"].as_str().expect("an id");
    let answer = as_openhim(&world.mediator, CLAIM, id, sample_claim()).await;
    let answer: Value = serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON");
    assert_eq!(answer["status"], "Successful", "not Processing: nothing will be told");
    assert_eq!(waiting(&world).await, 0);
    assert_eq!(world.openhim.transactions()[0], told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_makes_no_token_wrong_for_long() {
    let changes = [REPORT, ("openhim.auth", "token"), ("openhim.heartbeat", "1h")];
    let world = World::beside(core(OpenHimAuth::Token).await, &changes).await;
    eventually("its only heartbeat is answered", || async { world.status().last_heartbeat }).await;
    world.openhim.set_clock(SignedDuration::from_mins(5));
    assert_eq!(as_openhim(&world.mediator, CLAIM, "6b00f59fbc94ec5852f61b6e", sample_claim()).await.status(), 200);
    let told = || world.openhim.requests().into_iter().filter(|(line, _)| line.contains("/transactions/"));
    // The token was refused, and the next one was not: that the core knows no such transaction is another matter.
    eventually("the core is told", || async { (told().count() >= 2).then_some(()) }).await;
    let told: Vec<_> = told().take(2).collect();
    let put = "PUT /transactions/6b00f59fbc94ec5852f61b6e".to_owned();
    assert_eq!(told, [(put.clone(), 401), (put, 500)], "at once, without a look at what is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_nothing_is_told() {
    let world = World::start(&[]).await;
    world.open().await;
    assert_eq!(world.post("openimis", CLAIM, sample_claim()).await.status(), 202);
    world.mediator.settled().await;
    assert_eq!(waiting(&world).await, 0);
    assert_eq!(names(&world.openhim.transactions()[0]).len(), 2);
}
