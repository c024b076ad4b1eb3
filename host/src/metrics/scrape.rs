//! `GET /metrics`, in the text format of OpenMetrics, which Prometheus has read since 2.5 and all that speak like it read as well.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Metrics;
use crate::Host;
use crate::config::Scope;
use crate::server::admit::admit;
use crate::server::answer::refusal;

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// The route, for the admin listener. Without credentials only where the settings say so.
pub fn routes(host: &Arc<Host>) -> Router<Arc<Host>> {
    let route = Router::new().route("/metrics", get(scrape));
    match host.config.metrics.public {
        true => route,
        false => route.route_layer(from_fn_with_state((host.doors.clone(), Scope::Metrics), admit)),
    }
}

async fn scrape(State(host): State<Arc<Host>>) -> Response {
    host.metrics.sampled.look(&host).await;
    match host.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "exception", "the metrics could not be written")
        }
    }
}

impl Metrics {
    /// All figures as text.
    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::with_capacity(32 << 10);
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
