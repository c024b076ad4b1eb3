//! A claim at the door: taken, refused, there before.

use mediator_tests::running::{INBOUND_PASSWORD, INBOUND_USER, components_dir, count, openimis, story};
use reqwest::StatusCode;
use sandbox::SAMPLE_BUNDLE;

use crate::world::{CLAIM, OTHER, PASSWORD, World, bundle, claim_uuid, hospital, issues, said, sent_by};

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_in_openimis_and_its_answer_at_the_hospital_before_the_request_ends() {
    let world = World::new(&[]).await;
    let (status, address, answer) = said(world.send(SAMPLE_BUNDLE).await).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}{}", story(&world.mediator.messages().await));
    assert_eq!((&answer["resourceType"], &answer["outcome"]), (&"ClaimResponse".into(), &"partial".into()));
    assert_eq!(answer["item"].as_array().map(Vec::len), Some(2), "{answer}");

    let uuid = claim_uuid(&answer);
    let code = world.of_kind("eclaim").await[0].summary.claim_code.clone().expect("a code");
    let at_openimis = openimis(&world.sandbox, &format!("Claim/{uuid}/")).await;
    assert!(at_openimis.contains(&code), "{code}: {at_openimis}");

    // The same in the address that came with it, and by itself at the hospital.
    assert!(address.starts_with("/mediator/claim/status/"), "{address}");
    let (status, again, asked) = said(world.ask(&address).await).await;
    assert_eq!((status, &again, &asked), (StatusCode::OK, &address, &answer));
    assert_eq!(world.answers(1).await, [answer]);
    assert_eq!(world.told(), [format!("claim-answer/{uuid}/checked")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_encounter_is_one_claim_however_often_it_is_sent() {
    let world = World::new(&[]).await;
    let (status, address, first) = said(world.send(SAMPLE_BUNDLE).await).await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    // Once more, and once with something changed: openIMIS has it, so it stays.
    let changed = SAMPLE_BUNDLE.replace("\"collection\"", "\"message\"");
    for again in [SAMPLE_BUNDLE, changed.as_str()] {
        let (status, same, answer) = said(world.send(again).await).await;
        assert_eq!((status, &same, &answer), (StatusCode::OK, &address, &first));
    }
    assert_eq!(world.posts(), 1);
    assert_eq!(world.of_kind("eclaim").await.len(), 1);
    assert_eq!(world.answers(1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_openimis_has_already_is_answered_with_what_it_says_of_it() {
    let world = World::new(&[]).await;
    let (_, _, first) = said(world.send(SAMPLE_BUNDLE).await).await;
    world.mediator.stop().await;
    // Another mediator that never saw it: after a move without the database.
    let world = World::around(world.sandbox, hospital().await, &[]).await;
    let (status, _, answer) = said(world.send(SAMPLE_BUNDLE).await).await;
    assert_eq!((status, claim_uuid(&answer)), (StatusCode::CREATED, claim_uuid(&first)), "{answer}");
    let claims = world.of_kind("eclaim").await;
    assert!(claims[0].summary.reason.as_deref().unwrap_or_default().contains("had it before"), "{}", story(&claims));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_claim_with_the_same_code_is_not_told() {
    let world = World::new(&[]).await;
    assert_eq!(world.send(SAMPLE_BUNDLE).await.status(), StatusCode::CREATED);
    world.mediator.stop().await;
    let world = World::around(world.sandbox, hospital().await, &[]).await;
    // The same encounter on another day.
    let other_day = SAMPLE_BUNDLE.replace("2026-11-10", "2026-11-09");
    assert_ne!(other_day, SAMPLE_BUNDLE);
    let (status, _, outcome) = said(world.send(&other_day).await).await;
    assert_eq!(status, StatusCode::CONFLICT, "{outcome}");
    assert_eq!(issues(&outcome), ["duplicate \"openIMIS has another claim with this code\""]);
    assert!(world.told().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_hospital_learns_nothing_of_a_claim_whose_encounter_or_address_it_knows() {
    let world = World::new(&[]).await;
    let (_, address, _) = said(world.send(SAMPLE_BUNDLE).await).await;
    let client = &world.mediator.client;
    let asked = client.get(format!("{}{address}", world.mediator.url)).basic_auth(OTHER, Some(PASSWORD));
    assert_eq!(asked.send().await.expect("an answer").status(), StatusCode::NOT_FOUND);
    let other_day = SAMPLE_BUNDLE.replace("2026-11-10", "2026-11-09");
    let posted = sent_by(OTHER, client.post(format!("{}{CLAIM}", world.mediator.url)), &other_day);
    let posted = posted.send().await.expect("an answer");
    let (status, own, outcome) = said(posted).await;
    assert_eq!(status, StatusCode::CONFLICT, "{outcome}");
    assert_ne!(own, address);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_wrong_is_told_at_once_and_a_corrected_claim_takes_its_place() {
    let world = World::new(&[]).await;
    let wrong = SAMPLE_BUNDLE.replace("\"70116\"", "\"70117\"").replace("\"160542\"", "\"160543\"");
    let (status, address, outcome) = said(world.send(&wrong).await).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{outcome}");
    let told = issues(&outcome);
    assert_eq!(told.iter().filter(|issue| issue.starts_with("not-found")).count(), 2, "{told:?}");
    let (status, _, asked) = said(world.ask(&address).await).await;
    assert_eq!((status, &asked), (StatusCode::UNPROCESSABLE_ENTITY, &outcome));
    assert_eq!(world.posts(), 0);

    let (status, same, answer) = said(world.send(SAMPLE_BUNDLE).await).await;
    assert_eq!((status, same), (StatusCode::CREATED, address), "{answer}");
    assert_eq!(world.of_kind("eclaim").await.len(), 1, "it is the same message");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_openimis_does_not_know_is_told_as_an_issue() {
    let world = World::new(&[]).await;
    let stranger = SAMPLE_BUNDLE.replace("070707070", "070707071");
    let (status, _, outcome) = said(world.send(&stranger).await).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{outcome}");
    let told = issues(&outcome).join("\n");
    assert!(told.contains("openIMIS has no insuree"), "{told}");
    assert!(!outcome.to_string().contains("070707071"), "the number is not repeated: {outcome}");
    assert_eq!(world.posts(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_claim_is_refused() {
    let world = World::new(&[]).await;
    for (body, status, kept) in [
        ("no JSON", StatusCode::BAD_REQUEST, 0),
        ("{}", StatusCode::UNPROCESSABLE_ENTITY, 1),
        (r#"{"resourceType": "Patient"}"#, StatusCode::UNPROCESSABLE_ENTITY, 2),
    ] {
        let (told, _, outcome) = said(world.send(body).await).await;
        assert_eq!((told, outcome["resourceType"].as_str()), (status, Some("OperationOutcome")), "{body}: {outcome}");
        assert_eq!(world.of_kind("eclaim").await.len(), kept, "{body}");
    }
    assert_eq!(count(&world.sandbox.openimis.requests(), "GET"), 0, "openIMIS was not bothered");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_clients_with_the_scope_send_claims_and_read_what_became_of_them() {
    let world = World::new(&[]).await;
    let (_, address, _) = said(world.send(SAMPLE_BUNDLE).await).await;
    let client = &world.mediator.client;
    let url = |path: &str| format!("{}{path}", world.mediator.url);
    for request in [client.post(url(CLAIM)), client.get(url(&address))] {
        let request = request.header("content-type", "application/fhir+json").body("{}");
        let other = request.try_clone().expect("a copy").basic_auth(INBOUND_USER, Some(INBOUND_PASSWORD));
        assert_eq!(other.send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
        assert_eq!(request.send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
    }
    for unknown in ["/mediator/claim/status/1", "/mediator/claim/status/00000000-0000-4000-8000-000000000000"] {
        assert_eq!(world.ask(unknown).await.status(), StatusCode::NOT_FOUND, "{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_component_claims_are_not_taken_and_the_rest_works() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["map_claim_response.wasm", "map_feedback.wasm", "map_patient.wasm"] {
        std::fs::copy(components_dir().join(name), dir.path().join(name)).expect("a built component");
    }
    let world = World::new(&[("components.dir", &dir.path().display().to_string())]).await;
    let (status, _, outcome) = said(world.send(&bundle(1)).await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{outcome}");
    assert!(world.mediator.messages().await.is_empty());
    let taken = world.mediator.post("/mediator/claim-response", mediator_tests::running::sample_claim()).await;
    assert_eq!(taken.status(), StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_claim_with_a_code_that_was_used_is_refused_with_both_named_and_stored_for_an_admin() {
    let world = World::new(&[]).await;
    let (_, address, first) = said(world.send(SAMPLE_BUNDLE).await).await;
    let row = "\"Location/2b6f6f4e-2f0c-4a6b-9a43-8c1d7a2f0001\"";
    assert!(SAMPLE_BUNDLE.contains(row), "the sample's facility");
    for (number, (other, differs)) in [
        (SAMPLE_BUNDLE.replace("070707070", "119000001"), "the insuree of this one differs"),
        (SAMPLE_BUNDLE.replace("2026-11-10", "2026-11-09"), "the day of this one differs"),
        (
            SAMPLE_BUNDLE.replace("070707070", "119000001").replace("2026-11-10", "2026-11-08"),
            "the insuree and day of this one differ",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let id = world.of_kind("eclaim").await.iter().map(|message| message.summary.id.0).max().expect("the first");
        for _ in 0..2 {
            let (status, own, outcome) = said(world.send(&other).await).await;
            assert_eq!((status, own.as_str()), (StatusCode::CONFLICT, ""), "{outcome}");
            let told = issues(&outcome).concat();
            assert!(told.starts_with("conflict") && told.contains(differs), "{told}");
            assert!(told.contains("message 1 is another claim"), "{told}");
            assert!(!told.contains("119000001") && !told.contains("070707070"), "{told}");
        }
        let claims = world.of_kind("eclaim").await;
        assert_eq!(claims.len(), number + 2, "each is stored once");
        let kept = claims.iter().find(|message| message.summary.id.0 > id).expect("it is stored");
        assert_eq!((kept.summary.state.as_str(), kept.sender.as_deref()), ("dead", Some("bahmni")));
        assert_eq!(kept.body.as_deref(), Some(other.as_bytes()));
    }
    assert_eq!(world.posts(), 1, "openIMIS got the first one only");
    // The first one is as it was.
    let (status, same, answer) = said(world.send(SAMPLE_BUNDLE).await).await;
    assert_eq!((status, same, answer), (StatusCode::OK, address, first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_openimis_did_not_get_yet_may_be_corrected_but_not_exchanged() {
    let world = World::new(&[("eclaim.answer_within", "1ms")]).await;
    world.sandbox.openimis.fail_next(usize::MAX, sandbox::Fault::Status(503));
    assert_eq!(world.send(SAMPLE_BUNDLE).await.status(), StatusCode::ACCEPTED);
    let other = SAMPLE_BUNDLE.replace("070707070", "119000001");
    assert_eq!(world.send(&other).await.status(), StatusCode::CONFLICT);
    let corrected = SAMPLE_BUNDLE.replace("\"collection\"", "\"message\"");
    assert_eq!(world.send(&corrected).await.status(), StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_openimis_cannot_hold_is_told_with_its_place_and_nothing_is_sent() {
    let world = World::new(&[]).await;
    for text in ["\\u0000", "\\ud800", "\\uDC00 \\ud83d"] {
        let spoilt = SAMPLE_BUNDLE.replacen(
            "\"resourceType\": \"Bundle\"",
            &format!("\"resourceType\": \"Bundle\", \"note\": [{{\"text\": \"x{text}\"}}]"),
            1,
        );
        assert_ne!(spoilt, SAMPLE_BUNDLE);
        let (status, _, outcome) = said(world.send(&spoilt).await).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}: {outcome}");
        assert!(outcome.to_string().contains("Bundle.note[0].text"), "{text}: {outcome}");
    }
    assert_eq!(world.posts(), 0);
    assert_eq!(world.send(SAMPLE_BUNDLE).await.status(), StatusCode::CREATED, "a corrected one takes its place");
}
