//! `serve`: the mediator itself, on real peers or on the sandbox.

use std::process::ExitCode;

use clap::Args;
use openimis_mediator::Host;

use super::Source;
use super::log::log_to_stderr;
use super::run::serve;

#[derive(Args)]
pub struct Serve {
    /// The clock is right, though it is far ahead of the newest time in the store: prune and give up by it again
    #[arg(long)]
    accept_clock: bool,
    #[cfg(feature = "sandbox")]
    #[command(flatten)]
    sandbox: super::sandbox::Options,
}

impl Serve {
    pub async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        #[cfg(feature = "sandbox")]
        if self.sandbox.is_asked_for() {
            return super::sandbox::serve(self.sandbox).await;
        }
        let config = source.config()?;
        log_to_stderr(&config.log);
        forbid_core_dumps();
        for warning in source.warnings(&config) {
            tracing::warn!("{warning}");
        }
        let host = Host::build(config).await?;
        if self.accept_clock {
            host.accept_clock().await?;
        }
        announce(&host);
        serve(host).await
    }
}

/// A dump of the memory would hold patients' data and passwords.
fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%error, "core dumps could not be forbidden");
    }
}

fn announce(host: &Host) {
    tracing::info!(store = %host.config.store.shown(), "openimis-mediator starts");
    for mapping in host.flow.mapper.mappings() {
        let (name, sha256) = (mapping.mapping.name(), &mapping.sha256[..12]);
        tracing::info!(mapping = name, file = %mapping.file.display(), sha256, "mapping loaded");
    }
    for missing in host.flow.mapper.without() {
        // The components of an older release go on with what they did.
        tracing::warn!(mapping = missing.name(), "no component has this mapping: what needs it is refused");
    }
    if host.config.subscription.callback.is_none() {
        tracing::info!("no subscription is kept (subscription.callback is not set): claims are found by polling");
    }
}
