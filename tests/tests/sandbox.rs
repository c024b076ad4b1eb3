//! `cargo xtask run` as a newcomer meets it: `serve --sandbox` tells what to try, and what it tells works. README and docs/eclaiming.md
//! show the same commands.

use std::process::Stdio;
use std::time::{Duration, Instant};

use mediator_tests::running::{eventually, program, skipped, workspace};
use sandbox as peers;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// Ports that it takes: the mediator's and those after it.
const PORTS: u16 = 8;
/// For its start.
const PATIENCE: Duration = Duration::from_secs(180);

struct Sandbox {
    /// What it printed for people.
    told: String,
    port: u16,
    dir: TempDir,
    client: reqwest::Client,
    _child: Child,
}

impl Sandbox {
    async fn start() -> Self {
        let (dir, port) = (tempfile::tempdir().expect("a folder"), free_ports().await);
        let [out, log] = ["out", "log"].map(|name| dir.path().join(name));
        let file = |path| Stdio::from(std::fs::File::create(path).expect("a file"));
        let mut command = Command::new(program());
        command.args(["serve", "--sandbox", "--port", &port.to_string()]).env_clear().current_dir(&dir);
        let child = command.stdout(file(&out)).stderr(file(&log)).kill_on_drop(true).spawn().expect("it starts");
        // It compiles all components anew, which takes its time where others are at work.
        let begun = Instant::now();
        loop {
            let log = std::fs::read_to_string(&log).expect("a log");
            assert!(!log.contains("openimis-mediator: "), "it gave up:\n{log}");
            if log.contains("listening") {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not listen:\n{log}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let told = std::fs::read_to_string(&out).expect("what it told");
        let client = auth::tls_client::client(None).expect("a client");
        Self { told, port, dir, client, _child: child }
    }

    /// The commands that it told, as they are to be typed.
    fn commands(&self) -> Vec<String> {
        self.told.lines().map(str::trim).filter(|line| line.starts_with("curl ")).map(str::to_owned).collect()
    }

    /// The same as a page would show them.
    fn shown(&self, command: &str) -> String {
        let data = self.dir.path().canonicalize().expect("a folder").join("sandbox-data").display().to_string();
        let mut shown = command.replace(&data, "sandbox-data");
        for offset in 0..PORTS {
            shown = shown.replace(&format!(":{}/", self.port + offset), &format!(":{}/", 8080 + offset));
        }
        plain(&shown)
    }

    /// As it is typed.
    async fn types(&self, command: &str) -> String {
        let ran =
            Command::new("bash").args(["-c", &format!("{command} --silent --show-error --include")]).output().await;
        let ran = ran.expect("bash runs");
        assert!(ran.status.success(), "{command}\n{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    async fn page(&self, offset: u16) -> String {
        let page =
            self.client.get(format!("http://127.0.0.1:{}/", self.port + offset)).send().await.expect("an answer");
        page.text().await.expect("a page")
    }

    async fn press(&self, offset: u16, path: &str) {
        let url = format!("http://127.0.0.1:{}{path}", self.port + offset);
        let answer = self.client.post(url).body("").send().await.expect("an answer");
        assert!(answer.status().is_redirection(), "{path}: {}", answer.status()); // back to the page
    }
}

/// Without the quotes that only strange paths need, and without line breaks.
fn plain(command: &str) -> String {
    command
        .replace("\\\n", " ")
        .replace("@'", "@")
        .replace("json' ", "json ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// So many in a row, free at this moment.
async fn free_ports() -> u16 {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
        let mut all = Vec::new();
        for port in first..first.saturating_add(PORTS) {
            all.push(TcpListener::bind(("127.0.0.1", port)).await);
        }
        if all.iter().all(Result::is_ok) {
            return first;
        }
    }
    panic!("no {PORTS} free ports in a row");
}

/// The commands of a page that stand behind a `$`.
fn commands_of(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(workspace().join(page)).expect("a page");
    let joined = text.replace("\\\n", " ");
    joined
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .filter(|line| line.starts_with("curl "))
        .map(plain)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_tells_what_to_try_and_it_works() {
    if !Command::new("curl").arg("--version").output().await.is_ok_and(|ran| ran.status.success()) {
        return skipped("tests/tests/sandbox.rs (the first commands are typed)", "curl is not here");
    }
    let sandbox = Sandbox::start().await;
    let commands = sandbox.commands();
    let [claim_response, feedback, claim] = commands.as_slice() else { panic!("{}", sandbox.told) };
    let shown: Vec<String> = commands.iter().map(|command| sandbox.shown(command)).collect();
    for page in ["README.md", "docs/eclaiming.md"] {
        let written = commands_of(page);
        assert!(!written.is_empty(), "{page} shows none");
        for command in &written {
            assert!(shown.contains(command), "{page} shows\n{command}\nand the sandbox tells\n{}", shown.join("\n"));
        }
    }
    let answer = sandbox.types(claim_response).await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    eventually("the task is there", || async { sandbox.page(2).await.contains("CHT979").then_some(()) }).await;
    let answer = sandbox.types(feedback).await;
    assert!(answer.contains(r#""status":202"#), "{answer}");

    let answer = sandbox.types(claim).await;
    assert!(answer.starts_with("HTTP/1.1 201") && answer.contains("ClaimResponse"), "{answer}");
    let again = sandbox.types(claim).await;
    assert!(again.starts_with("HTTP/1.1 200") && again.contains("ClaimResponse"), "the same visit: {again}");
    eventually("the claim is paid and the hospital knows", || async {
        sandbox.page(6).await.contains("reimbursed").then_some(())
    })
    .await;
    // The hospital's own buttons.
    sandbox.press(6, "/sandbox/eligibility").await;
    assert!(sandbox.page(6).await.contains("insured"));
    sandbox.press(6, "/sandbox/claim").await;
    eventually("an officer can reject it", || async {
        sandbox.page(1).await.contains(r#"value="reject""#).then_some(())
    })
    .await;
    let page = sandbox.page(1).await;
    let (_, rest) = page.split_once(r#"name="uuid" value=""#).expect("a claim to decide on");
    let uuid = rest.split('"').next().expect("a uuid");
    let url = format!("http://127.0.0.1:{}/sandbox/claim", sandbox.port + 1);
    let decided =
        sandbox.client.post(url).body(format!("uuid={uuid}&decision=reject")).send().await.expect("an answer");
    assert!(decided.status().is_redirection());
    eventually("the hospital knows why", || async { sandbox.page(6).await.contains("denied").then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_to_the_stand_ins_at_once_is_there_at_the_next_start() {
    let dir = tempfile::tempdir().expect("a folder");
    let (any, people) = (([127, 0, 0, 1], 0).into(), 50);
    let start = async || peers::Sandbox::start_in(any, any, Some(dir.path())).await.expect("stand-ins");
    let sandbox = start().await;
    let client = reqwest::Client::new();
    let posts = (0..people).map(|number| {
        let post = client
            .post(format!("{}api/v1/people", sandbox.cht.url()))
            .basic_auth(peers::USER, Some(peers::CHT_PASSWORD));
        let person = json!({"_id": format!("person-{number}"), "name": "Kalpana Udaharan", "place": "sandbox-village"});
        post.header("accept", "application/json").json(&person).send()
    });
    for answer in futures_util::future::join_all(posts).await {
        assert_eq!(answer.expect("an answer").status(), 200);
    }
    drop(sandbox);
    assert_eq!(start().await.cht.people().len(), people);
}
