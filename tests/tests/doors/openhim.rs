//! Who comes through OpenHIM gets the same answers, in the form that its core reads.

use mediator_tests::running::{sample_claim, sample_feedback};
use serde_json::{Value, json};

use crate::server::{CLAIM, CREDENTIALS, FEEDBACK, On, World};

pub async fn what_comes_through_openhim_is_answered_in_its_form(on: On) {
    let world = World::start(on, &[]).await;
    for (path, body, id, steps) in [
        (CLAIM, sample_claim(), json!("1"), 2),
        (CLAIM, sample_claim(), json!("1"), 2),
        (FEEDBACK, sample_feedback(), json!("2"), 2),
        (FEEDBACK, "{".to_owned(), Value::Null, 0),
    ] {
        let request = world.client.post(format!("{}{path}", world.url)).basic_auth(CREDENTIALS.0, Some(CREDENTIALS.1));
        let request = request.header("content-type", "application/json");
        let request = request.header("X-OpenHIM-TransactionID", "6b00f59fbc94ec5852f61b6e").body(body.clone());
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "what counts is inside");
        assert_eq!(answer.headers()["content-type"], "application/json+openhim");
        let text = answer.text().await.expect("a body");
        let envelope: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(envelope["x-mediator-urn"], "urn:mediator:openimis-mediator");
        assert_eq!(envelope["properties"]["message_id"], id, "{envelope}");
        let done = envelope["orchestrations"].as_array().expect("a list");
        assert_eq!(done.len(), steps, "{envelope}");
        assert!(done.iter().all(|step| step["request"]["timestamp"].is_string() && step["name"].is_string()));
        let (status, word) = if steps == 0 { (400, "Completed") } else { (202, "Successful") };
        assert_eq!((&envelope["response"]["status"], &envelope["status"]), (&json!(status), &json!(word)));
        let inner = envelope["response"]["body"].as_str().expect("text");
        let inner: Value = serde_json::from_str(inner).expect("the answer that others get");
        assert!(inner["status"] == "accepted" || inner["resourceType"] == "OperationOutcome", "{inner}");
    }
}
