//! Feedback of a CHT contact that was there before the mediator, and so knows nothing of openIMIS.

use mediator_tests::fixtures;
use mediator_tests::running::{Mediator, config, sandbox};
use serde_json::json;

const CLAIM: &str = "d3256498-ad16-4482-a2d2-4a6d9c78ba81";
const PATIENT: &str = "7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73";

fn answers(claim: &str) -> String {
    json!({
        "doc": {"_id": "report-1"}, "claimuuid": claim, "care_rendered": "yes", "payment_asked": "no",
        "drug_prescribed": "yes", "drug_received": "no", "assessment_rating": 3,
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_that_names_no_insuree_is_about_the_patient_of_its_claim() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    let sample = fixtures::text("claim-response/documented-sample/input.json");
    assert_eq!(mediator.post("/mediator/claim-response", sample).await.status(), 202);
    mediator.settled().await;

    assert_eq!(mediator.post("/mediator/claims-feedback", answers(CLAIM)).await.status(), 202);
    let messages = mediator.settled().await;
    assert_eq!(messages[1].summary.state, "delivered", "{:#?}", messages[1]);
    assert_eq!(messages[1].insuree_uuid.as_deref(), Some(PATIENT));
    assert_eq!(sandbox.openimis.communications()[0]["subject"]["reference"], format!("Patient/{PATIENT}"));
    mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_that_names_no_insuree_on_a_claim_that_never_came_is_kept_for_an_admin() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    let answer = mediator.post("/mediator/claims-feedback", answers("00000000-0000-4000-8000-00000000dead")).await;
    assert_eq!(answer.status(), 202);
    let message = mediator.settled().await.remove(0);
    assert_eq!(message.summary.state, "dead");
    assert_eq!(message.issues.len(), 1, "{:#?}", message.issues);
    assert_eq!(message.issues[0].expression, "insureeuuid");
    mediator.stop().await;
}
