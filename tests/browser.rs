//! A real browser for tests: Chromium without a window, driven by its DevTools protocol over two pipes. No library and no port: what is
//! needed of the protocol fits here, and nothing of it stays behind when a test dies.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;

/// Longest wait for one answer of the browser, its start among them.
const PATIENCE: Duration = Duration::from_secs(180);

/// Starts the browser with the protocol on file descriptors 3 and 4, and removes its folder after it. It ends with its pipe, that is
/// however the test ends, and its last programs write a moment longer.
const KEEPER: &str = r#"
trap '' INT TERM HUP
folder=$1; shift
TMPDIR=$folder "$@" 3<&0 4>&1 </dev/null >/dev/null
exec </dev/null >/dev/null
for try in 1 2 3 4 5; do
  rm -rf "$folder" && break
  sleep 1
done
"#;

/// A running browser; it ends when this is dropped.
pub struct Browser {
    to: tokio::sync::Mutex<ChildStdin>,
    shared: Arc<Shared>,
    next: AtomicU64,
    _keeper: Child,
}

/// What the reader of the browser's answers shares with those who wait for them.
#[derive(Default)]
struct Shared {
    waiting: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    events: Mutex<Vec<Value>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The program, under one of its names.
pub fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let found = |folder: PathBuf| names.iter().map(|name| folder.join(name)).find(|file| file.is_file());
    std::env::split_paths(&path).find_map(found)
}

impl Browser {
    /// Starts one.
    pub async fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder").keep();
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "sh"]).arg(&folder).arg(program);
        // Chromium's own sandbox refuses to run as root and in most containers; it only sees our own page.
        command.args(["--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu"]);
        // Nothing that it does by itself in the background.
        command.args(["--no-first-run", "--disable-background-networking", "--disable-component-update"]);
        command.args(["--disable-dev-shm-usage", "--window-size=1280,1000"]);
        command.arg(format!("--user-data-dir={}", folder.join("profile").display())).arg("about:blank");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the browser starts");
        let to = child.stdin.take().expect("a pipe");
        let from = child.stdout.take().expect("a pipe");
        let shared = Arc::<Shared>::default();
        tokio::spawn(read(from, shared.clone()));
        Self { to: to.into(), shared, next: AtomicU64::new(1), _keeper: child }
    }

    /// Asks for something that has to work.
    async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.ask(session, method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Asks for something and waits for the answer.
    async fn ask(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let (answered, answer) = oneshot::channel();
        held(&self.shared.waiting).insert(id, answered);
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.lock().await.write_all(&bytes).await.expect("the browser listens");
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let answer = answer.unwrap_or_else(|_| panic!("{method}: no answer")).expect("the browser lives");
        if answer["error"].is_null() { Ok(answer["result"].clone()) } else { Err(answer["error"].clone()) }
    }

    /// Opens a page of its own and goes to an address; waits until it is loaded.
    pub async fn open(&self, url: &str) -> Page<'_> {
        let target = self.call(None, "Target.createTarget", json!({"url": "about:blank"})).await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.call(None, "Target.attachToTarget", attach).await;
        let session = session["sessionId"].as_str().expect("a session").to_owned();
        let page = Page { browser: self, session };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({})).await;
        }
        page.call("Page.navigate", json!({"url": url})).await;
        page.until("document.readyState === 'complete'").await;
        page
    }
}

/// Sorts what comes from the browser: answers to those who wait, the rest is kept.
async fn read(from: ChildStdout, shared: Arc<Shared>) {
    let mut from = BufReader::new(from);
    let mut bytes = Vec::new();
    while from.read_until(0, &mut bytes).await.is_ok_and(|length| length > 0) {
        bytes.pop();
        let message: Value = serde_json::from_slice(&bytes).expect("the protocol is JSON");
        bytes.clear();
        match message["id"].as_u64() {
            None => held(&shared.events).push(message),
            Some(id) => {
                if let Some(answered) = held(&shared.waiting).remove(&id) {
                    drop(answered.send(message)); // whoever asked may have given up
                }
            }
        }
    }
    held(&shared.waiting).clear(); // wakes all who wait
}

/// A page of the browser.
pub struct Page<'a> {
    browser: &'a Browser,
    session: String,
}

impl Page<'_> {
    /// Any method of the protocol.
    pub async fn call(&self, method: &str, params: Value) -> Value {
        self.browser.call(Some(&self.session), method, params).await
    }

    /// The value of an expression in the page; promises are waited for.
    pub async fn evaluate(&self, expression: &str) -> Value {
        self.evaluated(expression).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// The same; an error is the browser's, for example that it went to another page meanwhile.
    async fn evaluated(&self, expression: &str) -> Result<Value, Value> {
        let mut params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        params["userGesture"] = true.into(); // as a click or a key would: some things are only allowed then
        params["allowUnsafeEvalBlockedByCSP"] = false.into(); // the page's policy also holds for what tests run in it
        let answer = self.browser.ask(Some(&self.session), "Runtime.evaluate", params).await?;
        let thrown = &answer["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}: {}", thrown["exception"]["description"]);
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until an expression is true.
    pub async fn until(&self, expression: &str) {
        crate::running::eventually(expression, || async {
            (self.evaluated(expression).await == Ok(Value::Bool(true))).then_some(())
        })
        .await;
    }

    /// Goes to another address; waits until it is loaded.
    pub async fn go(&self, url: &str) {
        self.evaluate("window.leaving = true").await; // so that the page from before is not taken for the new one
        self.call("Page.navigate", json!({"url": url})).await;
        self.until("window.leaving === undefined && document.readyState === 'complete'").await;
    }

    /// Does something that leads to another page; waits until that is loaded.
    pub async fn leave(&self, doing: &str) {
        self.evaluate(&format!("window.leaving = true; {doing}")).await;
        self.until("window.leaving === undefined && document.readyState === 'complete'").await;
    }

    /// Types into what has the focus, as a keyboard would.
    pub async fn insert(&self, text: &str) {
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// Presses a key and lets it go.
    pub async fn press(&self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let text = if key == "Enter" { "\r" } else { "" };
            let params = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
            self.call("Input.dispatchKeyEvent", params).await;
        }
    }

    /// All events of a method that came so far.
    pub fn events(&self, method: &str) -> Vec<Value> {
        let events = held(&self.browser.shared.events);
        let own =
            events.iter().filter(|event| event["sessionId"] == self.session.as_str() && event["method"] == method);
        own.map(|event| event["params"].clone()).collect()
    }

    /// What the console tells: exceptions, errors and warnings.
    pub fn complaints(&self) -> Vec<Value> {
        let said = self.events("Runtime.consoleAPICalled").into_iter().filter(|said| said["type"] != "log");
        let logged = self.events("Log.entryAdded").into_iter();
        said.chain(logged).chain(self.events("Runtime.exceptionThrown")).collect()
    }

    /// The whole page as PNG, base64.
    pub async fn screenshot(&self) -> String {
        let params = json!({"format": "png", "captureBeyondViewport": true});
        let shot = self.call("Page.captureScreenshot", params).await;
        shot["data"].as_str().expect("a picture").to_owned()
    }
}
