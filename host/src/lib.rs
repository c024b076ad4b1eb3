//! The native host: stores what comes in, maps it in WebAssembly components, delivers it.
//!
//! # Layout
//! - [`config`]: what the operator decides. [`Host`]: everything put together; [`Host::run`] serves until asked to stop.
//! - [`server`]: TLS, limits, who is let in. [`routes`], [`inbound`]: HTTP in. [`admin_api`]: HTTP for admins.
//! - `console_program`: what the console shows of the mediator.
//! - [`eclaim`]: what hospitals post.
//! - [`worker`]: deliveries, polling, subscription. [`http`]: HTTP out.
//! - [`swap`]: mapping components are replaced as their files change. [`clock`]: the time.
//! - [`metrics`]: what Prometheus reads.
//! - [`openhim`]: registration with OpenHIM, and what it is told.
//! - [`facilities`]: a registry's facilities, brought to openIMIS.
//! - [`room`]: whether there is room for what a client posts.
//! - [`playground`]: a page on which documents are mapped in the browser.
//! - [`shown`]: how others' words are shown.

use std::sync::Arc;

use flow::ports::{Clock, StoreError};
use flow::{Flow, Kind};
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub mod admin_api;
pub mod clock;
pub mod config;
mod console_program;
pub mod eclaim;
pub mod eligibility;
pub mod facilities;
pub mod http;
pub mod inbound;
pub mod metrics;
pub mod openhim;
pub mod playground;
pub mod room;
pub mod routes;
pub mod server;
pub mod shown;
pub mod swap;
pub mod worker;

use auth::Listener;
use auth::tls_client::{self, HttpSetupError};
use clock::SystemClock;
use component_host::{LoadError, MappingHost};
use config::{Config, Place};
use http::ReqwestHttp;
use http::metrics::PeerFigures;
use observe::trace::{Collector, CollectorError, Telemetry};
use store::SqlStore;

/// The mediator's logic on this host's ports.
pub type HostFlow = Flow<ReqwestHttp, SqlStore, SystemClock, MappingHost>;

/// Everything put together.
pub struct Host {
    /// As configured.
    pub config: Config,
    /// The logic.
    pub flow: HostFlow,
    /// How it is served: clients, limits, the certificate.
    pub doors: Arc<server::Doors>,
    /// What is known of the room that there is.
    pub room: room::Room,
    /// Whether the store could be written when it was last tried.
    pub ready: inbound::Ready,
    /// What is counted and timed.
    pub metrics: metrics::Metrics,
    /// Makes traces.
    pub telemetry: Telemetry,
    /// What is known of OpenHIM.
    pub openhim: openhim::OpenHim,
    /// Wakes the workers: something new is due.
    pub wake: worker::Wake,
    /// Which peers are left alone, as far as that was said.
    pub away: worker::Away,
    /// What admins want done with the facilities.
    pub facilities: facilities::Wishes,
    /// Hospitals that wait for the answer to a claim.
    pub waiting: eclaim::Waiting,
    hangups: swap::Hangups,
    /// Held as long as the process lives: one process leases messages of a SQLite file.
    _lock: Vec<std::fs::File>,
}

/// Why the mediator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The mapping components.
    #[error(transparent)]
    Components(#[from] LoadError),
    /// HTTP out.
    #[error(transparent)]
    Http(#[from] HttpSetupError),
    /// The collector of traces.
    #[error("telemetry.otlp_endpoint: {0}")]
    Traces(#[from] CollectorError),
    /// The server's certificate.
    #[error(transparent)]
    Certificate(#[from] server::tls::TlsError),
    /// The public keys of issuers and clients.
    #[error(transparent)]
    Keys(#[from] auth::tokens::KeysError),
    /// Two mediators on one file.
    #[error("{0} is in use by another mediator: stop it, or set another store.path")]
    InUse(String),
    /// The address.
    #[error("cannot listen on {0}: {1}")]
    Listen(std::net::SocketAddr, std::io::Error),
}

impl Host {
    /// Opens the store, loads the components and gives back what a process that died had in its hands.
    pub async fn build(config: Config) -> Result<Arc<Self>, StartError> {
        let http = ReqwestHttp::new(config.tls.ca_file.as_deref(), config.worker.requests_per_peer as usize)?
            .within(config.worker.answers_limit_bytes)
            .counting(PeerFigures::of(config.counted_peers()));
        let mapper = MappingHost::open(config.sources(), config.limits())?;
        give_back_memory();
        let telemetry = Telemetry::new(collector(&config)?)?;
        let doors = Arc::new(server::Doors::new(&config)?);
        // The lock first: a second mediator must not as much as touch the file.
        let lock = match config.store.place()? {
            Place::Sqlite(path) => lock(&path)?,
            Place::Postgres(_) => Vec::new(),
        };
        let store = SqlStore::open(&config.store).await?;
        let clock = SystemClock::default();
        let now = store.now(clock.now()).await?;
        if !lock.is_empty() {
            // A peer may still be at what we asked it for when we died: it is asked what it has a moment later.
            let later = now.saturating_add(config.retry.first).unwrap_or(now);
            let released = store.release_leases(later).await?;
            if released > 0 {
                tracing::info!(count = released, "deliveries that an earlier stop interrupted are taken up again");
            }
        }
        let (traces, throttled) = (telemetry.figures(), doors.admission.limits.throttled());
        let metrics = metrics::Metrics::new(store.figures(), http.figures(), mapper.figures(), traces, throttled);
        let settings = config.settings();
        let flow = Flow::new(http, store, clock, mapper, settings);
        let host = Arc::new(Self {
            config,
            flow,
            doors,
            room: room::Room::default(),
            ready: inbound::Ready::default(),
            metrics,
            telemetry,
            openhim: openhim::OpenHim::new(),
            wake: worker::Wake::default(),
            away: worker::Away::default(),
            waiting: eclaim::Waiting::default(),
            facilities: facilities::Wishes::default(),
            hangups: swap::Hangups::listen(),
            _lock: lock,
        });
        host.look_at_clock(SignedDuration::ZERO).await?;
        for peer in flow::peers::Peer::ALL {
            host.flow.store.note_away(peer, None).await?; // an earlier process may have said that it is away
        }
        openhim::live::recall(&host).await;
        Ok(host)
    }

    /// Serves on a listener, delivers, polls and keeps the subscription until `stop` turns true; then drains.
    pub async fn run(self: Arc<Self>, listener: TcpListener, stop: watch::Receiver<bool>) -> std::io::Result<()> {
        let admin = match self.config.has_admin() || self.config.serves_metrics() {
            true => Some(self.admin_listener().await?),
            false => None,
        };
        let mut background = JoinSet::new();
        background.spawn(worker::keep_house(self.clone(), stop.clone()));
        if !self.flow.store.is_shared() {
            background.spawn(worker::look_for_damage(self.clone(), stop.clone()));
        }
        background.spawn(swap::keep_mappings(self.clone(), stop.clone()));
        background.spawn(self.doors.clone().tell_what_was_left_out(stop.clone()));
        for kind in Kind::ALL {
            background.spawn(worker::deliver(self.clone(), *kind, stop.clone()));
        }
        if self.config.poll.enabled {
            background.spawn(worker::poll_claims(self.clone(), stop.clone()));
            background.spawn(worker::poll_selected(self.clone(), stop.clone()));
        }
        if self.config.subscription.callback.is_some() {
            background.spawn(worker::keep_subscription(self.clone(), stop.clone()));
        }
        if self.config.facilities.url.is_some() {
            background.spawn(facilities::keep(self.clone(), stop.clone()));
        }
        if self.config.openhim.url.is_some() {
            background.spawn(openhim::keep::keep(self.clone(), stop.clone()));
            // Also where nothing new is to be told: what was to be is still in the store.
            background.spawn(openhim::report::report(self.clone(), stop.clone()));
        }
        let drain = self.config.worker.drain.try_into().unwrap_or_default();
        let keeping = self.doors.keep_certificate(stop.clone());
        let serving = self.doors.serve(Listener::Messages, listener, routes::router(self.clone()), stop.clone(), drain);
        let administering = async {
            let Some(listener) = admin else { return };
            self.doors.serve(Listener::Admin, listener, admin_api::router(self.clone()), stop.clone(), drain).await;
        };
        // A mediator that takes claims in and delivers none looks well from outside: better it ends, and its supervisor starts it anew.
        let died = async {
            while let Some(ended) = background.join_next().await {
                if let Err(error) = ended {
                    return error;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            _ = async { tokio::join!(keeping, serving, administering) } => {}
            error = died => return Err(std::io::Error::other(format!("background work ended unexpectedly: {error}"))),
        }
        while let Some(ended) = background.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "background work ended unexpectedly");
            }
        }
        self.telemetry.end().await;
        Ok(())
    }

    async fn admin_listener(&self) -> std::io::Result<TcpListener> {
        let address = self.config.admin.listen;
        let listener = TcpListener::bind(address).await.map_err(|error| {
            std::io::Error::new(error.kind(), format!("cannot listen on {address} (admin.listen): {error}"))
        })?;
        let address = *self.doors.admin_address.get_or_init(|| listener.local_addr().unwrap_or(address));
        tracing::info!(%address, "the admin API is served");
        Ok(listener)
    }
}

/// Loads the mapping components that a configuration names, for a command: a cache of compiled ones is used if it is there. `serve`
/// makes it.
pub fn load_mappings(config: &Config) -> Result<MappingHost, LoadError> {
    MappingHost::open_to_look(config.sources(), config.limits())
}

/// Where traces go, if anywhere.
fn collector(config: &Config) -> Result<Option<Collector>, HttpSetupError> {
    let settings = &config.telemetry;
    let Some(endpoint) = settings.otlp_endpoint.clone() else { return Ok(None) };
    Ok(Some(Collector {
        endpoint,
        service_name: settings.service_name.clone(),
        service_version: env!("CARGO_PKG_VERSION"),
        sample_ratio: settings.sample_ratio,
        client: tls_client::client(config.tls.ca_file.as_deref())?,
    }))
}

/// What is this large or larger comes from the system and goes back to it, and not from a heap that keeps it.
#[cfg(target_env = "gnu")]
const LARGE_BYTES: i32 = 4 << 20;

/// A heap for each core, where glibc would have eight: each keeps what a burst of messages took. Heaps that are there already stay, so
/// this is for the beginning of a program. What is large goes back to the system when it is free: glibc would raise its own limit with
/// the first large block that is freed, and put the next ones into its heaps.
#[cfg(target_env = "gnu")]
pub fn few_heaps() {
    let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    // SAFETY: it may be called at any time, by any thread.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, i32::try_from(cores).unwrap_or(i32::MAX));
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
    }
}

/// Only glibc has a heap for each thread.
#[cfg(not(target_env = "gnu"))]
pub fn few_heaps() {}

/// Gives back what compiling the components took, some 50 MB: glibc would keep it for later.
#[cfg(target_env = "gnu")]
fn give_back_memory() {
    // SAFETY: it may be called at any time, by any thread; it only returns to the system what is free.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn give_back_memory() {}

/// Locks the store for this process: a file beside it, and on Linux the database itself, which nobody deletes by the way. There such a
/// lock and SQLite's own do not see each other; elsewhere they would.
fn lock(store: &std::path::Path) -> Result<Vec<std::fs::File>, StartError> {
    if let Some(directory) = store.parent() {
        std::fs::create_dir_all(directory).map_err(|error| StoreError(format!("{}: {error}", directory.display())))?;
    }
    // By another way to the same file there must be no second mediator.
    let store = store.canonicalize().unwrap_or_else(|_| store.to_owned());
    let own = cfg!(target_os = "linux").then(|| store.clone());
    let mut held = Vec::new();
    for path in [Some(store.with_extension("lock")), own].into_iter().flatten() {
        use std::os::unix::fs::OpenOptionsExt;
        let failed = |error: std::io::Error| StoreError(format!("{}: {error}", path.display()));
        let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => held.push(file),
            Err(std::fs::TryLockError::WouldBlock) => return Err(StartError::InUse(store.display().to_string())),
            Err(std::fs::TryLockError::Error(error)) => return Err(failed(error).into()),
        }
    }
    Ok(held)
}
