//! The processes that are measured, or measured against. Each ends when its handle is dropped.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use axum::http::Method;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::{Options, Store};
use crate::client::Client;
use crate::peers::{Counts, now_ms};
use crate::send::basic;

const USER: &str = "load";
const PASSWORD: &str = "load";
/// Longest wait for a process to serve.
const STARTED: Duration = Duration::from_secs(300);

/// Both peers, in one process.
pub struct Peers {
    _process: Child,
    control: Client,
    openimis: String,
    cht: String,
}

impl Peers {
    /// Returns once they serve.
    pub async fn start(dir: &Path) -> anyhow::Result<Self> {
        let [openimis, cht] = [free_address()?, free_address()?];
        let arguments = ["peers", "--openimis", &openimis, "--cht", &cht];
        let process = spawn(own(&arguments)?, &dir.join("peers.log"))?;
        let mut control = Client::new(&format!("http://{openimis}"), None)?;
        served(&mut control, "/load/counts").await?;
        Ok(Self { _process: process, control, openimis, cht })
    }

    /// What arrived.
    pub async fn counts(&mut self) -> anyhow::Result<Counts> {
        let (_, body) = self.control.send(Method::GET, "/load/counts", String::new()).await?;
        Ok(serde_json::from_slice(&body)?)
    }

    /// `hold`, `go` or `mark`.
    pub async fn tell(&mut self, word: &str) -> anyhow::Result<()> {
        let (status, _) = self.control.send(Method::POST, &format!("/load/{word}"), String::new()).await?;
        if status == 200 { Ok(()) } else { bail!("the peers answered {status} to {word}") }
    }
}

/// How to start the mediator on a store.
pub struct Mediator {
    program: PathBuf,
    config: PathBuf,
    store: String,
    log: PathBuf,
    /// `http://host:port`.
    pub url: String,
}

/// A mediator that runs.
pub struct Running {
    process: Child,
    /// From its start until it said that it is ready.
    pub ready_after: Duration,
    /// When it was started, in milliseconds since 1970.
    pub started_ms: u64,
}

impl Mediator {
    /// Writes its configuration: what is not named here is as by default.
    pub fn prepare(options: &Options, store: &Store, peers: &Peers) -> anyhow::Result<Self> {
        let listen = free_address()?;
        let components = options.components.canonicalize().context("the components: `cargo xtask build` makes them")?;
        // Short times towards the peers: while they hold their answers, a delivery shall not wait long for nothing.
        let config = format!(
            r#"
            listen = "{listen}"
            inbound = {{ username = "{USER}", password = "{PASSWORD}" }}
            server.requests_per_second = 1000000
            components.dir = {components:?}
            openimis = {{ url = "http://{}", username = "load", password = "load", timeout = "5s" }}
            cht = {{ url = "http://{}", username = "load", password = "load", timeout = "5s", match_by = [] }}
            retry.lease = "30s"
            poll.enabled = false
            mapping.patient = {{ default_place = "village", phone_prefix = "+977" }}
            "#,
            peers.openimis, peers.cht
        );
        let config = [config, options.settings.join("\n")].join("\n");
        let path = options.dir.join("mediator.toml");
        std::fs::write(&path, config)?;
        let beside = || Ok::<_, std::io::Error>(std::env::current_exe()?.with_file_name("openimis-mediator"));
        let program = options.mediator.clone().map_or_else(beside, Ok)?;
        let (store, log) = (store.url.clone(), options.dir.join("mediator.log"));
        Ok(Self { program, config: path, store, log, url: format!("http://{listen}") })
    }

    /// What `send` shows.
    pub fn authorization(&self) -> String {
        basic(USER, PASSWORD)
    }

    /// Starts it and waits until it is ready.
    pub async fn start(&self) -> anyhow::Result<Running> {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.config).arg("serve").env("DATABASE_URL", &self.store);
        let mut client = Client::new(&self.url, None)?;
        let (begun, started_ms) = (Instant::now(), now_ms());
        let mut process = spawn(command, &self.log)?;
        loop {
            if client.send(Method::GET, "/health/ready", String::new()).await.is_ok_and(|(status, _)| status == 200) {
                return Ok(Running { process, ready_after: begun.elapsed(), started_ms });
            }
            if let Some(status) = process.try_wait()? {
                bail!("the mediator ended ({status}): {}", self.log.display());
            }
            if begun.elapsed() > STARTED {
                bail!("the mediator is not ready: {}", self.log.display());
            }
            sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Running {
    /// Resident memory in MB: now, and the most there was.
    pub fn memory_mb(&self) -> anyhow::Result<(f64, f64)> {
        let id = self.process.id().context("the mediator ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<f64>().ok()
        };
        let mb = |name| kilobytes(name).map(|kilobytes| kilobytes / 1024.0).context("no such line in /proc");
        Ok((mb("VmRSS")?, mb("VmHWM")?))
    }

    /// What it has taken of the processors, for itself and in the system.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let id = self.process.id().context("the mediator ended")?;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The name, which may hold anything, ends with the last bracket.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).context("/proc: no time");
        // User and system, in hundredths of a second on every Linux.
        Ok(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
    }

    /// Bytes that it has read from files, or from what the system keeps of them in memory; and bytes that it had written to the disk.
    pub fn read_and_written(&self) -> anyhow::Result<(u64, u64)> {
        let id = self.process.id().context("the mediator ended")?;
        let io = std::fs::read_to_string(format!("/proc/{id}/io"))?;
        let bytes = |name: &str| {
            let line = io.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.and_then(|bytes| bytes.parse().ok()).context("no such line in /proc")
        };
        Ok((bytes("rchar")?, bytes("write_bytes")?))
    }

    /// SIGKILL, without a word before.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.process.kill().await?)
    }
}

/// A server without a store: [`crate::bare`].
pub async fn bare(dir: &Path) -> anyhow::Result<(Child, String)> {
    let address = free_address()?;
    let process = spawn(own(&["bare", "--listen", &address])?, &dir.join("bare.log"))?;
    let url = format!("http://{address}");
    let mut client = Client::new(&url, None)?;
    served(&mut client, "/").await?;
    Ok((process, url))
}

async fn served(client: &mut Client, path: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    while client.send(Method::GET, path, String::new()).await.is_err() {
        if begun.elapsed() > STARTED {
            bail!("a server of the bench does not serve");
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// This program with other arguments.
fn own(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments);
    Ok(command)
}

/// All that it says goes to the end of `log`.
fn spawn(mut command: Command, log: &Path) -> anyhow::Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    command.stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
    let program = command.as_std().get_program().to_owned();
    command.spawn().with_context(|| program.display().to_string())
}

/// An address that nobody listens on just now.
fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
