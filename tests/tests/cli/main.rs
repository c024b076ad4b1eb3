//! The program on the command line: what it prints, where to, and how it ends.

mod changed;
mod config;
mod exported;
mod listed;
mod map;
mod serve;
mod shown;
mod store;
mod subscription;

use std::collections::BTreeMap;
use std::process::{Output, Stdio};

use mediator_tests::fixtures;
use mediator_tests::running::{
    Mediator, components_dir, config, environment, program, sample_claim, sample_feedback, sandbox, states,
};
use sandbox::Sandbox;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";

/// Who is at the keyboard in these tests: by name, and by the user id that a name cannot hide.
fn actor() -> String {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self").expect("a process");
    format!("command line: sita (uid {})", own.uid())
}

type Env = BTreeMap<String, String>;

/// How a run ended.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    fn lines(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ended with {:?}\n-- stdout\n{}\n-- stderr\n{}", self.code, self.out, self.err)
    }
}

/// Runs the program in a folder, with nothing in its environment but `env`.
async fn run(args: &[&str], stdin: &str, env: &Env, dir: &TempDir) -> Ran {
    let mut command = Command::new(program());
    command.args(args).env_clear().envs(env).current_dir(dir).kill_on_drop(true);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("its standard input");
    let (_, output) = tokio::join!(
        async move {
            drop(input.write_all(stdin.as_bytes()).await); // it need not read it
        },
        child.wait_with_output()
    );
    let Output { status, stdout, stderr } = output.expect("its end");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// What `map` needs: the components only.
fn components() -> Env {
    Env::from([("OPENIMIS_MEDIATOR__COMPONENTS__DIR".to_owned(), components_dir().display().to_string())])
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn fixture(path: &str) -> String {
    fixtures::text(path)
}

fn expected(case: &str) -> Value {
    let shown: Value = serde_json::from_str(&fixture(&format!("{case}/expected.json"))).expect("JSON");
    shown["body"].clone()
}

/// The environment of an admin who has signed in.
fn at_the_keyboard(mut env: Env) -> Env {
    env.insert("USER".to_owned(), "sita".to_owned());
    env
}

/// What `messages audit` tells, oldest first: who, what, with which message, the detail.
async fn audit(env: &Env, dir: &TempDir) -> Vec<(String, String, Option<i64>, String)> {
    let ran = run(&["messages", "audit", "--json"], "", env, dir).await;
    assert_eq!(ran.code, Some(0), "{ran}");
    let word = |line: &Value, key: &str| line[key].as_str().expect("a text").to_owned();
    let told =
        |line: &Value| (word(line, "actor"), word(line, "action"), line["message_id"].as_i64(), word(line, "detail"));
    ran.lines().iter().rev().map(told).collect()
}

/// A line of the audit trail as [`audit`] gives it, by [`actor`].
fn done(action: &str, message: Option<i64>, detail: &str) -> (String, String, Option<i64>, String) {
    (actor(), action.to_owned(), message, detail.to_owned())
}

/// A store with a delivered claim, its delivered feedback, and a dead letter, left by a mediator that has stopped.
async fn some_messages() -> (Sandbox, TempDir, Env) {
    let (sandbox, dir) = (sandbox().await, folder());
    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.post(FEEDBACK, sample_feedback()).await;
    mediator.post(FEEDBACK, sample_feedback().replace("ba81", "ba82").replace("report-1", "report-2")).await;
    assert_eq!(states(&mediator.settled().await), ["delivered", "delivered", "dead"]);
    mediator.stop().await;
    let env = at_the_keyboard(environment(&sandbox, &dir, &[]));
    (sandbox, dir, env)
}

#[tokio::test]
async fn the_help_names_every_command() {
    let ran = run(&["--help"], "", &Env::new(), &folder()).await;
    for command in ["serve", "map", "subscription", "config", "messages", "--config"] {
        assert!(ran.code == Some(0) && ran.out.contains(command), "{command}: {ran}");
    }
    let version = run(&["--version"], "", &Env::new(), &folder()).await;
    assert!(version.out.starts_with("openimis-mediator 0."), "{version}");
}
