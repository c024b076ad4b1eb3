//! The same in a running mediator: seen by itself, on SIGHUP, and when an admin asks; what an admin is told of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use auth::credential::hash_password;
use mediator_tests::running::{
    Mediator, Process, config, environment, eventually, notification, sample_feedback, sandbox, states, story,
};
use reqwest::{Method, Response};
use sandbox::Sandbox;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::written::feedback_component;
use super::{FEEDBACK_FILE, folder, marked, other_feedback, replace};

struct Desk {
    mediator: Mediator,
    url: String,
    sandbox: Sandbox,
    components: TempDir,
    _dir: TempDir,
}

const PASSWORD: &str = "only for admins";

impl Desk {
    async fn open(watch: &str) -> Self {
        Self::open_with(&[("components.watch", watch)]).await
    }

    async fn open_with(changes: &[(&str, &str)]) -> Self {
        let hash = hash_password(&PASSWORD.into()).expect("a hash");
        let clients =
            format!(r#"[{{name = "sita", username = "admin", password_hash = "{hash}", scopes = ["admin"]}}]"#);
        let (sandbox, dir, components) = (sandbox().await, tempfile::tempdir().expect("a folder"), folder());
        let path = components.path().display().to_string();
        let ours = [
            ("clients", clients.as_str()),
            ("admin.listen", "127.0.0.1:0"),
            ("components.dir", &path),
            ("components.check", "true"),
        ];
        let changes = [&ours, changes].concat();
        let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
        let address = eventually("the admin API is served", || async { mediator.host.doors.admin_address.get() }).await;
        let url = format!("http://{address}/admin");
        Self { mediator, url, sandbox, components, _dir: dir }
    }

    async fn send(&self, method: Method, path: &str) -> Response {
        let asked = self.mediator.client.request(method.clone(), format!("{}{path}", self.url));
        let asked = asked.basic_auth("admin", Some(PASSWORD));
        let asked = if method == Method::POST { asked.json(&json!({})) } else { asked };
        asked.send().await.expect("an answer")
    }

    async fn ask(&self, method: Method, path: &str) -> Value {
        let answer = self.send(method, path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.expect("JSON")
    }
}

/// The sha256 by which the admin API names the feedback mapping.
fn feedback_sha256(told: &Value) -> String {
    let of = told["mappings"].as_array().expect("a list").iter().find(|told| told["mapping"] == "feedback");
    of.expect("feedback")["sha256"].as_str().expect("text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_which_mappings_are_in_use_and_has_the_files_looked_at() {
    let desk = Desk::open("0s").await;
    let told = desk.ask(Method::GET, "/mappings").await;
    assert_eq!(told["refused"], json!([]));
    let names: BTreeSet<&str> = told["mappings"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|told| told["mapping"].as_str().expect("text"))
        .collect();
    assert_eq!(names, BTreeSet::from(["claim-response", "feedback", "patient"]));
    assert_eq!(told["mappings"][1]["interface"], "0.1.0");
    let old = feedback_sha256(&told);

    replace(desk.components.path(), FEEDBACK_FILE, &other_feedback());
    let reloaded = desk.ask(Method::POST, "/mappings/reload").await;
    assert_eq!(reloaded["switched"][0]["mapping"], "feedback");
    let new = feedback_sha256(&desk.ask(Method::GET, "/mappings").await);
    assert_ne!(new, old);
    assert_eq!(reloaded["switched"][0]["to"], json!(new));

    replace(desk.components.path(), FEEDBACK_FILE, b"Not found");
    let reloaded = desk.ask(Method::POST, "/mappings/reload").await;
    assert_eq!(reloaded["switched"], json!([]));
    let told = desk.ask(Method::GET, "/mappings").await;
    assert_eq!(feedback_sha256(&told), new);
    let reason = told["refused"][0]["reason"].as_str().expect("text");
    assert!(reason.contains("map_feedback.wasm is not a mapping component"), "{reason}");

    let audit = desk.ask(Method::GET, "/audit").await;
    assert_eq!(audit["lines"][0]["action"], "reload mappings");
    assert_eq!(audit["lines"][0]["detail"], "0 switched, 1 refused");
}

/// Claims come in while all three files are replaced, again and again: each is answered and delivered.
#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_refused_or_lost_while_files_are_replaced() {
    let desk = Desk::open("40ms").await;
    let begun = desk.mediator.host.flow.mapper.mappings();
    let taken = AtomicUsize::new(0);
    for mark in [b'a', b'b'] {
        for name in ["map_claim_response.wasm", FEEDBACK_FILE, "map_patient.wasm"] {
            replace(desk.components.path(), name, &marked(name, mark));
        }
        let before = desk.mediator.host.flow.mapper.mappings();
        eventually("all three are exchanged", || async {
            let claim = desk.sandbox.openimis.enter_claim("SWAP");
            let answer = desk.mediator.post("/mediator/claim-response", notification(&desk.sandbox, claim).await).await;
            assert_eq!(answer.status(), 202);
            taken.fetch_add(1, Ordering::Relaxed);
            let now = desk.mediator.host.flow.mapper.mappings();
            now.iter().zip(&before).all(|(now, before)| now.sha256 != before.sha256).then_some(())
        })
        .await;
    }
    let messages = desk.mediator.settled().await;
    let taken = taken.into_inner();
    assert!(taken >= 2 && messages.len() == taken, "{taken} taken, {} kept", messages.len());
    assert!(states(&messages).iter().all(|state| *state == "delivered"), "{}", story(&messages));
    let ended = desk.mediator.host.flow.mapper.mappings();
    assert!(begun.iter().zip(&ended).all(|(begun, ended)| begun.sha256 != ended.sha256 && begun.file == ended.file));
}

/// Piece by piece, slower than the mediator looks: whatever it sees on the way, the old mapping serves until the new one is whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_written_slowly_takes_its_place_once_it_is_whole() {
    let desk = Desk::open("20ms").await;
    let (old, path) =
        (feedback_sha256(&desk.ask(Method::GET, "/mappings").await), desk.components.path().join(FEEDBACK_FILE));
    let new = other_feedback();
    for end in [0, new.len() / 3, new.len() - 1] {
        std::fs::write(&path, &new[..end]).expect("a file");
        eventually("a piece of a file is refused", || async {
            let told = desk.ask(Method::GET, "/mappings").await;
            assert_eq!(feedback_sha256(&told), old);
            let told = told["refused"][0]["sha256"].as_str().map(str::to_owned);
            (told == Some(sha256(&new[..end]))).then_some(())
        })
        .await;
        assert_eq!(desk.mediator.post("/mediator/claims-feedback", sample_feedback()).await.status(), 202);
    }
    std::fs::write(&path, &new).expect("a file");
    eventually("the whole file is in use", || async {
        let told = desk.ask(Method::GET, "/mappings").await;
        (feedback_sha256(&told) == sha256(&new) && told["refused"] == json!([])).then_some(())
    })
    .await;
}

fn sha256(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("file");
    std::fs::write(&file, bytes).expect("a file");
    let summed = std::process::Command::new("sha256sum").arg(file).output().expect("coreutils");
    String::from_utf8_lossy(&summed.stdout)[..64].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_looks_at_the_files_after_sighup_and_tells_what_it_did() {
    let (sandbox, dir, components) = (sandbox().await, tempfile::tempdir().expect("a folder"), folder());
    let path = components.path().display().to_string();
    let env = environment(
        &sandbox,
        &dir,
        &[("components.dir", &path), ("components.watch", "0s"), ("components.check", "true")],
    );
    let process = Process::serve(&env, &dir).await;
    let hangup = || {
        let sent = std::process::Command::new("kill").args(["-HUP", &process.id()]).status().expect("kill");
        assert!(sent.success());
    };
    replace(components.path(), FEEDBACK_FILE, &other_feedback());
    hangup();
    eventually("the exchange is logged", || async { process.log().contains("mapping switched").then_some(()) }).await;
    replace(components.path(), FEEDBACK_FILE, b"Not found");
    hangup();
    let told = "a mapping was refused; what was in use stays";
    eventually("the refusal is logged", || async { process.log().contains(told).then_some(()) }).await;
}

const ENDLESS: &str = "(loop $forever (br $forever)) (unreachable)";

/// The admin's request ends before the trial of the component does.
#[tokio::test(flavor = "multi_thread")]
async fn while_an_endless_component_is_tried_the_admin_is_answered_and_the_audit_trail_is_kept() {
    let limits = [("components.watch", "0s"), ("components.time_limit", "25s"), ("server.answer_timeout", "3s")];
    let desk = Desk::open_with(&limits).await;
    let old = feedback_sha256(&desk.ask(Method::GET, "/mappings").await);
    replace(desk.components.path(), FEEDBACK_FILE, &feedback_component(ENDLESS));
    let begun = Instant::now();
    let answer = desk.send(Method::POST, "/mappings/reload").await;
    assert_ne!(answer.status(), 200, "the trial takes longer than an answer may");
    let told = desk.ask(Method::GET, "/mappings").await;
    assert!(begun.elapsed().as_secs() < 25, "the trial is over: this shows nothing");
    assert_eq!(told["refused"], json!([]), "the last look that ended refused nothing");
    eventually("the reload is in the audit trail", || async {
        let audit = desk.ask(Method::GET, "/audit").await;
        (audit["lines"][0]["detail"] == "0 switched, 1 refused").then_some(())
    })
    .await;
    let told = desk.ask(Method::GET, "/mappings").await;
    let reason = told["refused"][0]["reason"].as_str().expect("text");
    assert!(reason.contains("ran longer than allowed"), "{reason}");
    assert_eq!(feedback_sha256(&told), old);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_ends_on_sigterm_while_a_component_is_tried() {
    let (sandbox, dir, components) = (sandbox().await, tempfile::tempdir().expect("a folder"), folder());
    let path = components.path().display().to_string();
    let changes = [
        ("components.dir", path.as_str()),
        ("components.watch", "20ms"),
        ("components.check", "true"),
        ("components.time_limit", "600s"),
    ];
    let process = Process::serve(&environment(&sandbox, &dir, &changes), &dir).await;
    replace(components.path(), FEEDBACK_FILE, &feedback_component(ENDLESS));
    let told = "the mappings' files are looked at";
    eventually("the component is tried", || async { process.log().contains(told).then_some(()) }).await;
    let (status, log) = process.terminate().await; // long before the trial is over
    assert!(status.success(), "{log}");
    assert!(!log.contains("was refused"), "the trial was over before: this shows nothing\n{log}");
}
