//! Logs carry numbers and outcomes. Whatever happens, no patient and no password is in them, nor in the trail that an admin reads.

use std::time::Duration;

use mediator_tests::raw_peer::{Scripted, http};
use mediator_tests::running::{
    INBOUND_PASSWORD, Process, environment, eventually, messages, notification, post, reason, sample_claim,
    sample_feedback, sandbox, settled, store_path, story,
};
use openimis_mediator::config::StoreSettings;
use sandbox::{CHT_PASSWORD, Fault, OPENIMIS_PASSWORD, Sandbox};
use serde_json::json;
use store::{SqlStore, View};
use tempfile::TempDir;

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";

/// The sample insuree, the passwords, and how credentials look on the wire.
const NEVER: [&str; 12] = [
    "Kalpana",
    "Udaharan",
    "9800000000",
    "119000001",
    "1985-04-14",
    INBOUND_PASSWORD,
    OPENIMIS_PASSWORD,
    CHT_PASSWORD,
    "Basic ",
    "Bearer ",
    "sandbox.", // tokens of the openIMIS stand-in begin so
    "aW50ZXJv", // the inbound user in Base64
];

fn assert_clean(what: &str, text: &str) {
    let lower = text.to_lowercase();
    let found: Vec<_> = NEVER.iter().filter(|never| lower.contains(&never.to_lowercase())).collect();
    assert!(found.is_empty(), "{what} holds {found:?}:\n{text}");
}

/// A claim with the patient's data in places where nobody expects them.
fn talkative_claim() -> String {
    let patient = json!({"display": "Kalpana Udaharan +9779800000000", "reference": "Patient/Kalpana-119000001"});
    json!({"resourceType": "ClaimResponse", "id": "119000001", "created": "Udaharan", "patient": patient, "identifier": "Kalpana"}).to_string()
}

/// The program with everything said that it says, and what is asked of it.
struct Talk {
    sandbox: Sandbox,
    dir: TempDir,
    client: reqwest::Client,
    process: Process,
    store: SqlStore,
}

impl Talk {
    async fn begin(changes: &[(&str, &str)]) -> Self {
        let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
        let loud =
            [("log.level", "debug"), ("cht.match_by", r#"["insurance-number", "phone"]"#), ("cht.timeout", "2s")];
        let changes: Vec<_> = loud.iter().chain(changes).copied().collect();
        let process = Process::serve(&environment(&sandbox, &dir, &changes), &dir).await;
        let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("the store");
        Self { client: reqwest::Client::new(), sandbox, dir, process, store }
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) {
        post(&self.client, &format!("{}{path}", self.process.url), body).await;
    }

    /// Ends it; returns what it logged and what it stored about each message.
    async fn end(self) -> (String, Vec<View>) {
        let messages = messages(&self.store).await;
        let (status, log) = self.process.terminate().await;
        assert!(status.success(), "{log}");
        drop(self.dir);
        (log, messages)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_with_all_that_can_go_wrong_leaves_no_patient_and_no_password_in_the_log() {
    for format in ["human", "json"] {
        let talk = Talk::begin(&[
            ("log.format", format),
            ("poll.enabled", "true"),
            ("poll.interval", "100ms"),
            ("poll.selected_interval", "100ms"),
            ("subscription.callback", "http://127.0.0.1:9/mediator/claim-response"),
            ("subscription.check_interval", "100ms"),
        ])
        .await;
        // A delivery, and one after each kind of failure.
        talk.post(CLAIM, sample_claim()).await;
        settled(&talk.store).await;
        for (number, fault) in
            [Fault::Reset, Fault::Status(500), Fault::Html, Fault::Hang(Duration::from_secs(3))].into_iter().enumerate()
        {
            let claim = notification(&talk.sandbox, talk.sandbox.openimis.enter_claim(&format!("FAULT{number}"))).await;
            talk.sandbox.cht.fail_next(1, fault);
            talk.sandbox.openimis.fail_next(1, fault);
            talk.post(CLAIM, claim).await;
            settled(&talk.store).await;
            // Perhaps a poll met openIMIS' fault, perhaps nobody yet: the next question is not ours.
            let asked = talk.sandbox.openimis.requests().len();
            eventually("openIMIS is asked twice more", || async {
                (talk.sandbox.openimis.requests().len() > asked + 1).then_some(())
            })
            .await;
        }
        talk.post(FEEDBACK, sample_feedback()).await;
        // What cannot be mapped, is not JSON, or is not known.
        talk.post(CLAIM, talkative_claim()).await;
        talk.post(CLAIM, "{\"name\": \"Kalpana\"").await;
        talk.post(FEEDBACK, json!({"care_rendered": "Kalpana Udaharan", "claimuuid": "119000001"}).to_string()).await;
        talk.post(FEEDBACK, sample_feedback().replace("ba81", "ba82").replace("report-1", "119000001 Kalpana")).await;
        // Somebody with a wrong password, in the wrong place.
        let wrong = talk
            .client
            .post(format!("{}{CLAIM}?name=Kalpana", talk.process.url))
            .basic_auth("Udaharan", Some("9800000000"));
        wrong.body("Kalpana").send().await.expect("an answer");
        talk.client.get(format!("{}/Kalpana", talk.process.url)).send().await.expect("an answer");
        settled(&talk.store).await;
        eventually("the subscription is there", || async {
            (!talk.sandbox.openimis.subscriptions().is_empty()).then_some(())
        })
        .await;

        let (log, messages) = talk.end().await;
        for told in ["delivered", "dead letter", "not delivered", "subscription created", "stopped"] {
            assert!(log.contains(told), "the {format} log says {told:?}:\n{log}");
        }
        if format == "json" {
            let wrong: Vec<&str> =
                log.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_err()).collect();
            assert!(wrong.is_empty(), "every line is JSON: {wrong:#?}");
        }
        assert_clean(&format!("the {format} log"), &log);
        assert_clean("the trail", &story(&messages));
        for message in &messages {
            assert_clean("an issue", &format!("{:?}", message.issues));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_and_a_peer_that_quotes_us_leave_nothing_in_the_log() {
    let talk = Talk::begin(&[("mapping.patient.default_place", "Kalpanas place")]).await;
    talk.post(CLAIM, sample_claim()).await; // CHT: no such place
    settled(&talk.store).await;
    let (log, messages) = talk.end().await;
    assert!(story(&messages).contains("Failed to find place"), "{}", story(&messages));
    assert_clean("the log", &log);

    let talk = Talk::begin(&[("openimis.password", "Udaharan-1"), ("retry.pause", "1h")]).await;
    talk.post(CLAIM, sample_claim()).await;
    eventually("openIMIS refused it", || async {
        story(&messages_of(&talk).await).contains("openimis.username and password").then_some(())
    })
    .await;
    let (log, messages) = talk.end().await;
    assert_clean("the log", &log);
    assert_clean("the trail", &story(&messages));
}

async fn messages_of(talk: &Talk) -> Vec<View> {
    messages(&talk.store).await
}

/// Whatever stands at a peer's address may quote what we sent, in places where no peer writes: none of it is repeated.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_at_a_peers_address_says_is_not_repeated() {
    let quoted = "Kalpana Udaharan +9779800000000 119000001";
    let answers = [
        format!("HTTP/1.1 500 {quoted}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{quoted}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {quoted}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{quoted}\r\n"),
        format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{quoted}"),
        format!("{quoted}\r\n\r\n"),
        http(
            "200 OK",
            "content-type: application/json",
            &json!({"ok": quoted, "token": quoted, "exp": quoted}).to_string(),
        ),
        http("404 Not Found", "content-type: text/html", quoted),
        http("302 Found", &format!("location: http://127.0.0.1:9/?name={quoted}"), quoted),
    ];
    for peer in ["cht.url", "openimis.url"] {
        let stranger = Scripted::answering(&answers).await;
        let talk = Talk::begin(&[
            (peer, &stranger.url),
            ("retry.longest", "50ms"),
            ("retry.probe_longest", "50ms"),
            ("poll.enabled", "true"),
            ("poll.interval", "100ms"),
        ])
        .await;
        talk.post(CLAIM, sample_claim()).await;
        eventually("the stranger has said everything", || async {
            (stranger.seen().len() > answers.len()).then_some(())
        })
        .await;
        let (log, messages) = talk.end().await;
        assert_clean(&format!("the log, with a stranger at {peer}"), &log);
        assert_clean(&format!("the trail, with a stranger at {peer}"), &story(&messages));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_left_alone_is_named_once_with_the_reason_and_so_is_its_return() {
    let talk = Talk::begin(&[
        ("log.format", "json"),
        ("log.level", "info"),
        ("retry.trip_after", "2"),
        ("retry.probe_longest", "200ms"),
        ("cht.match_by", "[]"),
    ])
    .await;
    talk.sandbox.cht.fail_next(usize::MAX, Fault::Reset);
    talk.post(CLAIM, sample_claim()).await;
    // As soon as CHT is left alone, what comes in is not tried any more, and says why it waits.
    let waits = eventually("a message waits untried", || async {
        let code = format!("WAITS{}", fastrand::u32(..));
        let claim = notification(&talk.sandbox, talk.sandbox.openimis.enter_claim(&code)).await;
        talk.post(CLAIM, claim).await;
        let all = messages(&talk.store).await;
        let pending = all.iter().filter(|message| message.summary.state == "pending");
        let reasons: Vec<String> = pending.map(|message| reason(message).to_owned()).collect();
        assert!(reasons.iter().all(|reason| !reason.is_empty()), "{}", story(&all));
        reasons.into_iter().find(|reason| reason.starts_with("waits for CHT, not reachable since "))
    })
    .await;
    let since = waits.rsplit(' ').next().expect("a moment").parse::<jiff::Timestamp>().expect("a moment");
    assert!(jiff::Timestamp::now().duration_since(since).as_secs() < 60, "{waits}");
    talk.sandbox.cht.fail_next(0, Fault::Reset);
    settled(&talk.store).await;
    let (log, _) = talk.end().await;
    let lines: Vec<serde_json::Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let said = |text: &str| {
        let all = lines.iter().enumerate().filter(|(_, line)| line["fields"]["message"] == text);
        all.map(|(at, _)| at).collect::<Vec<_>>()
    };
    let (away, back) = (said("CHT is left alone for a while; messages wait"), said("CHT is back"));
    assert!(away.len() == 1 && back.len() == 1 && away < back, "{log}");
    let why = lines[away[0]]["fields"]["why"].as_str().expect("why");
    assert!(why.contains("requests in a row failed") && lines[away[0]]["fields"]["peer"] == "CHT", "{log}");
    let delivered = said("delivered");
    assert!(delivered.iter().all(|at| *at > back[0]), "it is back before anything is delivered: {log}");
}
