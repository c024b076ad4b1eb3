//! `cargo xtask bench`: builds as for use, measures part by part, and writes the one table of docs/benchmarks.md.

use std::path::PathBuf;
use std::process::Command;

use crate::{Done, cargo, cargo_command, check, components, edge, npm, root, say, system, target_dir};

/// The parts, in the order of the table. Each leaves `<part>.json`: a JSON object a line (`tests/load/src/rows.rs`).
const PARTS: [(&str, Part); 5] =
    [("mapping", mapping), ("npm", in_node), ("service", service), ("edge", under_spin), ("bulk", bulk)];

type Part = fn(&Bench) -> Done;

struct Bench {
    /// Where the parts' files go.
    dir: PathBuf,
    quick: bool,
    /// For `mediator-load service` and `bench`.
    options: Vec<String>,
}

/// Always built together: with another selection cargo would choose other features of their libraries, and build them again.
const PACKAGES: [&str; 6] =
    ["--package", "openimis-mediator", "--package", "mediator-load", "--package", "mediator-bench"];

/// Minutes of load with kills and restarts, for docs/reliability.md: its report is no part of the table, and it runs only when named.
const RELIABILITY: &str = "reliability";

/// `cargo xtask bench [part ...] [--quick] [-- options of mediator-load]`. All parts, and not quick: docs/benchmarks.md is written.
pub fn command(arguments: &[String]) -> Done {
    let (own, options) = match arguments.iter().position(|argument| argument == "--") {
        Some(at) => (&arguments[..at], arguments[at + 1..].to_vec()),
        None => (arguments, Vec::new()),
    };
    let is_part = |name: &&String| PARTS.iter().any(|(part, _)| part == name);
    let reliability = own.iter().any(|name| name == RELIABILITY);
    if let Some(unknown) = own.iter().find(|name| !is_part(name) && *name != "--quick" && *name != RELIABILITY) {
        let parts: Vec<&str> = PARTS.iter().map(|(part, _)| *part).collect();
        let parts = parts.join(", ");
        return Err(format!("{unknown}: expected --quick, or parts of the bench: {parts}, {RELIABILITY}"));
    }
    let quick = own.iter().any(|argument| argument == "--quick");
    let all = !reliability && !own.iter().any(|name| is_part(&name));
    let is_wanted = |part: &str| all || own.iter().any(|name| name == part);
    let wanted: Vec<&(&str, Part)> = PARTS.iter().filter(|(part, _)| is_wanted(part)).collect();
    // A short try never takes the place of figures.
    let dir = target_dir().join(if quick { "bench/quick" } else { "bench" });
    std::fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let bench = Bench { dir, quick, options };

    components::build()?;
    say("building the mediator and the load as for use (minutes the first time)");
    cargo(&[&["build", "--release"], &PACKAGES[..]].concat())?;
    let mut failed = Vec::new();
    for (part, run) in &wanted {
        // What an earlier run found is not taken for what this one does.
        drop(std::fs::remove_file(bench.dir.join(format!("{part}.json"))));
        say(&format!("measuring: {part}"));
        if let Err(reason) = run(&bench) {
            say(&format!("{part}: {reason}"));
            failed.push(*part);
        }
    }
    if reliability {
        say("measuring: load with kills and restarts (a quarter of an hour)");
        check(bench.service("bench").args(&bench.options), "the bench of docs/reliability.md")?;
    }
    if !wanted.is_empty() {
        table(&bench, &wanted, arguments)?;
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("not measured: {}", failed.join(", "))) }
}

fn table(bench: &Bench, wanted: &[&(&str, Part)], arguments: &[String]) -> Done {
    let how: Vec<&str> = ["cargo xtask bench"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    let mut table = bench.load("table");
    table.arg("--how").arg(how.join(" "));
    for (part, _) in wanted {
        table.args(["--part", part]);
    }
    if wanted.len() == PARTS.len() && !bench.quick {
        table.arg("--page").arg(root().join("docs/benchmarks.md"));
    }
    check(&mut table, "the table")
}

fn mapping(bench: &Bench) -> Done {
    let mut command = cargo_command();
    command.arg("bench").args(PACKAGES).args(["--bench", "mapping"]).env("MEDIATOR_BENCH_OUT", &bench.dir);
    check(command.args(bench.quick.then_some(["--", "--quick"]).into_iter().flatten()), "cargo bench")
}

fn in_node(bench: &Bench) -> Done {
    if let Err(reason) = npm::install_node(npm::NODE) {
        return bench.skipped("npm", "A call in Node", &reason);
    }
    npm::build()?;
    let mut node = Command::new("node");
    node.arg("bench/bench.mjs").args(bench.quick.then_some("--quick"));
    check(node.current_dir(root().join("npm")).env("MEDIATOR_BENCH_OUT", &bench.dir), "node")
}

fn service(bench: &Bench) -> Done {
    let mut load = bench.service("service");
    check(load.args(bench.quick.then_some("--quick")).args(&bench.options), "the bench of the service")
}

fn under_spin(bench: &Bench) -> Done {
    edge::build()?;
    edge::build_hello()?;
    let mut load = bench.load("edge");
    load.arg("--root").arg(root());
    check(load.args(bench.quick.then_some(["--seconds", "1"]).into_iter().flatten()), "the bench of the edge")
}

fn bulk(bench: &Bench) -> Done {
    let mut load = bench.load("bulk");
    load.arg("--components").arg(target_dir().join("components"));
    check(load.args(bench.quick.then_some(["--megabytes", "100"]).into_iter().flatten()), "the bench in bulk")
}

impl Bench {
    fn load(&self, what: &str) -> Command {
        let mut load = Command::new(target_dir().join("release/mediator-load"));
        load.arg(what).arg("--dir").arg(&self.dir).current_dir(root());
        load
    }

    /// The mediator under load, also on PostgreSQL where there is one.
    fn service(&self, what: &str) -> Command {
        if std::env::var_os("DATABASE_URL").is_none() {
            // The bench says so, too, and goes on without.
            system::install().unwrap_or_else(|reason| say(&format!("SKIPPED PostgreSQL: {reason}")));
        }
        let mut load = self.load(what);
        load.arg("--components").arg(target_dir().join("components"));
        load
    }

    fn skipped(&self, part: &str, group: &str, reason: &str) -> Done {
        say(&format!("SKIPPED {part}: {reason}"));
        let reason = reason.replace(['"', '\\', '\n'], " ");
        let line = format!("{{\"group\":\"{group}\",\"name\":\"{group}\",\"skipped\":\"{reason}\"}}\n");
        let path = self.dir.join(format!("{part}.json"));
        std::fs::write(&path, line).map_err(|error| format!("{}: {error}", path.display()))
    }
}
