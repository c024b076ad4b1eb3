//! The native host: stores what comes in, maps it in WebAssembly components, delivers it.
//!
//! # Layout
//! - [`config`]: what the operator decides. [`Host`]: everything put together; [`Host::run`] serves until asked to stop.
//! - [`inbound`]: HTTP in. [`worker`]: deliveries, polling, subscription. [`http`]: HTTP out.
//! - [`mapper`]: the mapping components in wasmtime. [`store`]: messages on SQLite.
//! - [`sandbox`]: stand-ins for openIMIS and CHT, for newcomers and tests.

use std::sync::Arc;

use flow::Flow;
use flow::ports::{Clock, StoreError};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

pub mod config;
pub mod http;
pub mod inbound;
pub mod mapper;
pub mod sandbox;
pub mod store;
pub mod worker;

use config::Config;
use http::{HttpSetupError, ReqwestHttp};
use mapper::{Limits, LoadError, MappingHost};
use store::SqliteStore;

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The mediator's logic on this host's ports.
pub type HostFlow = Flow<ReqwestHttp, SqliteStore, SystemClock, MappingHost>;

/// Everything put together.
pub struct Host {
    /// As configured.
    pub config: Config,
    /// The logic.
    pub flow: HostFlow,
    /// Wakes the worker: something new is due.
    pub wake: Notify,
    /// Held as long as the process lives: one process leases messages of a SQLite file.
    _lock: std::fs::File,
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
        let http = ReqwestHttp::new(config.tls.ca_file.as_deref())?;
        let mapper = load_mappings(&config)?;
        let store = SqliteStore::open(&config.store.path).await?;
        let lock = lock(&config.store.path)?;
        let released = store.release_leases(Timestamp::now()).await?;
        if released > 0 {
            tracing::info!(count = released, "deliveries that an earlier stop interrupted are taken up again");
        }
        let settings = config.settings();
        let flow = Flow::new(http, store, SystemClock, mapper, settings);
        Ok(Arc::new(Self { config, flow, wake: Notify::new(), _lock: lock }))
    }

    /// Serves on a listener, delivers, polls and keeps the subscription until `stop` turns true; then drains.
    pub async fn run(self: Arc<Self>, listener: TcpListener, stop: watch::Receiver<bool>) -> std::io::Result<()> {
        let mut background = vec![tokio::spawn(worker::deliver(self.clone(), stop.clone()))];
        if self.config.poll.enabled {
            background.push(tokio::spawn(worker::poll_claims(self.clone(), stop.clone())));
            background.push(tokio::spawn(worker::poll_selected(self.clone(), stop.clone())));
        }
        if self.config.subscription.callback.is_some() {
            background.push(tokio::spawn(worker::keep_subscription(self.clone(), stop.clone())));
        }
        let drain = self.config.worker.drain.try_into().unwrap_or_default();
        let (mut asked, mut overdue) = (stop.clone(), stop);
        let router = inbound::router(self.clone());
        let serving =
            axum::serve(listener, router).with_graceful_shutdown(async move { worker::asked(&mut asked).await });
        let served = tokio::select! {
            served = serving.into_future() => served,
            () = async { worker::asked(&mut overdue).await; tokio::time::sleep(drain).await } => {
                tracing::warn!("a client kept its connection open; it is closed now");
                Ok(())
            }
        };
        for task in background {
            if let Err(error) = task.await {
                tracing::error!(%error, "background work ended unexpectedly");
            }
        }
        served
    }
}

/// Loads the mapping components that a configuration names.
pub fn load_mappings(config: &Config) -> Result<MappingHost, LoadError> {
    let components = &config.components;
    let limits = Limits {
        memory_bytes: components.memory_limit_bytes,
        time: components.time_limit.try_into().unwrap_or_default(),
        instances: components.instances,
    };
    MappingHost::load(&config.components_dir(), limits)
}

fn lock(store: &std::path::Path) -> Result<std::fs::File, StartError> {
    let path = store.with_extension("lock");
    let failed = |error: std::io::Error| StoreError(format!("{}: {error}", path.display()));
    let file = std::fs::File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::InUse(store.display().to_string())),
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error).into()),
    }
}
