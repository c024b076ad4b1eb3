//! `bulk`: a large NDJSON file through `openimis-mediator map`: megabytes a second, processor time and memory, beside what reading the
//! file alone takes.

use std::fs::{File, remove_file};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use crate::rows::{Row, Rows};

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The mediator's program; default: beside this one
    #[arg(long)]
    pub mediator: Option<PathBuf>,
    /// Directory of the mapping components
    #[arg(long, default_value = "target/components")]
    pub components: PathBuf,
    /// Directory for the file, which is removed afterwards, and bulk.json
    #[arg(long, default_value = "target/bench")]
    pub dir: PathBuf,
    /// Size of the file
    #[arg(long, default_value_t = 1000)]
    pub megabytes: u64,
}

const GROUP: &str = "In bulk: `openimis-mediator map`";
const SAMPLE: &str = include_str!("../../../wit/cases/claim-response/documented-sample.input.json");
const SAMPLE_UUID: &str = "d3256498-ad16-4482-a2d2-4a6d9c78ba81";
const MB: f64 = 1_000_000.0;

/// Measures and writes `bulk.json`.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&options.dir)?;
    let file = options.dir.join("bulk.ndjson");
    let measured = measure(options, &file);
    let removed = remove_file(&file);
    measured?.write(&options.dir, "bulk")?;
    removed.with_context(|| file.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn measure(options: &Options, file: &Path) -> anyhow::Result<Rows> {
    let mut rows = Rows::new(GROUP);
    let documents = generate(file, options.megabytes * 1_000_000)?;
    let size = file.metadata()?.len() as f64;
    eprintln!("bench: {documents} ClaimResponses, {:.0} MB", size / MB);

    let beside = "Reading the file, one thread".to_owned();
    let note = format!("{:.0} MB, from the page cache", size / MB);
    rows.add(&Row { name: beside.clone(), value: read(file)?, unit: "MB/s", note, ..Row::default() })?;
    let one = Run::of(options, file, documents, &["--jobs", "1"])?;
    let note = format!("{:.0} documents/s", documents as f64 / one.wall);
    let name = "ClaimResponses of 2.6 kB, one job".to_owned();
    rows.add(&Row {
        name: name.clone(),
        value: size / MB / one.wall,
        unit: "MB/s",
        beside: Some(beside),
        note,
        ..Row::default()
    })?;
    let all = Run::of(options, file, documents, &[])?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let note = format!("{cores} cores, {:.0} documents/s", documents as f64 / all.wall);
    rows.add(&Row {
        name: "ClaimResponses of 2.6 kB, all cores".to_owned(),
        value: size / MB / all.wall,
        unit: "MB/s",
        goal: Some(200.0),
        better: Some("higher"),
        beside: Some(name),
        note,
    })?;
    let note = "user and system".to_owned();
    let cpu = all.cpu * 1e6 / documents as f64;
    rows.add(&Row {
        name: "Processor time of a document".to_owned(), value: cpu, unit: "µs", note, ..Row::default()
    })?;
    let start = Run::of(options, file, generate(file, 1)?, &[])?;
    let name = "One document: the start of the command".to_owned();
    let note = "all components of the directory are compiled".to_owned();
    rows.add(&Row { name, value: start.wall, unit: "s", note, ..Row::default() })?;
    let name = "Most memory (resident), all cores".to_owned();
    rows.add(&Row { name: name.clone(), value: all.memory_mb, unit: "MB", ..Row::default() })?;
    // Flat: a tenth of the file takes as much.
    let tenth = generate(file, options.megabytes * 100_000)?;
    let small = Run::of(options, file, tenth, &[])?;
    let row = Row {
        name: "The same with a tenth of the file".to_owned(),
        value: small.memory_mb,
        unit: "MB",
        ..Row::default()
    };
    rows.add(&Row { beside: Some(name), ..row })?;
    Ok(rows)
}

/// Writes the documented ClaimResponse until the file has its size, each time another claim; on one line, as openIMIS sends it. Returns
/// how many there are.
fn generate(file: &Path, bytes: u64) -> anyhow::Result<u64> {
    let sample = serde_json::to_string(&serde_json::from_str::<Value>(SAMPLE)?)?;
    let parts: Vec<&str> = sample.split(SAMPLE_UUID).collect();
    ensure!(parts.len() > 1, "the sample's uuid is not in it");
    let mut output = BufWriter::with_capacity(1 << 20, File::create(file)?);
    let (mut written, mut documents) = (0, 0_u64);
    while written < bytes {
        let uuid = Uuid::from_u64_pair(documents, 0x8000_0000_0000_0000).to_string();
        let line = parts.join(&uuid);
        output.write_all(line.as_bytes())?;
        output.write_all(b"\n")?;
        written += line.len() as u64 + 1;
        documents += 1;
    }
    output.into_inner()?.sync_all()?;
    Ok(documents)
}

/// Megabytes a second of who only reads it; for the second time, so that it comes from memory as for the mediator.
fn read(file: &Path) -> anyhow::Result<f64> {
    let mut buffer = vec![0; 256 << 10];
    let mut once = || {
        let (begun, mut input, mut bytes) = (Instant::now(), File::open(file)?, 0);
        loop {
            match input.read(&mut buffer)? {
                0 => return anyhow::Ok(bytes as f64 / MB / begun.elapsed().as_secs_f64()),
                read => bytes += read,
            }
        }
    };
    once()?;
    once()
}

/// One run of the command. Its answers are counted and thrown away.
struct Run {
    /// Seconds.
    wall: f64,
    /// Seconds of user and system.
    cpu: f64,
    memory_mb: f64,
}

impl Run {
    fn of(options: &Options, file: &Path, documents: u64, more: &[&str]) -> anyhow::Result<Self> {
        let beside = || Ok::<_, std::io::Error>(std::env::current_exe()?.with_file_name("openimis-mediator"));
        let program = options.mediator.clone().map_or_else(beside, Ok)?;
        let mut command = Command::new(&program);
        command.args(["map", "claim-response"]).arg(file).args(more);
        command.env("OPENIMIS_MEDIATOR__COMPONENTS__DIR", &options.components);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let begun = Instant::now();
        let mut child = command.spawn().with_context(|| program.display().to_string())?;
        let answers = child.stdout.take().context("no output")?;
        let counter = std::thread::spawn(move || count(answers));
        let (mut memory_mb, mut cpu) = (0_f64, 0_f64);
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            // Until it has ended: both only grow.
            memory_mb = memory_mb.max(most_memory_mb(&child).unwrap_or_default());
            cpu = cpu.max(processor_seconds(&child).unwrap_or_default());
            sleep(Duration::from_millis(5));
        };
        let wall = begun.elapsed().as_secs_f64();
        let lines = counter.join().map_err(|_| anyhow::anyhow!("the counter stopped"))??;
        let mut said = String::new();
        child.stderr.take().context("no errors")?.read_to_string(&mut said)?;
        ensure!(status.success() && lines == documents, "{lines} answers to {documents} documents, {status}: {said}");
        Ok(Self { wall, cpu, memory_mb })
    }
}

fn count(mut answers: impl Read) -> std::io::Result<u64> {
    let (mut buffer, mut lines) = (vec![0; 256 << 10], 0);
    loop {
        match answers.read(&mut buffer)? {
            0 => return Ok(lines),
            read => lines += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64,
        }
    }
}

fn most_memory_mb(child: &Child) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? * 1024.0 / MB)
}

/// User and system time. Linux counts in hundredths of a second (`getconf CLK_TCK`).
fn processor_seconds(child: &Child) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    // The name, in brackets, may hold anything; what follows begins with field 3.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}
