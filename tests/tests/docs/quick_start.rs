//! `docs/quick-start.md` is followed to the letter, on stand-ins for openIMIS and CHT: its commands are run in their order, and what
//! they print is what the page says that one sees. The French page is the same in other words.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use mediator_tests::running::{PATIENCE, eventually, program, sandbox, skipped, workspace};
use sandbox::{CHT_PASSWORD, OPENIMIS_PASSWORD, Sandbox, USER};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::pages::page;

/// What is to be typed, and what is then seen.
struct Step {
    typed: String,
    seen: Option<String>,
}

fn steps(name: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (language, code) in page(&workspace().join("docs").join(name)).code {
        match language.as_str() {
            "sh" => steps.push(Step { typed: code, seen: None }),
            "text" => steps.last_mut().expect("something was typed before").seen = Some(code),
            _ => {}
        }
    }
    steps
}

/// Whether a text is what a page shows: its pieces between `…` and ends of lines, in their order.
fn shows(text: &str, page: &str) -> bool {
    let mut rest = text;
    page.split(['…', '\n']).map(str::trim).filter(|piece| !piece.is_empty()).all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}

/// A reader of the page: a terminal in a folder, with the addresses, users and passwords of the stand-ins.
struct Reader {
    dir: TempDir,
    /// What the page has, and what it is here.
    places: Vec<(String, String)>,
    /// The `export` lines so far: they hold for the terminal.
    exports: String,
    served: Option<Child>,
}

impl Reader {
    async fn new(sandbox: &Sandbox) -> Self {
        let dir = TempDir::new().expect("a folder");
        let mut ports = Vec::new();
        for _ in 0..2 {
            // Free at this moment; nobody else takes it within the test's seconds.
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
            ports.push(listener.local_addr().expect("an address").to_string());
        }
        let places = [
            ("https://imis.example.org", sandbox.openimis.url()),
            ("https://cht.example.org", sandbox.cht.url()),
            ("\"mediator\"", format!("\"{USER}\"")),
            ("\"openimis-mediator\"", format!("\"{USER}\"")),
            (" as mediator", format!(" as {USER}")),
            (" as openimis-mediator", format!(" as {USER}")),
            ("password-of-the-openimis-user", OPENIMIS_PASSWORD.to_owned()),
            ("password-of-the-cht-user", CHT_PASSWORD.to_owned()),
            ("id-of-a-CHT-place", "sandbox-village".to_owned()),
            ("127.0.0.1:8080", ports[0].clone()),
            ("127.0.0.1:8090", ports[1].clone()),
        ];
        let places = places.into_iter().map(|(page, here)| (page.to_owned(), here)).collect();
        Self { dir, places, exports: String::new(), served: None }
    }

    fn here(&self, text: &str) -> String {
        self.places.iter().fold(text.to_owned(), |text, (page, here)| text.replace(page, here))
    }

    fn bash(&self, script: &str) -> Command {
        let folder = program().parent().expect("a folder").display().to_string();
        let path = format!("{folder}:{}", std::env::var("PATH").expect("a PATH"));
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).env_clear().env("PATH", path).current_dir(self.dir.path());
        command.kill_on_drop(true);
        command
    }

    async fn types(&mut self, typed: &str) -> String {
        let script = self.here(typed);
        if typed.trim() == "openimis-mediator serve" {
            let script = format!("{}exec openimis-mediator serve", self.exports);
            let log = std::fs::File::create(self.dir.path().join("serve.log")).expect("a log");
            let served = self.bash(&script).stdin(Stdio::null()).stderr(log).spawn().expect("bash runs");
            self.served = Some(served);
            let log = self.dir.path().join("serve.log");
            eventually("the mediator listens", || async {
                std::fs::read_to_string(&log).expect("a log").contains("listening").then_some(())
            })
            .await;
            return String::new();
        }
        let Output { status, stdout, stderr } =
            self.bash(&format!("{}{script}", self.exports)).output().await.expect("bash runs");
        let told = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
        assert!(status.success(), "{typed}\nended with {status}:\n{told}");
        for line in script.lines().filter(|line| line.starts_with("export ")) {
            self.exports.push_str(line);
            self.exports.push('\n');
        }
        told
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quick_start_leads_from_nothing_to_a_feedback_and_every_command_shows_what_it_says() {
    if !Command::new("openssl").arg("version").output().await.is_ok_and(|ran| ran.status.success()) {
        return skipped("tests/tests/docs (the quick start is followed)", "openssl is not here");
    }
    let sandbox = sandbox().await;
    let mut reader = Reader::new(&sandbox).await;
    let steps = steps("quick-start.md");
    assert!(steps.len() >= 10, "only {} commands were found", steps.len());
    for step in &steps {
        if step.typed.contains("--kind feedback") {
            // The health worker sends the form, and CHT pushes it as its administrators have set it up in step 4.
            let password = read(&reader.dir.path().join("secrets/mediator-password"));
            let mediator = reader.here("http://127.0.0.1:8080/mediator/claims-feedback");
            sandbox.cht.set_outbound(mediator, "interop-client".to_owned(), password);
            let url = format!("{}sandbox/feedback", sandbox.cht.url());
            let sent = reqwest::Client::new().post(url).json(&serde_json::json!({"claim": "CHT979"})).send().await;
            assert!(sent.expect("an answer").status().is_success());
        }
        if step.typed.trim() == "openimis-mediator serve" {
            // Step 9, a little early: the first poll finds it, the second one would come in a minute.
            sandbox.openimis.enter_claim("CHT979");
        }
        let seen = step.seen.as_ref().map(|seen| reader.here(seen));
        let begun = std::time::Instant::now();
        loop {
            let told = reader.types(&step.typed).await;
            let Some(seen) = &seen else { break };
            if shows(&told, seen) {
                break;
            }
            // Deliveries take a moment; so would a reader look again.
            let log = std::fs::read_to_string(reader.dir.path().join("serve.log")).unwrap_or_default();
            let again = step.typed.contains("messages list") && begun.elapsed() < PATIENCE;
            assert!(again, "{}\nprinted\n{told}\nand the page says\n{seen}\n{log}", step.typed);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let mut served = reader.served.take().expect("the mediator was started");
    served.kill().await.expect("it ends");
}

#[test]
fn the_french_page_has_the_same_steps_commands_and_links() {
    let (english, french) =
        (page(&workspace().join("docs/quick-start.md")), page(&workspace().join("docs/quick-start.fr.md")));
    assert_eq!(english.code, french.code);
    let numbers = |page: &super::pages::Page| -> Vec<(u32, String)> {
        let number = |title: &String| title.split('.').next().unwrap_or_default().to_owned();
        page.headings.iter().skip(1).map(|(level, title)| (*level, number(title))).collect()
    };
    assert_eq!(numbers(&english), numbers(&french));
    assert_eq!(english.links(), french.links());
}
