//! `messages export`.

use std::os::unix::fs::PermissionsExt;

use flow::Kind;
use flow::message::{NewMessage, Origin};
use flow::ports::Store;
use futures_util::future::join_all;
use jiff::Timestamp;
use mediator_tests::running::{sample_claim, store_path};
use openimis_mediator::config::StoreSettings;
use serde_json::{Value, json};
use store::SqlStore;

use crate::{Env, audit, done, folder, run, some_messages};

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_exported_with_their_trails_and_with_documents_only_when_asked_for() {
    let (_sandbox, dir, env) = some_messages().await;
    let export = async |args: &[&str]| run(&[&["messages", "export"], args].concat(), "", &env, &dir).await;
    for (args, ids) in [
        (&[][..], vec![3, 2, 1]),
        (&["--state", "dead"], vec![3]),
        (&["--kind", "feedback", "--claim", "CHT979"], vec![2]),
        (&["--claim", "NOBODY"], vec![]),
    ] {
        let ran = export(args).await;
        let found: Vec<i64> = ran.lines().iter().map(|line| line["id"].as_i64().expect("a number")).collect();
        assert_eq!((ran.code, found), (Some(0), ids), "{args:?} {ran}");
        assert!(ran.lines().iter().all(|line| line["trail"][0]["event"] == "received"), "{ran}");
        assert!(!ran.out.contains("care_rendered") && !ran.out.contains("\"sent\":"), "{ran}");
    }
    assert_eq!(audit(&env, &dir).await, [], "no document was read");

    let file = dir.path().join("export.ndjson");
    let ran = export(&["--documents", "--claim", "CHT979", "--output", "export.ndjson"]).await;
    assert!(ran.code == Some(0) && ran.out == "2 messages in export.ndjson\n" && ran.err.is_empty(), "{ran}");
    let mode = std::fs::metadata(&file).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "personal data is for its owner only");
    let written = std::fs::read_to_string(&file).expect("the file");
    let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let sample: Value = serde_json::from_str(&sample_claim()).expect("JSON");
    assert_eq!((&lines[1]["received"], &lines[1]["sent"]["op_claim_id"]), (&sample, &json!("CHT979")));
    let noted = [done("export with documents", None, "claim CHT979")];
    assert_eq!(audit(&env, &dir).await, noted);

    let again = export(&["--documents", "--output", "export.ndjson"]).await;
    assert!(again.code == Some(1) && again.err.contains("export.ndjson") && again.out.is_empty(), "{again}");
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), written, "nothing is overwritten");
    assert_eq!(audit(&env, &dir).await, noted, "and nothing was read");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_messages_than_are_read_at_a_time_are_exported_once_each() {
    let dir = folder();
    let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("a store");
    let new = |number: usize| NewMessage {
        kind: Kind::ClaimResponse,
        origin: Origin::Push,
        dedupe_key: format!("claim/{number}"),
        lane: number.to_string(),
        claim_uuid: None,
        claim_code: None,
        insuree_uuid: None,
        body: b"not json".to_vec(),
        issues: Vec::new(),
        sender: None,
        agreement: Default::default(),
    };
    let accepted = join_all((0..1100).map(|number| store.accept(new(number), Timestamp::now()))).await;
    assert!(accepted.iter().all(Result::is_ok));
    let ran = run(&["messages", "export", "--documents"], "", &Env::new(), &dir).await;
    let lines = ran.lines();
    let ids: Vec<i64> = lines.iter().map(|line| line["id"].as_i64().expect("a number")).collect();
    assert_eq!(ids, (1..=1100).rev().collect::<Vec<_>>(), "{}", ran.err);
    assert!(lines.iter().all(|line| line["received"] == "not json" && line["sent"].is_null()));
}
