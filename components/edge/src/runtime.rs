//! The mediator's logic on the ports of this runtime.

use flow::Flow;
use flow::ports::{Clock, StoreError};
use jiff::Timestamp;

use crate::config::Config;
use crate::mapper::Plugged;
use crate::outbound::WasiHttp;
use crate::store::SpinStore;

/// The mediator's logic on this runtime's ports.
pub type EdgeFlow = Flow<WasiHttp, SpinStore, WallClock, Plugged>;

/// The runtime's clock. Unlike the native host's it cannot hide a jump back: no instance outlives its request.
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The logic for one request, which has the configured time.
pub fn flow(config: Config) -> Result<EdgeFlow, StoreError> {
    let store = SpinStore::open()?;
    let http = WasiHttp::new();
    http.set_budget(config.budget);
    Ok(Flow::new(http, store, WallClock, Plugged, config.settings))
}
