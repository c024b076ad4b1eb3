//! `cargo xtask fuzz`: builds the fuzz targets, runs them from their corpora, and says what they did.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Done, cargo, cargo_command, root, say};

const USAGE: &str = "Usage: cargo xtask fuzz [target] [--runs N] [--sanitizer none|address]";
const RUNS: u64 = 1_000_000;

/// A target: the feature that it is built with, its dictionary, and the mapping whose cases it begins with.
struct Target {
    name: &'static str,
    feature: &'static str,
    dictionary: Option<&'static str>,
    cases: Option<&'static str>,
}

const fn target(
    name: &'static str,
    feature: &'static str,
    dictionary: Option<&'static str>,
    cases: Option<&'static str>,
) -> Target {
    Target { name, feature, dictionary, cases }
}

/// In the order of their building: wasmtime comes last.
const TARGETS: [Target; 12] = [
    target("map_claim_response", "flow", Some("fhir"), Some("claim-response")),
    target("map_feedback", "flow", Some("cht"), Some("feedback")),
    target("map_patient", "flow", Some("fhir"), Some("patient")),
    target("map_claim", "flow", Some("fhir"), Some("claim")),
    target("map_claim_answer", "flow", Some("fhir"), Some("claim-answer")),
    target("map_eligibility", "flow", Some("fhir"), Some("eligibility")),
    target("map_facility", "flow", Some("fhir"), Some("facility")),
    target("body_claim_response", "flow", Some("fhir"), Some("claim-response")),
    target("body_feedback", "flow", Some("cht"), Some("feedback")),
    target("peer_answer", "flow", Some("fhir"), None),
    target("configuration", "host", Some("configuration"), None),
    target("component_loader", "host", None, None),
];

/// What a run said of itself.
#[derive(Default)]
struct Told {
    executions: u64,
    coverage: String,
    per_second: u64,
    seconds: u64,
}

/// Runs one target or all of them.
pub fn command(args: &[String]) -> Done {
    let (mut runs, mut sanitizer, mut wanted) = (RUNS, "none", None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--runs" => runs = args.next().and_then(|number| number.parse().ok()).ok_or(USAGE)?,
            "--sanitizer" => sanitizer = args.next().ok_or(USAGE)?,
            name if wanted.is_none() && TARGETS.iter().any(|target| target.name == name) => wanted = Some(name),
            _ => return Err(format!("{USAGE}\ntargets: {}", TARGETS.map(|target| target.name).join(", "))),
        }
    }
    install()?;
    let mut lines = Vec::new();
    let mut failed = 0;
    for target in TARGETS.iter().filter(|target| wanted.is_none_or(|name| name == target.name)) {
        say(&format!("building {}", target.name));
        crate::check(cargo_fuzz().args(fuzz("build", target, sanitizer)), "cargo fuzz build")?;
        let (told, found) = run(target, runs, sanitizer)?;
        failed += usize::from(!found.is_empty());
        lines.push(format!(
            "{:<20} {:>10} executions {:>8}/s  {}  {}",
            target.name,
            told.executions,
            told.per_second,
            told.coverage,
            if found.is_empty() { "nothing found".to_owned() } else { format!("FOUND: {found}") }
        ));
    }
    println!("\n{}", lines.join("\n"));
    if failed == 0 { Ok(()) } else { Err(format!("{failed} target(s) found something")) }
}

/// cargo-fuzz, unless it is there.
fn install() -> Done {
    let known = cargo_fuzz().args(["fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if known.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    say("installing cargo-fuzz (once)");
    cargo(&["install", "--locked", "cargo-fuzz"])
}

fn fuzz<'a>(command: &'a str, target: &'a Target, sanitizer: &'a str) -> [&'a str; 9] {
    ["fuzz", command, "--fuzz-dir", "fuzz", "--sanitizer", sanitizer, "--features", target.feature, target.name]
}

/// The sanitizers' options are for nightly only; without a sanitizer none is used, and the permission changes nothing.
fn cargo_fuzz() -> Command {
    let mut command = cargo_command();
    command.env("RUSTC_BOOTSTRAP", "1");
    command
}

/// Runs a target; returns its report, and the command that reproduces what it found.
fn run(target: &Target, runs: u64, sanitizer: &str) -> Done<(Told, String)> {
    let name = target.name;
    let fuzz_dir = root().join("fuzz");
    let named = |path: &PathBuf, error: std::io::Error| format!("{}: {error}", path.display());
    let work = fuzz_dir.join("target/corpus").join(name); // what is new goes into the first folder
    std::fs::create_dir_all(&work).map_err(|error| named(&work, error))?;
    let mut args = fuzz("run", target, sanitizer).map(str::to_owned).to_vec();
    args.push(work.display().to_string());
    let corpus = fuzz_dir.join("corpus").join(name);
    args.extend(corpus.is_dir().then(|| corpus.display().to_string()));
    if let Some(mapping) = target.cases {
        let seeds = fuzz_dir.join("target/seeds").join(mapping);
        write_seeds(mapping, &seeds)?;
        args.push(seeds.display().to_string());
    }
    args.extend(["--", "-max_len=8192", "-timeout=10", "-print_final_stats=1"].map(str::to_owned));
    args.push(format!("-runs={runs}"));
    args.extend(target.dictionary.map(|words| format!("-dict={}/dictionaries/{words}.dict", fuzz_dir.display())));

    let log_path = fuzz_dir.join("target").join(format!("{name}.log"));
    let mut log = File::create(&log_path).map_err(|error| named(&log_path, error))?;
    say(&format!("running {name}; all that it says is in {}", log_path.display()));
    let mut child = cargo_fuzz()
        .args(args)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cargo fuzz run could not be started: {error}"))?;
    let mut told = Told::default();
    let mut input = String::new();
    if let Some(output) = child.stderr.take() {
        let (started, mut shown) = (Instant::now(), Instant::now());
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            writeln!(log, "{line}").map_err(|error| named(&log_path, error))?;
            told.read(&line);
            if let Some((_, path)) = line.split_once("Test unit written to ") {
                input = path.trim().to_owned();
            }
            if shown.elapsed() > Duration::from_secs(if std::io::stderr().is_terminal() { 1 } else { 15 }) {
                shown = Instant::now();
                told.seconds = started.elapsed().as_secs();
                eprintln!("xtask: {name}: {} of {runs}, {}, {} s", told.executions, told.coverage, told.seconds);
            }
        }
    }
    let status = child.wait().map_err(|error| format!("cargo fuzz run: {error}"))?;
    if status.success() {
        return Ok((told, String::new()));
    }
    if input.is_empty() {
        return Err(format!("{name} ended with {status}; see {}", log_path.display()));
    }
    let again = fuzz("run", target, sanitizer).join(" ");
    Ok((told, format!("RUSTC_BOOTSTRAP=1 cargo {again} {input}")))
}

/// Writes what the cases of a mapping make for the fuzzer into a folder of their own.
fn write_seeds(mapping: &str, folder: &Path) -> Done {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| error.to_string());
    let cases = cases::in_folder(&root().join("wit/cases").join(mapping), read).map_err(|error| error.to_string())?;
    let named = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    if folder.is_dir() {
        std::fs::remove_dir_all(folder).map_err(|error| named(folder, error))?;
    }
    std::fs::create_dir_all(folder).map_err(|error| named(folder, error))?;
    for (name, bytes) in cases.iter().flat_map(cases::seeds) {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(|error| named(&path, error))?;
    }
    Ok(())
}

impl Told {
    /// Lines such as `#4096 pulse  cov: 716 ft: 2817 corp: …` and `stat::number_of_executed_units: 1000000`.
    fn read(&mut self, line: &str) {
        let number = |text: &str| text.trim().parse().unwrap_or_default();
        if let Some(rest) = line.strip_prefix('#') {
            self.executions = number(rest.split_whitespace().next().unwrap_or_default());
            if let (Some(from), Some(to)) = (rest.find("cov: "), rest.find(" corp: ")) {
                self.coverage = rest[from..to].to_owned();
            }
        } else if let Some(rest) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = number(rest);
        } else if let Some(rest) = line.strip_prefix("stat::average_exec_per_sec:") {
            self.per_second = number(rest);
        }
    }
}
