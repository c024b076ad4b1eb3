//! CHT fails: whatever befalls a request, there is one person of an insuree and one report of a claim.

use std::time::Duration;

use jiff::Timestamp;
use mediator_tests::running::{
    INBOUND_PASSWORD, INBOUND_USER, Mediator, config, count, eventually, notification, reason, sample_claim,
    sample_feedback, states, story,
};
use sandbox::Fault;
use serde_json::{Value, json};

use crate::{
    CLAIM, COMMUNICATION, DOWN, FEEDBACK, PASSING, PEOPLE, RECORDS, SAMPLE_CLAIM, SHORT_TIMEOUTS, SILENCE, linked,
    reports, started,
};

/// The insuree of openIMIS' demo data; the sample claim is another one's.
const OTHER_INSUREE: &str = "00000000-0000-4000-8000-000000000006";

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_waits_while_cht_is_down_and_is_delivered_once_it_is_up() {
    let (mediator, sandbox, _dir) = started(&[]).await;
    sandbox.cht.fail_next(DOWN, Fault::Reset);
    assert_eq!(mediator.post(CLAIM, sample_claim()).await.status(), 202);
    let waiting = eventually("it was tried three times", || async {
        let message = mediator.messages().await.remove(0);
        (message.summary.attempts >= 3).then_some(message)
    })
    .await;
    assert_eq!(waiting.summary.settled_at, None);
    assert!(sandbox.cht.records().is_empty());
    sandbox.cht.fail_next(0, Fault::Reset);
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered"], "{}", story(&messages));
    assert_eq!((sandbox.cht.records().len(), sandbox.cht.people().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_chts_records_there_is_one_report() {
    let (mediator, sandbox, _dir) = started(&SHORT_TIMEOUTS).await;
    linked(&mediator, &sandbox).await;
    for (number, fault) in PASSING.into_iter().enumerate() {
        let code = format!("FAULT{number}");
        let claim = notification(&sandbox, sandbox.openimis.enter_claim(&code)).await;
        sandbox.cht.fail_next(1, fault);
        mediator.post(CLAIM, claim).await;
        let message = mediator.settled().await.pop().expect("messages");
        assert_eq!(message.summary.state, "delivered", "{fault:?}{}", story([&message]));
        assert_eq!(message.summary.attempts, 2, "{fault:?}{}", story([&message]));
        assert_eq!(reports(&sandbox, &code), 1, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_chts_people_there_is_one_person() {
    let faults: Vec<Fault> = PASSING.into_iter().chain([Fault::ProcessThenHang(SILENCE)]).collect();
    // The stand-in knows two insurees.
    for faults in faults.chunks(2) {
        let (mediator, sandbox, _dir) = started(&SHORT_TIMEOUTS).await;
        let others = sandbox.openimis.enter_claim_of("OTHER", OTHER_INSUREE.parse().expect("a uuid"));
        let claims = [sample_claim(), notification(&sandbox, others).await];
        for (number, (claim, fault)) in claims.into_iter().zip(faults).enumerate() {
            sandbox.cht.fail_next(1, *fault);
            mediator.post(CLAIM, claim).await;
            let message = mediator.settled().await.pop().expect("messages");
            assert_eq!(message.summary.state, "delivered", "{fault:?}{}", story([&message]));
            assert_eq!(
                (sandbox.cht.people().len(), sandbox.cht.records().len()),
                (number + 1, number + 1),
                "{fault:?}"
            );
            assert_eq!(count(&sandbox.cht.requests(), PEOPLE), 2 * (number + 1), "{fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cht_took_without_an_answer_is_looked_up_and_not_sent_again() {
    let (mediator, sandbox, _dir) = started(&SHORT_TIMEOUTS).await;
    linked(&mediator, &sandbox).await;
    sandbox.cht.fail_next(1, Fault::ProcessThenHang(SILENCE));
    mediator.post(CLAIM, sample_claim()).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered", "delivered"], "{}", story(&messages));
    assert_eq!(reports(&sandbox, "CHT979"), 1);
    assert_eq!(count(&sandbox.cht.requests(), RECORDS), 2, "one for each claim: {:#?}", sandbox.cht.requests());
    assert!(reason(&messages[1]).contains("from an earlier attempt"), "{}", story(&messages));
}

/// CHT's database stalls: the mediator gives up waiting, looks, and CHT stores the record only then.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_a_stalled_cht_stores_late_is_waited_for_and_not_sent_again() {
    let stall = Fault::Stall(Duration::from_millis(1500));
    for (resend_after, times) in [("5s", 1), ("0s", 2)] {
        let (mediator, sandbox, _dir) = started(&[("cht.timeout", "500ms"), ("cht.resend_after", resend_after)]).await;
        linked(&mediator, &sandbox).await;
        sandbox.cht.fail_next(1, stall);
        mediator.post(CLAIM, sample_claim()).await;
        let messages = mediator.settled().await;
        assert_eq!(states(&messages), ["delivered", "delivered"], "{}", story(&messages));
        tokio::time::sleep(Duration::from_secs(2)).await; // what is late has come
        assert_eq!(reports(&sandbox, "CHT979"), times, "resend_after = {resend_after}{}", story(&messages));
        let waited = story(&messages).contains("CHT does not show what an attempt without an answer");
        assert_eq!(waited, times == 1, "{}", story(&messages));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_reached_cht_is_sent_again_after_its_time() {
    let (mediator, sandbox, _dir) = started(&[("cht.timeout", "500ms"), ("cht.resend_after", "600ms")]).await;
    linked(&mediator, &sandbox).await;
    sandbox.cht.fail_next(1, Fault::Hang(Duration::from_millis(700)));
    mediator.post(CLAIM, sample_claim()).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered", "delivered"], "{}", story(&messages));
    assert_eq!(reports(&sandbox, "CHT979"), 1, "{}", story(&messages));
    assert!(messages[1].summary.attempts > 1, "{}", story(&messages));
}

/// The idempotent way: CHT takes a report under its own id once, so nothing is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_under_its_own_id_is_there_once_whatever_befalls_it() {
    let settings = [("cht.timeout", "500ms"), ("cht.records", "document"), ("cht.resend_after", "10m")];
    let (mediator, sandbox, _dir) = started(&settings).await;
    linked(&mediator, &sandbox).await;
    let late = [Fault::Stall(Duration::from_millis(1500)), Fault::ProcessThenHang(Duration::from_millis(700))];
    for (number, fault) in PASSING.into_iter().chain(late).enumerate() {
        let code = format!("FAULT{number}");
        let claim = notification(&sandbox, sandbox.openimis.enter_claim(&code)).await;
        sandbox.cht.fail_next(1, fault);
        mediator.post(CLAIM, claim).await;
        let message = mediator.settled().await.pop().expect("messages");
        assert_eq!(message.summary.state, "delivered", "{fault:?}{}", story([&message]));
    }
    tokio::time::sleep(Duration::from_secs(2)).await; // what is late has come
    for number in 0..PASSING.len() + late.len() {
        assert_eq!(reports(&sandbox, &format!("FAULT{number}")), 1, "fault {number}");
    }
    assert_eq!(count(&sandbox.cht.requests(), RECORDS), 0);
    let report = sandbox.cht.records().remove(0);
    assert_eq!(
        (&report["type"], &report["form"], &report["errors"]),
        (&json!("data_record"), &json!("OP"), &json!([]))
    );
    assert!(report["reported_date"].is_i64() && report["fields"]["patient_id"].is_string(), "{report:#}");
}

/// The look-up itself fails, too: without its answer nothing may be sent.
#[tokio::test(flavor = "multi_thread")]
async fn an_uncertain_record_is_not_sent_before_cht_said_whether_it_has_it() {
    let (mediator, sandbox, _dir) = started(&SHORT_TIMEOUTS).await;
    linked(&mediator, &sandbox).await;
    for (number, lookup) in PASSING.into_iter().enumerate() {
        let code = format!("FAULT{number}");
        let claim = notification(&sandbox, sandbox.openimis.enter_claim(&code)).await;
        let sent = count(&sandbox.cht.requests(), RECORDS);
        sandbox.cht.fail_next(1, Fault::ProcessThenHang(SILENCE));
        sandbox.cht.fail_next(2, lookup);
        mediator.post(CLAIM, claim).await;
        let message = mediator.settled().await.pop().expect("messages");
        assert_eq!(message.summary.state, "delivered", "{lookup:?}{}", story([&message]));
        assert_eq!((reports(&sandbox, &code), count(&sandbox.cht.requests(), RECORDS)), (1, sent + 1), "{lookup:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_cht_does_not_know_is_a_dead_letter_until_it_is_repaired() {
    let (mediator, sandbox, dir) = started(&[("mapping.claim_response.form", "OPD")]).await;
    mediator.post(CLAIM, sample_claim()).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["dead"], "{}", story(&messages));
    assert!(reason(&messages[0]).contains("Form not found: OPD"), "{}", story(&messages));
    mediator.stop().await;

    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    assert!(mediator.store().retry(messages[0].summary.id, "a test", Timestamp::now()).await.expect("the store"));
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered"], "{}", story(&messages));
    assert_eq!(sandbox.cht.records().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_for_long_is_given_up_and_kept() {
    let (mediator, sandbox, _dir) = started(&[("retry.give_up_after", "300ms"), ("retry.longest", "100ms")]).await;
    sandbox.cht.fail_next(DOWN, Fault::Status(503));
    mediator.post(CLAIM, sample_claim()).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["dead"], "{}", story(&messages));
    assert!(reason(&messages[0]).starts_with("given up after "), "{}", story(&messages));
    assert!(messages[0].summary.attempts > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_hangs_does_not_hold_up_the_other_ones_messages() {
    let (mediator, sandbox, _dir) = started(&[("cht.timeout", "50s")]).await;
    linked(&mediator, &sandbox).await;
    sandbox.cht.fail_next(DOWN, Fault::Hang(SILENCE));
    for number in 0..4 {
        let claim = sandbox.openimis.enter_claim(&format!("HANGS{number}"));
        mediator.post(CLAIM, notification(&sandbox, claim).await).await;
    }
    mediator.post(FEEDBACK, sample_feedback()).await;
    eventually("the feedback is delivered while the claims are not", || async {
        let messages = mediator.messages().await;
        (states(&messages) == ["delivered", "leased", "leased", "leased", "leased", "delivered"]).then_some(())
    })
    .await;
    assert_eq!(sandbox.openimis.communications().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_cht_that_timed_out_and_comes_again_has_one_effect() {
    let (mediator, sandbox, _dir) = started(&[]).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.settled().await;
    sandbox.cht.set_outbound(format!("{}{FEEDBACK}", mediator.url), INBOUND_USER.into(), INBOUND_PASSWORD.into());
    let form = json!({"claim": "CHT979", "_id": "form-1"});
    for duplicate in [false, true, true] {
        let pushed: Value = sandbox.cht.submit_feedback(&form).await.expect("a push");
        assert_eq!((&pushed["status"], &pushed["body"]["duplicate"]), (&json!(202), &json!(duplicate)));
    }
    assert_eq!(states(&mediator.settled().await), ["delivered", "delivered"]);
    assert_eq!(count(&sandbox.openimis.requests(), COMMUNICATION), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_that_waited_for_its_claim_goes_out_as_soon_as_that_is_delivered() {
    let (mediator, sandbox, _dir) = started(&[]).await;
    let mut waits = Vec::new();
    for number in 0..15 {
        let claim = sandbox.openimis.enter_claim(&format!("BEFORE{number}"));
        let notified = notification(&sandbox, claim).await;
        sandbox.cht.fail_next(1, Fault::Reset);
        mediator.post(CLAIM, notified).await;
        let feedback = sample_feedback().replace(SAMPLE_CLAIM, &claim.to_string());
        mediator.post(FEEDBACK, feedback.replace("report-1", &format!("report-{number}"))).await;
        let messages = mediator.settled().await;
        let pair = &messages[2 * number..];
        assert_eq!(states(pair), ["delivered", "delivered"], "{}", story(pair));
        let settled = |number: usize| pair[number].summary.settled_at.expect("a moment");
        waits.push(settled(1).duration_since(settled(0)));
    }
    // Who is not woken looks every two seconds. A busy machine may be late, but not each time.
    waits.sort_unstable();
    assert!(!waits[0].is_negative() && waits[7] < jiff::SignedDuration::from_millis(600), "{waits:#?}");
}
