//! `messages list`, `show` and `audit`: what is told of messages.

use mediator_tests::running::sample_claim;
use serde_json::{Value, json};

use crate::{actor, audit, done, run, some_messages};

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_listed_and_shown_with_their_trail() {
    let (_sandbox, dir, env) = some_messages().await;
    let list = async |args: &[&str]| run(&[&["messages", "list"], args].concat(), "", &env, &dir).await;
    let table = list(&[]).await;
    assert_eq!(table.code, Some(0), "{table}");
    let rows: Vec<&str> = table.out.lines().filter(|line| line.contains("d3256498-")).collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert!(rows[0].contains("dead") && rows[2].contains("CHT979"), "newest first: {table}");
    assert!(
        table.out.contains("in all: ") && table.out.contains("2 delivered") && table.out.contains("1 dead"),
        "{table}"
    );

    for (args, ids) in [
        (&["--json"][..], vec![3, 2, 1]),
        (&["--json", "--state", "dead"], vec![3]),
        (&["--json", "--kind", "feedback"], vec![3, 2]),
        (&["--json", "--claim", "CHT979", "--kind", "claim-response"], vec![1]),
        (&["--json", "--claim", "D3256498-AD16-4482-A2D2-4A6D9C78BA82"], vec![3]),
        (&["--json", "--claim", "NOBODY"], vec![]),
        (&["--json", "--limit", "1"], vec![3]),
        (&["--json", "--limit", "1", "--before", "3"], vec![2]),
        (&["--json", "--before", "1"], vec![]),
        (&["--json", "--before", "3", "--kind", "feedback"], vec![2]),
        (&["--json", "--state", "leased"], vec![]),
    ] {
        let ran = list(args).await;
        let found: Vec<i64> = ran.lines().iter().map(|line| line["id"].as_i64().expect("a number")).collect();
        assert_eq!((ran.code, found), (Some(0), ids), "{args:?} {ran}");
    }
    let former = list(&["--json", "--kind", "claim"]).await;
    assert!(former.code == Some(0) && former.err.contains("--kind claim is called --kind eclaim now"), "{former}");
    let wrong = list(&["--state", "lost"]).await;
    assert!(wrong.code == Some(2) && wrong.err.contains("pending, leased, delivered, skipped, dead"), "{wrong}");

    let show = async |args: &[&str]| run(&[&["messages", "show"], args].concat(), "", &env, &dir).await;
    let dead = show(&["3"]).await;
    for told in [
        "dead",
        "Claim does not exist",
        "trail",
        "received",
        "POST /api/api_fhir_r4/Communication/ [500]",
        "dead letter",
    ] {
        assert!(dead.out.contains(told), "{told}: {dead}");
    }
    assert!(!dead.out.contains("care_rendered"), "no document unless asked for: {dead}");
    let whole = show(&["1", "--body"]).await;
    assert!(whole.out.contains(&sample_claim()) && whole.out.contains("\"op_claim_id\":\"CHT979\""), "{whole}");
    assert!(whole.out.contains("other messages of this claim"), "{whole}");
    let json = show(&["3", "--json"]).await.json();
    assert_eq!((&json["state"], &json["trail"][0]["event"]), (&json!("dead"), &json!("received")));
    let none = show(&["4711"]).await;
    assert!(none.code == Some(1) && none.err.contains("there is no message 4711"), "{none}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_a_document_is_noted_and_who_reads_a_trail_is_not() {
    let (_sandbox, dir, env) = some_messages().await;
    let show = async |args: &[&str]| run(&[&["messages", "show"], args].concat(), "", &env, &dir).await;
    for args in [&["1"][..], &["3", "--json"], &["4711", "--body"]] {
        let ran = show(args).await;
        assert!(!ran.out.contains("received\": {") && !ran.out.contains("as received"), "{args:?} {ran}");
    }
    assert_eq!(audit(&env, &dir).await, []);

    assert!(show(&["2", "--body"]).await.out.contains("as received:\n"));
    let whole = show(&["1", "--body", "--json"]).await.json();
    let sample: Value = serde_json::from_str(&sample_claim()).expect("JSON");
    assert_eq!((&whole["received"], &whole["sent"]["op_claim_id"]), (&sample, &json!("CHT979")));
    let read = |id| done("read documents", Some(id), "");
    assert_eq!(audit(&env, &dir).await, [read(2), read(1)]);
    let table = run(&["messages", "audit", "--limit", "1"], "", &env, &dir).await;
    assert_eq!(table.out.lines().count(), 1, "{table}");
    assert!(
        table.code == Some(0) && table.out.trim_end().ends_with(&format!("{}  read documents 1", actor())),
        "{table}"
    );
}
