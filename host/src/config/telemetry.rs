//! Where traces go.

use serde::Deserialize;
use url::Url;

/// OpenTelemetry traces, over OTLP (HTTP, protobuf).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// The collector; `/v1/traces` is added. `tls.ca_file` counts for it, too.
    ///
    /// Optional, for example `"https://collector.example.org:4318"`. Without it: no traces are made.
    pub otlp_endpoint: Option<Url>,
    /// What the traces call the mediator (`service.name`).
    ///
    /// Default: `"openimis-mediator"`.
    pub service_name: String,
    /// Which share of the traces that begin here is kept, 0.0 to 1.0. What a caller has decided for its trace counts
    /// more.
    ///
    /// Default: `1.0`.
    pub sample_ratio: f64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { otlp_endpoint: None, service_name: "openimis-mediator".to_owned(), sample_ratio: 1.0 }
    }
}

pub(super) fn problems(telemetry: &Telemetry) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(endpoint) = &telemetry.otlp_endpoint
        && (!matches!(endpoint.scheme(), "http" | "https")
            || !endpoint.username().is_empty()
            || endpoint.password().is_some()
            || endpoint.query().is_some())
    {
        problems.push("telemetry.otlp_endpoint: expected http or https, without user, password and query".to_owned());
    }
    if telemetry.service_name.is_empty() {
        problems.push("telemetry.service_name: is empty".to_owned());
    }
    if !(0.0..=1.0).contains(&telemetry.sample_ratio) {
        problems.push("telemetry.sample_ratio: expected 0.0 to 1.0".to_owned());
    }
    problems
}
