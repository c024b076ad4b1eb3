//! Claims that openIMIS does not tell about are found by polling; the task policy decides which become a task.

use flow::Origin;
use mediator_tests::running::{
    INBOUND_PASSWORD, INBOUND_USER, Mediator, config, count, eventually, notification, openimis, reason, sandbox,
    states, story,
};
use sandbox::{Fault, Sandbox};
use serde_json::{Value, json};
use store::View;
use tempfile::TempDir;

const CLAIM: &str = "/mediator/claim-response";
const CLAIMS: &str = "GET /api/api_fhir_r4/ClaimResponse/?";
const EITHER: &str = "GET /api/api_fhir_r4/C";
const SELECTED: &str = "GET /api/api_fhir_r4/CommunicationRequest/?";
const DOWN: usize = usize::MAX;
/// The documented claim CHT979, typed into the openIMIS stand-in on 2025-08-25.
const SAMPLE: &str = "d3256498-ad16-4482-a2d2-4a6d9c78ba81";
const SINCE_THE_SAMPLE: &str = "100000h";
const QUICK: [(&str, &str); 4] = [
    ("poll.enabled", "true"),
    ("poll.interval", "50ms"),
    ("poll.selected_interval", "50ms"),
    ("retry.recheck", "100ms"),
];

async fn peers() -> (Sandbox, TempDir) {
    (sandbox().await, tempfile::tempdir().expect("a folder"))
}

async fn polling(sandbox: &Sandbox, dir: &TempDir, changes: &[(&str, &str)]) -> Mediator {
    let changes: Vec<_> = QUICK.iter().chain(changes).copied().collect();
    Mediator::start(config(sandbox, dir, &changes)).await
}

/// Waits until openIMIS was polled so many times more.
async fn polls(sandbox: &Sandbox, what: &str, more: usize) {
    let before = count(&sandbox.openimis.requests(), what);
    eventually("openIMIS was polled again", || async {
        (count(&sandbox.openimis.requests(), what) >= before + more).then_some(())
    })
    .await;
}

/// The message of a claim, once it is in this state.
async fn message(mediator: &Mediator, code: &str, state: &str) -> View {
    eventually(&format!("{code} is {state}"), || async {
        let messages = mediator.messages().await;
        messages.into_iter().find(|m| m.summary.claim_code.as_deref() == Some(code) && m.summary.state == state)
    })
    .await
}

/// Codes of the claims that became a task, sorted.
fn tasks(sandbox: &Sandbox) -> Vec<String> {
    let code = |record: &Value| record["fields"]["op_claim_id"].as_str().expect("a code").to_owned();
    let mut codes: Vec<String> = sandbox.cht.records().iter().map(code).collect();
    codes.sort();
    codes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_typed_into_openimis_is_found_and_becomes_one_task() {
    let (sandbox, dir) = peers().await;
    let mediator = polling(&sandbox, &dir, &[]).await;
    polls(&sandbox, CLAIMS, 1).await;
    sandbox.openimis.enter_claim("TYPED");
    let found = message(&mediator, "TYPED", "delivered").await;
    assert_eq!(found.summary.origin, "poll");
    // Each further poll lists it again.
    polls(&sandbox, CLAIMS, 5).await;
    let messages = mediator.messages().await;
    assert_eq!(messages.len(), 1, "{}", story(&messages));
    assert_eq!(messages[0].trail.len(), found.trail.len(), "nothing more was done");
    assert_eq!(tasks(&sandbox), ["TYPED"]);
    mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_was_pushed_is_not_taken_again_by_the_poll() {
    let (sandbox, dir) = peers().await;
    let mediator = polling(&sandbox, &dir, &[("poll.interval", "1h")]).await;
    polls(&sandbox, SELECTED, 1).await;
    let claim = sandbox.openimis.enter_claim("BOTH");
    mediator.post(CLAIM, notification(&sandbox, claim).await).await;
    mediator.settled().await;
    mediator.stop().await;
    let mediator = polling(&sandbox, &dir, &[]).await;
    polls(&sandbox, CLAIMS, 3).await;
    let messages = mediator.messages().await;
    assert_eq!(
        (states(&messages), messages[0].summary.origin.as_str()),
        (vec!["delivered"], "push"),
        "{}",
        story(&messages)
    );
    assert_eq!(tasks(&sandbox), ["BOTH"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_that_openimis_keeps_for_an_hour_hide_no_claim() {
    let (sandbox, dir) = peers().await;
    // The trap: a list once read stays as short as it was.
    let listed = || async {
        let bundle: Value =
            serde_json::from_str(&openimis(&sandbox, "ClaimResponse/?_lastUpdated=ge2025-09-01T00:00:00").await)
                .expect("JSON");
        bundle["total"].as_u64().expect("a total")
    };
    assert_eq!(listed().await, 0);
    let mediator = polling(&sandbox, &dir, &[]).await;
    for code in ["FIRST", "SECOND", "THIRD"] {
        polls(&sandbox, CLAIMS, 2).await;
        sandbox.openimis.enter_claim(code);
        message(&mediator, code, "delivered").await;
    }
    assert_eq!(listed().await, 0, "the stand-in keeps totals as openIMIS does");
    assert_eq!(tasks(&sandbox).len(), 3);
}

/// The value of a query's parameter.
fn parameter<'l>(line: &'l str, name: &str) -> &'l str {
    let (_, query) = line.split_once('?').expect("a query");
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).expect("the parameter")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_several_pages_is_read_to_its_end() {
    let (sandbox, dir) = peers().await;
    let codes: Vec<String> = (10..21).map(|number| format!("PAGE{number}")).collect();
    for code in &codes {
        let claim = sandbox.openimis.enter_claim(code);
        sandbox.openimis.select_for_feedback(claim);
    }
    for (what, policy) in [(CLAIMS, "all"), (SELECTED, "selected")] {
        let dir = if policy == "all" { &dir } else { &tempfile::tempdir().expect("a folder") };
        let before = sandbox.openimis.requests().len();
        let reported = sandbox.cht.records().len();
        let mediator = polling(&sandbox, dir, &[("tasks.policy", policy), ("poll.page_size", "3")]).await;
        eventually("every claim became a task", || async {
            (sandbox.cht.records().len() == reported + codes.len()).then_some(())
        })
        .await;
        mediator.stop().await;
        let requests = sandbox.openimis.requests();
        let pages: Vec<&str> =
            requests[before..].iter().map(|(line, _)| line.as_str()).filter(|line| line.starts_with(what)).collect();
        let first_walk = &pages[..4];
        let offsets: Vec<&str> = first_walk.iter().map(|line| parameter(line, "page-offset")).collect();
        assert_eq!(offsets, ["1", "2", "3", "4"], "{pages:#?}");
        let since = |line: &&str| parameter(line, "_lastUpdated").to_owned();
        assert!(first_walk.iter().all(|line| since(line) == since(&first_walk[0])), "{pages:#?}");
    }
    let mut expected = [codes.clone(), codes].concat();
    expected.sort();
    assert_eq!(tasks(&sandbox), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_come_while_the_mediator_is_stopped_are_found_at_its_next_start() {
    let (sandbox, dir) = peers().await;
    let mediator = polling(&sandbox, &dir, &[]).await;
    polls(&sandbox, CLAIMS, 2).await;
    mediator.stop().await;
    sandbox.openimis.enter_claim("MEANWHILE");
    // The watermark counts, not how far a first poll reaches back.
    let mediator = polling(&sandbox, &dir, &[("poll.lookback", "0s")]).await;
    message(&mediator, "MEANWHILE", "delivered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_poll_reaches_back_as_far_as_it_is_told_and_dates_the_task_by_the_claim() {
    for (lookback, expected) in [("24h", vec!["TODAY"]), (SINCE_THE_SAMPLE, vec!["CHT979", "TODAY"])] {
        let (sandbox, dir) = peers().await;
        sandbox.openimis.enter_claim("TODAY");
        let mediator = polling(&sandbox, &dir, &[("poll.lookback", lookback)]).await;
        message(&mediator, "TODAY", "delivered").await;
        mediator.settled().await;
        assert_eq!(tasks(&sandbox), expected);
        let sample = sandbox.cht.records().into_iter().find(|record| record["fields"]["op_claim_id"] == "CHT979");
        if let Some(record) = sample {
            let fields = &record["fields"];
            // openIMIS writes the day of its answer into the ClaimResponse; the Claim was made on 2025-08-25.
            assert_eq!(
                (&fields["op_year"], &fields["op_month"], &fields["op_day"]),
                (&json!("2082"), &json!("5"), &json!("9"))
            );
            assert_eq!(fields["op_date"], 1_756_080_000_000_i64);
        }
    }
}

/// Without the claim itself there is no date; the day of the poll would be a wrong one.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_date_cannot_be_read_waits() {
    let (sandbox, dir) = peers().await;
    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    let linked = sandbox.openimis.enter_claim("LINKED");
    mediator.post(CLAIM, notification(&sandbox, linked).await).await;
    mediator.settled().await;
    for fault in [Fault::Html, Fault::Status(500), Fault::Reset] {
        let code = format!("{fault:?}");
        let body = notification(&sandbox, sandbox.openimis.enter_claim(&code)).await;
        sandbox.openimis.fail_next(1, fault); // the patient is linked: the next thing asked for is the claim
        mediator.host.flow.receive_claim_response(body.into_bytes(), Origin::Poll).await.expect("the store");
        mediator.host.wake.notify_one();
        let delivered = message(&mediator, &code, "delivered").await;
        assert_eq!(delivered.summary.attempts, 2, "{}", story([&delivered]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_claims_are_left_out_unless_asked_for() {
    for (policy, include, expected) in
        [("all", "false", "skipped"), ("submitted", "false", "skipped"), ("submitted", "true", "delivered")]
    {
        let (sandbox, dir) = peers().await;
        let claim = sandbox.openimis.enter_claim("REJECTED");
        sandbox.openimis.reject_claim(claim);
        let mediator = polling(&sandbox, &dir, &[("tasks.policy", policy), ("tasks.include_rejected", include)]).await;
        let found = message(&mediator, "REJECTED", expected).await;
        if expected == "skipped" {
            assert!(reason(&found).contains("tasks.include_rejected"), "{}", story([&found]));
            assert!(sandbox.cht.requests().is_empty(), "no person is made for a claim without a task");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_policy_submitted_a_claim_waits_until_it_is_submitted() {
    let (sandbox, dir) = peers().await;
    let mediator = polling(&sandbox, &dir, &[("tasks.policy", "submitted")]).await;
    let submitted = sandbox.openimis.enter_claim("SUBMITTED");
    let rejected = sandbox.openimis.enter_claim("REJECTED");
    let direct = sandbox.openimis.enter_claim("DIRECT");
    sandbox.openimis.submit_claim(direct);
    message(&mediator, "DIRECT", "delivered").await;
    let asked = format!("GET /api/api_fhir_r4/ClaimResponse/{submitted}/");
    eventually("it was looked at again", || async { (count(&sandbox.openimis.requests(), &asked) > 0).then_some(()) })
        .await;
    let waiting = message(&mediator, "SUBMITTED", "pending").await;
    assert_eq!(reason(&waiting), "entered, not submitted yet");
    assert_eq!(waiting.summary.attempts, 0, "waiting is no attempt");
    assert_eq!(tasks(&sandbox), ["DIRECT"]);

    sandbox.openimis.submit_claim(submitted);
    sandbox.openimis.reject_claim(rejected);
    message(&mediator, "SUBMITTED", "delivered").await;
    let left_out = message(&mediator, "REJECTED", "skipped").await;
    assert!(reason(&left_out).contains("rejected"), "{}", story([&left_out]));
    assert_eq!(tasks(&sandbox), ["DIRECT", "SUBMITTED"]);
    assert_eq!(sandbox.openimis.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_policy_all_an_entered_claim_becomes_a_task_at_once() {
    let (sandbox, dir) = peers().await;
    sandbox.openimis.enter_claim("ENTERED");
    let mediator = polling(&sandbox, &dir, &[]).await;
    message(&mediator, "ENTERED", "delivered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_policy_selected_only_what_an_officer_selected_becomes_a_task() {
    let (sandbox, dir) = peers().await;
    let changes = [("tasks.policy", "selected"), ("poll.selected_horizon", SINCE_THE_SAMPLE)];
    let mediator = polling(&sandbox, &dir, &changes).await;
    let chosen = sandbox.openimis.enter_claim("CHOSEN");
    sandbox.openimis.enter_claim("OTHER");
    let bypassed = sandbox.openimis.enter_claim("BYPASSED");
    sandbox.openimis.bypass_feedback(bypassed);
    for code in ["CHOSEN", "OTHER", "BYPASSED"] {
        let left_out = message(&mediator, code, "skipped").await;
        assert!(reason(&left_out).contains("tasks.policy"), "{}", story([&left_out]));
    }
    assert!(tasks(&sandbox).is_empty());

    sandbox.openimis.select_for_feedback(chosen);
    sandbox.openimis.select_for_feedback(SAMPLE.parse().expect("a uuid")); // an old one, never seen before
    let found = message(&mediator, "CHOSEN", "delivered").await;
    assert_eq!(found.summary.origin, "selected");
    assert!(found.trail.iter().any(|line| line.event == "received anew"), "{}", story([&found]));
    message(&mediator, "CHT979", "delivered").await;
    polls(&sandbox, SELECTED, 3).await;
    polls(&sandbox, CLAIMS, 3).await;
    assert_eq!(tasks(&sandbox), ["CHOSEN", "CHT979"]);
    let old =
        sandbox.cht.records().into_iter().find(|record| record["fields"]["op_claim_id"] == "CHT979").expect("a record");
    assert_eq!(old["fields"]["op_date"], 1_756_080_000_000_i64, "dated by the claim");
    assert_eq!(message(&mediator, "OTHER", "skipped").await.summary.attempts, 1, "and not looked at again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_officer_can_select_a_claim_that_was_left_out_for_its_rejection() {
    let (sandbox, dir) = peers().await;
    let mediator = polling(&sandbox, &dir, &[]).await;
    let claim = sandbox.openimis.enter_claim("REJECTED");
    sandbox.openimis.reject_claim(claim);
    eventually("it was taken in", || async { (!mediator.messages().await.is_empty()).then_some(()) }).await;
    mediator.settled().await;
    sandbox.openimis.select_for_feedback(claim);
    message(&mediator, "REJECTED", "delivered").await;
    assert_eq!(tasks(&sandbox), ["REJECTED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_selected_again_makes_no_second_task() {
    let (sandbox, dir) = peers().await;
    let mediator = polling(&sandbox, &dir, &[("tasks.policy", "selected")]).await;
    let claim = sandbox.openimis.enter_claim("AGAIN");
    sandbox.openimis.select_for_feedback(claim);
    message(&mediator, "AGAIN", "delivered").await;
    let outbound = format!("{}/mediator/claims-feedback", mediator.url);
    sandbox.cht.set_outbound(outbound, INBOUND_USER.into(), INBOUND_PASSWORD.into());
    sandbox.cht.submit_feedback(&json!({"claim": "AGAIN"})).await.expect("a push");
    assert_eq!(states(&mediator.settled().await), ["delivered", "delivered"]);
    polls(&sandbox, SELECTED, 2).await; // the one that was at work when the claim was delivered is over
    let asked = || count(&sandbox.openimis.requests(), &format!("GET /api/api_fhir_r4/ClaimResponse/{claim}/"));
    let before = asked();
    assert!(before >= 1);

    sandbox.openimis.select_for_feedback(claim); // openIMIS shows it as active again
    polls(&sandbox, SELECTED, 5).await;
    let messages = mediator.messages().await;
    assert_eq!(states(&messages), ["delivered", "delivered"], "{}", story(&messages));
    assert_eq!(tasks(&sandbox), ["AGAIN"]);
    assert_eq!(asked(), before, "what is delivered is not asked for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_fails_loses_nothing() {
    for fault in [Fault::Reset, Fault::Status(500), Fault::Status(503), Fault::Html] {
        let (sandbox, dir) = peers().await;
        let mediator = polling(&sandbox, &dir, &[("poll.overlap", "0s"), ("poll.page_size", "2")]).await;
        polls(&sandbox, CLAIMS, 2).await;
        sandbox.openimis.fail_next(DOWN, fault);
        for code in ["A", "B", "C", "D", "E"] {
            let claim = sandbox.openimis.enter_claim(code);
            sandbox.openimis.select_for_feedback(claim);
        }
        polls(&sandbox, EITHER, 3).await; // while openIMIS is away, its probes may all fall to one of the polls
        assert!(mediator.messages().await.is_empty(), "{fault:?}");
        sandbox.openimis.fail_next(0, fault);
        eventually("every claim became a task", || async { (sandbox.cht.records().len() >= 5).then_some(()) }).await;
        mediator.settled().await;
        assert_eq!(tasks(&sandbox), ["A", "B", "C", "D", "E"], "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_polling_openimis_is_not_asked() {
    let (sandbox, dir) = peers().await;
    let mediator = polling(&sandbox, &dir, &[("poll.enabled", "false")]).await;
    let claim = sandbox.openimis.enter_claim("UNSEEN");
    sandbox.openimis.select_for_feedback(claim);
    let told = sandbox.openimis.enter_claim("TOLD");
    mediator.post(CLAIM, notification(&sandbox, told).await).await;
    mediator.settled().await;
    let requests = sandbox.openimis.requests();
    assert_eq!(count(&requests, CLAIMS) + count(&requests, SELECTED), 0, "{requests:#?}");
    assert_eq!(tasks(&sandbox), ["TOLD"]);
}
