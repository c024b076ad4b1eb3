//! CHT's API is not the same in all versions.

use mediator_tests::running::count;
use sandbox::{ChtVersion, Fault};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_found_on_every_version() {
    for (version, search) in [
        (ChtVersion::V4_10, "GET /medic/_design/medic-client/_view/contacts_by_type_freetext"),
        (ChtVersion::V4_18, "GET /api/v1/contact/uuid"),
        (ChtVersion::V5_2, "GET /api/v1/contact/uuid"),
    ] {
        let (sandbox, dir) = world().await;
        put(&sandbox, &contact("by-number", json!({"chf_id": "119000001", "name": "K."}))).await;
        sandbox.cht.set_version(version);
        let mediator = mediator(&sandbox, &dir, &[]).await;
        let message = claim(&mediator).await;
        assert_eq!(message.summary.state, "delivered", "{version:?}: {}", story([&message]));
        assert_eq!(patients(&sandbox), ["by-number"]);
        let found =
            sandbox.cht.requests().iter().filter(|(line, status)| line.starts_with(search) && *status == 200).count();
        assert_eq!(found, 2, "{version:?}: by uuid and by number: {:#?}", sandbox.cht.requests());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_cht_is_asked_for_its_newer_route_once() {
    let (sandbox, dir) = world().await;
    sandbox.cht.set_version(ChtVersion::V4_10);
    let mediator = mediator(&sandbox, &dir, &[]).await;
    assert_eq!(claim(&mediator).await.summary.state, "delivered");
    assert_eq!(count(&sandbox.cht.requests(), "GET /api/v1/contact/uuid"), 1);
    assert_eq!(count(&sandbox.cht.requests(), "GET /medic/_design/medic-client/_view/contacts_by_type_freetext"), 3);
    assert_eq!(patients(&sandbox), [CREATED]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cht_that_is_upgraded_while_the_mediator_runs_is_asked_by_its_new_route() {
    let (sandbox, dir) = world().await;
    sandbox.cht.set_version(ChtVersion::V4_10);
    let mediator = mediator(&sandbox, &dir, &[]).await;
    assert_eq!(claim(&mediator).await.summary.state, "delivered");
    sandbox.cht.set_version(ChtVersion::V5_2);
    let other = sandbox.openimis.enter_claim_of("OTHER", OTHER_INSUREE.parse().expect("a uuid"));
    mediator.post("/mediator/claim-response", mediator_tests::running::notification(&sandbox, other).await).await;
    let messages = mediator.settled().await;
    assert!(messages.iter().all(|message| message.summary.state == "delivered"), "{}", story(&messages));
    assert_eq!(sandbox.cht.people().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_cht_makes_the_person_by_its_newer_route_and_not_twice() {
    let (sandbox, dir) = world().await;
    sandbox.cht.set_version(ChtVersion::WithoutPeople);
    let mediator = mediator(&sandbox, &dir, &[]).await;
    let message = claim(&mediator).await;
    assert_eq!(message.summary.state, "delivered", "{}", story([&message]));
    let [person] = &sandbox.cht.people()[..] else { panic!("one person") };
    assert_eq!((&person["openimis_id"], &person["parent"]["_id"]), (&json!(INSUREE), &json!("sandbox-village")));
    assert_eq!(patients(&sandbox), [person["_id"].as_str().expect("an id")]);
    mediator.stop().await;

    // The same mediator without its memory: there is no `_id` to run into, so it looks first, even where no search is set.
    let second = tempfile::tempdir().expect("a folder");
    let mediator = Mediator::start(config(&sandbox, &second, &[])).await;
    let again = sandbox.openimis.enter_claim("AGAIN");
    mediator.post("/mediator/claim-response", mediator_tests::running::notification(&sandbox, again).await).await;
    let message = mediator.settled().await.remove(0);
    assert_eq!(message.summary.state, "delivered", "{}", story([&message]));
    assert_eq!(sandbox.cht.people().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_not_there_is_no_missing_route() {
    let (sandbox, dir) = world().await;
    let mediator = mediator(&sandbox, &dir, &[("mapping.patient.default_place", "nowhere")]).await;
    let message = claim(&mediator).await;
    assert!(
        message.summary.state == "dead" && reason(&message).contains("Failed to find place"),
        "{}",
        story([&message])
    );
    assert_eq!(count(&sandbox.cht.requests(), "POST /api/v1/person"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_fails_makes_no_person() {
    let (sandbox, dir) = world().await;
    put(&sandbox, &contact("ours", json!({}))).await;
    sandbox.cht.fail_next(2, Fault::Status(503));
    let mediator = mediator(&sandbox, &dir, &[]).await;
    assert_eq!(claim(&mediator).await.summary.state, "delivered");
    assert_eq!(patients(&sandbox), ["ours"]);
    assert_eq!(sandbox.cht.people().len(), 1);
}
