//! `service`: the service's rows of the one table. Each store is measured at 1, 32 and 256 connections, with what a message costs of the
//! processor; then with a million messages more, with a hundred thousand that wait, and with a thousand clients.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tokio::time::Instant;

use super::processes::{Mediator, Peers, Running, bare};
use super::rounds::{INSUREES, delivered};
use super::{Options as Bench, Store, fresh_database, fresh_file, load};
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
    /// SQLite only
    #[arg(long)]
    sqlite: bool,
    /// A further line of the mediator's configuration; may be repeated
    #[arg(long = "set")]
    settings: Vec<String>,
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

    let file = fresh_file(&all.bench.dir)?;
    let sqlite = Store { name: "SQLite", url: format!("sqlite:{}", file.display()) };
    all.starts(&sqlite).await?;
    all.store(&sqlite).await?;
    all.growth(&sqlite).await?;
    let named = std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
    let cluster = (!options.sqlite && named.is_none() && postgres::tools().is_some()).then(Cluster::start);
    let own = cluster.as_ref().map(Cluster::database);
    match named.as_ref().or(own.as_ref()).filter(|_| !options.sqlite) {
        Some(server) => {
            let (url, _) = fresh_database(server).await?;
            all.store(&Store { name: "PostgreSQL", url }).await?;
        }
        None => all.rows.skipped("PostgreSQL", "DATABASE_URL is not set, and its server programs are not installed"),
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
        let before = works.running.cpu()?;
        let figures = send(load, works.mediator.authorization()).await?;
        if !figures.all_accepted() {
            bail!("not everything was accepted:\n{figures}");
        }
        works.wanted += figures.accepted;
        let cpu_us = (works.running.cpu()? - before).as_secs_f64() * 1e6 / figures.accepted as f64;
        Ok(Taken { figures, cpu_us })
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
        let name = store.name;
        let mut works = self.start(store).await?;
        works.peers.tell("hold").await?;
        for connections in [1, 32, 256] {
            let taken = self.take(&mut works, Kind::ClaimResponse, connections).await?;
            self.times(&format!("{name}, claims, {connections} connections"), connections, 5300.0, &taken)?;
        }
        let (rate, cpu) = self.deliver(&mut works).await?;
        self.goal(&format!("{name}, claims delivered"), rate, "/s", 2500.0)?;
        self.figure(&format!("{name}, claims delivered: processor for each"), cpu, "µs")?;
        works.peers.tell("hold").await?;
        for connections in [1, 32, 256] {
            let taken = self.take(&mut works, Kind::Feedback, connections).await?;
            self.times(&format!("{name}, feedback, {connections} connections"), connections, 11_000.0, &taken)?;
        }
        let (rate, cpu) = self.deliver(&mut works).await?;
        self.goal(&format!("{name}, feedback delivered"), rate, "/s", 2500.0)?;
        self.figure(&format!("{name}, feedback delivered: processor for each"), cpu, "µs")?;
        let busy = self.take(&mut works, Kind::ClaimResponse, 32).await?;
        self.figure(&format!("{name}, claims, 32 connections, while delivering"), busy.figures.rate(), "/s")?;
        self.figure(
            &format!("{name}, claims, 32 connections, while delivering: p99"),
            busy.figures.quantile_ms(0.99),
            "ms",
        )?;
        delivered(&mut works.peers, works.wanted).await?;
        self.goal(&format!("{name}: most memory in all of this"), works.running.memory_mb()?.1, "MB", 80.0)?;
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

    /// From the start of the program to its first answer, the median of several. What is measured afterwards has its components from the
    /// cache, as a mediator that was started before has: compiling them takes memory.
    async fn starts(&mut self, store: &Store) -> anyhow::Result<()> {
        const COLD: &str = "Start to first answer, components compiled anew";
        let cache = self.bench.dir.join("compiled");
        drop(std::fs::remove_dir_all(&cache));
        for cached in [false, true] {
            let peers = Peers::start(&self.bench.dir).await?;
            if cached {
                self.bench.settings.push(format!("components.cache_dir = {cache:?}"));
            }
            let mediator = Mediator::prepare(&self.bench, store, &peers)?;
            let mut times = Vec::new();
            for _ in 0..6 {
                let running = mediator.start().await?;
                times.push(running.ready_after.as_secs_f64() * 1e3);
                running.kill().await?;
            }
            times.remove(0); // fills the cache
            times.sort_by(f64::total_cmp);
            match cached {
                false => self.figure(COLD, times[times.len() / 2], "ms")?,
                true => self.goal(
                    "Start to first answer, compiled components in the cache",
                    times[times.len() / 2],
                    "ms",
                    100.0,
                )?,
            }
        }
        Ok(())
    }

    /// What a message costs, as more and more is stored, waits, and may call.
    async fn growth(&mut self, store: &Store) -> anyhow::Result<()> {
        const FEW: &str = "SQLite, claims, 32 connections: accepted";
        const FEW_CPU: &str = "SQLite, claims, 32 connections: processor for each";
        let clients = |number: u32| {
            format!(
                "[[clients]]\nname = \"c{number}\"\nusername = \"c{number}\"\npassword_hash = \"{HASH}\"\nscopes = [\"feedback\"]\n"
            )
        };
        self.bench.settings.push((0..1000).map(clients).collect());
        let works = self.start(store).await?;
        self.beside_the_few(works, "with 1,000 clients", FEW, FEW_CPU).await?;
        self.bench.settings.pop();

        let mut works = self.start(store).await?;
        works.peers.tell("hold").await?;
        let waiting = if self.bench.prefill < 1_000_000 { 2000 } else { 100_000 };
        let load = self.load(Kind::Feedback, 64, &works.mediator.url);
        let sent =
            send(send::Options { count: Some(waiting), seconds: None, ..load }, works.mediator.authorization()).await?;
        works.wanted += sent.accepted;
        self.beside_the_few(works, "with 100,000 waiting", FEW, FEW_CPU).await?;

        let begun = Instant::now();
        prefill::prefill(&store.url, self.bench.prefill).await?;
        eprintln!("bench: {} messages added in {:.0} s", self.bench.prefill, begun.elapsed().as_secs_f64());
        let mut works = self.start(store).await?;
        works.peers.tell("hold").await?;
        let taken = self.take(&mut works, Kind::ClaimResponse, 32).await?;
        let name = "SQLite, claims, 32 connections, with 1,000,000 messages more";
        self.beside(&format!("{name}: accepted"), taken.figures.rate(), "/s", FEW)?;
        self.beside(&format!("{name}: processor for each"), taken.cpu_us, "µs", FEW_CPU)?;
        let (rate, _) = self.deliver(&mut works).await?;
        self.beside(&format!("{name}: delivered"), rate, "/s", "SQLite, claims delivered")?;
        self.figure(&format!("{name}: most memory"), works.running.memory_mb()?.1, "MB")?;
        works.end().await
    }

    async fn beside_the_few(&mut self, mut works: Works, with: &str, few: &str, few_cpu: &str) -> anyhow::Result<()> {
        works.peers.tell("hold").await?;
        let taken = self.take(&mut works, Kind::ClaimResponse, 32).await?;
        let name = format!("SQLite, claims, 32 connections, {with}");
        self.beside(&format!("{name}: accepted"), taken.figures.rate(), "/s", few)?;
        self.beside(&format!("{name}: processor for each"), taken.cpu_us, "µs", few_cpu)?;
        self.figure(&format!("{name}: most memory"), works.running.memory_mb()?.1, "MB")?;
        // What waits is delivered: the next mediator begins with nothing.
        works.peers.tell("go").await?;
        delivered(&mut works.peers, works.wanted).await?;
        works.end().await
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
