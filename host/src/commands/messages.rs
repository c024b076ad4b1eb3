//! `messages list|show|retry`: work on the store, with or without a running mediator.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use flow::{Kind, MessageId, State};
use jiff::Timestamp;
use openimis_mediator::store::{Filter, SqliteStore, Summary, View};

use super::Source;

#[derive(Subcommand)]
pub enum Messages {
    /// List messages, newest first
    List(List),
    /// Show one message with its trail
    Show(Show),
    /// Deliver a message (again) now: a dead letter, a skipped one, or one that waits
    Retry {
        /// Number of the message
        id: i64,
    },
}

#[derive(Args)]
pub struct List {
    /// Only in this state: pending, leased, delivered, skipped or dead
    #[arg(long, value_parser = state)]
    state: Option<State>,
    /// Only of this kind: claim-response or feedback
    #[arg(long, value_parser = kind)]
    kind: Option<Kind>,
    /// Only of this claim: its code or uuid
    #[arg(long)]
    claim: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct Show {
    /// Number of the message
    id: i64,
    /// Also the document as received and as sent: personal data
    #[arg(long)]
    body: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

fn state(word: &str) -> Result<State, String> {
    State::from_word(word).ok_or_else(|| expected(State::ALL))
}

fn kind(word: &str) -> Result<Kind, String> {
    Kind::from_word(word).ok_or_else(|| expected(Kind::ALL))
}

fn expected(words: &[impl ToString]) -> String {
    format!("expected {}", words.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

impl Messages {
    pub async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let path = source.partial_config()?.store.path;
        if !path.is_file() {
            bail!(
                "{} is not there: no mediator has run with this store.path (config or working directory?)",
                path.display()
            );
        }
        let store = SqliteStore::open(&path).await?;
        match self {
            Self::List(list) => list.run(&store).await,
            Self::Show(show) => show.run(&store).await,
            Self::Retry { id } => retry(&store, MessageId(id)).await,
        }
    }
}

impl List {
    async fn run(self, store: &SqliteStore) -> anyhow::Result<ExitCode> {
        let filter = Filter { state: self.state, kind: self.kind, claim: self.claim, limit: self.limit };
        let messages = store.list(&filter).await?;
        if self.json {
            for message in &messages {
                out!("{}", serde_json::to_string(message)?);
            }
            return Ok(ExitCode::SUCCESS);
        }
        heading();
        messages.iter().for_each(line);
        let counts = store.counts().await?;
        let counts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
        out!("\nin all: {}", if counts.is_empty() { "no messages".to_owned() } else { counts.join(", ") });
        Ok(ExitCode::SUCCESS)
    }
}

fn heading() {
    out!(
        "{:>6}  {:<15}{:<10}{:<20}{:<38}{:>5}  {:<21}reason",
        "id",
        "kind",
        "state",
        "claim",
        "claim uuid",
        "tries",
        "received (UTC)"
    );
}

fn line(message: &Summary) {
    let Summary { id, kind, state, attempts, .. } = message;
    let code = message.claim_code.as_deref().unwrap_or("-");
    let uuid = message.claim_uuid.as_deref().unwrap_or("-");
    let received = message.received_at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let reason = message.reason.as_deref().unwrap_or_default();
    out!("{id:>6}  {kind:<15}{state:<10}{code:<20}{uuid:<38}{attempts:>5}  {received:<21}{reason}");
}

impl Show {
    async fn run(self, store: &SqliteStore) -> anyhow::Result<ExitCode> {
        let Some(view) = store.view(MessageId(self.id)).await? else { bail!("there is no message {}", self.id) };
        if self.json {
            out!("{}", serde_json::to_string_pretty(&view)?);
        } else {
            print(&view);
        }
        if self.body {
            out!("\nas received:\n{}", String::from_utf8_lossy(&view.body));
            out!("\nas sent:\n{}", view.mapped.as_deref().unwrap_or("(nothing yet)"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print(view: &View) {
    let message = &view.summary;
    out!("message    {} ({}, by {})", message.id, message.kind, message.origin);
    out!(
        "state      {}{}",
        message.state,
        message.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
    );
    out!(
        "claim      {} {}",
        message.claim_code.as_deref().unwrap_or("-"),
        message.claim_uuid.as_deref().unwrap_or("-")
    );
    out!("insuree    {}", view.insuree_uuid.as_deref().unwrap_or("-"));
    out!("received   {}", message.received_at);
    if let Some(due) = message.due_at {
        out!("due        {due}");
    }
    out!("attempts   {}", message.attempts);
    for issue in &view.issues {
        out!("issue      {issue}");
    }
    out!("\ntrail");
    for line in &view.trail {
        let status = line.status.map(|status| format!(" [{status}]")).unwrap_or_default();
        let took = line.duration_ms.map(|ms| format!(" ({ms} ms)")).unwrap_or_default();
        out!("  {}  {}{status}{took}: {}", line.at.strftime("%Y-%m-%d %H:%M:%S%.3f"), line.event, line.detail);
    }
    if !view.related.is_empty() {
        out!("\nother messages of this claim");
        for other in &view.related {
            out!("  {} {} {}", other.id, other.kind, other.state);
        }
    }
}

async fn retry(store: &SqliteStore, id: MessageId) -> anyhow::Result<ExitCode> {
    if store.retry(id, Timestamp::now()).await? {
        out!("message {id} is due now; a running mediator takes it within seconds");
        return Ok(ExitCode::SUCCESS);
    }
    match store.view(id).await? {
        None => bail!("there is no message {id}"),
        Some(view) => bail!("message {id} is {}: nothing to retry", view.summary.state),
    }
}
