//! `messages`: work on the store, with or without a running mediator. Whatever changes something leaves a line in the audit trail.

mod change;
mod export;

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use flow::{Kind, MessageId, State};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use openimis_mediator::config::{Config, ConfigError, Place};
use serde_json::Value;
use store::{Filter, SqlStore, Summary, View};

use super::{Source, print_document, print_json, print_pretty};

#[derive(Subcommand)]
pub enum Messages {
    /// List messages, newest first
    List(List),
    /// Show one message with its trail
    Show(Show),
    /// Deliver a message (again) now: a dead letter, a skipped or discarded one, or one that waits; with --all every one that fits
    Retry(change::Retry),
    /// Take a message out for good: it is not delivered, and a repetition of it neither
    Discard(change::Discard),
    /// Write messages as NDJSON, a JSON object a line, newest first
    Export(export::Export),
    /// Prune now what is older than `retention` says, as a running mediator does every ten minutes
    Prune(change::Prune),
    /// What admins did, newest first
    Audit(Audit),
}

/// Which messages.
#[derive(Args)]
struct Which {
    /// Only in this state: pending, leased, delivered, skipped, dead or discarded
    #[arg(long, value_parser = state)]
    state: Option<State>,
    /// Only of this kind: claim-response, feedback, eclaim, adjudication or eclaim-answer
    #[arg(long, value_parser = kind)]
    kind: Option<Kind>,
    /// Only of this claim: its code or uuid
    #[arg(long)]
    claim: Option<String>,
}

impl Which {
    fn filter(&self, before: Option<i64>, limit: u32) -> Filter {
        let before = before.map(MessageId);
        Filter { state: self.state, kind: self.kind, claim: self.claim.clone(), before, limit, ..Filter::default() }
    }

    /// For the audit trail.
    fn described(&self) -> String {
        let state = self.state.map(|state| format!("state {state}"));
        let kind = self.kind.map(|kind| format!("kind {kind}"));
        let claim = self.claim.as_ref().map(|claim| format!("claim {claim}"));
        let described: Vec<String> = [state, kind, claim].into_iter().flatten().collect();
        if described.is_empty() { "all messages".to_owned() } else { described.join(", ") }
    }
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    which: Which,
    /// Only with a smaller number than this: the next page
    #[arg(long)]
    before: Option<i64>,
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
    /// Also the document as received and as sent: personal data; that it was read goes into the audit trail
    #[arg(long)]
    body: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct Audit {
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

fn state(word: &str) -> Result<State, String> {
    State::from_word(word).ok_or_else(|| expected(State::ALL))
}

fn kind(word: &str) -> Result<Kind, String> {
    Kind::from_word(word).or_else(|| former(word)).ok_or_else(|| expected(Kind::ALL))
}

/// The kind that had this word in the version before.
fn former(word: &str) -> Option<Kind> {
    let kind = Kind::from_former(word)?;
    note!("--kind {word} is called --kind {kind} now; the next version refuses the former word");
    Some(kind)
}

fn expected(words: &[impl ToString]) -> String {
    format!("expected {}", words.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

/// Who is at the keyboard, for the audit trail. A name can be pretended, the number cannot.
pub fn actor() -> String {
    use std::os::unix::fs::MetadataExt;
    let uid = std::fs::metadata("/proc/self").map_or("uid unknown".to_owned(), |own| format!("uid {}", own.uid()));
    let name = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).ok().filter(|name| !name.is_empty());
    match name {
        Some(name) => format!("command line: {name} ({uid})"),
        None => format!("command line: {uid}"),
    }
}

/// Progress of bulk work.
pub fn bar(length: Option<u64>, what: &'static str) -> ProgressBar {
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let template = if length.is_some() { "{bar:40} {pos}/{len} {msg}, {eta} left" } else { "{spinner} {pos} {msg}" };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(what)
}

/// Opens a store that is there: a new one where none is expected would only hide a slip.
pub async fn open_store(config: &Config) -> anyhow::Result<SqlStore> {
    if let Place::Sqlite(path) = config.store.place()?
        && !path.is_file()
    {
        bail!(
            "{} is not there: no mediator has run with this store.path (config or working directory?)",
            path.display()
        );
    }
    Ok(SqlStore::open(&config.store).await?)
}

impl Messages {
    pub async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let config = source.partial_config()?;
        if matches!(self, Self::Prune(_)) {
            // It cannot be undone: a slip in these settings must not prune what is still wanted.
            let problems = config.store_problems();
            if !problems.is_empty() {
                return Err(ConfigError(problems).into());
            }
        }
        let store = open_store(&config).await?;
        match self {
            Self::List(list) => list.run(&store).await,
            Self::Show(show) => show.run(&store).await,
            Self::Retry(retry) => retry.run(&store).await,
            Self::Discard(discard) => discard.run(&store).await,
            Self::Export(export) => export.run(&store).await,
            Self::Prune(prune) => change::prune(&store, &config.retention, prune.accept_clock).await,
            Self::Audit(audit) => audit.run(&store).await,
        }
    }
}

impl List {
    async fn run(self, store: &SqlStore) -> anyhow::Result<ExitCode> {
        let messages = store.list(&self.which.filter(self.before, self.limit)).await?;
        if self.json {
            for message in &messages {
                print_json(message)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        heading();
        messages.iter().for_each(line);
        let counts = store.counts().await?;
        let counts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
        out!("");
        out!("in all: {}", if counts.is_empty() { "no messages".to_owned() } else { counts.join(", ") });
        Ok(ExitCode::SUCCESS)
    }
}

impl Audit {
    async fn run(self, store: &SqlStore) -> anyhow::Result<ExitCode> {
        for line in store.audit(None, self.limit).await? {
            if self.json {
                print_json(&line)?;
                continue;
            }
            let message = line.message_id.map(|id| format!(" {id}")).unwrap_or_default();
            let detail = if line.detail.is_empty() { String::new() } else { format!(": {}", line.detail) };
            let at = line.at.strftime("%Y-%m-%d %H:%M:%S");
            out!("{at}  {}  {}{message}{detail}", line.actor, line.action);
        }
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
    async fn run(self, store: &SqlStore) -> anyhow::Result<ExitCode> {
        let Some(view) = store.view(MessageId(self.id)).await? else { bail!("there is no message {}", self.id) };
        if self.body {
            store.audit_read(&actor(), MessageId(self.id), store.now(Timestamp::now()).await?).await?;
        }
        if self.json {
            let shown = if self.body { with_documents(&view)? } else { serde_json::to_value(&view)? };
            print_pretty(&shown)?;
            return Ok(ExitCode::SUCCESS);
        }
        print(&view);
        if self.body {
            let received = view.body.as_deref().map(String::from_utf8_lossy);
            out!("");
            out!("as received:");
            print_document(received.as_deref().unwrap_or("(no longer kept, or sealed with another key)"));
            out!("");
            out!("as sent:");
            print_document(view.mapped.as_deref().unwrap_or("(nothing yet)"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A message as JSON with its documents, `received` and `sent`; null when there is none, or no longer.
fn with_documents(view: &View) -> serde_json::Result<Value> {
    let mut shown = serde_json::to_value(view)?;
    shown["received"] = view.body.as_deref().map_or(Value::Null, document);
    shown["sent"] = view.mapped.as_deref().map_or(Value::Null, |sent| document(sent.as_bytes()));
    Ok(shown)
}

/// A document as JSON; as text where it is none.
fn document(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(bytes)))
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
    out!("sender     {}", view.sender.as_deref().unwrap_or("-"));
    if let Some(first) = view.conflict_of {
        out!("same key   as message {first}, which is another document");
    }
    for other in &view.conflicts {
        out!("same key   as message {other}, which is another document");
    }
    out!("trace      {}", view.trace_id.as_deref().unwrap_or("-"));
    out!("received   {}", message.received_at);
    if let Some(due) = message.due_at {
        out!("due        {due}");
    }
    out!("attempts   {}", message.attempts);
    for issue in &view.issues {
        out!("issue      {issue}");
    }
    out!("");
    out!("trail");
    for line in &view.trail {
        let status = line.status.map(|status| format!(" [{status}]")).unwrap_or_default();
        let took = line.duration_ms.map(|ms| format!(" ({ms} ms)")).unwrap_or_default();
        out!("  {}  {}{status}{took}: {}", line.at.strftime("%Y-%m-%d %H:%M:%S%.3f"), line.event, line.detail);
    }
    if !view.related.is_empty() {
        out!("");
        out!("other messages of this claim");
        for other in &view.related {
            out!("  {} {} {}", other.id, other.kind, other.state);
        }
    }
}
