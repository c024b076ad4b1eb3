//! The mediator's account at openIMIS: few rights are enough, wrong credentials are told and not hammered; and the place of an insuree.

use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::world::{World, assert_unusual, is, settled, told, unusual_answers};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn the_account_of_all_these_tests_has_few_rights() {
    let world = World::new().await;
    let (status, answer) = world.openimis.fhir(Method::GET, "Coverage/", None).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn a_wrong_password_pauses_openimis_and_the_messages_wait() {
    let world = World::new().await;
    let claims = [world.openimis.enter_claim("2025-08-20").await, world.openimis.enter_claim("2025-08-20").await];
    let wrong = [("openimis.password", "Wrong123!"), ("retry.pause", "1h")];
    let mediator = world.mediator(&wrong).await;
    for claim in &claims {
        let body = world.openimis.claim_response(claim).await.to_string();
        assert_eq!(mediator.post("/mediator/claim-response", body).await.status(), 202);
    }
    let mut logins = 0;
    for claim in &claims {
        let message = is(mediator.store(), claim, "pending", "it refused openimis.username and password").await;
        assert!(message.summary.due_at.is_some_and(|due| due > Timestamp::now()), "{message:#?}");
        logins += told(&message, "POST /api/api_fhir_r4/login/", Some(401));
    }
    // Both may have begun before the first answer came; afterwards nobody asks any more.
    assert!((1..=2).contains(&logins), "{logins} logins");
    mediator.host.flow.poll_claims().await.expect_err("openIMIS is left alone");
    assert_eq!(world.sandbox.cht.people(), [] as [Value; 0]);
    mediator.stop().await;

    // The admin corrects the password, starts again, and does not wait for the pause to end.
    let mediator = world.mediator(&[]).await;
    for claim in &claims {
        let message = is(mediator.store(), claim, "pending", "").await;
        assert!(mediator.store().retry(message.summary.id, "an admin", Timestamp::now()).await.expect("the store"));
        mediator.host.wake.notify_one();
        world.report(claim).await;
        let message = settled(mediator.store(), claim, 1).await.remove(0);
        assert_eq!(message.summary.state, "delivered", "{message:#?}");
        world.fill_in(claim, unusual_answers()).await;
        assert_unusual(&world.feedback(claim).await);
    }
    mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn the_insurees_place_is_found_by_openimis_own_locations() {
    // The seeded insuree lives in village R1D1M1V1 of district R1D1: the nearest row wins, and without one the default counts.
    let village_and_district = r#"[{ location_code = "R1D1", place_id = "sandbox-village" },
                                   { location_code = "R1D1M1V1", place_id = "sandbox-town" }]"#;
    let district = r#"[{ location_code = "R1D1", place_id = "sandbox-town" }]"#;
    let elsewhere = r#"[{ location_code = "R2D1", place_id = "sandbox-town" }]"#;
    for (places, expected) in
        [(village_and_district, "sandbox-town"), (district, "sandbox-town"), (elsewhere, "sandbox-village")]
    {
        let world = World::new().await;
        let mediator = world.mediator(&[("mapping.patient.places", places)]).await;
        let claim = world.openimis.enter_claim("2025-08-20").await;
        let body = world.openimis.claim_response(&claim).await.to_string();
        mediator.post("/mediator/claim-response", body).await;
        world.report(&claim).await;
        let people = world.sandbox.cht.people();
        assert_eq!(people[0]["parent"]["_id"], expected, "{places}: {people:#?}");
        let message = settled(mediator.store(), &claim, 1).await.remove(0);
        assert_eq!(told(&message, "GET /api/api_fhir_r4/Location/", Some(200)), 1, "{message:#?}");
        mediator.stop().await;
    }
}
