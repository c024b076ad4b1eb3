//! `serve`: the mediator itself, on real peers or on the sandbox.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use openimis_mediator::{Host, StartError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Source;
use super::log::log_to_stderr;

#[derive(Args)]
pub struct Serve {
    /// The clock is right, though it is far ahead of the newest time in the store: prune and give up by it again
    #[arg(long)]
    accept_clock: bool,
    /// Run with stand-ins for openIMIS and CHT, to try the mediator out. No configuration is needed or read
    #[arg(long)]
    sandbox: bool,
    /// Sandbox: with a stand-in for OpenHIM's core, too
    #[arg(long, requires = "sandbox")]
    openhim: bool,
    /// Sandbox: where messages and the stand-ins' data are kept
    #[arg(long, default_value = "sandbox-data")]
    data: PathBuf,
    /// Sandbox: the mediator's port; openIMIS gets the next one, CHT the one after, the admin API the third, OpenHIM the two after that, the hospital the sixth, the registry of facilities the seventh
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

impl Serve {
    pub async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        if self.sandbox {
            return super::sandbox::serve(self.data, self.port, self.openhim).await;
        }
        let config = source.config()?;
        log_to_stderr(&config.log);
        forbid_core_dumps();
        for warning in source.warnings(&config) {
            tracing::warn!("{warning}");
        }
        let host = Host::build(config).await?;
        if self.accept_clock {
            host.accept_clock().await?;
        }
        announce(&host);
        serve(host).await
    }
}

/// Each connection is an open file, and systems allow 1024 of them at first: asks for as many as are allowed at all.
fn raise_open_files(needed: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        let text =
            "fewer open files are allowed than server.max_connections may need (LimitNOFILE in systemd, ulimit -n)";
        tracing::warn!(allowed = limit.maximum, needed, "{text}");
    }
}

/// A dump of the memory would hold patients' data and passwords.
fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%error, "core dumps could not be forbidden");
    }
}

/// Serves until the process is asked to stop.
pub async fn serve(host: Arc<Host>) -> anyhow::Result<ExitCode> {
    // Before anybody reads "listening": a signal that comes then must not end the process as it is.
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be waited for")?;
    raise_open_files(2 * u64::from(host.config.server.max_connections) + 256);
    let address = host.config.listen;
    let listener = TcpListener::bind(address).await.map_err(|error| StartError::Listen(address, error))?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what is on its way is finished first");
        stop.send_replace(true);
    });
    host.run(listener, stopping).await.context("serving failed")?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn announce(host: &Host) {
    tracing::info!(store = %host.config.store.shown(), "openimis-mediator starts");
    for mapping in host.flow.mapper.mappings() {
        let (name, sha256) = (mapping.mapping.name(), &mapping.sha256[..12]);
        tracing::info!(mapping = name, file = %mapping.file.display(), sha256, "mapping loaded");
    }
    for missing in host.flow.mapper.without() {
        // The components of an older release go on with what they did.
        tracing::warn!(mapping = missing.name(), "no component has this mapping: what needs it is refused");
    }
    if host.config.subscription.callback.is_none() {
        tracing::info!("no subscription is kept (subscription.callback is not set): claims are found by polling");
    }
}
