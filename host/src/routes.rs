//! All routes of the listener for messages.

use std::sync::Arc;

use axum::Router;

use crate::server::answer::with_fallbacks;
use crate::{Host, eclaim, eligibility, inbound, playground};

/// All routes for openIMIS, CHT, OpenHIM and hospitals.
pub fn router(host: Arc<Host>) -> Router {
    let routes = inbound::routes(&host)
        .merge(eligibility::routes(&host))
        .merge(eclaim::routes(&host))
        .merge(playground::routes(&host.config.playground));
    with_fallbacks(routes).with_state(host)
}
