//! What CHT pushes of the form in `cht/`. CHT's own harness filled the form in (`cht/test/contract.test.cjs`, which keeps the
//! fixture true); here openIMIS gets it, through the mediator.

use mediator_tests::running::workspace;
use serde_json::{Value, json};

use crate::real::PATIENT;
use crate::world::{World, settled};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn what_cht_pushes_of_the_form_is_stored_as_feedback() {
    let world = World::new().await;
    let mediator = world.subscribed_mediator(&[]).await;
    for (case, mut push) in pushes() {
        let (claim, _) = world.openimis.post_claim(json!({})).await;
        world.report(&claim).await;
        // The form was about the claim and the insuree of CHT's documentation; all else stays as it was pushed.
        push["doc"]["_id"] = format!("form of {}", claim.code).into();
        push["claimuuid"] = claim.uuid.clone().into();
        let names_insuree = push["insureeuuid"] != "";
        if names_insuree {
            push["insureeuuid"] = PATIENT.into();
        }
        let answer = mediator.post("/mediator/claims-feedback", push.to_string()).await;
        assert_eq!(answer.status(), 202, "{case}");

        let row = world.feedback(&claim).await;
        let yes = |key: &str| push[key] == "yes";
        assert_eq!(row.care_rendered, yes("care_rendered"), "{case}: {row:?}");
        assert_eq!(row.payment_asked, yes("payment_asked"), "{case}: {row:?}");
        assert_eq!(row.drug_prescribed, yes("drug_prescribed"), "{case}: {row:?}");
        assert_eq!(row.drug_received, yes("drug_received"), "{case}: {row:?}");
        assert_eq!(push["assessment_rating"], row.assessment.to_string(), "{case}: {row:?}");
        assert_eq!(row.claim_feedback_status, 8, "{case}: {row:?}");
        let messages = settled(mediator.store(), &claim, 2).await;
        assert!(messages.iter().all(|message| message.summary.state == "delivered"), "{case}: {messages:#?}");
    }
    mediator.host.flow.delete_subscriptions().await.expect("an answer");
    mediator.stop().await;
}

/// Name and push of each case.
fn pushes() -> Vec<(String, Value)> {
    let path = workspace().join("cht/test/fixtures/pushes.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let cases: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let named = |case: &Value| case["push"]["insureeuuid"] != "";
    assert!(cases.iter().any(named) && !cases.iter().all(named), "with and without the insuree");
    cases.into_iter().map(|case| (case["name"].as_str().expect("a name").to_owned(), case["push"].clone())).collect()
}
