//! What is found, and what is left to a person.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_found_by_uuid_then_by_insurance_number_then_by_phone_name_and_birth() {
    let by_uuid =
        contact("by-uuid", json!({"openimis_id": INSUREE, "name": "K.", "phone": null, "date_of_birth": null}));
    let by_number =
        contact("by-number", json!({"chf_id": "119000001", "name": "K.", "phone": null, "date_of_birth": null}));
    let by_all = contact("by-all", json!({}));
    let written = contact("written", json!({"name": "UDÁHARAN,  Kalpana", "phone": "980-000 0000"}));
    let same_written = contact("same-written", json!({"name": " KALPANA  Udáharan", "phone": "980-000 0000"}));
    for (contacts, expected) in [
        (vec![&by_all, &by_number, &by_uuid], "by-uuid"),
        (vec![&by_all, &by_number], "by-number"),
        (vec![&by_all], "by-all"),
        (vec![&same_written], "same-written"),
        (vec![&same_written, &by_all], "by-all"), // to the letter before otherwise written
        (vec![&by_uuid, &written], "by-uuid"),
    ] {
        let (sandbox, dir) = world().await;
        for contact in &contacts {
            put(&sandbox, contact).await;
        }
        let mediator = mediator(&sandbox, &dir, &[]).await;
        let message = claim(&mediator).await;
        assert_eq!(message.summary.state, "delivered", "{}", story([&message]));
        assert_eq!(patients(&sandbox), [expected]);
        assert_eq!(sandbox.cht.people().len(), contacts.len(), "nobody was made");
        mediator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_insurance_number_may_be_in_a_field_of_the_deployment_s_own() {
    let (sandbox, dir) = world().await;
    put(&sandbox, &contact("theirs", json!({"name": "K.", "NHIS_no": "119000001"}))).await;
    put(&sandbox, &contact("not-theirs", json!({"NHIS_no": "119000002"}))).await;
    let mediator = mediator(&sandbox, &dir, &[("cht.insurance_number_field", "NHIS_no")]).await;
    let message = claim(&mediator).await;
    assert_eq!(message.summary.state, "delivered", "{}", story([&message]));
    assert_eq!(patients(&sandbox), ["theirs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insurance_number_with_blanks_is_looked_up_on_every_version() {
    for version in [ChtVersion::V4_10, ChtVersion::V4_18, ChtVersion::V5_2] {
        for at_cht in ["90 000 107", "90000107"] {
            let (sandbox, dir) = world().await;
            sandbox.cht.set_version(version);
            let insuree = OTHER_INSUREE.replace("06", "07").parse().expect("a uuid");
            sandbox.openimis.enrol(insuree, "90 000 107");
            put(
                &sandbox,
                &contact("by-number", json!({"name": "K.", "phone": null, "date_of_birth": null, "chf_id": at_cht})),
            )
            .await;
            let mediator = mediator(&sandbox, &dir, &[]).await;
            let claim = sandbox.openimis.enter_claim_of("BLANK-1", insuree);
            let claim = notification(&sandbox, claim).await;
            assert_eq!(mediator.post("/mediator/claim-response", claim).await.status(), 202);
            let message = mediator.settled().await.pop().expect("a message");
            assert_eq!(message.summary.state, "delivered", "{}", story([&message]));
            assert_eq!(patients(&sandbox), ["by-number"], "{version:?} {at_cht}");
            mediator.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_to_be_somebody_else_is_not_taken() {
    let others = [
        contact("another-uuid", json!({"openimis_id": OTHER_INSUREE})),
        contact("another-number", json!({"chf_id": "119000002"})),
        contact("child", json!({"name": "Hari Udaharan", "date_of_birth": "2012-02-03"})),
        contact("aunt", json!({"date_of_birth": "1961-11-30"})),
    ];
    let (sandbox, dir) = world().await;
    for contact in &others {
        put(&sandbox, contact).await;
    }
    let mediator = mediator(&sandbox, &dir, &[]).await;
    let message = claim(&mediator).await;
    assert_eq!(message.summary.state, "delivered", "{}", story([&message]));
    assert_eq!(patients(&sandbox), [CREATED]);
    assert!(open(&mediator).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_almost_fits_or_fits_twice_waits_for_a_person() {
    let misspelt = contact("misspelt", json!({"name": "Kalpna Udaharan"}));
    let no_birth = contact("no-birth", json!({"date_of_birth": null}));
    let twin = contact("twin", json!({}));
    let by_all = contact("by-all", json!({}));
    let number = contact("number", json!({"chf_id": "119000001"}));
    let number_too = contact("number-too", json!({"chf_id": "119000001"}));
    let registered_anew = contact("registered-anew", json!({"chf_id": "119000001", "openimis_id": OTHER_INSUREE}));
    for (contacts, kind, count) in [
        (vec![&misspelt], "similar", 1),
        (vec![&misspelt, &no_birth], "similar", 2),
        (vec![&twin, &by_all], "several", 2),
        (vec![&number, &number_too], "several", 2),
        (vec![&registered_anew], "similar", 1),
    ] {
        let (sandbox, dir) = world().await;
        for contact in &contacts {
            put(&sandbox, contact).await;
        }
        let mediator = mediator(&sandbox, &dir, &[]).await;
        let message = claim(&mediator).await;
        waits(&message);
        let proposals = open(&mediator).await;
        assert_eq!(proposals.len(), count, "{proposals:#?}");
        for proposal in &proposals {
            assert_eq!((proposal.kind.as_str(), proposal.insuree_uuid.as_str(), proposal.waiting), (kind, INSUREE, 1));
        }
        assert!(sandbox.cht.records().is_empty() && sandbox.cht.people().len() == contacts.len());
        // Who is nearest stands first.
        assert!(proposals.is_sorted_by(|later, earlier| later.score <= earlier.score), "{proposals:#?}");
        mediator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn similar_contacts_are_not_looked_at_where_that_is_switched_off_but_two_that_fit_still_wait() {
    let (sandbox, dir) = world().await;
    put(&sandbox, &contact("misspelt", json!({"name": "Kalpna Udaharan"}))).await;
    let without = mediator(&sandbox, &dir, &[("cht.propose_similar", "false")]).await;
    assert_eq!(claim(&without).await.summary.state, "delivered");
    assert_eq!(patients(&sandbox), [CREATED]);
    without.stop().await;

    let (sandbox, dir) = world().await;
    put(&sandbox, &contact("one", json!({}))).await;
    put(&sandbox, &contact("other", json!({}))).await;
    let without = mediator(&sandbox, &dir, &[("cht.propose_similar", "false")]).await;
    waits(&claim(&without).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_personal_data_is_in_a_proposal_s_summary_or_on_the_trail() {
    let (sandbox, dir) = world().await;
    put(&sandbox, &contact("misspelt", json!({"name": "Kalpna Udaharan", "chf_id": null}))).await;
    let mediator = mediator(&sandbox, &dir, &[]).await;
    let message = claim(&mediator).await;
    waits(&message);
    let proposals = open(&mediator).await;
    let shown =
        format!("{} {:?} {}", story([&message]), message.summary, serde_json::to_string(&proposals).expect("JSON"));
    for secret in ["Kalp", "Udaharan", "1985-04-14", "9800000000", "119000001"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    let view = mediator.host.flow.store.proposal(proposals[0].id).await.expect("a store").expect("a proposal");
    assert_eq!((&view.insuree["name"], &view.contact["name"]), (&json!("Kalpana Udaharan"), &json!("Kalpna Udaharan")));
    assert_eq!(view.contact["place"], "Sandbox village");
    assert_eq!(view.messages, [message.summary.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_is_linked_to_another_insuree_is_only_proposed() {
    use flow::ports::Store as _;
    // Newborn twins are both "Baby", and CHT has one of them; or openIMIS has one person twice. Only a person can tell.
    for changes in [json!({}), json!({"chf_id": "119000001"})] {
        let (sandbox, dir) = world().await;
        put(&sandbox, &contact("theirs", changes)).await;
        let mediator = mediator(&sandbox, &dir, &[]).await;
        let store = &mediator.host.flow.store;
        let now = jiff::Timestamp::now();
        store.save_link(OTHER_INSUREE, "theirs", "matched by phone", now).await.expect("a store");
        waits(&claim(&mediator).await);
        let [proposal] = &open(&mediator).await[..] else { panic!("one proposal") };
        assert!(proposal.why.ends_with("but linked to another insuree"), "{proposal:?}");
        assert!(sandbox.cht.records().is_empty());
        store.refuse_match(proposal.id, "ann", now).await.expect("a store");
        mediator.host.wake.notify_one();
        assert_eq!(mediator.settled().await[0].summary.state, "delivered");
        assert_eq!(patients(&sandbox), [CREATED]);
        mediator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_with_the_same_insurance_number_is_only_proposed() {
    let (sandbox, dir) = world().await;
    let husband = json!({"chf_id": "119000001", "name": "Hari Udaharan", "sex": "male", "date_of_birth": "1980-02-03"});
    put(&sandbox, &contact("husband", husband)).await;
    let mediator = mediator(&sandbox, &dir, &[]).await;
    waits(&claim(&mediator).await);
    let [proposal] = &open(&mediator).await[..] else { panic!("one proposal") };
    assert_eq!(proposal.why, "same insurance number, but other name, other date of birth, other sex");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_contacts_with_the_insuree_s_uuid_a_person_refuses_one() {
    let (sandbox, dir) = world().await;
    for id in ["one", "other"] {
        put(&sandbox, &contact(id, json!({"openimis_id": INSUREE}))).await;
    }
    let mediator = mediator(&sandbox, &dir, &[]).await;
    waits(&claim(&mediator).await);
    let proposals = open(&mediator).await;
    let one = proposals.iter().find(|proposal| proposal.contact_id == "one").expect("proposed");
    mediator.host.flow.store.refuse_match(one.id, "ann", jiff::Timestamp::now()).await.expect("a store");
    mediator.host.wake.notify_one();
    assert_eq!(mediator.settled().await[0].summary.state, "delivered");
    assert_eq!(patients(&sandbox), ["other"]);
}
