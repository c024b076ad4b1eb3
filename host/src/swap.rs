//! Keeps the mappings up to date: files that changed are taken over while messages go on. Looked at every now and then instead of asking the
//! kernel to tell, which does not work on NFS; and on SIGHUP.

use std::future::pending;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::Host;
use crate::worker::{Stop, asked};
use component_host::Reloaded;

/// SIGHUP, listened for before anybody is told that the mediator listens: until then it would end the process.
pub(crate) struct Hangups(Mutex<Option<Signal>>);

impl Hangups {
    /// On a terminal SIGHUP says that the terminal is gone, and ends the program as it ends others.
    pub(crate) fn listen() -> Self {
        let signal = match std::io::stdin().is_terminal() {
            true => None,
            false => signal(SignalKind::hangup()).ok(), // without signals there is still the admin API
        };
        Self(Mutex::new(signal))
    }

    fn take(&self) -> Option<Signal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Looks at the components until asked to stop.
pub async fn keep_mappings(host: Arc<Host>, mut stop: Stop) {
    let every: Duration = host.config.components.watch.try_into().unwrap_or_default();
    let mut hangups = host.hangups.take();
    let mut taken = Some(host.flow.mapper.first_seen());
    let mut last = None;
    loop {
        let by_signal = tokio::select! {
            () = hangup(&mut hangups) => true,
            () = sleep(every), if !every.is_zero() => false,
            () = asked(&mut stop) => return,
        };
        let mapper = host.flow.mapper.clone();
        let looked = async {
            let now = aside(move || mapper.sources().stamps()).await;
            // Twice the same: whoever writes a file has come to its end.
            let settled = now == last;
            if by_signal || (now != taken && settled) {
                reload(&host).await;
                taken.clone_from(&now);
            }
            last = now;
        };
        tokio::select! {
            () = looked => {}
            () = asked(&mut stop) => return,
        }
    }
}

async fn hangup(hangups: &mut Option<Signal>) {
    match hangups {
        Some(signal) => drop(signal.recv().await),
        None => pending().await,
    }
}

/// Looks at the components now. What came of it is logged, also if nobody waits for it any more.
pub async fn reload(host: &Arc<Host>) -> Reloaded {
    let mapper = host.flow.mapper.clone();
    let reloaded = aside(move || {
        tracing::info!("the mappings' files are looked at");
        let reloaded = mapper.reload();
        tell(&reloaded);
        reloaded
    });
    reloaded.await.unwrap_or_else(|| {
        tracing::error!("looking at the mappings ended unexpectedly: this is a fault of the mediator");
        Reloaded::default()
    })
}

fn tell(reloaded: &Reloaded) {
    for switched in &reloaded.switched {
        let (mapping, file) = (switched.mapping.name(), switched.file.display());
        tracing::info!(mapping, %file, from = &switched.from[..12], to = &switched.to[..12], "mapping switched");
    }
    for refused in &reloaded.refused {
        let (file, reason) = (refused.file.display(), &refused.reason);
        tracing::error!(%file, reason, "a mapping was refused; what was in use stays");
    }
}

/// Work on a thread of its own: the process does not wait for it to end, as it would for one of tokio's. None: it could not be done.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, waited) = oneshot::channel();
    let thread = std::thread::Builder::new().name("mapping-files".to_owned());
    match thread.spawn(move || drop(done.send(work()))) {
        Ok(_) => waited.await.ok(),
        Err(error) => {
            tracing::error!(%error, "no thread for the mappings' files");
            None
        }
    }
}
