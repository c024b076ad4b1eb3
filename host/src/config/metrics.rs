//! What Prometheus may read.

use jiff::SignedDuration;
use serde::Deserialize;
use url::Url;

use super::{Config, Scope};

/// `GET /metrics`, on the admin listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Whether anybody who reaches the admin listener may read them, without credentials. They hold counts and times, no
    /// personal data. Otherwise a client with the scope "metrics" is asked for.
    ///
    /// Default: `false`.
    pub public: bool,
    /// How long what is counted in the store (backlog, oldest message) is told again without a new look, so that many
    /// scrapes do not load the database.
    ///
    /// Default: `"5s"`.
    pub cache: SignedDuration,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { public: false, cache: SignedDuration::from_secs(5) }
    }
}

pub(super) fn problems(metrics: &Metrics) -> Vec<String> {
    let mut problems = Vec::new();
    if metrics.cache.is_negative() || metrics.cache > SignedDuration::from_hours(1) {
        problems.push("metrics.cache: expected 0s to 1h".to_owned());
    }
    problems
}

impl Config {
    /// Whether anybody may read the metrics: then the admin listener is served even if nobody may use the admin API.
    pub fn serves_metrics(&self) -> bool {
        self.metrics.public || self.clients.iter().any(|client| client.scopes.contains(&Scope::Metrics))
    }
}

impl Config {
    /// The peers whose requests are counted, and where they are.
    pub fn counted_peers(&self) -> Vec<(&'static str, Url)> {
        let hospital = &self.eclaim.callback.url;
        let peers = [("openimis", &self.openimis.url), ("cht", &self.cht.url), ("hospital", hospital)];
        peers.into_iter().filter_map(|(name, url)| Some((name, url.clone()?))).collect()
    }
}
