//! Keeps the mappings up to date: files that changed are taken over while messages go on. Looked at every now and then instead of asking the
//! kernel to tell, which does not work on NFS; and on SIGHUP.

use std::future::pending;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::Host;
use crate::mapper::Reloaded;
use crate::worker::{Stop, asked};

/// Looks at the components until asked to stop.
pub async fn keep_mappings(host: Arc<Host>, mut stop: Stop) {
    let every: Duration = host.config.components.watch.try_into().unwrap_or_default();
    // On a terminal SIGHUP says that the terminal is gone, and ends the program as it ends others.
    let mut hangups = match std::io::stdin().is_terminal() {
        true => None,
        false => signal(SignalKind::hangup()).ok(), // without signals there is still the admin API
    };
    let sources = host.flow.mapper.sources().clone();
    let mut taken = host.flow.mapper.first_seen();
    let mut last = None;
    loop {
        let by_signal = tokio::select! {
            () = hangup(&mut hangups) => true,
            () = sleep(every), if !every.is_zero() => false,
            () = asked(&mut stop) => return,
        };
        let now = sources.stamps().ok();
        // Twice the same: whoever writes a file has come to its end.
        let settled = now == last;
        if by_signal || (now != taken && settled) {
            reload(&host).await;
            taken.clone_from(&now);
        }
        last = now;
    }
}

async fn hangup(hangups: &mut Option<Signal>) {
    match hangups {
        Some(signal) => drop(signal.recv().await),
        None => pending().await,
    }
}

/// Looks at the components now; what came of it is logged.
pub async fn reload(host: &Arc<Host>) -> Reloaded {
    let mapper = host.clone();
    let reloaded = tokio::task::spawn_blocking(move || mapper.flow.mapper.reload()).await;
    let reloaded = reloaded.unwrap_or_else(|error| {
        tracing::error!(%error, "looking at the mappings ended unexpectedly: this is a fault of the mediator");
        Reloaded::default()
    });
    for switched in &reloaded.switched {
        let (mapping, file) = (switched.mapping.name(), switched.file.display());
        tracing::info!(mapping, %file, from = &switched.from[..12], to = &switched.to[..12], "mapping switched");
    }
    for refused in &reloaded.refused {
        let (file, reason) = (refused.file.display(), &refused.reason);
        tracing::error!(%file, reason, "a mapping was refused; what was in use stays");
    }
    reloaded
}
