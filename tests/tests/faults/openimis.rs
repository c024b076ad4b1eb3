//! openIMIS fails: the claim is delivered, and there is one feedback.

use flow::peers::Peer;
use mediator_tests::running::{count, notification, reason, sample_claim, sample_feedback, states, story};
use sandbox::Fault;

use crate::{CLAIM, COMMUNICATION, FEEDBACK, LOGIN, PASSING, PATIENT, SAMPLE_CLAIM, SHORT_TIMEOUTS, SILENCE, started};

/// The insuree of openIMIS' demo data; the sample claim is another one's.
const OTHER_INSUREE: &str = "00000000-0000-4000-8000-000000000006";

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_openimis_login_or_patient_the_claim_is_delivered() {
    for fault in PASSING {
        let (mediator, sandbox, _dir) = started(&SHORT_TIMEOUTS).await;
        sandbox.openimis.fail_next(1, fault);
        mediator.post(CLAIM, sample_claim()).await;
        let messages = mediator.settled().await;
        assert_eq!(states(&messages), ["delivered"], "login {fault:?}{}", story(&messages));
        assert_eq!(count(&sandbox.openimis.requests(), LOGIN), 2, "{fault:?}");

        let claim = sandbox.openimis.enter_claim_of("OTHER", OTHER_INSUREE.parse().expect("a uuid"));
        let claim = notification(&sandbox, claim).await;
        sandbox.openimis.fail_next(1, fault);
        mediator.post(CLAIM, claim).await;
        let messages = mediator.settled().await;
        assert_eq!(states(&messages), ["delivered", "delivered"], "Patient {fault:?}{}", story(&messages));
        assert_eq!((count(&sandbox.openimis.requests(), PATIENT), sandbox.openimis.logins()), (3, 1), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_openimis_communication_there_is_one_feedback() {
    let (mediator, sandbox, _dir) = started(&SHORT_TIMEOUTS).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.settled().await;
    for fault in PASSING.into_iter().chain([Fault::ProcessThenHang(SILENCE)]) {
        let claim = sandbox.openimis.enter_claim(&format!("{fault:?}")).to_string();
        let feedback = sample_feedback().replace(SAMPLE_CLAIM, &claim);
        let sent = count(&sandbox.openimis.requests(), COMMUNICATION);
        sandbox.openimis.fail_next(1, fault);
        mediator.post(FEEDBACK, feedback.replace("report-1", &claim)).await;
        let message = mediator.settled().await.pop().expect("messages");
        assert_eq!(message.summary.state, "delivered", "{fault:?}{}", story([&message]));
        let about = format!("Claim/{claim}");
        let kept = sandbox.openimis.communications();
        assert_eq!(kept.iter().filter(|kept| kept["about"][0]["reference"] == about).count(), 1, "{fault:?}");
        assert_eq!(count(&sandbox.openimis.requests(), COMMUNICATION), sent + 2, "{fault:?}");
    }
}

/// With its database down openIMIS answers 401 to a good login, with the database's words.
#[tokio::test(flavor = "multi_thread")]
async fn a_401_that_is_not_about_credentials_is_only_tried_again() {
    let (mediator, sandbox, _dir) = started(&[("retry.pause", "1h")]).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.settled().await;
    sandbox.openimis.fail_next(2, Fault::Status(401));
    mediator.post(FEEDBACK, sample_feedback()).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered", "delivered"], "{}", story(&messages));
    assert_eq!(sandbox.openimis.logins(), 1);
    assert_eq!(mediator.host.flow.paused(Peer::OpenImis), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_that_openimis_has_is_delivered() {
    let (mediator, sandbox, _dir) = started(&[]).await;
    mediator.post(FEEDBACK, sample_feedback()).await;
    mediator.post(FEEDBACK, sample_feedback().replace("report-1", "report-2")).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered", "delivered"], "{}", story(&messages));
    assert_eq!(reason(&messages[1]), "openIMIS had feedback for this claim before and keeps that one");
    assert_eq!(messages[1].summary.attempts, 1);
    assert_eq!(sandbox.openimis.communications().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_on_a_claim_that_openimis_does_not_know_is_a_dead_letter_at_once() {
    let (mediator, sandbox, _dir) = started(&[]).await;
    mediator.post(FEEDBACK, sample_feedback().replace("ba81", "ba82")).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["dead"], "{}", story(&messages));
    assert_eq!(messages[0].summary.attempts, 1);
    assert!(reason(&messages[0]).contains("Claim does not exist"), "{}", story(&messages));
    assert_eq!(count(&sandbox.openimis.requests(), COMMUNICATION), 1);
}
