//! `cargo xtask`: sets up what a command needs, then runs it. Standard library and the component encoder only, so that it builds fast.

mod bench;
mod chaos;
mod cht;
mod components;
mod decisions;
mod deny;
mod deploy;
mod docs;
mod edge;
mod fuzz;
mod instructions;
mod lint;
mod msrv;
mod npm;
mod openimis;
mod paths;
mod playground;
mod sbom;
mod style;
mod system;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
Usage: cargo xtask <command>

  run [options]   build what is needed and start the mediator with stand-ins; options are passed to `openimis-mediator serve`
  test [filter]   build everything, start a real openIMIS and run every test; ends with a list of skipped tests
  chaos [filter]  run kills, restarts and failing peers under load, many rounds of each, with a report; a quarter to half an hour
  build           build the mapping components into target/components, the edge app into target/edge, the npm package into
                  npm/dist, and the program
  lint            check format, clippy, decisions, paths in pages, the Rust version and the style of texts; spelling and TOML format
                  if typos and taplo are installed
  style [--bless] [--list [path]]   report files with more words to avoid (docs/style.md) than docs/style-debt.toml allows; --bless
                  lowers the limits, --list prints all occurrences
  deny            check licences, sources and known vulnerabilities of all dependencies (deny.toml); ends with a list of skipped checks
  dist [folder]   build the program for deployment, with its mappings, the playground and a bill of materials (CycloneDX), into
                  target/dist or the folder
  book            build docs/ as a book in target/book, with mdBook
  docs            generate config.example.toml, its schema, and the references in docs/ from the sources
  fuzz [target] [--runs N]  run the fuzz targets, 1,000,000 executions each (docs/fuzzing.md)
  bench [--quick] [mapping] [npm] [service] [edge] [bulk]   measure release builds, all parts or the named ones; writes the table in
                  docs/benchmarks.md, with --quick or single parts only prints it; options for the service follow --
  bench reliability   measure load with kills and restarts for docs/reliability.md; writes target/bench/report.md
  instructions    measure the instructions of a mapping call with valgrind, and compare; BLESS=1 records them
  npm [filter]    build the npm package and run only its tests
  cht [filter]    build the npm package and run only the tests of the CHT configuration
  openimis [up|down|wipe]   start, stop or remove the real openIMIS that the tests use, on 127.0.0.1:8000
";

/// Built and tested together, always: with another selection cargo would choose other features of their libraries.
const MEDIATOR: [&str; 4] = ["openimis-mediator", "mapping", "flow", "mediator-tests"];

/// What a step of a command gives: nothing, or a sentence for the person at the terminal.
type Done<T = ()> = Result<T, String>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    let done = match args.first().map(String::as_str) {
        Some("run") => run(rest),
        Some("test") => test(rest),
        Some("chaos") => chaos::command(rest),
        Some("build") => build(),
        Some("lint") => lint::command(),
        Some("style") => style::command(rest),
        Some("deny") => deny::command(rest),
        Some("dist") => deploy::dist(rest),
        Some("docs") => docs::command(),
        Some("book") => docs::book(),
        Some("npm") => npm::command(rest),
        Some("cht") => cht::command(rest),
        Some("bench") => bench::command(rest),
        Some("fuzz") => fuzz::command(rest),
        Some("instructions") => instructions::command(),
        Some("openimis") => openimis::command(rest.first().map_or("up", String::as_str)),
        _ => {
            print!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("xtask: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Done {
    components::build()?;
    edge::build()?;
    npm::build()?;
    playground::build()?;
    say("building the host");
    cargo(&["build", "--package", "openimis-mediator"])
}

fn run(options: &[String]) -> Done {
    // At once: each of them keeps a processor idle for a while.
    let components = std::thread::spawn(components::build);
    say("building the host");
    let host = cargo(&["build", "--package", "openimis-mediator"]);
    components.join().unwrap_or_else(|_| Err("building the mapping components failed".to_owned()))?;
    host?;
    // Nobody waits for the playground: it is built while the mediator runs, and served as soon as it is there.
    playground::forget()?;
    std::thread::spawn(|| {
        if let Err(sentence) = npm::build().and_then(|()| playground::build()) {
            say(&format!("the playground could not be built: {sentence}"));
        }
    });
    let mut serve = Command::new(target_dir().join("debug/openimis-mediator"));
    serve.args(["serve", "--sandbox"]).args(options).current_dir(root());
    check(&mut serve, "the mediator")
}

fn test(filter: &[String]) -> Done {
    components::build()?;
    edge::build()?;
    edge::build_harness()?;
    npm::build()?;
    playground::build()?;
    say("building the host and the tests");
    // With the tests, so that the program is built once: a build without them would choose other features of its libraries.
    cargo_for(&["build", "--bins", "--tests"], &MEDIATOR, &[])?;
    let mut skipped = Vec::new();
    // Without it the tests of jumping clocks skip themselves and say so.
    system::install_faketime();
    // The same for the alert rules.
    system::fetch_promtool();
    // The same for the playground in a browser.
    system::install_chromium();
    // The same for the manifests in deploy/.
    deploy::install_tools();
    // What tests skip by themselves, a line each.
    let skips = target_dir().join("skipped.txt");
    std::fs::write(&skips, "").map_err(|error| format!("{}: {error}", skips.display()))?;
    let with_openimis = match openimis::up() {
        Ok(()) => true,
        Err(reason) => {
            skipped.push(format!("tests/tests/openimis (the loop against a real openIMIS): {reason}"));
            false
        }
    };
    say("running the tests");
    cargo_with(&["test", "--no-fail-fast"], &MEDIATOR, filter, &[("MEDIATOR_SKIPPED", skips.as_os_str())])?;
    cargo_for(&["test", "--no-fail-fast"], &["fhir-r4-tests"], filter)?;
    cargo_for(&["test", "--no-fail-fast"], &["mediator-load"], filter)?;
    cargo_for(&["test", "--no-fail-fast"], &["xtask", "cases"], filter)?;
    npm::test(filter, &skips, &mut skipped)?;
    instructions::test(&mut skipped)?;
    cht::test(filter, &mut skipped)?;
    match system::install() {
        Ok(()) => {
            say("running the tests on PostgreSQL");
            let tests = system::TESTS.iter().flat_map(|name| ["--test", name]);
            let command: Vec<&str> = ["test", "--no-fail-fast"].into_iter().chain(tests).collect();
            let rest: Vec<String> = filter.iter().cloned().chain(["--", "--ignored"].map(str::to_owned)).collect();
            cargo_for(&command, &MEDIATOR, &rest)?;
        }
        Err(reason) => skipped.push(format!("{} on PostgreSQL: {reason}", system::TESTS.join(", "))),
    }
    if with_openimis {
        say("running the tests against the real openIMIS");
        let selected = ["--", "--ignored", "--test-threads=1", "--nocapture"].map(str::to_owned);
        let rest: Vec<String> = filter.iter().cloned().chain(selected).collect();
        cargo_for(&["test", "--no-fail-fast", "--test", "openimis"], &MEDIATOR, &rest)?;
    }
    let by_themselves = std::fs::read_to_string(&skips).unwrap_or_default();
    let by_themselves: std::collections::BTreeSet<&str> = by_themselves.lines().collect();
    skipped.extend(by_themselves.into_iter().map(str::to_owned));
    println!("\nxtask: all tests passed; {} group(s) skipped", skipped.len());
    for reason in &skipped {
        println!("  SKIPPED {reason}");
    }
    Ok(())
}

fn cargo_for(command: &[&str], packages: &[&str], rest: &[String]) -> Done {
    cargo_with(command, packages, rest, &[])
}

fn cargo_with(command: &[&str], packages: &[&str], rest: &[String], variables: &[(&str, &std::ffi::OsStr)]) -> Done {
    let mut args = command.to_vec();
    args.extend(packages.iter().flat_map(|package| ["--package", package]));
    args.extend(rest.iter().map(String::as_str));
    let mut cargo = cargo_command();
    check(cargo.args(&args).envs(variables.iter().copied()), &format!("cargo {}", args[0]))
}

fn cargo(args: &[&str]) -> Done {
    check(cargo_command().args(args), &format!("cargo {}", args[0]))
}

fn cargo_command() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root());
    // What cargo tells xtask of xtask's package would make it build *ring*, and all above it, anew.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&*name);
        }
    }
    command
}

fn check(command: &mut Command, name: &str) -> Done {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name} failed ({status})")),
        Err(error) => Err(format!("{name} could not be started: {error}")),
    }
}

fn say(what: &str) {
    eprintln!("xtask: {what}");
}

/// The workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}
