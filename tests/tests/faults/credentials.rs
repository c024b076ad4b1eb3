//! A peer that does not let us in, or not so often: it is asked once, and then left alone for a while.

use std::time::{Duration, Instant};

use flow::Kind;
use flow::breaker::Gate;
use flow::peers::Peer;
use jiff::{SignedDuration, Timestamp};
use mediator_tests::running::{
    Mediator, config, count, eventually, notification, reason, sample_claim, sample_feedback, states, story,
};
use sandbox::Fault;

use crate::{CLAIM, FEEDBACK, LOGIN, SAMPLE_CLAIM, started};

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_login_is_renewed_once_for_all_who_found_it_expired() {
    let (mediator, sandbox, _dir) = started(&[("retry.pause", "8s")]).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.settled().await;
    // A redirect makes all wait for the same moment.
    sandbox.openimis.fail_next(1, Fault::Status(302));
    mediator.post(FEEDBACK, sample_feedback()).await;
    eventually("openIMIS is left alone", || async { mediator.host.flow.paused(Peer::OpenImis) }).await;
    for number in 1..8 {
        let claim = sandbox.openimis.enter_claim(&format!("EXPIRED{number}")).to_string();
        let feedback = sample_feedback().replace(SAMPLE_CLAIM, &claim);
        mediator.post(FEEDBACK, feedback.replace("report-1", &claim)).await;
    }
    assert_eq!(sandbox.openimis.communications().len(), 0, "none was delivered before the last had come");
    sandbox.openimis.expire_tokens();
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered"; 9], "{}", story(&messages));
    assert_eq!(sandbox.openimis.communications().len(), 8);
    assert_eq!(sandbox.openimis.logins(), 2);
    assert!(messages.iter().all(|message| message.summary.attempts == 1), "{}", story(&messages));
}

/// How often a peer may be asked in the time since `begun`: once, and once for each pause that has passed.
fn allowed(begun: Instant, pause: Duration) -> usize {
    1 + (begun.elapsed().as_millis() / pause.as_millis()) as usize
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_cht_credentials_pause_cht_and_do_not_hammer_it() {
    let pause = Duration::from_millis(700);
    let (mediator, sandbox, dir) = started(&[("cht.password", "wrong"), ("retry.pause", "700ms")]).await;
    let begun = Instant::now();
    for number in 0..10 {
        let claim = sandbox.openimis.enter_claim(&format!("WRONG{number}"));
        mediator.post(CLAIM, notification(&sandbox, claim).await).await;
    }
    eventually("CHT was asked in a third pause", || async { (sandbox.cht.requests().len() > 2).then_some(()) }).await;
    let asked = sandbox.cht.requests().len();
    assert!(asked <= allowed(begun, pause), "{asked} requests in {:?}: {:#?}", begun.elapsed(), sandbox.cht.requests());
    let (until, why) = eventually("CHT is left alone", || async { mediator.host.flow.paused(Peer::Cht) }).await;
    assert!(
        until > Timestamp::now() - SignedDuration::from_mins(1) && why.contains("cht.username and password"),
        "{why}"
    );
    let messages = mediator.messages().await;
    assert!(messages.iter().all(|message| message.summary.settled_at.is_none()), "{}", story(&messages));
    assert!(reason(&messages[0]).contains("cht.username and password"), "{}", story(&messages));
    mediator.stop().await;

    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    assert_eq!(states(&mediator.settled().await), ["delivered"; 10]);
    assert_eq!((sandbox.cht.records().len(), sandbox.cht.people().len()), (10, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_openimis_credentials_pause_openimis_and_do_not_hammer_it() {
    let pause = Duration::from_millis(700);
    let (mediator, sandbox, dir) = started(&[("openimis.password", "wrong"), ("retry.pause", "700ms")]).await;
    let begun = Instant::now();
    for number in 0..10 {
        let claim = sandbox.openimis.enter_claim(&format!("WRONG{number}")).to_string();
        mediator.post(CLAIM, sample_claim().replace(SAMPLE_CLAIM, &claim)).await;
    }
    let asked = || count(&sandbox.openimis.requests(), LOGIN);
    eventually("openIMIS was asked in a third pause", || async { (asked() > 2).then_some(()) }).await;
    assert!(
        asked() <= allowed(begun, pause),
        "{} logins in {:?}: {:#?}",
        asked(),
        begun.elapsed(),
        sandbox.openimis.requests()
    );
    assert_eq!(asked(), sandbox.openimis.requests().len(), "nothing is sent without a login");
    let (_, why) = eventually("openIMIS is left alone", || async { mediator.host.flow.paused(Peer::OpenImis) }).await;
    assert!(why.contains("openimis.username and password"), "{why}");
    mediator.stop().await;

    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    assert_eq!(states(&mediator.settled().await), ["delivered"; 10]);
    assert_eq!(sandbox.openimis.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_is_heeded_for_a_minute() {
    let (mediator, sandbox, _dir) = started(&[]).await;
    sandbox.cht.fail_next(1, Fault::Status(429));
    sandbox.openimis.fail_next(1, Fault::Status(429));
    mediator.post(CLAIM, sample_claim()).await;
    let minute = |due: Timestamp| due.duration_since(Timestamp::now());
    let waiting = |what: &'static str| {
        let mediator = &mediator;
        eventually(what, move || async move {
            let message = mediator.messages().await.remove(0);
            let due = message.summary.due_at.filter(|due| minute(*due) > SignedDuration::from_secs(50))?;
            (message.summary.state == "pending" && due > Timestamp::now()).then_some(message)
        })
    };
    let message = waiting("the claim waits for openIMIS").await;
    assert!(reason(&message).contains("slower pace"), "{}", story([&message]));
    assert_eq!((message.summary.state.as_str(), message.summary.attempts), ("pending", 0), "waiting is no attempt");
    mediator.post(FEEDBACK, sample_feedback().replace("ba81", "ba80")).await;
    assert!(matches!(mediator.host.flow.gate(Kind::Feedback), Gate::Closed { .. }), "the feedback waits as well");
    let feedback = mediator.messages().await.remove(1);
    assert_eq!((feedback.summary.state.as_str(), feedback.summary.attempts), ("pending", 0), "{}", story([&feedback]));
    assert_eq!(sandbox.openimis.requests().len(), 1, "nothing more is sent: {:#?}", sandbox.openimis.requests());
    assert!(minute(mediator.host.flow.paused(Peer::OpenImis).expect("a pause").0) <= SignedDuration::from_mins(1));
    assert_eq!(mediator.host.flow.paused(Peer::Cht), None, "CHT is another peer");
}
