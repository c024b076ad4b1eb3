//! Claims that openIMIS tells nobody about: entered in its own screens, submitted or selected for feedback there.

use serde_json::{Value, json};

use crate::real::{CLAIMED, CLAIMED_BIKRAM_SAMBAT, Claim, sql};
use crate::world::{World, assert_unusual, is, messages_of, settled, told, unusual_answers};

/// Looks every half second, at what is new only.
const QUICK: [(&str, &str); 6] = [
    ("poll.enabled", "true"),
    ("poll.interval", "500ms"),
    ("poll.selected_interval", "500ms"),
    ("poll.lookback", "0s"),
    ("poll.overlap", "5s"),
    ("retry.recheck", "300ms"),
];
const DAY: &str = "2025-08-20";

/// The task has the claim's own day, not the one on which it was found.
fn assert_day_of_claim(report: &Value) {
    let fields = &report["fields"];
    assert_eq!(
        json!([fields["op_year"], fields["op_month"], fields["op_day"]]),
        json!(CLAIMED_BIKRAM_SAMBAT),
        "{report:#}"
    );
    let day: jiff::civil::Date = CLAIMED.parse().expect("a day");
    let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).expect("a time").timestamp();
    assert_eq!(fields["op_date"], midnight.as_millisecond(), "{report:#}");
}

async fn status(world: &World, claim: &Claim) -> Value {
    world.openimis.get(&format!("CommunicationRequest/{}/", claim.uuid)).await["status"].take()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn a_claim_that_an_officer_selects_becomes_a_task_once() {
    let world = World::new().await;
    let mediator = world.mediator(&[&QUICK[..], &[("tasks.policy", "selected")]].concat()).await;
    let claim = world.openimis.enter_claim(DAY).await;
    is(mediator.store(), &claim, "skipped", "not selected for feedback").await;
    assert_eq!(world.reports(&claim), [] as [Value; 0]);

    world.openimis.act("selectClaimsForFeedback", &claim).await.expect("selected");
    let report = world.report(&claim).await;
    assert_eq!(report["fields"]["op_claim_id"], claim.code);
    assert_eq!(report["errors"], json!([]), "{report:#}");
    assert_day_of_claim(&report);
    let message = settled(mediator.store(), &claim, 1).await.remove(0);
    assert_eq!(message.summary.origin, "selected");
    assert_eq!(told(&message, &format!("GET /api/api_fhir_r4/Claim/{}/", claim.uuid), Some(200)), 1, "{message:#?}");

    assert_eq!(status(&world, &claim).await, "active");
    world.fill_in(&claim, unusual_answers()).await;
    let row = world.feedback(&claim).await;
    assert_unusual(&row);
    assert_eq!(status(&world, &claim).await, "completed");

    // Selected again it is asked for again, but openIMIS takes no second feedback: the worker must not ask twice.
    world.openimis.act("selectClaimsForFeedback", &claim).await.expect("selected");
    assert_eq!(status(&world, &claim).await, "active");
    let found = mediator.host.flow.poll_selected().await.expect("a poll");
    assert!(found.listed > 0, "{found:?}");
    mediator.host.flow.poll_claims().await.expect("a poll");
    assert_eq!(settled(mediator.store(), &claim, 2).await.len(), 2);
    assert_eq!(world.reports(&claim).len(), 1);
    mediator.stop().await;
    // A claim that was selected twice can be neither skipped nor bypassed; left active it would be listed in every later run.
    sql(&format!(r#"update "tblClaim" set "FeedbackStatus" = 8 where "ClaimUUID" = '{}'"#, claim.uuid)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn under_policy_submitted_a_claim_becomes_a_task_when_it_is_submitted() {
    let world = World::new().await;
    let mediator = world.mediator(&[&QUICK[..], &[("tasks.policy", "submitted")]].concat()).await;
    let claim = world.openimis.enter_claim(DAY).await;
    is(mediator.store(), &claim, "pending", "entered, not submitted yet").await;

    // It is asked for again and again, and stays where it is.
    let asked = || async {
        let message = messages_of(mediator.store(), &claim).await.remove(0);
        let asked = told(&message, &format!("GET /api/api_fhir_r4/ClaimResponse/{}/", claim.uuid), Some(200));
        (asked >= 2).then_some(message)
    };
    let message = mediator_tests::running::eventually("the claim is looked at again", asked).await;
    assert_eq!(message.summary.state, "pending", "{message:#?}");
    assert_eq!(world.reports(&claim), [] as [Value; 0]);

    world.openimis.act("submitClaims", &claim).await.expect("submitted");
    assert_day_of_claim(&world.report(&claim).await);
    let message = settled(mediator.store(), &claim, 1).await.remove(0);
    assert_eq!(message.summary.origin, "poll");

    world.fill_in(&claim, unusual_answers()).await;
    assert_unusual(&world.feedback(&claim).await);
    settled(mediator.store(), &claim, 2).await;
    assert_eq!(world.reports(&claim).len(), 1);
    mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn a_claim_that_is_rejected_on_submission_makes_no_task() {
    let world = World::new().await;
    let mediator = world.mediator(&[&QUICK[..], &[("tasks.policy", "submitted")]].concat()).await;
    let claim = world.openimis.enter_claim("2018-01-01").await; // before the policy began
    is(mediator.store(), &claim, "pending", "entered, not submitted yet").await;
    let error = world.openimis.act("submitClaims", &claim).await.expect_err("rejected");
    assert!(error.contains("no_policy"), "{error}");
    let status = sql(&format!(r#"select "ClaimStatus" from "tblClaim" where "ClaimUUID" = '{}'"#, claim.uuid)).await;
    assert_eq!(status.trim(), "1", "rejected");
    is(mediator.store(), &claim, "skipped", "openIMIS rejected the claim").await;
    assert_eq!(world.reports(&claim), [] as [Value; 0]);
    mediator.stop().await;
}
