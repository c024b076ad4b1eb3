//! `cargo xtask instructions`: measures the instructions of a mapping call with valgrind and compares them with
//! `tests/instructions.toml`. Unlike a time, the number is the same on a busy machine, so a test can check it.
//!
//! It measures release builds of the Rust functions. The same compiler and libraries lead to the same number on every processor of an
//! architecture, except for a few instructions of the C library; [`TOLERANCE`] allows for other compilers and libraries.

use std::path::PathBuf;
use std::process::Command;

use crate::system::{install_packages, succeeds};
use crate::{Done, cargo, root, say, target_dir};

const MAPPINGS: [&str; 3] = ["claim-response", "feedback", "patient"];
/// The architecture of the recorded numbers.
const ARCHITECTURE: &str = "x86_64";
/// By how much a count may differ, in hundredths.
const TOLERANCE: i64 = 10;

/// The command. `BLESS=1` records the numbers.
pub fn command() -> Done {
    install()?;
    let counted = count_all()?;
    if std::env::var_os("BLESS").is_some() {
        return write(&counted);
    }
    compare(&counted)
}

/// Runs the comparison as part of the tests; a missing valgrind is reported in `skipped`.
pub fn test(skipped: &mut Vec<String>) -> Done {
    if let Err(reason) = install() {
        skipped.push(format!("instructions of a mapping call: {reason}"));
        return Ok(());
    }
    say("counting the instructions of a mapping call");
    compare(&count_all()?)
}

fn install() -> Done {
    if std::env::consts::ARCH != ARCHITECTURE {
        return Err(format!("the recorded numbers are for {ARCHITECTURE}, this machine is {}", std::env::consts::ARCH));
    }
    if succeeds("valgrind", &["--version"]) { Ok(()) } else { install_packages(&["valgrind"]) }
}

fn count_all() -> Done<Vec<(&'static str, i64)>> {
    cargo(&["build", "--quiet", "--profile", "counted", "--package", "mapping", "--example", "calls"])?;
    let program = target_dir().join("counted/examples/calls");
    // The difference of two runs: without what a program does before its first call.
    let of = |mapping, times: i64| count(&program, mapping, times);
    MAPPINGS.into_iter().map(|mapping| Ok((mapping, (of(mapping, 110)? - of(mapping, 10)?) / 100))).collect()
}

fn count(program: &PathBuf, mapping: &str, times: i64) -> Done<i64> {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .arg(mapping)
        .arg(times.to_string());
    let output = valgrind.output().map_err(|error| format!("valgrind could not be started: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let collected = told.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    match collected {
        Some(instructions) if output.status.success() => Ok(instructions),
        _ => Err(format!("valgrind did not count {mapping}: {}", told.lines().last().unwrap_or_default())),
    }
}

fn file() -> PathBuf {
    root().join("tests/instructions.toml")
}

fn write(counted: &[(&str, i64)]) -> Done {
    let mut text = format!(
        "# Instructions of a mapping call (Rust function, {ARCHITECTURE}, the cases' documents), compared by `cargo xtask test`.\n\
         # Recorded by `BLESS=1 cargo xtask instructions`.\n"
    );
    for (mapping, count) in counted {
        text += &format!("{mapping} = {count}\n");
    }
    std::fs::write(file(), text).map_err(|error| format!("{}: {error}", file().display()))
}

fn compare(counted: &[(&str, i64)]) -> Done {
    let text = std::fs::read_to_string(file()).map_err(|error| format!("{}: {error}", file().display()))?;
    let written = |mapping: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(mapping)?.trim().strip_prefix('='));
        line.and_then(|count| count.trim().parse::<i64>().ok())
    };
    let mut misses = Vec::new();
    for (mapping, count) in counted {
        let Some(expected) = written(mapping) else {
            return Err(format!("{} has no line for {mapping}", file().display()));
        };
        let change = (count - expected) * 1000 / expected;
        say(&format!("  {mapping}: {count} instructions, {:+.1} %", change as f64 / 10.0));
        if change.abs() > TOLERANCE * 10 {
            misses.push(format!("{mapping} takes {count} instructions, and took {expected}"));
        }
    }
    if misses.is_empty() {
        return Ok(());
    }
    Err(format!("{}; if that is meant: `BLESS=1 cargo xtask instructions`", misses.join("; ")))
}
