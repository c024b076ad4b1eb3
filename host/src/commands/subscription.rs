//! `subscription list|create|delete`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use flow::subscription::SubscriptionChange;
use openimis_mediator::clock::SystemClock;
use openimis_mediator::http::ReqwestHttp;
use openimis_mediator::{HostFlow, load_mappings};
use store::SqlStore;

use super::Source;

#[derive(Subcommand)]
pub enum Subscription {
    /// List all subscriptions that openIMIS has
    List,
    /// Put the mediator's subscription in place, as `serve` does by itself
    Create,
    /// Switch the mediator's subscription off
    Delete,
}

impl Subscription {
    pub async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let config = source.config()?;
        let http = ReqwestHttp::new(config.tls.ca_file.as_deref(), config.worker.requests_per_peer as usize)?;
        let store = SqlStore::open(&config.store).await?;
        let flow = HostFlow::new(http, store, SystemClock::default(), load_mappings(&config)?, config.settings());
        match self {
            Self::List => {
                let all = flow.subscriptions().await.context("subscriptions cannot be listed")?;
                out!("{:<38}{:<8}{:<10}{:<22}endpoint", "id", "status", "criteria", "end");
                for listed in &all {
                    let endpoint = &listed.channel.endpoint;
                    out!("{:<38}{:<8}{:<10}{:<22}{endpoint}", listed.id, listed.status, listed.criteria, listed.end);
                }
                out!("{} subscription(s)", all.len());
            }
            Self::Create => match flow.keep_subscription().await.context("the subscription cannot be created")? {
                SubscriptionChange::Created(id) => out!("created {id}"),
                SubscriptionChange::Renewed(id) => out!("renewed {id}"),
                SubscriptionChange::Unchanged(id) => out!("{id} was in place"),
            },
            Self::Delete => {
                let count = flow.delete_subscriptions().await.context("the subscription cannot be deleted")?;
                out!(
                    "deleted {count} subscription(s); a running `serve` puts it back unless subscription.callback is removed"
                );
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
