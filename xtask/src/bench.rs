//! `cargo xtask bench`: builds as for use, then has `mediator-load` measure. The report is `target/bench/report.md`.

use std::process::Command;

use crate::{Done, cargo, check, components, root, say, system, target_dir};

/// `cargo xtask bench [options]`; the options are those of `mediator-load bench`.
pub fn command(options: &[String]) -> Done {
    components::build()?;
    say("building the mediator and the load as for use (minutes the first time)");
    cargo(&["build", "--release", "--package", "openimis-mediator", "--package", "mediator-load"])?;
    let mut bench = Command::new(target_dir().join("release/mediator-load"));
    bench.arg("bench").arg("--dir").arg(target_dir().join("bench"));
    bench.arg("--components").arg(target_dir().join("components"));
    if std::env::var_os("DATABASE_URL").is_none() {
        // The bench says so, too, and goes on without.
        system::install().unwrap_or_else(|reason| say(&format!("SKIPPED PostgreSQL: {reason}")));
    }
    check(bench.args(options).current_dir(root()), "the bench")
}
