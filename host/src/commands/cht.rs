//! `cht check`: whether a running CHT is set up for this mediator.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use flow::peers::cht_check::{Expected, Finding, Level};
use openimis_mediator::clock::SystemClock;
use openimis_mediator::config::{Config, Scope};
use openimis_mediator::http::ReqwestHttp;
use openimis_mediator::{HostFlow, load_mappings};
use store::SqlStore;

use super::{Source, print_pretty};

#[derive(Subcommand)]
pub enum Cht {
    /// Ask a running CHT for its settings and say what is missing or different; nothing is written there
    Check(Check),
}

#[derive(Args)]
pub struct Check {
    /// One JSON object with all findings
    #[arg(long)]
    json: bool,
    /// Only what is wrong
    #[arg(long)]
    quiet: bool,
    /// End with 1 for warnings, too
    #[arg(long)]
    strict: bool,
}

impl Cht {
    pub async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        match self {
            Self::Check(check) => check.run(source).await,
        }
    }
}

/// The logic on the peers and the store of a configuration, for a command.
pub async fn flow(source: &Source) -> anyhow::Result<(Config, HostFlow)> {
    let config = source.config()?;
    let http = ReqwestHttp::new(config.tls.ca_file.as_deref(), config.worker.requests_per_peer as usize)?;
    let store = SqlStore::open(&config.store).await?;
    let mapper = load_mappings(&config)?;
    let flow = HostFlow::new(http, store, SystemClock::default(), mapper, config.settings());
    Ok((config, flow))
}

/// Users that may post feedback, by the configuration.
fn feedback_users(config: &Config) -> Vec<String> {
    let clients = config.clients.iter().filter(|client| client.scopes.contains(&Scope::Feedback));
    let mut users: Vec<String> = clients.filter_map(|client| client.username.clone()).collect();
    users.extend(Some(config.inbound.username.clone()).filter(|user| !user.is_empty()));
    users
}

impl Check {
    async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let (config, flow) = flow(source).await?;
        let imported = flow.store.all_places().await.context("the imported places")?;
        let expected = Expected {
            feedback_users: feedback_users(&config),
            address: config.subscription.callback.clone(),
            places: imported.into_iter().map(|row| row.place_id).collect(),
        };
        let findings = flow.check_cht(&expected).await;
        let (errors, warnings) = (findings.count(Level::Error), findings.count(Level::Warning));
        let url = config.cht.url.as_ref().map(ToString::to_string).unwrap_or_default();
        if self.json {
            let told = serde_json::json!({"url": url, "errors": errors, "warnings": warnings, "findings": findings.0});
            print_pretty(&told)?;
        } else {
            out!("CHT {url} as {}", config.cht.username);
            out!("");
            let width = findings.0.iter().map(|finding| finding.check.len()).max().unwrap_or_default() + 2;
            let shown = findings.0.iter().filter(|finding| !self.quiet || finding.level != Level::Ok);
            shown.for_each(|finding| line(finding, width));
            out!("");
            out!("{errors} error(s), {warnings} warning(s), {} as it should be", findings.count(Level::Ok));
        }
        let bad = errors > 0 || (self.strict && warnings > 0);
        Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn line(finding: &Finding, width: usize) {
    let level = match finding.level {
        Level::Ok => "ok",
        Level::Warning => "warning",
        Level::Error => "ERROR",
    };
    out!("{level:<9}{:<width$}{}", finding.check, finding.text);
    if let Some(todo) = &finding.todo {
        out!("{:<9}{:<width$}-> {todo}", "", "");
    }
}
