//! `bench`: the measurements of docs/reliability.md, one after the other, each in processes of its own.

mod processes;
mod report;
mod rounds;
pub mod service;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

use crate::postgres::{self, Cluster};
use crate::send::{Kind, send};
use crate::{disk, prefill, send};
use processes::{Mediator, Peers, bare};
use report::Report;
pub use report::number;

/// What is measured, and with what.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The mediator's program; default: beside this one
    #[arg(long)]
    pub mediator: Option<PathBuf>,
    /// Directory of the mapping components
    #[arg(long, default_value = "target/components")]
    pub components: PathBuf,
    /// Directory for stores, logs and the report; what is measured is its disk
    #[arg(long, default_value = "target/bench")]
    pub dir: PathBuf,
    /// Messages that wait when the mediator is killed, and are then delivered
    #[arg(long, default_value_t = 100_000)]
    pub pending: u64,
    /// Delivered messages that the store holds in the second round
    #[arg(long, default_value_t = 1_000_000)]
    pub prefill: i64,
    /// For how long load is kept up where no count is given
    #[arg(long, default_value_t = 20.0)]
    pub seconds: f64,
    /// Connections of the sender
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// A further line of the mediator's configuration, for example `worker.concurrency = 32`; may be repeated
    #[arg(long = "set")]
    pub settings: Vec<String>,
}

/// A store to measure with.
#[derive(Clone, Debug)]
pub struct Store {
    name: &'static str,
    /// As `DATABASE_URL` names it.
    url: String,
}

impl Store {
    /// What it takes on disk, in MB; SQLite with its log.
    async fn size_mb(&self) -> anyhow::Result<f64> {
        let bytes: i64 = match self.url.strip_prefix("sqlite:") {
            Some(file) => {
                let size = |ending| std::fs::metadata(format!("{file}{ending}")).map_or(0, |file| file.len());
                i64::try_from(size("") + size("-wal"))?
            }
            None => {
                let mut connection = AnyConnection::connect(&self.url).await?;
                let asked = sqlx::query_scalar("SELECT pg_database_size(current_database())");
                asked.fetch_one(&mut connection).await?
            }
        };
        Ok(bytes as f64 / f64::from(1 << 20))
    }
}

/// Measures and writes `report.md`.
pub async fn command(options: Options) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&options.dir)?;
    let options = Options { dir: options.dir.canonicalize()?, ..options };
    let mut report = Report::new(&options);
    floor(&options, &mut report).await?;

    let file = fresh_file(&options.dir)?;
    both_rounds(&options, Store { name: "SQLite", url: format!("sqlite:{}", file.display()) }, &mut report).await?;
    // A PostgreSQL in which the database mediator_bench may be made anew. By the environment: it holds a password.
    let named = std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
    let cluster = (named.is_none() && postgres::tools().is_some()).then(Cluster::start);
    let own = cluster.as_ref().map(Cluster::database);
    match named.as_ref().or(own.as_ref()) {
        Some(server) => {
            let (url, note) = fresh_database(server).await?;
            report.beside("PostgreSQL", note);
            let store = Store { name: "PostgreSQL", url };
            both_rounds(&options, store, &mut report).await?;
        }
        None => report.note("SKIPPED PostgreSQL: DATABASE_URL is not set, and its server programs are not installed."),
    }
    let path = options.dir.join("report.md");
    std::fs::write(&path, report.text())?;
    println!("{}", report.text());
    eprintln!("bench: written to {}", path.display());
    Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What no mediator could be faster than, on this machine, today.
async fn floor(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    eprintln!("bench: the disk, and a server without a store");
    let durable = disk::durable_writes(&options.dir, Duration::from_secs(5))?;
    report.beside("Durable writes a second, one after the other (4 KiB, fdatasync)", number(durable));
    let (_server, url) = bare(&options.dir).await?;
    let load = load(options, &url, 1);
    let bare = send(send::Options { seconds: Some(5.0), count: None, ..load }, String::new()).await?;
    report.bare_rate = bare.rate();
    report.beside("A server that answers 202 and stores nothing, requests a second", number(bare.rate()));
    report.beside("The same, p99", format!("{:.1} ms", bare.quantile_ms(0.99)));
    Ok(())
}

async fn both_rounds(options: &Options, store: Store, report: &mut Report) -> anyhow::Result<()> {
    let mut peers = Peers::start(&options.dir).await?;
    let mediator = Mediator::prepare(options, &store, &peers)?;
    rounds::round(options, &mediator, &mut peers, &store, store.name, report).await?;
    if options.prefill > 0 {
        eprintln!("bench: {}: {} delivered messages are added", store.name, options.prefill);
        prefill::prefill(&store.url, options.prefill).await?;
        let name = format!("{} and {} more", store.name, number(options.prefill as f64));
        rounds::round(options, &mediator, &mut peers, &store, &name, report).await?;
    }
    Ok(())
}

/// What every `send` of the bench has in common.
fn load(options: &Options, url: &str, run: u32) -> send::Options {
    send::Options {
        url: url.to_owned(),
        kind: Kind::ClaimResponse,
        count: None,
        seconds: None,
        connections: options.connections,
        rate: None,
        insurees: rounds::INSUREES,
        run: Some(run),
        json: false,
    }
}

/// A SQLite file that is not there; one that an earlier bench left is removed.
fn fresh_file(dir: &Path) -> anyhow::Result<PathBuf> {
    fresh_file_named(dir, "mediator.db")
}

fn fresh_file_named(dir: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let file = dir.join(name);
    for ending in ["", "-wal", "-shm"] {
        let path = format!("{}{ending}", file.display());
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context(path),
            _ => {}
        }
    }
    Ok(file)
}

/// An empty database on the server, and what is worth knowing of it; one that an earlier bench left is dropped.
async fn fresh_database(server: &str) -> anyhow::Result<(String, String)> {
    const NAME: &str = "mediator_bench";
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(server).await.context("PostgreSQL (DATABASE_URL)")?;
    let settings =
        "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')";
    let (version, fsync, commit): (String, String, String) =
        sqlx::query_as(settings).fetch_one(&mut connection).await?;
    ensure!(
        fsync == "on",
        "this PostgreSQL runs with fsync = {fsync}: what it calls committed may be lost, so it is no figure"
    );
    connection.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {NAME} WITH (FORCE)"))).await?;
    connection.execute(AssertSqlSafe(format!("CREATE DATABASE {NAME}"))).await?;
    let (address, options) = server.split_once('?').map_or((server, String::new()), |(a, o)| (a, format!("?{o}")));
    let host = match address.strip_prefix("postgres://").or_else(|| address.strip_prefix("postgresql://")) {
        Some(rest) => rest.split('/').next().unwrap_or_default(),
        None => anyhow::bail!("DATABASE_URL: expected postgres://user@host/database"),
    };
    let note = format!("{version}, fsync {fsync}, synchronous_commit {commit}");
    Ok((format!("postgres://{host}/{NAME}{options}"), note))
}
