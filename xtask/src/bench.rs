//! `cargo xtask bench`: builds as for use, then has `mediator-load` measure. The report is `target/bench/report.md`.

use std::process::Command;

use crate::{Done, cargo, check, components, root, say, target_dir};

/// `cargo xtask bench [options]`; the options are those of `mediator-load bench`.
pub fn command(options: &[String]) -> Done {
    components::build()?;
    say("building the mediator and the load as for use (minutes the first time)");
    cargo(&["build", "--release", "--package", "openimis-mediator", "--package", "mediator-load"])?;
    let mut bench = Command::new(target_dir().join("release/mediator-load"));
    bench.arg("bench").arg("--dir").arg(target_dir().join("bench"));
    bench.arg("--components").arg(target_dir().join("components"));
    if let Some(server) = std::env::var_os("DATABASE_URL") {
        bench.arg("--postgres").arg(server);
    }
    check(bench.args(options).current_dir(root()), "the bench")
}
