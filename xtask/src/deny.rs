//! `cargo xtask deny`: checks licences, banned crates, sources and known vulnerabilities of all dependencies with cargo-deny (deny.toml): those
//! of the workspace, and of the packages that are excluded from it because they are built with other settings.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Done, cargo_command, check, root, say, target_dir};

/// Later versions may interpret deny.toml differently.
const VERSION: &str = "0.20.2";
/// Each has a lock file of its own. A test of `deploy` sees to it that none is missing here.
const WORKSPACES: [&str; 3] = ["Cargo.toml", "fuzz/Cargo.toml", "examples/workflow-proof/Cargo.toml"];
/// Where cargo-deny fetches known holes from.
const ADVISORIES: &str = "https://github.com/RustSec/advisory-db";
/// A network without access to the internet may drop a request silently.
const PATIENCE: Duration = Duration::from_secs(30);

/// `cargo xtask deny [--advisories <clone>]`; the clone (a path or an address) stands in for the advisory database.
pub fn command(options: &[String]) -> Done {
    let mirror = match options {
        [] => None,
        [option, clone] if option == "--advisories" => Some(clone.as_str()),
        _ => return Err("deny: expected nothing, or --advisories <a clone of the advisory database>".into()),
    };
    let program = program()?;
    deny(&program, &["licenses", "bans", "sources"], None)?;
    let mut skipped = Vec::new();
    match reachable(mirror) {
        Ok(()) => deny(&program, &["advisories"], mirror)?,
        Err(reason) => skipped.push(format!("advisories (known holes in what is built in): {reason}")),
    }
    println!("\nxtask: nothing to object to; {} check(s) skipped", skipped.len());
    for reason in &skipped {
        println!("  SKIPPED {reason}");
    }
    Ok(())
}

fn deny(program: &Path, checks: &[&str], mirror: Option<&str>) -> Done {
    for workspace in WORKSPACES {
        say(&format!("checking {} of {workspace}", checks.join(", ")));
        let mut command = Command::new(program);
        command.args(["--manifest-path", workspace, "--config", "deny.toml", "check"]).args(checks).current_dir(root());
        instead(&mut command, mirror);
        check(&mut command, &format!("cargo deny of {workspace}"))?;
    }
    Ok(())
}

/// Has git read the clone wherever the database is asked for.
fn instead(command: &mut Command, mirror: Option<&str>) {
    if let Some(clone) = mirror {
        command.env("GIT_CONFIG_COUNT", "1");
        command.env("GIT_CONFIG_KEY_0", format!("url.{clone}.insteadOf")).env("GIT_CONFIG_VALUE_0", ADVISORIES);
    }
}

/// Whether the advisory database can be had. A database that cannot be fetched is no finding, and must not look like one.
fn reachable(mirror: Option<&str>) -> Done {
    let mut git = Command::new("git");
    git.args(["ls-remote", ADVISORIES, "HEAD"]).env("GIT_TERMINAL_PROMPT", "0");
    git.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    instead(&mut git, mirror);
    let mut child = git.spawn().map_err(|error| format!("git could not be started: {error}"))?;
    let begun = Instant::now();
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(_) => return Err(format!("{} cannot be fetched from here", mirror.unwrap_or(ADVISORIES))),
            None if begun.elapsed() > PATIENCE => break,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    // Already ended, or ended by this: both are as good.
    drop(child.kill());
    drop(child.wait());
    Err(format!("{} did not answer within {} s", mirror.unwrap_or(ADVISORIES), PATIENCE.as_secs()))
}

/// The cargo-deny that is installed, or one of our own in `target/tools`.
fn program() -> Done<PathBuf> {
    let own = target_dir().join("tools");
    let programs = [PathBuf::from("cargo-deny"), own.join("bin/cargo-deny")];
    let fits = |program: &&PathBuf| {
        let told = Command::new(program).arg("--version").output();
        told.is_ok_and(|told| String::from_utf8_lossy(&told.stdout).trim() == format!("cargo-deny {VERSION}"))
    };
    if let Some(program) = programs.iter().find(fits) {
        return Ok(program.clone());
    }
    say(&format!("installing cargo-deny {VERSION} into {} (about a minute)", own.display()));
    let mut install = cargo_command();
    // Its release build is one unit with link-time optimisation: minutes more, for a check of two seconds.
    install.args(["install", "--quiet", "--locked", "--debug", "--force", "--root"]).arg(&own);
    install.arg(format!("cargo-deny@{VERSION}")).env_remove("CARGO_TARGET_DIR");
    check(&mut install, "installing cargo-deny")?;
    Ok(own.join("bin/cargo-deny"))
}
