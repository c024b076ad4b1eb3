//! One subscription at openIMIS, kept in place; and what it brings.

use std::collections::BTreeMap;

use flow::settings::check_callback;
use jiff::{SignedDuration, Timestamp};
use mediator_tests::running::{
    INBOUND_PASSWORD, INBOUND_USER, Mediator, config, count, environment, eventually, openimis, sandbox, states, story,
};
use openimis_mediator::config::Config;
use sandbox::{Fault, OPENIMIS_PASSWORD, Sandbox, USER};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

const CALLBACK: &str = "http://mediator.example.org/mediator/claim-response";
const LISTS: &str = "GET /api/api_fhir_r4/Subscription/";
const QUICK: [(&str, &str); 2] = [("subscription.callback", CALLBACK), ("subscription.check_interval", "50ms")];

async fn peers() -> (Sandbox, TempDir) {
    (sandbox().await, tempfile::tempdir().expect("a folder"))
}

async fn keeping(sandbox: &Sandbox, dir: &TempDir, changes: &[(&str, &str)]) -> Mediator {
    let changes: Vec<_> = QUICK.iter().chain(changes).copied().collect();
    Mediator::start(config(sandbox, dir, &changes)).await
}

/// Waits until the mediator has looked at its subscription so many times more, and all it did about it is done.
async fn looks(sandbox: &Sandbox, more: usize) {
    let before = count(&sandbox.openimis.requests(), LISTS);
    eventually("the subscription was looked at", || async {
        (count(&sandbox.openimis.requests(), LISTS) >= before + more).then_some(())
    })
    .await;
}

async fn only(sandbox: &Sandbox) -> Value {
    looks(sandbox, 2).await;
    let mut subscriptions = sandbox.openimis.subscriptions();
    assert_eq!(subscriptions.len(), 1, "{subscriptions:#?}");
    subscriptions.remove(0)
}

fn left(subscription: &Value) -> SignedDuration {
    let end: Timestamp = subscription["end"].as_str().expect("an end").parse().expect("a time");
    end.duration_since(Timestamp::now())
}

/// Changes at openIMIS that are not `GET`.
fn changes(sandbox: &Sandbox) -> Vec<String> {
    let requests = sandbox.openimis.requests().into_iter().map(|(line, _)| line);
    requests.filter(|line| line.contains("/Subscription/") && !line.starts_with("GET ")).collect()
}

async fn post(sandbox: &Sandbox, path: &str, resource: &Value) -> Value {
    let sent = reqwest::Client::new()
        .post(format!("{}{path}", sandbox.openimis.url()))
        .basic_auth(USER, Some(OPENIMIS_PASSWORD));
    let answer = sent.json(resource).send().await.expect("an answer");
    let status = answer.status();
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(status, 201, "{body}");
    body
}

/// Somebody else's way to subscribe.
fn subscription(criteria: &str, endpoint: &str) -> Value {
    json!({
        "resourceType": "Subscription", "status": "active", "end": "2099-01-01T00:00:00Z", "reason": criteria, "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": endpoint, "header": ["{}"]},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_created_once_and_then_left_as_it_is() {
    let (sandbox, dir) = peers().await;
    let mediator = keeping(&sandbox, &dir, &[]).await;
    eventually("there is a subscription", || async { (!sandbox.openimis.subscriptions().is_empty()).then_some(()) })
        .await;
    looks(&sandbox, 3).await;
    let created = only(&sandbox).await;
    assert_eq!((&created["status"], &created["criteria"]), (&json!("active"), &json!("Claim")));
    assert_eq!(created["channel"]["endpoint"], CALLBACK);
    let header: Value =
        serde_json::from_str(created["channel"]["header"][0].as_str().expect("a header")).expect("JSON in text");
    // interop-client:interop-password
    assert_eq!(header["Authorization"], "Basic aW50ZXJvcC1jbGllbnQ6aW50ZXJvcC1wYXNzd29yZA==");
    assert!((364..366).contains(&(left(&created).as_hours() / 24)), "{created}");
    mediator.stop().await;

    let _mediator = keeping(&sandbox, &dir, &[]).await;
    looks(&sandbox, 3).await;
    assert_eq!(only(&sandbox).await, created);
    assert_eq!(changes(&sandbox), ["POST /api/api_fhir_r4/Subscription/"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_renewed_before_it_ends() {
    let (sandbox, dir) = peers().await;
    let mediator = keeping(&sandbox, &dir, &[("subscription.lifetime", "1h")]).await;
    looks(&sandbox, 2).await;
    let created = only(&sandbox).await;
    mediator.stop().await;

    // An hour is less than a tenth of eleven hours, and more than a tenth of nine.
    let mediator = keeping(&sandbox, &dir, &[("subscription.lifetime", "9h")]).await;
    looks(&sandbox, 2).await;
    assert_eq!(only(&sandbox).await, created);
    mediator.stop().await;
    let _mediator = keeping(&sandbox, &dir, &[("subscription.lifetime", "11h")]).await;
    eventually("it was renewed", || async { (sandbox.openimis.subscriptions()[0] != created).then_some(()) }).await;
    let renewed = only(&sandbox).await;
    assert_eq!(renewed["id"], created["id"]);
    assert!(left(&renewed) > SignedDuration::from_hours(10), "{renewed}");
    assert_eq!(changes(&sandbox).len(), 2, "{:#?}", changes(&sandbox));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_renewed_when_the_credentials_change() {
    let (sandbox, dir) = peers().await;
    let mediator = keeping(&sandbox, &dir, &[]).await;
    looks(&sandbox, 2).await;
    let created = only(&sandbox).await;
    mediator.stop().await;
    for (changes, expected) in [
        (vec![("inbound.password", "another")], "Basic aW50ZXJvcC1jbGllbnQ6YW5vdGhlcg=="),
        (
            vec![("subscription.username", "openhim"), ("subscription.password", "channel")],
            "Basic b3BlbmhpbTpjaGFubmVs",
        ),
    ] {
        let mediator = keeping(&sandbox, &dir, &changes).await;
        let shown = |subscription: &Value| {
            subscription["channel"]["header"][0].as_str().is_some_and(|header| header.contains(expected))
        };
        eventually("it was renewed", || async { shown(&sandbox.openimis.subscriptions()[0]).then_some(()) }).await;
        assert_eq!(only(&sandbox).await["id"], created["id"]);
        mediator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_about_it_is_put_right() {
    for change in [
        json!({"status": "off"}),
        json!({"criteria": "claim", "reason": "claim"}),
        json!({"end": "2020-01-01T00:00:00Z"}),
    ] {
        let (sandbox, dir) = peers().await;
        let mut wrong = subscription("Claim", CALLBACK);
        wrong.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        let id = post(&sandbox, "Subscription/", &wrong).await["id"].clone();
        let _mediator = keeping(&sandbox, &dir, &[]).await;
        looks(&sandbox, 2).await;
        let right = only(&sandbox).await;
        assert_eq!(
            (&right["id"], &right["status"], &right["criteria"]),
            (&id, &json!("active"), &json!("Claim")),
            "{change}"
        );
        assert!(left(&right) > SignedDuration::from_hours(24), "{right}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_subscription_to_our_callback_is_removed_and_others_stay() {
    let (sandbox, dir) = peers().await;
    for number in 0..12 {
        post(&sandbox, "Subscription/", &subscription("Claim", &format!("http://other.example.org/{number}"))).await;
    }
    let patients = post(&sandbox, "Subscription/", &subscription("Patient", CALLBACK)).await;
    for _ in 0..3 {
        post(&sandbox, "Subscription/", &subscription("Claim", CALLBACK)).await;
    }
    let _mediator = keeping(&sandbox, &dir, &[]).await;
    let ours =
        |subscription: &Value| subscription["criteria"] == "Claim" && subscription["channel"]["endpoint"] == CALLBACK;
    eventually("one of ours is left", || async {
        (sandbox.openimis.subscriptions().iter().filter(|subscription| ours(subscription)).count() == 1).then_some(())
    })
    .await;
    looks(&sandbox, 3).await;
    let listed = sandbox.openimis.subscriptions();
    assert_eq!(listed.len(), 12 + 1 + 1, "{listed:#?}");
    assert!(listed.contains(&patients), "a subscription to patients is somebody else's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_could_not_be_kept_is_tried_again() {
    for fault in [Fault::Reset, Fault::Status(500), Fault::Html] {
        let (sandbox, dir) = peers().await;
        sandbox.openimis.fail_next(3, fault);
        let _mediator = keeping(&sandbox, &dir, &[]).await;
        eventually("there is a subscription", || async {
            (!sandbox.openimis.subscriptions().is_empty()).then_some(())
        })
        .await;
        only(&sandbox).await;
    }
}

#[test]
fn callbacks_that_openimis_would_silently_ignore_are_named_with_the_reason() {
    for (callback, reason) in [
        ("http://mediator:8080/mediator/claim-response", "no dot"),
        ("https://mediator/", "no dot"),
        ("http://mediator.:8080/", "no dot"),
        ("http://open_him.example.org/", "underscore"),
        ("http://a.b_c.org/", "underscore"),
        ("ftp://mediator.example.org/", "http and https"),
        ("mailto:mediator@example.org", "http and https"),
        ("http://user:secret@mediator.example.org/", "subscription.username"),
    ] {
        let refused = check_callback(&callback.parse().expect("an address")).expect_err(callback);
        assert!(refused.contains(reason), "{callback}: {refused}");
        assert!(!refused.contains("secret"), "{refused}");
    }
    for callback in [
        CALLBACK,
        "https://mediator.internal:8443/mediator/claim-response",
        "http://localhost:8080/",
        "http://127.0.0.1:8080/",
        "http://[::1]:8080/",
        "http://192.168.0.7/",
    ] {
        assert_eq!(check_callback(&callback.parse().expect("an address")), Ok(()), "{callback}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn such_a_callback_is_refused_when_the_configuration_is_read() {
    let (sandbox, dir) = peers().await;
    let load =
        |callback: &str| Config::from_toml("", &environment(&sandbox, &dir, &[("subscription.callback", callback)]));
    for (callback, reason) in
        [("http://mediator:8080/", "no dot"), ("http://open_him.example.org/", "underscore"), ("ftp://a.b/", "http")]
    {
        let problems = load(callback).expect_err(callback).0;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("subscription.callback: ") && problems[0].contains(reason), "{problems:?}");
    }
    assert!(load(CALLBACK).is_ok());
    let by_its_documented_name =
        BTreeMap::from([("CHT_OPENIMIS_CALLBACK_ENDPOINT".to_owned(), "http://mediator/".to_owned())]);
    let problems = Config::from_toml("", &by_its_documented_name).expect_err("other things are missing, too").0;
    assert!(problems.iter().any(|problem| problem.starts_with("subscription.callback: ")), "{problems:?}");
}

/// The documented claim as somebody posts it to openIMIS through FHIR.
async fn claim(sandbox: &Sandbox, code: &str) -> Value {
    let mut claim: Value = serde_json::from_str(&openimis(sandbox, "Claim/CHT979/").await).expect("JSON");
    claim.as_object_mut().expect("an object").remove("id");
    claim["identifier"].as_array_mut().expect("identifiers").retain(|identifier| identifier["value"] == "CHT979");
    claim["identifier"][0]["value"] = json!(code);
    claim
}

/// A mediator whose callback is its own door.
async fn called_back(sandbox: &Sandbox, dir: &TempDir, changes: &[(&str, &str)]) -> Mediator {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let callback = format!("http://{}/mediator/claim-response", listener.local_addr().expect("an address"));
    let changes: Vec<_> = changes.iter().copied().chain([("subscription.callback", callback.as_str())]).collect();
    let mediator = Mediator::start_on(listener, config(sandbox, dir, &changes)).await;
    eventually("there is a subscription", || async { (!sandbox.openimis.subscriptions().is_empty()).then_some(()) })
        .await;
    mediator
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_posted_to_openimis_through_fhir_comes_by_itself_and_the_loop_closes() {
    let (sandbox, dir) = peers().await;
    let mediator = called_back(&sandbox, &dir, &[("tasks.policy", "submitted")]).await;
    let response = post(&sandbox, "Claim/", &claim(&sandbox, "FHIR1").await).await;
    let [notified] = &sandbox.openimis.notifications()[..] else { panic!("one notification") };
    assert_eq!((&notified["success"], &notified["error"]), (&json!(true), &Value::Null));
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered"], "{}", story(&messages));
    assert_eq!(messages[0].summary.origin, "push");
    assert_eq!(messages[0].summary.claim_uuid.as_deref(), response["id"].as_str());
    let record = sandbox.cht.records().remove(0);
    assert_eq!(
        (&record["fields"]["op_claim_uuid"], &record["fields"]["op_claim_id"]),
        (&response["id"], &json!("FHIR1"))
    );

    sandbox.cht.set_outbound(
        format!("{}/mediator/claims-feedback", mediator.url),
        INBOUND_USER.into(),
        INBOUND_PASSWORD.into(),
    );
    sandbox.cht.submit_feedback(&json!({"claim": "FHIR1"})).await.expect("a push");
    mediator.settled().await;
    assert_eq!(sandbox.openimis.communications()[0]["about"][0]["display"], "FHIR1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_comes_by_subscription_and_by_poll_is_one() {
    let (sandbox, dir) = peers().await;
    let mediator = called_back(&sandbox, &dir, &[("poll.enabled", "true"), ("poll.interval", "20ms")]).await;
    for number in 0..5 {
        post(&sandbox, "Claim/", &claim(&sandbox, &format!("FHIR{number}")).await).await;
    }
    let polls = || count(&sandbox.openimis.requests(), "GET /api/api_fhir_r4/ClaimResponse/?");
    let before = polls();
    eventually("openIMIS was polled", || async { (polls() > before + 3).then_some(()) }).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered"; 5], "{}", story(&messages));
    assert_eq!(sandbox.cht.records().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn openimis_notes_a_success_for_each_claim_that_was_kept_and_a_failure_for_a_refused_one() {
    let (sandbox, dir) = peers().await;
    let mediator =
        called_back(&sandbox, &dir, &[("subscription.username", "somebody"), ("subscription.password", "else")]).await;
    post(&sandbox, "Claim/", &claim(&sandbox, "REFUSED").await).await;
    let notified = sandbox.openimis.notifications().remove(0);
    assert_eq!(notified["success"], false, "the door wants other credentials");
    assert!(notified["error"].as_str().expect("a text").contains("OperationOutcome"), "it could read why: {notified}");
    assert!(mediator.messages().await.is_empty());
}
