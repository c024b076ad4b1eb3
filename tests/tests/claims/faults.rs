//! openIMIS or the hospital is away, or the mediator dies: nothing is lost, and nothing is there twice.

use std::time::Duration;

use mediator_tests::running::{Process, count, eventually, program, reason, sandbox, states, story};
use reqwest::StatusCode;
use sandbox::{Fault, SAMPLE_BUNDLE, Sandbox};
use tokio::process::Command;

use crate::world::{CLAIM, HOSPITAL, World, bundle, claim_uuid, hospital, post, said, sent_by, settings};

/// Nobody asks openIMIS for claims that are there: only what is sent counts.
const UNFOLLOWED: [(&str, &str); 3] =
    [("eclaim.follow_first", "1h"), ("eclaim.follow_longest", "1h"), ("eclaim.answer_within", "20s")];

fn posts(sandbox: &Sandbox) -> usize {
    count(&sandbox.openimis.requests(), "POST /api/api_fhir_r4/Claim/")
}

#[tokio::test(flavor = "multi_thread")]
async fn while_openimis_is_away_the_hospital_gets_an_address_and_later_the_answer() {
    let world = World::new(&[("eclaim.answer_within", "200ms")]).await;
    world.sandbox.openimis.fail_next(usize::MAX, Fault::Status(503));
    let response = world.send(SAMPLE_BUNDLE).await;
    assert!(response.headers().contains_key("x-progress") && response.headers().contains_key("retry-after"));
    let (status, address, outcome) = said(response).await;
    assert_eq!((status, &outcome["issue"][0]["severity"]), (StatusCode::ACCEPTED, &"information".into()), "{outcome}");
    let asked = world.ask(&address).await;
    assert_eq!((asked.status(), asked.headers().contains_key("x-progress")), (StatusCode::ACCEPTED, true));
    assert!(world.told().is_empty());

    world.sandbox.openimis.fail_next(0, Fault::Reset);
    let answers = world.answers(1).await;
    let (status, _, answer) = said(world.ask(&address).await).await;
    assert_eq!((status, &answer), (StatusCode::OK, &answers[0]));
    assert_eq!(posts(&world.sandbox), 1);
}

/// Sends two claims, and tells how many requests the second one took before it was posted: by then the login and the tables are known.
async fn requests_before_a_post(client: &reqwest::Client, url: &str, sandbox: &Sandbox) -> usize {
    let mut taken = Vec::new();
    for number in [1, 2] {
        let answer = post(client, url, &bundle(number)).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        taken.push(sandbox.openimis.requests().len());
    }
    assert_eq!(posts(sandbox), 2);
    taken[1] - taken[0] - 1
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_on_its_way_makes_no_second_claim() {
    let world = World::new(&UNFOLLOWED).await;
    let before = requests_before_a_post(&world.mediator.client, &world.mediator.url, &world.sandbox).await;
    world.sandbox.openimis.fail_next(before, Fault::Slow(Duration::ZERO));
    world.sandbox.openimis.fail_next(1, Fault::ProcessThenHang(Duration::ZERO));
    let (status, _, answer) = said(world.send(&bundle(3)).await).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!(posts(&world.sandbox), 3, "{:?}", world.sandbox.openimis.requests());
    let claims = world.of_kind("eclaim").await;
    assert!(reason(&claims[2]).contains("from an earlier attempt"), "{}", story(&claims));
    assert_eq!(world.answers(3).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mediator_that_is_killed_while_openimis_takes_a_claim_makes_no_second_one() {
    let (sandbox, hospital) = (sandbox().await, hospital().await);
    let dir = tempfile::tempdir().expect("a folder");
    let (file, env) = settings(&sandbox, &hospital, &dir, &UNFOLLOWED);
    let path = dir.path().join("mediator.toml");
    std::fs::write(&path, file).expect("a file");
    let serve = || {
        let mut command = Command::new(program());
        command.arg("--config").arg(&path).arg("serve").env_clear().envs(&env);
        Process::spawn(command, &dir)
    };
    let (process, client) = (serve().await, reqwest::Client::new());
    let before = requests_before_a_post(&client, &process.url, &sandbox).await;
    sandbox.openimis.fail_next(before, Fault::Slow(Duration::ZERO));
    sandbox.openimis.fail_next(1, Fault::ProcessThenHang(Duration::from_secs(300)));
    let (client_of_lost, url) = (client.clone(), process.url.clone());
    let lost = tokio::spawn(async move {
        let request = client_of_lost.post(format!("{url}{CLAIM}"));
        sent_by(HOSPITAL, request, &bundle(3)).send().await
    });
    eventually("openIMIS has the claim", || async { (posts(&sandbox) == 3).then_some(()) }).await;
    process.kill().await;
    assert!(lost.await.expect("a task").is_err(), "nobody answered");

    let process = serve().await;
    let (status, _, answer) = said(post(&client, &process.url, &bundle(3)).await).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(posts(&sandbox), 3, "{:?}", sandbox.openimis.requests());
    let uuid = claim_uuid(&answer);
    eventually("the hospital has it", || async {
        let key = format!("claim-answer/{uuid}/checked");
        hospital.answers().iter().any(|answer| answer.key == key).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_hospital_is_away_its_answers_wait_and_come_in_order() {
    let world = World::new(&[]).await;
    world.hospital.fail_next(usize::MAX, Fault::Status(503));
    let (status, _, first) = said(world.send(SAMPLE_BUNDLE).await).await;
    assert_eq!(status, StatusCode::CREATED, "openIMIS is there: {first}");
    let uuid = claim_uuid(&first);
    world.sandbox.openimis.reject_claim(uuid);
    eventually("both answers wait", || async { (world.of_kind("eclaim-answer").await.len() == 2).then_some(()) }).await;
    world.until("adjudication", "delivered").await;
    world.hospital.fail_next(0, Fault::Reset);
    world.answers(2).await;
    assert_eq!(world.told(), ["checked", "rejected"].map(|status| format!("claim-answer/{uuid}/{status}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_whose_receipt_was_lost_comes_again_with_the_same_key() {
    let world = World::new(&UNFOLLOWED).await;
    world.hospital.fail_next(1, Fault::ProcessThenHang(Duration::ZERO));
    world.send(SAMPLE_BUNDLE).await;
    let message = world.until("eclaim-answer", "delivered").await;
    let answers = world.hospital.answers();
    assert_eq!((answers.len(), answers[0].times), (1, 2), "{}", story([&message]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_hospital_refuses_waits_for_a_person_and_wrong_credentials_for_their_repair() {
    let world = World::new(&UNFOLLOWED).await;
    world.hospital.fail_next(1, Fault::Status(422));
    world.send(&bundle(1)).await;
    let dead = world.until("eclaim-answer", "dead").await;
    assert!(reason(&dead).starts_with("the hospital refused with 422"), "{}", story([&dead]));

    world.hospital.fail_next(1, Fault::Status(401));
    world.send(&bundle(2)).await;
    // It is left alone for `retry.pause`, then tried again.
    world.until("eclaim-answer", "delivered").await;
    let answers = world.of_kind("eclaim-answer").await;
    assert_eq!(states(&answers), ["dead", "delivered"]);
    let trail = story([&answers[1]]);
    assert!(trail.contains("it refused eclaim.callback.username"), "{trail}");
}
