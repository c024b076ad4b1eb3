//! A peer that sends us elsewhere: nothing goes there, neither credentials nor a document.

use std::sync::Mutex;

use mediator_tests::raw_peer::{Gateway, Request, Scripted, Spoil, http};
use mediator_tests::running::{Mediator, config, sample_claim, sample_feedback, sandbox, states, story};

use crate::{CLAIM, COMMUNICATION, FEEDBACK, LOGIN, PATIENT, PEOPLE, RECORDS, reports, started, waits_with};

#[tokio::test(flavor = "multi_thread")]
async fn credentials_do_not_follow_a_redirect() {
    let elsewhere = Scripted::answering(&[http("200 OK", "content-type: application/json", "{}")]).await;
    for (peer, status) in [("cht.url", "302 Found"), ("openimis.url", "308 Permanent Redirect")] {
        let redirecting =
            Scripted::answering(&[http(status, &format!("location: {}/medic/login", elsewhere.url), "")]).await;
        let (mediator, _sandbox, _dir) = started(&[(peer, &redirecting.url), ("retry.pause", "1h")]).await;
        mediator.post(CLAIM, sample_claim()).await;
        let message = waits_with(&mediator, "redirected").await;
        assert_eq!(message.summary.state, "pending", "{}", story([&message]));
        let seen = redirecting.seen();
        assert_eq!(seen.len(), 1, "asked once: {seen:#?}");
        assert_eq!(seen[0].head.to_lowercase().contains("authorization: basic"), peer == "cht.url", "{seen:#?}");
    }
    assert_eq!(elsewhere.connections(), 0, "{:#?}", elsewhere.seen());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kind_of_redirect_is_followed_by_any_request() {
    const STATUSES: [&str; 5] =
        ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"];
    let elsewhere = Scripted::answering(&[http("200 OK", "content-type: application/json", "{}")]).await;
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    // Each kind of request is redirected with each status, before the peer has seen it; then it passes.
    let redirect = |requests: &'static [&'static str]| {
        let left = Mutex::new(requests.iter().map(|line| (*line, STATUSES.to_vec())).collect::<Vec<_>>());
        let to = elsewhere.url.clone();
        move |request: &Request, _| {
            let mut left = left.lock().expect("what is left");
            let statuses = left.iter_mut().find(|(line, _)| request.line().starts_with(line)).map(|(_, left)| left);
            match statuses.and_then(Vec::pop) {
                Some(status) => Spoil::Refuse(http(status, &format!("location: {to}/elsewhere"), "")),
                None => Spoil::Pass,
            }
        }
    };
    let cht = Gateway::before(&sandbox.cht.url(), redirect(&[PEOPLE, RECORDS])).await;
    let openimis = Gateway::before(&sandbox.openimis.url(), redirect(&[LOGIN, PATIENT, COMMUNICATION])).await;
    let changes = [("cht.url", cht.url.as_str()), ("openimis.url", &openimis.url), ("retry.pause", "20ms")];
    let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.post(FEEDBACK, sample_feedback()).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered", "delivered"], "{}", story(&messages));
    let asked = [openimis.count(LOGIN), openimis.count(COMMUNICATION), cht.count(PEOPLE), cht.count(RECORDS)];
    assert_eq!(asked, [STATUSES.len() + 1; 4], "{}", story(&messages));
    // The patient is read again before each try to make the person.
    assert_eq!(openimis.count(PATIENT), 2 * STATUSES.len() + 1, "{}", story(&messages));
    assert!(messages.iter().all(|message| message.summary.attempts == 1), "a pause is no attempt{}", story(&messages));
    assert_eq!((reports(&sandbox, "CHT979"), sandbox.openimis.communications().len()), (1, 1));
    assert_eq!(elsewhere.connections(), 0, "{:#?}", elsewhere.seen());
}
