//! `messages retry|discard|prune`.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use flow::steady::{self, ClockVerdict};
use flow::{MessageId, State};
use jiff::{SignedDuration, Timestamp};
use openimis_mediator::config::Retention;
use store::{Filter, SqlStore, View};

use super::{Which, actor, bar};

#[derive(Args)]
#[group(id = "one_or_all", required = true, multiple = false, args = ["id", "all"])]
pub struct Retry {
    /// Number of the message
    #[arg(conflicts_with_all = ["state", "kind", "claim"])]
    id: Option<i64>,
    /// All that fit --state (default: dead), --kind and --claim
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Args)]
pub struct Prune {
    /// The clock is right, though it is far ahead of the newest time in the store
    #[arg(long)]
    pub accept_clock: bool,
}

#[derive(Args)]
pub struct Discard {
    /// Number of the message
    id: i64,
    /// Why: it stays on the trail and in the audit trail. No personal data
    #[arg(long)]
    reason: String,
}

impl Retry {
    pub async fn run(self, store: &SqlStore) -> anyhow::Result<ExitCode> {
        let Some(id) = self.id.map(MessageId) else { return self.all(store).await };
        if store.retry(id, &actor(), store.now(Timestamp::now()).await?).await? {
            out!("message {id} is due now; a running mediator takes it within seconds");
            return Ok(ExitCode::SUCCESS);
        }
        not_done(store, id, "nothing to retry").await
    }

    async fn all(self, store: &SqlStore) -> anyhow::Result<ExitCode> {
        let state = self.which.state.unwrap_or(State::Dead);
        if matches!(state, State::Delivered | State::Leased) {
            bail!("--state {state}: such messages cannot be retried");
        }
        let filter = Filter { state: Some(state), ..self.which.filter(None, 0) };
        let in_state = store.counts().await?.into_iter().find(|(counted, _)| *counted == state);
        // The whole state is the most it can be: kind and claim narrow it down.
        let most = in_state.map_or(0, |(_, count)| u64::try_from(count).unwrap_or_default());
        let bar = bar(Some(most), "put back");
        let now = store.now(Timestamp::now()).await?;
        let count = store.retry_all(&filter, &actor(), now, |count| bar.set_position(count)).await?;
        bar.finish_and_clear();
        out!("{count} messages are due now; a running mediator takes them within seconds");
        Ok(ExitCode::SUCCESS)
    }
}

impl Discard {
    pub async fn run(self, store: &SqlStore) -> anyhow::Result<ExitCode> {
        let (id, reason) = (MessageId(self.id), self.reason.trim());
        if reason.is_empty() || reason.chars().count() > 500 {
            bail!("--reason: expected 1 to 500 characters");
        }
        if store.discard(id, reason, &actor(), store.now(Timestamp::now()).await?).await? {
            out!("message {id} is discarded; `messages retry {id}` brings it back");
            return Ok(ExitCode::SUCCESS);
        }
        not_done(store, id, "nothing to discard").await
    }
}

async fn not_done(store: &SqlStore, id: MessageId, what: &str) -> anyhow::Result<ExitCode> {
    match store.view(id).await? {
        None => bail!("there is no message {id}"),
        Some(view) if view.body.is_none() => {
            bail!("message {id} is {}, and its document is no longer kept: {what}", view.summary.state)
        }
        Some(View { behind: Some(other), .. }) => {
            bail!(
                "message {id} and message {other} are different documents with one key: {what} before message {other} is discarded"
            )
        }
        Some(view) => bail!("message {id} is {}: {what}", view.summary.state),
    }
}

/// Refuses where the clock is not to be trusted with what cannot be undone.
async fn check_clock(store: &SqlStore, retention: &Retention, now: Timestamp) -> anyhow::Result<()> {
    let known = steady::known(store).await?;
    let (_, judged) = steady::judge(known, now, SignedDuration::ZERO, steady::allowed(retention.documents));
    if judged.is_trusted() {
        return Ok(());
    }
    let newest = match judged {
        ClockVerdict::Doubted { since } => format!("and since {since} it is doubted because it jumped ahead"),
        _ => known.newest.map(|newest| format!("and the newest time in the store is {newest}")).unwrap_or_default(),
    };
    bail!(
        "the clock says {now}, {newest}: nothing was pruned. If the clock is right, add --accept-clock; if not, set it right first"
    )
}

pub async fn prune(store: &SqlStore, retention: &Retention, accept_clock: bool) -> anyhow::Result<ExitCode> {
    let now = store.now(Timestamp::now()).await?;
    if accept_clock {
        steady::accept(store, now).await?;
    } else {
        check_clock(store, retention, now).await?;
    }
    let before = |kept: SignedDuration| now.saturating_add(-kept).unwrap_or(Timestamp::MIN);
    let bar = bar(None, "messages pruned");
    let pruned = store
        .prune(before(retention.documents), before(retention.messages), |so_far| {
            bar.set_position(so_far.documents + so_far.messages);
        })
        .await?;
    bar.finish_and_clear();
    let (documents, messages) = (pruned.documents, pruned.messages);
    store.audited(&actor(), "prune", None, &format!("{documents} documents, {messages} messages"), now).await?;
    out!("pruned the documents of {documents} messages, and {messages} messages with their trails");
    Ok(ExitCode::SUCCESS)
}
