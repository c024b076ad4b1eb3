//! Serving until the process is asked to stop: for `serve`, on real peers and on the sandbox.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use openimis_mediator::{Host, StartError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

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
