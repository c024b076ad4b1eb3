//! A linked contact that CHT no longer has, or that nobody gets tasks of: no claim is delivered to nobody.

use std::time::Duration;

use jiff::Timestamp;
use mediator_tests::running::{Mediator, count, notification, reason, states, story};
use sandbox::{Fault, Sandbox};
use serde_json::json;
use store::{Unlinked, View};
use tempfile::TempDir;

use crate::{CREATED, INSUREE, contact, mediator, patients, put, world};

const CLAIM: &str = "/mediator/claim-response";
const ALL_DOCS: &str = "GET /medic/_all_docs";

/// A mediator that has delivered the sample claim to the contact that it made; each further claim is checked unless told otherwise.
async fn linked(changes: &[(&str, &str)]) -> (Mediator, Sandbox, TempDir) {
    let (sandbox, dir) = world().await;
    let changes = [&[("cht.contact_check", "0s")], changes].concat();
    let mediator = mediator(&sandbox, &dir, &changes).await;
    assert_eq!(crate::claim(&mediator).await.summary.state, "delivered");
    (mediator, sandbox, dir)
}

/// Another claim of the same insuree.
async fn claim(mediator: &Mediator, sandbox: &Sandbox, code: &str) -> View {
    let claim = sandbox.openimis.enter_claim(code);
    mediator.post(CLAIM, notification(sandbox, claim).await).await;
    mediator.settled().await.pop().expect("messages")
}

/// Whom the last report is about.
fn subject(sandbox: &Sandbox) -> String {
    patients(sandbox).pop().expect("a report")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_was_deleted_is_created_again() {
    for refuse in [false, true] {
        let (mediator, sandbox, _dir) = linked(&[]).await;
        assert!(sandbox.cht.delete(CREATED));
        sandbox.cht.refuse_deleted_ids(refuse);
        let message = claim(&mediator, &sandbox, "AGAIN").await;
        assert_eq!(message.summary.state, "delivered", "{}", story([&message]));
        assert!(story([&message]).contains("is gone, deleted or merged"), "{}", story([&message]));
        let people = sandbox.cht.people();
        assert_eq!(people.len(), 1, "{people:#?}");
        assert_eq!(people[0]["_id"], subject(&sandbox).as_str(), "the report is tied to who is there");
        assert_eq!(people[0]["_id"] == CREATED, !refuse, "another `_id` only if CHT does not take it again");
        let again = claim(&mediator, &sandbox, "LATER").await;
        assert_eq!((again.summary.state.as_str(), sandbox.cht.people().len()), ("delivered", 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_was_merged_into_another_one_gives_way_to_that() {
    let (mediator, sandbox, _dir) = linked(&[]).await;
    put(&sandbox, &contact("merged", json!({"chf_id": "119000001"}))).await;
    assert!(sandbox.cht.delete(CREATED));
    let message = claim(&mediator, &sandbox, "MERGED").await;
    assert_eq!(message.summary.state, "delivered", "{}", story([&message]));
    assert_eq!((subject(&sandbox).as_str(), sandbox.cht.people().len()), ("merged", 1), "{}", story([&message]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_created_again_where_a_person_is_to_decide() {
    for policy in ["hold", "match"] {
        let (mediator, sandbox, _dir) = linked(&[("cht.contact_gone", policy)]).await;
        assert!(sandbox.cht.delete(CREATED));
        let message = claim(&mediator, &sandbox, "HELD").await;
        assert_eq!(message.summary.state, "dead", "{}", story([&message]));
        let why = reason(&message);
        assert!(why.contains(&format!("CHT contact {CREATED}")) && why.contains("patients unlink"), "{why}");
        assert_eq!((sandbox.cht.people().len(), sandbox.cht.records().len()), (0, 1), "{policy}");
        let id = message.summary.id;
        assert!(mediator.store().retry(id, "a test", Timestamp::now()).await.expect("the store"));
        let message = mediator.settled().await.pop().expect("messages");
        assert_eq!(message.summary.state, "dead", "as long as nobody has decided{}", story([&message]));

        let unlinked = mediator.store().unlink_patient(INSUREE, false, "a test", Timestamp::now()).await;
        assert_eq!(unlinked.expect("the store"), Some(Unlinked { contact_id: CREATED.to_owned(), put_back: 1 }));
        mediator.host.wake.notify_one();
        let message = mediator.settled().await.pop().expect("messages");
        assert_eq!(message.summary.state, "delivered", "{}", story([&message]));
        let audit = mediator.store().audit(None, 10).await.expect("the store");
        assert!(audit.iter().any(|line| line.action == "unlink patient" && line.detail.contains(INSUREE)), "{audit:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_without_a_place_is_told_of_and_the_dead_and_muted_are_remarked() {
    let (mediator, sandbox, _dir) = linked(&[]).await;
    for (fields, remark) in [
        (json!({"date_of_death": "2026-11-01"}), "has died"),
        (json!({"date_of_death": null, "muted": "2026-11-01T00:00:00.000Z"}), "is muted"),
    ] {
        assert!(sandbox.cht.change_person(CREATED, &fields));
        let message = claim(&mediator, &sandbox, &format!("R{}", remark.len())).await;
        assert_eq!(message.summary.state, "delivered", "{}", story([&message]));
        assert!(reason(&message).contains(remark), "{}", story([&message]));
    }
    assert!(sandbox.cht.change_person(CREATED, &json!({"muted": null, "parent": null})));
    let message = claim(&mediator, &sandbox, "NOWHERE").await;
    assert_eq!(message.summary.state, "dead", "{}", story([&message]));
    assert!(reason(&message).contains("has no place"), "{}", story([&message]));
    assert!(sandbox.cht.change_person(CREATED, &json!({"parent": {"_id": "sandbox-village"}})));
    assert!(mediator.store().retry(message.summary.id, "a test", Timestamp::now()).await.expect("the store"));
    assert_eq!(mediator.settled().await.pop().expect("messages").summary.state, "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_unlinked_as_somebody_else_is_not_taken_again() {
    let (mediator, sandbox, _dir) = linked(&[]).await;
    let unlinked = mediator.store().unlink_patient(INSUREE, true, "a test", Timestamp::now()).await;
    assert_eq!(unlinked.expect("the store"), Some(Unlinked { contact_id: CREATED.to_owned(), put_back: 0 }));
    // Only the insuree's uuid on the contact would be stronger than that word.
    assert!(sandbox.cht.change_person(CREATED, &json!({"openimis_id": null})));
    let message = claim(&mediator, &sandbox, "OTHER").await;
    assert_eq!(message.summary.state, "delivered", "{}", story([&message]));
    assert_ne!(subject(&sandbox), CREATED, "{}", story([&message]));
    assert_eq!(sandbox.cht.people().len(), 2);
}

/// What the check costs: nothing for a contact that was seen lately, one request for many claims otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn many_claims_share_one_look_at_their_contacts() {
    let (mediator, sandbox, _dir) = linked(&[("cht.contact_check", "10m")]).await;
    for number in 0..20 {
        claim(&mediator, &sandbox, &format!("SEEN{number}")).await;
    }
    assert_eq!(count(&sandbox.cht.requests(), ALL_DOCS), 0, "it was made a moment ago");
    mediator.stop().await;

    let (mediator, sandbox, _dir) = linked(&[]).await;
    sandbox.cht.fail_next(1, Fault::Slow(Duration::from_millis(300)));
    for number in 0..40 {
        let claim = sandbox.openimis.enter_claim(&format!("MANY{number}"));
        mediator.post(CLAIM, notification(&sandbox, claim).await).await;
    }
    assert_eq!(states(&mediator.settled().await), vec!["delivered"; 41]);
    let asked = count(&sandbox.cht.requests(), ALL_DOCS);
    assert!((1..=40).contains(&asked), "{asked} requests for 40 claims");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_read_contacts_delivers_as_before() {
    let (mediator, sandbox, _dir) = linked(&[("cht.match_by", "[]")]).await;
    sandbox.cht.fail_next(1, Fault::Status(403));
    let message = claim(&mediator, &sandbox, "BLIND").await;
    assert_eq!((message.summary.state.as_str(), message.summary.attempts), ("delivered", 1), "{}", story([&message]));
    assert!(story([&message]).contains("does not let the mediator's user see"), "{}", story([&message]));
}

/// What CHT's transitions or its users do to a report afterwards is noticed when the next contact is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_reaches_nobody_is_remarked_on_its_message() {
    let (mediator, sandbox, _dir) = linked(&[]).await;
    let first = mediator.messages().await.remove(0).summary.id;
    let report = sandbox.cht.records()[0]["_id"].as_str().expect("an _id").to_owned();
    assert!(sandbox.cht.delete(&report));
    claim(&mediator, &sandbox, "NEXT").await;
    let message = mediator.store().view(first).await.expect("the store").expect("a message");
    assert_eq!(message.summary.state, "delivered");
    assert!(story([&message]).contains(&format!("CHT no longer has report {report}")), "{}", story([&message]));
}
