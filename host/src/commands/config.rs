//! `config check`: every problem at once, or what was understood.

use std::process::ExitCode;

use clap::Subcommand;
use openimis_mediator::http::ReqwestHttp;
use openimis_mediator::load_mappings;

use super::Source;

#[derive(Subcommand)]
pub enum Config {
    /// Read the configuration and tell every problem of it
    Check,
}

impl Config {
    pub fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let Self::Check = self;
        let read = source.config();
        let readable = match &read {
            Ok(config) => Some(config.clone()),
            Err(_) => source.partial_config().ok(),
        };
        let mut problems = read.as_ref().err().map(|error| error.0.clone()).unwrap_or_default();
        if let Some(config) = readable {
            problems.extend(load_mappings(&config).err().map(|error| format!("components: {error}")));
            problems.extend(ReqwestHttp::new(config.tls.ca_file.as_deref()).err().map(|error| error.to_string()));
        }
        let Ok(config) = read else { return Ok(report(&problems)) };
        if !problems.is_empty() {
            return Ok(report(&problems));
        }
        let shown = |url: &Option<url::Url>| url.as_ref().map(ToString::to_string).unwrap_or_default();
        out!("The configuration can be used.");
        out!("  listens on    {}", config.listen);
        out!("  openIMIS      {} as {}", shown(&config.openimis.url), config.openimis.username);
        out!("  CHT           {} as {}", shown(&config.cht.url), config.cht.username);
        out!("  tasks for     {:?} claims", config.tasks.policy);
        match &config.subscription.callback {
            Some(url) => out!("  subscription  {url}"),
            None => out!("  subscription  none: claims are found by polling only (subscription.callback)"),
        }
        out!("  messages in   {}", config.store.path.display());
        out!("  components    {}", config.components_dir().display());
        Ok(ExitCode::SUCCESS)
    }
}

fn report(problems: &[String]) -> ExitCode {
    out!("{} problem(s) in the configuration:", problems.len());
    for problem in problems {
        out!("  - {problem}");
    }
    ExitCode::FAILURE
}
