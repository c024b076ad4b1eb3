//! The loop on stand-in peers: a claim becomes a task, the answers come back to the claim.

use mediator_tests::fixtures;
use mediator_tests::running::{INBOUND_PASSWORD, INBOUND_USER, Mediator, config, sandbox};

fn sample() -> String {
    let path = fixtures::root().join("claim-response/documented-sample/input.json");
    std::fs::read_to_string(path).expect("the documented sample")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_becomes_a_task_and_the_feedback_returns_to_the_claim() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;

    let answer = mediator.post("/mediator/claim-response", sample()).await;
    assert_eq!(answer.status(), 202);
    mediator.settled().await;
    let records = sandbox.cht.records();
    assert_eq!(records.len(), 1, "{records:#?}");
    assert_eq!(records[0]["fields"]["op_claim_id"], "CHT979");
    assert_eq!(records[0]["fields"]["patient_id"], sandbox.cht.people()[0]["_id"]);

    let outbound = format!("{}/mediator/claims-feedback", mediator.url);
    sandbox.cht.set_outbound(outbound, INBOUND_USER.into(), INBOUND_PASSWORD.into());
    let worker = mediator.client.post(format!("{}sandbox/feedback", sandbox.cht.url()));
    let pushed = worker.json(&serde_json::json!({"claim": "CHT979"})).send().await.expect("an answer");
    assert_eq!(pushed.status(), 200);
    let messages = mediator.settled().await;
    assert!(messages.iter().all(|message| message.summary.state == "delivered"), "{messages:#?}");
    assert_eq!(sandbox.openimis.communications().len(), 1);
    mediator.stop().await;
}
