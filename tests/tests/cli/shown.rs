//! What others wrote is shown as text: it neither steers the terminal nor looks like a line of the program.

use mediator_tests::running::{Mediator, Process, config, environment, post, sandbox, settled, store_path};
use openimis_mediator::config::StoreSettings;
use openimis_mediator::shown;
use serde_json::{Value, json};
use store::SqlStore;

use crate::{CLAIM, at_the_keyboard, folder, run};

/// A code that paints, renames the window, rings, turns the direction, and begins lines of its own.
const CODE: &str = "C\u{1b}[31mX\u{1b}]0;pwn\u{7}\u{9b}1m\u{202e}Y\r\n2026-01-01T00:00:00Z  INFO fake\u{2028}Z\u{7f}";
/// The same as it is read: codes are read without what cannot be seen.
const CODE_READ: &str = "C\u{1b}[31mX\u{1b}]0;pwn\u{7}1mY\r\n2026-01-01T00:00:00Z  INFO fakeZ\u{7f}";

/// A notification of a claim with this code.
fn claim(code: &str) -> String {
    json!({
        "resourceType": "ClaimResponse",
        "identifier": [
            {"type": {"coding": [{"code": "UUID"}]}, "value": "d3256498-ad16-4482-a2d2-4a6d9c78b001"},
            {"type": {"coding": [{"code": "Code"}]}, "value": code},
        ],
        "patient": {"reference": "Patient/00000000-0000-4000-8000-000000000006"},
        "created": "2026-11-25",
    })
    .to_string()
}

fn is_plain(text: &str) -> bool {
    let hidden = |character: char| {
        (character.is_control() && character != '\n')
            || ('\u{2028}'..='\u{202e}').contains(&character)
            || ('\u{2066}'..='\u{2069}').contains(&character)
    };
    !text.contains(hidden)
}

#[test]
fn what_is_hidden_is_shown_by_its_number_and_the_rest_as_it_is() {
    let name = "स्वास्थ्य चौकी क्‍ष Ø 'x' \\u{1b}"; // joiners belong to Devanagari
    for same in [shown::line(name), shown::text(name), shown::json(name)] {
        assert_eq!(same, name);
    }
    for (hidden, line, json) in [
        ("\u{1b}[31m", "\\u{1b}[31m", "\\u001b[31m"),
        ("\0\u{7}\u{7f}\u{85}\u{9b}", "\\u{0}\\u{7}\\u{7f}\\u{85}\\u{9b}", "\\u0000\\u0007\\u007f\\u0085\\u009b"),
        ("\u{61c}\u{200e}\u{200f}\u{202a}", "\\u{61c}\\u{200e}\\u{200f}\\u{202a}", "\\u061c\\u200e\\u200f\\u202a"),
        ("\u{202e}\u{2066}\u{2069}\u{2029}", "\\u{202e}\\u{2066}\\u{2069}\\u{2029}", "\\u202e\\u2066\\u2069\\u2029"),
    ] {
        assert_eq!((&*shown::line(hidden), &*shown::text(hidden), &*shown::json(hidden)), (line, line, json));
    }
    assert_eq!((&*shown::line("a\r\n\tb"), &*shown::text("a\r\n\tb")), ("a\\u{d}\\u{a}\\u{9}b", "a\\u{d}\n\tb"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claims_code_and_a_reason_neither_paint_nor_begin_a_line() {
    let (sandbox, dir) = (sandbox().await, folder());
    // A form that CHT does not know: a dead letter, which can be discarded.
    let mediator = Mediator::start(config(&sandbox, &dir, &[("mapping.claim_response.form", "XX")])).await;
    let body = claim(CODE);
    mediator.post(CLAIM, body.clone()).await;
    mediator.settled().await;
    mediator.stop().await;
    let env = at_the_keyboard(environment(&sandbox, &dir, &[]));
    let reason = "x\u{1b}[31m\n2026-01-01 00:00:00  sita  retry 5";
    let ran = run(&["messages", "discard", "1", "--reason", reason], "", &env, &dir).await;
    assert_eq!(ran.code, Some(0), "{ran}");

    let list = run(&["messages", "list"], "", &env, &dir).await;
    assert!(is_plain(&list.out) && list.out.contains("C\\u{1b}[31mX\\u{1b}]0;pwn\\u{7}"), "{list}");
    assert!(list.out.contains("1mY\\u{d}\\u{a}2026-01-01T00:00:00Z  INFO fake"), "{list}");
    assert_eq!(list.out.lines().count(), 4, "heading, message, an empty line, how many: {list}");
    let audit = run(&["messages", "audit"], "", &env, &dir).await;
    assert!(is_plain(&audit.out) && audit.out.lines().count() == 1, "{audit}");
    assert!(audit.out.contains("discard 1: x\\u{1b}[31m\\u{a}2026"), "{audit}");
    for args in [&["messages", "show", "1"][..], &["messages", "show", "1", "--body"]] {
        let show = run(args, "", &env, &dir).await;
        assert!(show.code == Some(0) && is_plain(&show.out), "{show}");
        assert!(!show.out.lines().any(|line| line.trim_start().starts_with("2026-01-01")), "{show}");
    }
    // Exact where it is JSON, and plain all the same.
    let whole = run(&["messages", "show", "1", "--body", "--json"], "", &env, &dir).await;
    let received: Value = serde_json::from_str(&body).expect("JSON");
    assert!(is_plain(&whole.out) && whole.json()["received"] == received, "{whole}");
    assert_eq!(whole.json()["claim_code"], CODE_READ, "{whole}");
    let export = run(&["messages", "export", "--documents"], "", &env, &dir).await;
    assert!(is_plain(&export.out) && export.lines()[0]["received"] == received, "{export}");
    let audit = run(&["messages", "audit", "--json"], "", &env, &dir).await;
    assert!(is_plain(&audit.out), "{audit}");
    assert!(audit.lines().iter().any(|line| line["detail"] == reason), "{audit}");
    let failed = run(&["messages", "list", "--config", "\u{1b}[31m\nopenimis-mediator: fine"], "", &env, &dir).await;
    assert!(failed.code == Some(1) && is_plain(&failed.err) && failed.err.contains("\\u{1b}[31m"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_document_is_plain_and_says_the_same() {
    let (file, dir) = (claim("A\u{202e}B\u{1b}[1m"), folder());
    let ran = run(&["map", "claim-response", "-"], &file, &crate::components(), &dir).await;
    assert!(ran.code == Some(0) && is_plain(&ran.out), "{ran}");
    assert_eq!(ran.json()["op_claim_id"], "AB\u{1b}[1m", "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_the_log_is_one_line_whatever_is_in_it() {
    let (sandbox, dir) = (sandbox().await, folder());
    let hash = auth::credential::hash_password(&"a password".into()).expect("a hash");
    let name = "\\u001B[31mX\\n2026-01-01T00:00:00Z  INFO fake\\u202E";
    let clients = format!(r#"[{{name = "{name}", username = "c", password_hash = "{hash}", scopes = ["feedback"]}}]"#);
    for format in ["human", "json"] {
        let env = environment(&sandbox, &dir, &[("clients", &clients), ("log.format", format)]);
        let process = Process::serve(&env, &dir).await;
        let client = reqwest::Client::new();
        let asked = client.post(format!("{}{CLAIM}", process.url)).basic_auth("c", Some("a password"));
        let refused = asked.header("content-type", "application/json").body(claim("A")).send().await;
        assert_eq!(refused.expect("an answer").status(), 403);
        post(&client, &format!("{}{CLAIM}", process.url), claim(CODE)).await;
        let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("the store");
        settled(&store).await;
        let (_, log) = process.terminate().await;
        let line = log.lines().find(|line| line.contains("has not this scope")).expect("a line");
        assert!(is_plain(&log) && line.contains("INFO fake"), "{log}");
        assert!(!log.lines().any(|line| line.starts_with("2026-01-01")), "{log}");
    }
}
