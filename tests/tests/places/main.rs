//! `places`: a table is brought in, looked at, checked, and used by a mediator that runs.

use std::process::Stdio;

use mediator_tests::running::{Mediator, config, environment, notification, program, sample_claim, sandbox, story};
use sandbox::Sandbox;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

struct Desk {
    sandbox: Sandbox,
    dir: TempDir,
    changes: Vec<(&'static str, &'static str)>,
}

impl Desk {
    async fn new(changes: &[(&'static str, &'static str)]) -> Self {
        Self { sandbox: sandbox().await, dir: tempfile::tempdir().expect("a folder"), changes: changes.to_vec() }
    }

    async fn run(&self, arguments: &[&str], table: Option<&[u8]>) -> (Option<i32>, String, String) {
        let mut command = Command::new(program());
        command.arg("places").args(arguments).env_clear().envs(environment(&self.sandbox, &self.dir, &self.changes));
        command.current_dir(&self.dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let mut input = child.stdin.take().expect("an input");
        input.write_all(table.unwrap_or_default()).await.expect("a table");
        drop(input);
        let done = child.wait_with_output().await.expect("an end");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (done.status.code(), text(done.stdout), text(done.stderr))
    }

    async fn import(&self, table: &str, options: &[&str]) -> (Option<i32>, String, String) {
        self.run(&[&["import", "-"], options].concat(), Some(table.as_bytes())).await
    }

    async fn list(&self) -> Vec<String> {
        let (code, list, error) = self.run(&["list", "--json"], None).await;
        assert_eq!(code, Some(0), "{error}");
        list.lines().map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_imported_changed_and_replaced() {
    let desk = Desk::new(&[]).await;
    let file = desk.dir.path().join("places.csv");
    std::fs::write(&file, "location_code,name,place_id\nR1,\"Ultha, west\",sandbox-town\nR1D1,Rapta,sandbox-village\n")
        .expect("a file");
    let (code, said, error) = desk.run(&["import", "places.csv", "--dry-run"], None).await;
    assert!(code == Some(0) && said.contains("2 would be new"), "{said}{error}");
    assert!(desk.list().await.is_empty(), "a dry run writes nothing");
    let (code, said, _) = desk.run(&["import", "places.csv"], None).await;
    assert!(code == Some(0) && said.contains("2 new, 0 changed, 0 unchanged"), "{said}");
    // As Excel writes it where the comma is in numbers: with semicolons and a mark in front.
    let (_, said, _) =
        desk.import("\u{feff}place_id;location_code\r\nsandbox-town;R1D1\r\nsandbox-town;R2\r\n", &[]).await;
    assert!(said.contains("1 new, 1 changed, 0 unchanged"), "{said}");
    assert_eq!(desk.list().await.len(), 3);
    let (_, said, _) = desk.import("location_code\tplace_id\nR1\tsandbox-town\n", &["--replace"]).await;
    assert!(said.contains("0 new, 0 changed, 1 unchanged, 2 removed"), "{said}");
    let list = desk.list().await;
    assert!(list.len() == 1 && list[0].contains(r#""from":"import""#), "{list:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_mistakes_of_a_table_are_told_at_once_with_their_lines_and_nothing_is_imported() {
    let desk = Desk::new(&[]).await;
    let table = "location_code,place_id\nR1,sandbox-town\n,sandbox-town\nR2,\nR1,sandbox-village\n\nR3\nR 4,sandbox-town\n\
                 R5,sandbox-town,more\n\"R6\nR6\",sandbox-town\nR7,sandbox-town\n";
    let (code, _, error) = desk.import(table, &[]).await;
    assert_eq!(code, Some(1));
    let lines: Vec<&str> = error.lines().skip(1).collect();
    let expected = [
        "line 3: location_code is empty",
        "line 4: place_id is empty",
        "line 5: R1 is there already, in line 2",
        "line 7: 1 values, but 2 columns",
        "line 8: location_code holds blanks or is too long",
        "line 9: 3 values, but 2 columns",
        "line 10: location_code holds blanks or is too long",
    ];
    assert_eq!(lines, expected.map(|line| format!("  - {line}")), "{error}");
    assert!(desk.list().await.is_empty());
    for (table, told) in [
        ("", "line 1: expected a line with the columns location_code and place_id"),
        ("code,place\nR1,p\n", "line 1: expected a line with the columns"),
        ("location_code,place_id\n", "there is no row"),
    ] {
        let (code, _, error) = desk.import(table, &[]).await;
        assert!(code == Some(1) && error.contains(told), "{table:?}: {error}");
    }
    let (code, _, error) = desk.run(&["import", "-"], Some(b"location_code,place_id\nR1,p\nR\xe9,p\n")).await;
    assert!(code == Some(1) && error.contains("line 3: not UTF-8"), "{error}");
    assert_eq!(desk.run(&["import", "no-such-file.csv"], None).await.0, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_checked_at_both_peers() {
    let desk = Desk::new(&[]).await;
    let (code, _, error) = desk.import("location_code,place_id\nR1,sandbox-town\nR1D1,nowhere\n", &["--check"]).await;
    assert!(code == Some(1) && error.contains("R1D1: nowhere: CHT has no such contact"), "{error}");
    assert!(desk.list().await.is_empty());
    let (code, _, error) =
        desk.import("location_code,place_id\nR1,sandbox-town\nR9,sandbox-town\n", &["--check"]).await;
    assert_eq!(code, Some(0), "{error}");
    let (code, said, _) = desk.run(&["check"], None).await;
    assert!(code == Some(1) && said.contains("R9: openIMIS has no such location"), "{said}");
    assert!(said.contains("1 mistake(s)"), "{said}");
    desk.import("location_code,place_id\nR1,sandbox-town\n", &["--replace"]).await;
    let (code, said, error) = desk.run(&["check"], None).await;
    assert!(code == Some(0) && said.contains("0 mistake(s)"), "{said}{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mediator_that_runs_uses_what_is_imported_and_the_settings_win() {
    let desk = Desk::new(&[("mapping.patient.default_place", "")]).await;
    let mediator = Mediator::start(config(&desk.sandbox, &desk.dir, &desk.changes)).await;
    assert_eq!(mediator.post("/mediator/claim-response", sample_claim()).await.status(), 202);
    assert_eq!(mediator.settled().await[0].summary.state, "dead", "there is no place for anybody");
    let (code, _, error) = desk.import("location_code,place_id\nR1,sandbox-town\nR1D1M1,sandbox-village\n", &[]).await;
    assert_eq!(code, Some(0), "{error}");
    let store = &mediator.host.flow.store;
    let id = mediator.messages().await[0].summary.id;
    store.retry(id, "test", jiff::Timestamp::now()).await.expect("a store");
    mediator.host.wake.notify_one();
    let messages = mediator.settled().await;
    assert_eq!(messages[0].summary.state, "delivered", "{}", story(&messages));
    assert_eq!(desk.sandbox.cht.people()[0]["parent"]["_id"], "sandbox-village", "the nearest one");
    mediator.stop().await;

    let own = r#"[{location_code = "R1D1M1", place_id = "sandbox-town"}]"#;
    let desk = Desk::new(&[("mapping.patient.places", own)]).await;
    let (_, _, error) = desk.import("location_code,place_id\nR1D1M1,sandbox-village\n", &[]).await;
    assert!(error.contains("the settings wins for R1D1M1"), "{error}");
    let mediator = Mediator::start(config(&desk.sandbox, &desk.dir, &desk.changes)).await;
    mediator.post("/mediator/claim-response", sample_claim()).await;
    assert_eq!(mediator.settled().await[0].summary.state, "delivered");
    assert_eq!(desk.sandbox.cht.people()[0]["parent"]["_id"], "sandbox-town");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_location_fits_the_claim_s_health_facility_is_looked_for() {
    let desk = Desk::new(&[]).await;
    let (code, _, error) = desk.import("location_code,place_id\nR9,sandbox-village\nHF001,sandbox-town\n", &[]).await;
    assert_eq!(code, Some(0), "{error}");
    let mediator = Mediator::start(config(&desk.sandbox, &desk.dir, &desk.changes)).await;
    let claim = desk.sandbox.openimis.enter_claim("FACILITY");
    mediator.post("/mediator/claim-response", notification(&desk.sandbox, claim).await).await;
    let messages = mediator.settled().await;
    assert_eq!(messages[0].summary.state, "delivered", "{}", story(&messages));
    assert_eq!(desk.sandbox.cht.people()[0]["parent"]["_id"], "sandbox-town");
}
