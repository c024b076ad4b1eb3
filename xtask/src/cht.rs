//! The CHT configuration (`cht/`): that its form is what its source gives, and its tests in CHT's own harness.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Done, check, npm, root, say, system, target_dir};

/// What the skip list calls it.
const NAME: &str = "cht (the CHT configuration in CHT's own harness)";
/// Oldest Node that cht-conf runs on.
const NODE: u32 = 20;

/// `cargo xtask cht`: the npm package, whose mappings the tests use, and nothing else of the workspace.
pub fn command(filter: &[String]) -> Done {
    npm::build()?;
    system::install_chromium();
    let mut skipped = Vec::new();
    test(filter, &mut skipped)?;
    println!("\nxtask: {} group(s) skipped", skipped.len());
    skipped.iter().for_each(|reason| println!("  SKIPPED {reason}"));
    Ok(())
}

/// Checks and tests the configuration. Adds what could not be run.
pub fn test(filter: &[String], skipped: &mut Vec<String>) -> Done {
    if let Err(reason) = needs() {
        skipped.push(format!("{NAME}: {reason}"));
        return Ok(());
    }
    let cht = root().join("cht");
    if let Err(reason) = npm::install(&cht)? {
        skipped.push(format!("{NAME}: {reason}"));
        return Ok(());
    }
    say("checking that the CHT form is what its source gives, and compiling the CHT configuration");
    for tool in [&["tools/forms.mjs", "--check"][..], &["tools/settings.mjs"]] {
        check(Command::new("node").args(tool).current_dir(&cht), &format!("cht: node {}", tool.join(" ")))?;
    }
    say("running the tests of the CHT configuration");
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"]).current_dir(&cht);
    if let [name, ..] = filter {
        node.arg(format!("--test-name-pattern={name}"));
    }
    // Browsers leave files behind.
    let temporary = target_dir().join("cht");
    let emptied = if temporary.exists() { std::fs::remove_dir_all(&temporary) } else { Ok(()) };
    emptied
        .and_then(|()| std::fs::create_dir_all(&temporary))
        .map_err(|error| format!("{}: {error}", temporary.display()))?;
    check(node.args(tests(&cht)?).env("TMPDIR", temporary), "node --test in cht")
}

fn tests(cht: &Path) -> Done<Vec<PathBuf>> {
    let folder = cht.join("test");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(".test.cjs"));
    files.sort();
    Ok(files)
}

/// Node, a browser, and what cht-conf and the harness call: Python (pyxform) and xsltproc.
fn needs() -> Done {
    npm::install_node(NODE)?;
    let named = std::env::var_os("PUPPETEER_EXECUTABLE_PATH").is_some_and(|file| Path::new(&file).is_file());
    if !named && !system::has_chromium() {
        return Err("Chromium is not here".into());
    }
    for (program, argument) in [("python3", "--version"), ("xsltproc", "--version")] {
        if !system::succeeds(program, &[argument]) {
            system::install_packages(&[program])?;
        }
    }
    if !system::succeeds("python3", &["-c", "import sys; sys.exit(sys.version_info < (3, 10))"]) {
        return Err("Python is older than 3.10".into());
    }
    Ok(())
}
