//! `facilities`: the facilities of a registry, brought to openIMIS; those that failed; those that a person has to decide on.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use flow::facilities::is_code;
use flow::facilities::{Action, Counts, Event, Record, RunRequest, State};
use flow::ports::Clock;
use indicatif::ProgressBar;
use jiff::Timestamp;
use openimis_mediator::clock::SystemClock;
use openimis_mediator::config::Config;
use openimis_mediator::facilities::{SyncError, national_id, retry, sync};
use openimis_mediator::http::ReqwestHttp;
use openimis_mediator::{HostFlow, load_mappings};
use store::{FacilityFilter, FacilityLine, SqlStore};

use super::messages::{actor, bar, open_store};
use super::{Source, print_document, print_json};

#[derive(Subcommand)]
pub enum Facilities {
    /// Bring the registry's facilities to openIMIS now: those that changed since the last time
    Sync(Sync),
    /// List facilities that are not done, newest first
    List(List),
    /// Show one with what is wrong with it
    Show(Show),
    /// Try again now: one, or all that failed
    Retry(Retry),
    /// Say what a possible duplicate is, and try it again
    Decide(Decide),
    /// The last runs
    Runs(Runs),
}

#[derive(Args)]
pub struct Sync {
    /// All facilities, each compared with what openIMIS has; not only those that changed
    #[arg(long)]
    full: bool,
    /// Change nothing, only report what would change
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
pub struct List {
    /// Only those that failed
    #[arg(long)]
    failed: bool,
    /// Only in this state: failed, possible-duplicate, due or done
    #[arg(long, value_parser = state, conflicts_with = "failed")]
    state: Option<State>,
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
    /// Number of the facility
    id: i64,
    /// Also the registry's document
    #[arg(long)]
    body: bool,
}

#[derive(Args)]
#[group(id = "one_or_all_facilities", required = true, multiple = false, args = ["id", "all"])]
pub struct Retry {
    /// Number of the facility
    id: Option<i64>,
    /// All that failed
    #[arg(long)]
    all: bool,
}

#[derive(Args)]
pub struct Decide {
    /// Number of the facility
    id: i64,
    /// It is the facility that openIMIS calls so
    #[arg(long, value_name = "CODE", required_unless_present = "another", conflicts_with = "another")]
    same: Option<String>,
    /// It is another facility, which happens to have the same name
    #[arg(long)]
    another: bool,
}

#[derive(Args)]
pub struct Runs {
    /// At most so many
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

fn state(word: &str) -> Result<State, String> {
    State::from_word(word).ok_or_else(|| format!("expected {}", State::ALL.map(State::word).join(", ")))
}

impl Facilities {
    pub async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        match self {
            Self::Sync(command) => command.run(source).await,
            Self::Retry(command) => command.run(source).await,
            Self::Decide(command) => command.run(source).await,
            Self::List(command) => command.run(&open_store(&source.partial_config()?).await?).await,
            Self::Show(command) => command.run(&open_store(&source.partial_config()?).await?).await,
            Self::Runs(command) => command.run(&open_store(&source.partial_config()?).await?).await,
        }
    }
}

async fn flow(config: &Config) -> anyhow::Result<HostFlow> {
    let http = ReqwestHttp::new(config.tls.ca_file.as_deref(), config.worker.requests_per_peer as usize)?;
    let store = SqlStore::open(&config.store).await?;
    Ok(HostFlow::new(http, store, SystemClock::default(), load_mappings(config)?, config.settings()))
}

impl Sync {
    async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let config = source.config()?;
        let flow = flow(&config).await?;
        let asked = RunRequest { whole: self.full, dry_run: self.dry_run, actor: actor() };
        let bar = bar(None, "facilities read");
        let done = sync(&flow, &config, &asked, &mut |event| report(&bar, event), interrupted()).await;
        bar.finish_and_clear();
        let counts = match done {
            Ok(counts) => counts,
            Err(SyncError::Stopped(flow::facilities::RunError::Interrupted { reason, next_at, counts, .. })) => {
                out!("{}", summary(counts, self.dry_run));
                let further = if self.dry_run {
                    String::new()
                } else {
                    format!("; it goes on from {next_at}, or now: call this again")
                };
                bail!("stopped half-way: {reason}{further}");
            }
            Err(error) => return Err(error).context("the facilities were not brought to openIMIS"),
        };
        out!("{}", summary(counts, self.dry_run));
        told(counts)
    }
}

/// Ctrl-C: what is being written is not cut off from its lease.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What became of each facility, one line a facility, past the bar.
fn report(bar: &ProgressBar, event: Event<'_>) {
    match event {
        Event::Page { total, counts } => {
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_position(counts.listed);
        }
        Event::Facility(record) if record.state == State::Done && record.action == Some(Action::None) => {}
        Event::Facility(record) => bar.suspend(|| out!("{}", line(record))),
        Event::Warning(issue) => bar.suspend(|| note!("the registry's page: {issue}")),
        Event::Waiting { until, reason } => bar.suspend(|| note!("waiting until {until}: {reason}")),
    }
}

fn line(record: &Record) -> String {
    let what = match (record.state, record.action) {
        (State::Done, Some(action)) => action.word(),
        (state, _) => state.word(),
    };
    let code = record.code.as_deref().unwrap_or("-");
    let detail = match &record.reason {
        Some(reason) => format!(": {reason}"),
        None if record.changes.is_empty() => String::new(),
        None => format!(": {}", record.changes.join(", ")),
    };
    let name = record.name.as_deref().unwrap_or_default();
    format!("{what:<18} {code:<8} {} {name}{detail}", record.source)
}

fn summary(counts: Counts, dry_run: bool) -> String {
    let Counts { listed, created, updated, unchanged, failed, possible_duplicates, again } = counts;
    let would = if dry_run { "would be " } else { "" };
    let again = if again == 0 { String::new() } else { format!(", {again} of an earlier time tried again") };
    format!(
        "{listed} facilities read{again}: {created} {would}created, {updated} {would}updated, {unchanged} unchanged, {failed} failed, \
         {possible_duplicates} possible duplicates"
    )
}

fn told(counts: Counts) -> anyhow::Result<ExitCode> {
    if counts.failed + counts.possible_duplicates > 0 {
        out!("`facilities list` shows those that are not done");
    }
    Ok(if counts.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Retry {
    async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let config = source.config()?;
        let flow = flow(&config).await?;
        let now = flow.store.now(flow.clock.now()).await?;
        let count = flow.store.ask_facilities_again(self.id, &actor(), now).await?;
        match self.id {
            Some(id) if count == 0 => match flow.store.facility(id).await? {
                None => bail!("there is no facility {id}"),
                Some(view) if view.line.state != State::Due => {
                    bail!("facility {id} is {}: nothing to retry", view.line.state.word())
                }
                Some(_) => {}
            },
            _ => {}
        }
        due(&flow, &config).await
    }
}

/// Tries what is due; what another run is at is left to it.
async fn due(flow: &HostFlow, config: &Config) -> anyhow::Result<ExitCode> {
    let bar = bar(None, "facilities tried");
    let done = retry(flow, config, &actor(), &mut |event| report(&bar, event), interrupted()).await;
    bar.finish_and_clear();
    match done {
        Ok(counts) => {
            let Counts { created, updated, unchanged, failed, possible_duplicates, again, .. } = counts;
            out!(
                "{again} tried: {created} created, {updated} updated, {unchanged} unchanged, {failed} failed, {possible_duplicates} \
                 possible duplicates"
            );
            told(counts)
        }
        Err(SyncError::Busy(holder)) => {
            out!("due; another run is at work ({}), and a running mediator tries them after it", holder.owner);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error).context("they are due, and a running mediator tries them again"),
    }
}

impl Decide {
    async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let config = source.config()?;
        let flow = flow(&config).await?;
        let Some(view) = flow.store.facility(self.id).await? else { bail!("there is no facility {}", self.id) };
        let (State::PossibleDuplicate, Some(own)) = (view.line.state, &view.line.code) else {
            bail!("facility {} is {}: there is nothing to decide", self.id, view.line.state.word())
        };
        let same = self.same.as_deref().map(str::trim);
        if same.is_some_and(|code| !is_code(code)) {
            bail!("--same: expected the code of a facility in openIMIS, 1 to 8 characters");
        }
        let now = flow.store.now(flow.clock.now()).await?;
        let national_id = national_id(&flow, own);
        if !flow.store.decide_facility(self.id, &national_id, same, &actor(), now).await? {
            bail!("facility {} was decided meanwhile", self.id);
        }
        due(&flow, &config).await
    }
}

impl List {
    async fn run(self, store: &SqlStore) -> anyhow::Result<ExitCode> {
        let state = if self.failed { Some(State::Failed) } else { self.state };
        let filter = FacilityFilter { state, before: self.before, limit: self.limit };
        let facilities = store.facilities(&filter).await?;
        if self.json {
            for facility in &facilities {
                print_json(facility)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let id = "id";
        out!("{id:>6}  {:<18} {:<8} {:<28} {:<30} reason", "state", "code", "registry", "name");
        for FacilityLine { id, source, code, name, state, reason, .. } in &facilities {
            let (code, name) = (code.as_deref().unwrap_or("-"), name.as_deref().unwrap_or("-"));
            let reason = reason.as_deref().unwrap_or_default();
            out!("{id:>6}  {:<18} {code:<8} {source:<28} {name:<30} {reason}", state.word());
        }
        let counts = store.facility_counts().await?;
        let counts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {}", state.word())).collect();
        out!("");
        out!("in all: {}", if counts.is_empty() { "no facilities".to_owned() } else { counts.join(", ") });
        Ok(ExitCode::SUCCESS)
    }
}

impl Show {
    async fn run(self, store: &SqlStore) -> anyhow::Result<ExitCode> {
        let Some(view) = store.facility(self.id).await? else { bail!("there is no facility {}", self.id) };
        let line = &view.line;
        out!("facility {} ({})", line.id, line.state.word());
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        out!("registry       {}", line.source);
        out!("name           {}", shown(&line.name));
        out!("code           {}", shown(&line.code));
        out!("since          {}", line.since.strftime("%Y-%m-%d %H:%M:%S UTC"));
        out!("tried in vain  {}", line.attempts);
        out!("reason         {}", shown(&line.reason));
        for issue in &view.issues {
            out!("  {issue}");
        }
        if let Some(document) = view.document.filter(|_| self.body) {
            out!("");
            print_document(&document);
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Runs {
    async fn run(self, store: &SqlStore) -> anyhow::Result<ExitCode> {
        let time = |at: Option<Timestamp>| at.map_or("-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string());
        for run in store.facility_runs(self.limit).await? {
            if self.json {
                print_json(&run)?;
                continue;
            }
            let what = match run.since {
                Some(since) if !run.whole => format!("since {}", time(Some(since))),
                _ => "all facilities".to_owned(),
            };
            let (id, state, at, actor) = (run.id, run.state, time(Some(run.started_at)), run.actor);
            out!("{id:>6}  {at}  {state:<11}  {what}, by {actor}");
            out!("        {}", summary(run.counts, false));
            if let Some(reason) = run.reason {
                out!("       {reason}");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
