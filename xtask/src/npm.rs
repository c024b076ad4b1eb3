//! The npm package (`npm/`): built into `npm/dist`, tested with Node.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Done, cargo, cargo_command, check, components, root, say, system, target_dir};

/// Oldest Node that the package is for.
pub const NODE: u32 = 18;

/// Builds the package into `npm/dist`. Needs no Node.
pub fn build() -> Done {
    components::install_std()?;
    say("building the npm package");
    let mut module = cargo_command();
    module.args(["build", "--quiet", "--profile", "npm", "--target", components::TARGET, "--package", "mapping-npm"]);
    // A panic's text names its file: the package is the same wherever it is built, and tells nobody's home.
    let home =
        std::env::var_os("CARGO_HOME").or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo").into()));
    let places = [(home.map(PathBuf::from), "/cargo"), (Some(root().to_owned()), "/openimis-mediator")];
    let flags: Vec<String> = places
        .iter()
        .filter_map(|(from, to)| Some(format!("--remap-path-prefix={}={to}", from.as_ref()?.display())))
        .collect();
    check(module.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")), "cargo build")?;

    cargo(&["build", "--quiet", "--package", "npm-build"])?;
    let npm = root().join("npm");
    let mut package = Command::new(target_dir().join("debug/npm-build"));
    package.arg(target_dir().join(components::TARGET).join("npm/mapping_npm.wasm"));
    package.args([npm.join("package"), npm.join("dist")]).arg(env!("CARGO_PKG_VERSION")).arg(root().join("LICENSE"));
    check(&mut package, "npm-build")?;
    let size = std::fs::metadata(npm.join("dist/mapping_bg.wasm")).map_or(0, |file| file.len());
    say(&format!("  npm/dist: mapping_bg.wasm with {} kB", size.div_ceil(1000)));
    Ok(())
}

/// Runs the tests of the package and of its example. Adds what could not be run.
pub fn test(filter: &[String], skips: &Path, skipped: &mut Vec<String>) -> Done {
    if let Err(reason) = install_node(NODE) {
        skipped.push(format!("npm (the package and its OpenHIM mediator in Node): {reason}"));
        return Ok(());
    }
    let npm = root().join("npm");
    say("running the tests of the npm package");
    // Without the TypeScript compiler the test of the types skips itself and says so.
    if let Err(reason) = install(&npm)? {
        say(&reason);
    }
    node_test(&npm, filter, skips)?;

    let example = npm.join("examples/openhim-mediator");
    match install(&example)? {
        Ok(()) => node_test(&example, filter, skips),
        Err(reason) => {
            skipped.push(format!("npm/examples/openhim-mediator: {reason}"));
            Ok(())
        }
    }
}

/// `cargo xtask npm`: builds and tests nothing else.
pub fn command(filter: &[String]) -> Done {
    build()?;
    let skips = target_dir().join("skipped-npm.txt");
    std::fs::write(&skips, "").map_err(|error| format!("{}: {error}", skips.display()))?;
    let mut skipped = Vec::new();
    test(filter, &skips, &mut skipped)?;
    skipped.extend(std::fs::read_to_string(&skips).unwrap_or_default().lines().map(str::to_owned));
    skipped.iter().for_each(|reason| println!("  SKIPPED {reason}"));
    Ok(())
}

fn node_test(folder: &Path, filter: &[String], skips: &Path) -> Done {
    let tests = folder.join("test");
    let entries = std::fs::read_dir(&tests).map_err(|error| format!("{}: {error}", tests.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(".test.mjs"));
    files.sort();
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"]).current_dir(folder).env("MEDIATOR_SKIPPED", skips);
    if let [name, ..] = filter {
        node.arg(format!("--test-name-pattern={name}"));
    }
    check(node.args(files), "node --test")
}

/// A firewall that drops packets is reported after a minute: npm itself would wait for five, three times, and again for each batch of
/// sockets.
const NPM_PATIENCE: [&str; 4] =
    ["--fetch-timeout=30000", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--maxsockets=100"];
/// What npm says where there is no network.
const UNREACHABLE: [&str; 11] = [
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ETIMEDOUT",
    "EIDLETIMEOUT",
    "ERR_SOCKET_TIMEOUT",
    "network timeout",
    "ENOTCACHED",
];

/// `npm ci`, once for each lock file. The inner error says that there is no network; all others are errors.
pub fn install(folder: &Path) -> Done<Result<(), String>> {
    let lock =
        std::fs::read(folder.join("package-lock.json")).map_err(|error| format!("{}: {error}", folder.display()))?;
    let installed = folder.join("node_modules/.package-lock.of");
    if std::fs::read(&installed).is_ok_and(|of| of == lock) {
        return Ok(Ok(()));
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]).args(NPM_PATIENCE);
    npm.current_dir(folder);
    let done = npm.output().map_err(|error| format!("npm could not be started: {error}"))?;
    if done.status.success() {
        std::fs::write(&installed, &lock).map_err(|error| format!("{}: {error}", installed.display()))?;
        return Ok(Ok(()));
    }
    let said = String::from_utf8_lossy(&done.stderr);
    match UNREACHABLE.iter().find(|code| said.contains(**code)) {
        Some(code) => Ok(Err(format!("npm ci cannot reach its registry ({code})"))),
        None => Err(format!("npm ci in {}: {said}", folder.display())),
    }
}

/// Node of this version or later and npm, from the system's packages where they are missing.
pub fn install_node(oldest: u32) -> Done {
    if node_version().is_none() || !system::succeeds("npm", &["--version"]) {
        system::install_packages(&["nodejs", "npm"])?;
    }
    match node_version() {
        Some(version) if version >= oldest && system::succeeds("npm", &["--version"]) => Ok(()),
        Some(version) if version >= oldest => Err("npm is not here".into()),
        Some(version) => Err(format!("Node {version} is older than {oldest}")),
        None => Err("Node is not here".into()),
    }
}

fn node_version() -> Option<u32> {
    let said = Command::new("node").arg("--version").output().ok()?.stdout;
    String::from_utf8(said).ok()?.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}
