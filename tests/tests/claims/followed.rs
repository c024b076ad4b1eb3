//! A claim that openIMIS decides on later: each new status is told to the hospital, in order and once.

use mediator_tests::running::{eventually, notification, story};
use reqwest::StatusCode;
use sandbox::{ClaimStatus, SAMPLE_BUNDLE};

use crate::world::{World, bundle, claim_uuid, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_followed_until_it_is_paid() {
    let world = World::new(&[]).await;
    let (_, address, first) = said(world.send(SAMPLE_BUNDLE).await).await;
    let uuid = claim_uuid(&first);
    world.answers(1).await;
    world.sandbox.openimis.set_claim_status(uuid, ClaimStatus::Processed);
    world.answers(2).await;
    world.sandbox.openimis.set_claim_status(uuid, ClaimStatus::Valuated);
    let answers = world.answers(3).await;
    let outcomes: Vec<_> = answers.iter().map(|answer| answer["outcome"].as_str().expect("text")).collect();
    assert_eq!(outcomes, ["partial", "partial", "complete"]);
    let keys: Vec<_> =
        ["checked", "processed", "valuated"].map(|status| format!("claim-answer/{uuid}/{status}")).into();
    assert_eq!(world.told(), keys);
    assert!(answers[2]["payment"].is_object() || answers[2]["total"].is_array(), "{}", answers[2]);

    // It is decided: nobody asks any more, and whoever asks the mediator is told the last word.
    let settled = world.mediator.settled().await;
    assert!(settled.iter().all(|message| message.summary.state == "delivered"), "{}", story(&settled));
    let (status, _, asked) = said(world.ask(&address).await).await;
    assert_eq!((status, &asked), (StatusCode::OK, &answers[2]));
    assert!(world.hospital.answers().iter().all(|answer| answer.times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_rejected_later_is_told_with_its_reasons() {
    let world = World::new(&[]).await;
    let (_, _, first) = said(world.send(SAMPLE_BUNDLE).await).await;
    let uuid = claim_uuid(&first);
    world.sandbox.openimis.reject_claim(uuid);
    let answers = world.answers(2).await;
    assert_eq!(answers[1]["outcome"], "complete", "{}", answers[1]);
    assert_eq!(answers[1]["disposition"], "denied", "{}", answers[1]);
    let told = answers[1].to_string();
    assert!(told.contains("the insuree is not valid on that day"), "{told}");
    assert_eq!(world.told()[1], format!("claim-answer/{uuid}/rejected"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_rejected_at_once_is_not_followed() {
    let world = World::new(&[]).await;
    // No policy covers so old a day; openIMIS decides, not the mapping.
    let old = SAMPLE_BUNDLE.replace("2026-11-1", "2019-11-1");
    let (status, _, answer) = said(world.send(&old).await).await;
    assert_eq!((status, &answer["outcome"]), (StatusCode::CREATED, &"complete".into()), "{answer}");
    world.mediator.settled().await;
    assert!(world.of_kind("adjudication").await.is_empty());
    assert_eq!(world.answers(1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_openimis_tells_by_itself_wakes_who_follows() {
    // Left alone it would look in an hour.
    let changes = [("eclaim.follow_first", "1h"), ("eclaim.follow_longest", "1h")];
    let world = World::new(&changes).await;
    let (_, _, first) = said(world.send(SAMPLE_BUNDLE).await).await;
    let uuid = claim_uuid(&first);
    eventually("the claim is left for an hour", || async {
        let waits = world.of_kind("adjudication").await;
        let is_left = |reason: &str| reason.starts_with("openIMIS has not decided");
        let left = waits.first().filter(|it| it.summary.state == "pending");
        left.and_then(|it| it.summary.reason.as_deref()).is_some_and(is_left).then_some(())
    })
    .await;
    world.sandbox.openimis.set_claim_status(uuid, ClaimStatus::Valuated);
    let told = notification(&world.sandbox, uuid).await;
    assert_eq!(world.mediator.post("/mediator/claim-response", told).await.status(), StatusCode::ACCEPTED);
    world.answers(2).await;
    assert_eq!(world.told()[1], format!("claim-answer/{uuid}/valuated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_claimed_is_told_in_every_answer() {
    let world = World::new(&[]).await;
    let vaccine = r#"{"resource": {"resourceType": "Immunization", "id": "i-1", "status": "completed",
        "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "03"}]}}}"#;
    let mut bundle: serde_json::Value = serde_json::from_str(SAMPLE_BUNDLE).expect("JSON");
    bundle["entry"].as_array_mut().expect("entries").push(serde_json::from_str(vaccine).expect("JSON"));
    let (status, address, first) = said(world.send(&bundle.to_string()).await).await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    let told = "Immunization of http://hl7.org/fhir/sid/cvx|03 is not claimed";
    assert!(first["processNote"].to_string().contains(told), "{first}");
    assert_eq!(first["processNote"][0]["type"], "display");
    assert_eq!(said(world.ask(&address).await).await.2["processNote"], first["processNote"]);
    world.sandbox.openimis.set_claim_status(claim_uuid(&first), ClaimStatus::Valuated);
    let answers = world.answers(2).await;
    assert_eq!(answers[1]["outcome"], "complete");
    assert!(answers[1]["processNote"].to_string().contains(told), "{}", answers[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_callback_the_hospital_asks() {
    let none = [("eclaim.callback.url", ""), ("eclaim.callback.username", ""), ("eclaim.callback.password", "")];
    let world = World::new(&none).await;
    let (_, address, first) = said(world.send(SAMPLE_BUNDLE).await).await;
    world.sandbox.openimis.set_claim_status(claim_uuid(&first), ClaimStatus::Valuated);
    eventually("the address tells that it is paid", || async {
        let (_, _, answer) = said(world.ask(&address).await).await;
        (answer["outcome"] == "complete").then_some(())
    })
    .await;
    let answers = world.of_kind("eclaim-answer").await;
    assert!(world.hospital.requests().is_empty());
    assert!(answers.len() == 2, "{}", story(&answers));
    world.until("eclaim-answer", "skipped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_claims_do_not_wait_for_each_other() {
    let world = World::new(&[]).await;
    let bundles: Vec<String> = (0..20).map(bundle).collect();
    let answers = futures_util::future::join_all(bundles.iter().map(|bundle| world.send(bundle))).await;
    for answer in answers {
        assert_eq!(answer.status(), StatusCode::CREATED);
    }
    assert_eq!(world.posts(), 20);
    let mut told = world.answers(20).await.iter().map(claim_uuid).collect::<Vec<_>>();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 20);
}
