//! `cargo xtask lint`: what a change has to pass besides its tests, the quick checks first.

use std::process::Command;

use crate::{Done, cargo, check, components, decisions, msrv, paths, root, say, style, system};

/// Programs that check what rustfmt and clippy do not. They are optional: a missing one is reported as skipped.
const TOOLS: [Tool; 2] = [
    Tool {
        program: "typos",
        args: &[],
        what: "spelling (_typos.toml)",
        install: "pip install typos, or cargo install typos-cli",
    },
    Tool {
        program: "taplo",
        args: &["fmt", "--check"],
        what: "format of TOML files (.taplo.toml)",
        install: "pip install taplo, or cargo install taplo-cli",
    },
];

struct Tool {
    program: &'static str,
    args: &'static [&'static str],
    what: &'static str,
    install: &'static str,
}

/// The command. The last lines name what was skipped.
pub fn command() -> Done {
    cargo(&["fmt", "--all", "--check"])?;
    decisions::check()?;
    paths::check()?;
    msrv::check()?;
    style::check()?;
    let mut skipped = Vec::new();
    for tool in TOOLS {
        if system::succeeds(tool.program, &["--version"]) {
            say(&format!("checking the {}", tool.what));
            check(Command::new(tool.program).args(tool.args).current_dir(root()), tool.program)?;
        } else {
            skipped.push(format!("{}: {} is not installed ({})", tool.what, tool.program, tool.install));
        }
    }
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    components::install_std()?;
    say("the pure crates build for WebAssembly");
    cargo(&["check", "--package", "flow", "--target", components::TARGET])?;
    println!("\nxtask: lint found nothing; {} check(s) skipped", skipped.len());
    for reason in &skipped {
        println!("  SKIPPED {reason}");
    }
    Ok(())
}
