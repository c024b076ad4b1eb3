//! `service`: the service's rows of the one table. Each store is measured at 1, 32 and 256 connections, with what a message costs of the
//! processor; then with a million messages more, with a hundred thousand that wait, and with a thousand clients.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use tokio::time::Instant;

use super::processes::{Mediator, Peers, Running, bare};
use super::rounds::{INSUREES, delivered};
use super::{Options as Bench, Store, fresh_database, fresh_file, fresh_file_named, load};
use crate::figures::Figures;
use crate::postgres::{self, Cluster};
use crate::rows::{Row, Rows};
use crate::send::{self, Kind, send};
use crate::{disk, prefill};

const GROUP: &str = "The service";
/// Of a client that never calls.
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What is measured, and with what.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The mediator's program; default: beside this one
    #[arg(long)]
    mediator: Option<PathBuf>,
    /// Directory of the mapping components
    #[arg(long, default_value = "target/components")]
    components: PathBuf,
    /// Directory for stores, logs and service.json; what is measured is its disk
    #[arg(long, default_value = "target/bench")]
    dir: PathBuf,
    /// A short try: seconds instead of minutes, no figures for publication
    #[arg(long)]
    quick: bool,
    /// Only this; may be repeated
    #[arg(long, value_enum)]
    only: Vec<Piece>,
    /// A further line of the mediator's configuration; may be repeated
    #[arg(long = "set")]
    settings: Vec<String>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Piece {
    Start,
    Sqlite,
    Growth,
    Postgresql,
}

/// Measures and writes `service.json`.
pub async fn command(options: Options) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&options.dir)?;
    let dir = options.dir.canonicalize()?;
    let (seconds, prefill) = if options.quick { (1.0, 10_000) } else { (5.0, 1_000_000) };
    let Options { mediator, components, settings, .. } = options.clone();
    let bench = Bench { mediator, components, dir, pending: 0, prefill, seconds, connections: 32, settings };
    let mut all = Measured { bench, run: 0, rows: Rows::new(GROUP) };

    let durable = disk::durable_writes(&all.bench.dir, Duration::from_secs(2))?;
    all.figure("Durable writes of the disk, one after the other", durable, "/s")?;
    let (_server, url) = bare(&all.bench.dir).await?;
    let nothing = send(all.load(Kind::ClaimResponse, 32, &url), String::new()).await?;
    all.figure("A server that answers 202 and stores nothing, 32 connections", nothing.rate(), "/s")?;

    let wanted = |piece| options.only.is_empty() || options.only.contains(&piece);
    if wanted(Piece::Start) {
        let store = all.file()?;
        all.starts(&store).await?;
    }
    all.cache().await?;
    if wanted(Piece::Sqlite) {
        let store = all.file()?;
        all.store(&store).await?;
    }
    if wanted(Piece::Growth) {
        let store = all.file()?;
        all.growth(&store).await?;
    }
    fresh_file(&all.bench.dir)?; // gigabytes, of use to nobody
    if wanted(Piece::Postgresql) {
        all.on_a_server().await?;
    }
    all.rows.write(&all.bench.dir, "service")?;
    Ok(ExitCode::SUCCESS)
}

struct Measured {
    bench: Bench,
    /// No two runs send the same claim.
    run: u32,
    rows: Rows,
}

/// A mediator at work, and its peers.
struct Works {
    mediator: Mediator,
    running: Running,
    peers: Peers,
    /// Documents that the peers have when all is delivered.
    wanted: u64,
}

/// What one run of `send` came to, and what it cost the mediator.
struct Taken {
    figures: Figures,
    cpu_us: f64,
    read_kb: f64,
    written_kb: f64,
}

impl Measured {
    fn figure(&mut self, name: &str, value: f64, unit: &'static str) -> anyhow::Result<()> {
        self.rows.add(&Row { name: name.to_owned(), value, unit, ..Row::default() })
    }

    fn beside(&mut self, name: &str, value: f64, unit: &'static str, beside: &str) -> anyhow::Result<()> {
        let beside = Some(beside.to_owned());
        self.rows.add(&Row { name: name.to_owned(), value, unit, beside, ..Row::default() })
    }

    fn goal(&mut self, name: &str, value: f64, unit: &'static str, goal: f64) -> anyhow::Result<()> {
        let better = Some(if unit == "/s" { "higher" } else { "lower" });
        self.rows.add(&Row { name: name.to_owned(), value, unit, goal: Some(goal), better, ..Row::default() })
    }

    fn load(&mut self, kind: Kind, connections: usize, url: &str) -> send::Options {
        self.run += 1;
        let open = load(&self.bench, url, std::process::id() << 8 | self.run);
        send::Options { kind, connections, seconds: Some(self.bench.seconds), ..open }
    }

    /// SQLite, with nothing in it.
    fn file(&self) -> anyhow::Result<Store> {
        let file = fresh_file(&self.bench.dir)?;
        Ok(Store { name: "SQLite", url: format!("sqlite:{}", file.display()) })
    }

    /// The matrix on PostgreSQL, where there is one.
    async fn on_a_server(&mut self) -> anyhow::Result<()> {
        let named = std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
        let cluster = (named.is_none() && postgres::tools().is_some()).then(Cluster::start);
        let own = cluster.as_ref().map(Cluster::database);
        let Some(server) = named.or(own) else {
            self.rows.skipped("PostgreSQL", "DATABASE_URL is not set, and its server programs are not installed");
            return Ok(());
        };
        let (url, _) = fresh_database(&server).await?;
        self.store(&Store { name: "PostgreSQL", url }).await
    }

    /// A mediator on a store, with all insurees known to CHT.
    async fn start(&mut self, store: &Store) -> anyhow::Result<Works> {
        let mut peers = Peers::start(&self.bench.dir).await?;
        let mediator = Mediator::prepare(&self.bench, store, &peers)?;
        let running = mediator.start().await?;
        let load = self.load(Kind::ClaimResponse, 32, &mediator.url);
        let first =
            send(send::Options { count: Some(INSUREES), seconds: None, ..load }, mediator.authorization()).await?;
        delivered(&mut peers, first.accepted).await?;
        Ok(Works { mediator, running, peers, wanted: first.accepted })
    }

    async fn take(&mut self, works: &mut Works, kind: Kind, connections: usize) -> anyhow::Result<Taken> {
        let load = self.load(kind, connections, &works.mediator.url);
        let (before, (read, written)) = (works.running.cpu()?, works.running.read_and_written()?);
        let figures = send(load, works.mediator.authorization()).await?;
        if !figures.all_accepted() {
            bail!("not everything was accepted:\n{figures}");
        }
        works.wanted += figures.accepted;
        let each = |all: f64| all / figures.accepted as f64;
        let cpu_us = each((works.running.cpu()? - before).as_secs_f64() * 1e6);
        let (read_now, written_now) = works.running.read_and_written()?;
        let (read_kb, written_kb) = (each((read_now - read) as f64 / 1e3), each((written_now - written) as f64 / 1e3));
        Ok(Taken { figures, cpu_us, read_kb, written_kb })
    }

    /// Delivers all that waits: how many a second, and microseconds of the processor for each.
    async fn deliver(&mut self, works: &mut Works) -> anyhow::Result<(f64, f64)> {
        let (cpu, before) = (works.running.cpu()?, works.peers.counts().await?.arrived());
        works.peers.tell("go").await?;
        let rate = delivered(&mut works.peers, works.wanted).await?.context("too few to be timed")?;
        let cpu = works.running.cpu()? - cpu;
        Ok((rate, cpu.as_secs_f64() * 1e6 / (works.wanted - before) as f64))
    }

    /// The matrix of one store.
    async fn store(&mut self, store: &Store) -> anyhow::Result<()> {
        const KINDS: [(Kind, &str, f64); 2] =
            [(Kind::ClaimResponse, "claims", 5300.0), (Kind::Feedback, "feedback", 11_000.0)];
        let name = store.name;
        let mut works = self.start(store).await?;
        for (kind, what, goal) in KINDS {
            works.peers.tell("hold").await?;
            for connections in [1, 32] {
                let taken = self.take(&mut works, kind, connections).await?;
                self.times(&format!("{name}, {what}, {connections} connections"), connections, goal, &taken)?;
            }
            let (rate, cpu) = self.deliver(&mut works).await?;
            self.goal(&format!("{name}, {what} delivered"), rate, "/s", 2500.0)?;
            self.figure(&format!("{name}, {what} delivered: processor for each"), cpu, "µs")?;
        }
        let busy = self.take(&mut works, Kind::ClaimResponse, 32).await?;
        let busy_name = format!("{name}, claims, 32 connections, while delivering");
        self.figure(&format!("{busy_name}: accepted"), busy.figures.rate(), "/s")?;
        self.figure(&format!("{busy_name}: p99"), busy.figures.quantile_ms(0.99), "ms")?;
        delivered(&mut works.peers, works.wanted).await?;
        self.goal(&format!("{name}: most memory with up to 32 connections"), works.running.memory_mb()?.1, "MB", 80.0)?;

        works.peers.tell("hold").await?;
        for (kind, what, goal) in KINDS {
            let taken = self.take(&mut works, kind, 256).await?;
            self.times(&format!("{name}, {what}, 256 connections"), 256, goal, &taken)?;
        }
        self.deliver(&mut works).await?;
        self.figure(&format!("{name}: most memory with 256 connections"), works.running.memory_mb()?.1, "MB")?;
        works.end().await
    }

    fn times(&mut self, name: &str, connections: usize, goal: f64, taken: &Taken) -> anyhow::Result<()> {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|part| taken.figures.quantile_ms(part));
        match connections {
            32 => {
                self.goal(&format!("{name}: accepted"), taken.figures.rate(), "/s", goal)?;
                self.goal(&format!("{name}: p99"), p99, "ms", 20.0)?;
            }
            _ => {
                self.figure(&format!("{name}: accepted"), taken.figures.rate(), "/s")?;
                self.figure(&format!("{name}: p99"), p99, "ms")?;
            }
        }
        self.figure(&format!("{name}: p50"), p50, "ms")?;
        self.figure(&format!("{name}: p99.9"), p999, "ms")?;
        self.figure(&format!("{name}: processor for each"), taken.cpu_us, "µs")
    }

    /// From the start of the program to its first answer, the median of several: without a cache of compiled components, and with one.
    async fn starts(&mut self, store: &Store) -> anyhow::Result<()> {
        let anew = self.start_ms(store).await?;
        self.figure("Start to first answer, components compiled anew", anew, "ms")?;
        let settings = self.bench.settings.len();
        self.cache().await?;
        let cached = self.start_ms(store).await?;
        self.bench.settings.truncate(settings);
        self.goal("Start to first answer, compiled components in the cache", cached, "ms", 100.0)
    }

    async fn start_ms(&mut self, store: &Store) -> anyhow::Result<f64> {
        let peers = Peers::start(&self.bench.dir).await?;
        let mediator = Mediator::prepare(&self.bench, store, &peers)?;
        let mut times = Vec::new();
        for _ in 0..5 {
            let running = mediator.start().await?;
            times.push(running.ready_after.as_secs_f64() * 1e3);
            running.kill().await?;
        }
        times.sort_by(f64::total_cmp);
        Ok(times[times.len() / 2])
    }

    /// From here on components are in the cache, as those of a mediator that was started before: compiling them takes memory.
    async fn cache(&mut self) -> anyhow::Result<()> {
        let cache = self.bench.dir.join("compiled");
        drop(std::fs::remove_dir_all(&cache));
        self.bench.settings.push(format!("components.cache_dir = {cache:?}"));
        let store = self.file()?;
        let peers = Peers::start(&self.bench.dir).await?;
        Mediator::prepare(&self.bench, &store, &peers)?.start().await?.kill().await
    }

    /// What a message costs, as more and more is stored, waits, and may call: each beside a mediator that has nothing of it.
    async fn growth(&mut self, store: &Store) -> anyhow::Result<()> {
        let clients = |number: u32| {
            format!(
                "[[clients]]\nname = \"c{number}\"\nusername = \"c{number}\"\npassword_hash = \"{HASH}\"\nscopes = [\"feedback\"]\n"
            )
        };
        self.bench.settings.push((0..1000).map(clients).collect());
        let works = self.start(store).await?;
        self.bench.settings.pop();
        self.beside_nothing(works, "1,000 clients").await?;

        let mut works = self.start(store).await?;
        works.peers.tell("hold").await?;
        let waiting = if self.bench.prefill < 1_000_000 { 2000 } else { 100_000 };
        let load = self.load(Kind::Feedback, 64, &works.mediator.url);
        let sent =
            send(send::Options { count: Some(waiting), seconds: None, ..load }, works.mediator.authorization()).await?;
        works.wanted += sent.accepted;
        self.beside_nothing(works, "100,000 waiting").await?;

        let begun = Instant::now();
        prefill::prefill(&store.url, self.bench.prefill).await?;
        eprintln!("bench: {} messages added in {:.0} s", self.bench.prefill, begun.elapsed().as_secs_f64());
        let works = self.start(store).await?;
        self.beside_nothing(works, "1,000,000 messages more").await
    }

    /// Both take in by turns, a moment each: whatever else the machine and its disk do meanwhile, they do to both.
    async fn beside_nothing(&mut self, works: Works, with: &str) -> anyhow::Result<()> {
        const TURNS: u32 = 10;
        let file = fresh_file_named(&self.bench.dir, "beside.db")?;
        let nothing = self.start(&Store { name: "SQLite", url: format!("sqlite:{}", file.display()) }).await?;
        let seconds = self.bench.seconds;
        self.bench.seconds = seconds / 4.0;
        let mut both = [(nothing, Vec::new()), (works, Vec::new())];
        for (works, _) in &mut both {
            works.peers.tell("hold").await?;
        }
        // The first turn is for getting warm.
        for turn in 0..=TURNS {
            for (works, taken) in &mut both {
                let one = self.take(works, Kind::ClaimResponse, 32).await?;
                if turn > 0 {
                    taken.push(one);
                }
            }
        }
        self.bench.seconds = seconds;
        let without = format!("A new store by turns with {with}");
        for ((mut works, taken), name) in both.into_iter().zip([without.clone(), format!("With {with}")]) {
            let mean = |of: fn(&Taken) -> f64| taken.iter().map(of).sum::<f64>() / taken.len() as f64;
            let (_, delivered_us) = self.deliver(&mut works).await?;
            let figures = [
                ("accepted", mean(|one| one.figures.rate()), "/s"),
                ("processor for each", mean(|one| one.cpu_us), "µs"),
                ("read for each", mean(|one| one.read_kb), "kB"),
                ("written for each", mean(|one| one.written_kb), "kB"),
                ("processor for each delivered", delivered_us, "µs"),
                ("most memory", works.running.memory_mb()?.1, "MB"),
            ];
            for (what, value, unit) in figures {
                match name == without {
                    true => self.figure(&format!("{name}: {what}"), value, unit)?,
                    false => self.beside(&format!("{name}: {what}"), value, unit, &format!("{without}: {what}"))?,
                }
            }
            works.end().await?;
        }
        fresh_file_named(&self.bench.dir, "beside.db").map(drop)
    }
}

impl Works {
    /// Nothing may be lost or doubled, whatever is measured.
    async fn end(mut self) -> anyhow::Result<()> {
        let counts = self.peers.counts().await?;
        if counts.arrived() != self.wanted || counts.doubled > 0 || counts.elsewhere > 0 {
            bail!("{} accepted, but {counts:?}", self.wanted);
        }
        self.running.kill().await
    }
}
