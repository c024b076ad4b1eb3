//! `edge`: requests a second to the mediator as a Spin app, beside the least that the same Spin can serve.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use axum::http::Method;
use clap::Args;
use hdrhistogram::Histogram;
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::rows::{Row, Rows};
use crate::send::basic;

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The workspace, in which spin.toml and tests/edge/hello are
    #[arg(long, default_value = ".")]
    pub root: PathBuf,
    /// Directory for logs, the app's state and edge.json
    #[arg(long, default_value = "target/bench")]
    pub dir: PathBuf,
    /// How long each figure is measured
    #[arg(long, default_value_t = 8.0)]
    pub seconds: f64,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 32)]
    pub connections: usize,
}

const GROUP: &str = "The edge, under Spin";
const USER: &str = "load";
const PASSWORD: &str = "load";
/// Spin compiles the app first.
const STARTED: Duration = Duration::from_secs(120);

/// Measures and writes `edge.json`.
pub async fn command(options: Options) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&options.dir)?;
    let dir = options.dir.canonicalize()?;
    let mut rows = Rows::new(GROUP);
    match spin().await? {
        Some((program, version)) => measure(&options, &dir, &program, &version, &mut rows).await?,
        None => rows.skipped("POST /mediator/map/claim-response", "there is no Spin in $SPIN or on the PATH"),
    }
    rows.write(&dir, "edge")?;
    Ok(ExitCode::SUCCESS)
}

/// The program and its version: the file in `$SPIN`, or `spin` on the PATH.
async fn spin() -> anyhow::Result<Option<(PathBuf, String)>> {
    let named = std::env::var_os("SPIN");
    let program = PathBuf::from(named.clone().unwrap_or_else(|| "spin".into()));
    let said = Command::new(&program).arg("--version").output().await;
    let said = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
    // Other programs are called so, too.
    let version = said.strip_prefix("spin ").and_then(|rest| rest.split_whitespace().next());
    ensure!(version.is_some() || named.is_none(), "$SPIN names {}, which is no Spin", program.display());
    Ok(version.map(|version| (program, version.to_owned())))
}

async fn measure(options: &Options, dir: &Path, program: &Path, version: &str, rows: &mut Rows) -> anyhow::Result<()> {
    let claim = std::fs::read_to_string(options.root.join("wit/cases/claim-response/documented-sample.input.json"))?;
    let dry_run = json!({ "document": claim }).to_string();
    let hello = App::start(program, &options.root.join("tests/edge/hello/spin.toml"), dir).await?;
    let floor = "hello-world on the same Spin".to_owned();
    let asked = hello.asked(options, Method::GET, "/", String::new()).await?;
    let note = format!("Spin {version}, {} connections, p99 {:.1} ms", options.connections, asked.p99_ms);
    rows.add(&Row { name: floor.clone(), value: asked.rate, unit: "requests/s", note, ..Row::default() })?;
    // The same bytes in, so that what reading them costs is not counted as ours.
    let posted = hello.asked(options, Method::POST, "/", dry_run.clone()).await?;
    let name = format!("{floor}, a claim posted and not read");
    let note = format!("p99 {:.1} ms", posted.p99_ms);
    let beside = Some(floor.clone());
    rows.add(&Row { name, value: posted.rate, unit: "requests/s", beside, note, ..Row::default() })?;
    drop(hello);

    let edge = App::start(program, &options.root.join("spin.toml"), dir).await?;
    for (name, method, path, body) in [
        ("GET /health/live", Method::GET, "/health/live", String::new()),
        ("POST /mediator/map/claim-response", Method::POST, "/mediator/map/claim-response", dry_run),
    ] {
        let asked = edge.asked(options, method, path, body).await?;
        let (beside, note) = (Some(floor.clone()), format!("p99 {:.1} ms", asked.p99_ms));
        rows.add(&Row {
            name: name.to_owned(),
            value: asked.rate,
            unit: "requests/s",
            beside,
            note,
            ..Row::default()
        })?;
    }
    Ok(())
}

/// An app under `spin up`. Ends when this is dropped.
struct App {
    process: Child,
    url: String,
}

impl Drop for App {
    fn drop(&mut self) {
        // `spin up` starts another process, which has to end with it.
        let Some(id) = self.process.id() else { return };
        let killed = std::process::Command::new("kill").args(["-KILL", "--", &format!("-{id}")]).status();
        if !killed.is_ok_and(|status| status.success()) {
            eprintln!("bench: spin could not be ended: process group {id}");
        }
    }
}

struct Asked {
    rate: f64,
    p99_ms: f64,
}

impl App {
    async fn start(program: &Path, manifest: &Path, dir: &Path) -> anyhow::Result<Self> {
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let state = dir.join("spin-state");
        if state.is_dir() {
            std::fs::remove_dir_all(&state)?;
        }
        let log = File::create(dir.join("spin.log"))?;
        let mut command = Command::new(program);
        command.args(["up", "--quiet", "--listen", &listen, "--from"]).arg(manifest);
        command.arg("--state-dir").arg(&state).arg("--log-dir").arg(dir.join("spin-logs"));
        command.env("SPIN_VARIABLE_INBOUND_USERNAME", USER).env("SPIN_VARIABLE_INBOUND_PASSWORD", PASSWORD);
        for peer in ["OPENIMIS", "CHT"] {
            // Nobody is there, and nobody is asked: only the mapping is measured.
            command.env(format!("SPIN_VARIABLE_{peer}_URL"), "http://127.0.0.1:9");
            command.env(format!("SPIN_VARIABLE_{peer}_USERNAME"), USER);
            command.env(format!("SPIN_VARIABLE_{peer}_PASSWORD"), PASSWORD);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let process = command.spawn().with_context(|| program.display().to_string())?;
        let mut app = Self { process, url: format!("http://{listen}") };
        let begun = Instant::now();
        let mut client = Client::new(&app.url, None)?;
        while client.send(Method::GET, "/health/live", String::new()).await.is_err() {
            if let Some(status) = app.process.try_wait()? {
                bail!("spin ended ({status}): {}", dir.join("spin.log").display());
            }
            ensure!(begun.elapsed() < STARTED, "spin does not serve: {}", dir.join("spin.log").display());
            sleep(Duration::from_millis(50)).await;
        }
        Ok(app)
    }

    /// As many requests as go through in the time; each must be answered with 200.
    async fn asked(
        &self,
        options: &Options,
        method: Method,
        path: &'static str,
        body: String,
    ) -> anyhow::Result<Asked> {
        self.round(options, 1.0, &method, path, &body).await?; // warm
        self.round(options, options.seconds, &method, path, &body).await
    }

    async fn round(
        &self,
        options: &Options,
        seconds: f64,
        method: &Method,
        path: &'static str,
        body: &str,
    ) -> anyhow::Result<Asked> {
        let (begun, over) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let mut senders = JoinSet::new();
        for _ in 0..options.connections {
            let (method, body, over) = (method.clone(), body.to_owned(), over.clone());
            let mut client = Client::new(&self.url, Some(basic(USER, PASSWORD)))?;
            senders.spawn(async move {
                let mut times = Histogram::<u64>::new(3)?;
                while !over.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let (status, answer) = client.send(method.clone(), path, body.clone()).await?;
                    ensure!(status == 200, "{path}: {status} {}", String::from_utf8_lossy(&answer));
                    times.record(u64::try_from(begun.elapsed().as_micros())?)?;
                }
                anyhow::Ok(times)
            });
        }
        sleep(Duration::from_secs_f64(seconds)).await;
        over.store(true, Ordering::Relaxed);
        let mut all = Histogram::<u64>::new(3)?;
        while let Some(times) = senders.join_next().await {
            all.add(times??)?;
        }
        let rate = all.len() as f64 / begun.elapsed().as_secs_f64();
        Ok(Asked { rate, p99_ms: all.value_at_quantile(0.99) as f64 / 1000.0 })
    }
}
