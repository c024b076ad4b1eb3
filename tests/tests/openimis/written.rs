//! What the mediator writes is FHIR R4 for the library that openIMIS itself reads with.

use std::process::{Output, Stdio};

use mediator_tests::fixtures;
use mediator_tests::running::workspace;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A line of judgement for each resource, and whether all are good.
async fn validate(resources: &[Value]) -> (Vec<String>, bool) {
    let mut script = Command::new("python3");
    script.arg(workspace().join("tests/openimis/validate_fhir.py"));
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python runs");
    let lines: String = resources.iter().map(|resource| format!("{resource}\n")).collect();
    let mut stdin = child.stdin.take().expect("its input");
    let write = tokio::spawn(async move { stdin.write_all(lines.as_bytes()).await.expect("it reads") });
    let Output { status, stdout, .. } = child.wait_with_output().await.expect("it ends");
    write.await.expect("all is written");
    (String::from_utf8(stdout).expect("text").lines().map(str::to_owned).collect(), status.success())
}

#[tokio::test]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn every_communication_is_valid_fhir() {
    let mut names = Vec::new();
    let mut bodies = Vec::new();
    for case in fixtures::cases("feedback") {
        if let Some(text) = case.text("expected.json") {
            let expected: Value = serde_json::from_str(text).expect("JSON");
            bodies.push(expected["body"].clone());
            names.push(case.name);
        }
    }
    let (judged, all_good) = validate(&bodies).await;
    let bad: Vec<_> = names.iter().zip(&judged).filter(|(_, judgement)| *judgement != "ok").collect();
    assert!(bad.is_empty() && all_good, "{bad:#?}");
    assert!(!bodies.is_empty() && judged.len() == bodies.len(), "{} of {}", judged.len(), bodies.len());
    println!("{} mapped Communications are valid", judged.len());

    // The validator is not one that takes everything.
    let broken = |break_it: fn(&mut Value)| {
        let mut body = bodies[0].clone();
        break_it(&mut body);
        body
    };
    let broken = [
        broken(|body| drop(body.as_object_mut().expect("an object").remove("status"))),
        broken(|body| body["status"] = json!("done")),
        broken(|body| body["payload"][4]["contentString"] = json!(4)),
        broken(|body| body["about"] = body["about"][0].take()),
        broken(|body| body["subject"]["uuid"] = json!("not an element of FHIR")),
        broken(|body| body["resourceType"] = json!("Feedback")),
    ];
    let (judged, all_good) = validate(&broken).await;
    assert!(!all_good && judged.len() == broken.len(), "{judged:#?}");
    assert!(judged.iter().all(|judgement| judgement.starts_with("error: ")), "{judged:#?}");
}
