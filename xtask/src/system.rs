//! What tests need of the system: PostgreSQL's server programs, which they start clusters of their own with (`tests/postgres.rs`),
//! libfaketime and Chromium.

use std::path::PathBuf;
use std::process::Command;

use crate::{Done, check, say, target_dir};

/// The tests that need them: `--test` names. They are marked `#[ignore]`.
pub const TESTS: [&str; 4] = ["chaos", "metrics", "postgres", "store"];

/// Installs the server programs if they are missing. The error says why that cannot be done here.
pub fn install() -> Done {
    if is_root() && !succeeds("runuser", &["--version"]) {
        return Err("runuser is not here (PostgreSQL does not run as root)".into());
    }
    if is_installed() {
        return Ok(());
    }
    if !is_root() || !succeeds("apt-get", &["--version"]) {
        return Err("its server programs are not here, and only root can install them with apt-get: \
                    `apt-get install postgresql`, or run `cargo xtask test` as root in a container"
            .into());
    }
    say("installing PostgreSQL");
    // The clusters are the tests' own: Debian's would only run beside them.
    let settings = std::path::Path::new("/etc/postgresql-common");
    let written = std::fs::create_dir_all(settings).and_then(|()| {
        let file = settings.join("createcluster.conf");
        if file.exists() { Ok(()) } else { std::fs::write(file, "create_main_cluster = false\n") }
    });
    written.map_err(|error| format!("{}: {error}", settings.display()))?;
    apt(&["update"])?;
    apt(&["install", "-y", "--no-install-recommends", "postgresql"])?;
    if is_installed() { Ok(()) } else { Err("the package postgresql has brought no server programs".into()) }
}

/// Installs the library that gives a test's program another time, where that is easily done.
pub fn install_faketime() {
    let there = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    if there.map(|folder| folder.path().join("faketime")).any(|folder| folder.is_dir()) || !is_root() {
        return;
    }
    if let Err(reason) = apt(&["install", "-y", "--no-install-recommends", "faketime"]) {
        say(&format!("libfaketime was not installed: {reason}"));
    }
}

/// Whether a browser for tests is on the PATH.
pub fn has_chromium() -> bool {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let path: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    path.iter().any(|folder| names.iter().any(|name| folder.join(name).is_file()))
}

/// Installs a browser for the tests of the playground and of the CHT configuration, where that is easily done.
pub fn install_chromium() {
    if has_chromium() || !is_root() {
        return;
    }
    say("installing Chromium");
    let packages = ["install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"];
    if let Err(reason) = apt(&["update"]).and_then(|()| apt(&packages)) {
        say(&format!("Chromium was not installed: {reason}"));
    }
}

/// Fetches Prometheus' tool for the tests of the alert rules, where that is easily done: unpacked beside what is built, since the
/// package would start a server.
pub fn fetch_promtool() {
    let folder = target_dir().join("prometheus");
    if succeeds("promtool", &["--version"]) || folder.join("usr/bin/promtool").is_file() {
        return;
    }
    say("fetching promtool");
    let fetched = std::fs::create_dir_all(&folder).map_err(|error| error.to_string()).and_then(|()| {
        apt(&["update"])?;
        check(Command::new("apt-get").args(["-qq", "download", "prometheus"]).current_dir(&folder), "apt-get")?;
        let packages = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for package in packages.filter(|path| path.extension().is_some_and(|extension| extension == "deb")) {
            check(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&folder), "dpkg-deb")?;
            drop(std::fs::remove_file(package));
        }
        Ok(())
    });
    if let Err(reason) = fetched {
        say(&format!("promtool was not fetched: {reason}"));
    }
}

/// Installs packages of the system where that is easily done; the error says why not.
pub fn install_packages(names: &[&str]) -> Done {
    if !is_root() || !succeeds("apt-get", &["--version"]) {
        let names = names.join(" ");
        return Err(format!("{names} missing, and only root can install with apt-get: `apt-get install {names}`"));
    }
    say(&format!("installing {}", names.join(" ")));
    apt(&["update"])?;
    let mut args = vec!["install", "-y", "--no-install-recommends"];
    args.extend(names);
    apt(&args)
}

fn apt(args: &[&str]) -> Done {
    let mut apt = Command::new("apt-get");
    apt.args(["-qq", "-o", "Acquire::Retries=3"]).args(args).env("DEBIAN_FRONTEND", "noninteractive");
    check(&mut apt, "apt-get")
}

fn is_installed() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    folders.iter().any(|folder| ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).is_file()))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

pub fn succeeds(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
}
