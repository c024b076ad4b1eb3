//! `cargo xtask chaos`: the long form of `tests/tests/chaos`, with its report, and of `tests/tests/model`.

use std::process::Command;

use crate::{Done, MEDIATOR, cargo_command, check, components, say, system, target_dir};

/// Runs every scenario with many rounds, or those whose names hold the filter. Fails on any loss or double.
pub fn command(filter: &[String]) -> Done {
    components::build()?;
    let without_postgres = system::install().err();
    let folder = target_dir().join("chaos");
    let report = folder.join("report.md");
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    std::fs::write(&report, "").map_err(failed)?; // an older one is not this run's
    say(
        "the long form: a quarter to half an hour; CHAOS_SEED=<number> repeats a run's choices, CHAOS_ROUNDS=<number> shortens it",
    );
    let mut test = cargo_command();
    test.arg("test").args(MEDIATOR.iter().flat_map(|name| ["--package", name]));
    test.args(["--test", "chaos", "--test", "model"]).args(filter).args(["--", "--nocapture", "--test-threads=1"]);
    if without_postgres.is_none() {
        test.arg("--include-ignored");
    }
    if std::env::var_os("CHAOS_ROUNDS").is_none() {
        test.env("CHAOS_ROUNDS", "long");
        test.env("MODEL_CASES", "1000");
    }
    let ran = check(test.env("CHAOS_REPORT", &report), "the chaos run");
    let told = std::fs::metadata(&report).is_ok_and(|file| file.len() > 0);
    if ran.is_ok() && !told && !filter.iter().any(|word| "model".starts_with(word.as_str())) {
        return Err(format!("no scenario's name holds {}", filter.join(" ")));
    }
    println!("\n{}\n", std::fs::read_to_string(&report).unwrap_or_default());
    println!("xtask: the report is in {}; run on {}", report.display(), machine());
    if let Some(reason) = without_postgres {
        println!("  SKIPPED all scenarios on PostgreSQL: {reason}");
    }
    ran
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = Command::new("uname").arg("-sr").output().map(|output| output.stdout).unwrap_or_default();
    format!("{cores} processor cores, {}", String::from_utf8_lossy(&kernel).trim())
}
