//! Which crate may use which, and what stays out of the pure ones. `cargo` itself is asked.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use mediator_tests::running::workspace;
use serde_json::Value;

fn cargo(args: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ran = Command::new(cargo).args(args).current_dir(workspace()).output().expect("cargo runs");
    assert!(ran.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("text")
}

/// Every package of the workspace with the names it depends on, in whatever way (also for its tests and its build). Packages of
/// tests may know all and are left out; nobody may know them.
fn packages() -> Vec<(String, BTreeSet<String>)> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1", "--offline"])).expect("JSON");
    let name = |of: &Value| of["name"].as_str().expect("a name").to_owned();
    let packages = metadata["packages"].as_array().expect("packages");
    let dependencies =
        |package: &Value| package["dependencies"].as_array().expect("dependencies").iter().map(name).collect();
    let tests = workspace().join("tests");
    let of_tests = |package: &&Value| Path::new(package["manifest_path"].as_str().expect("a path")).starts_with(&tests);
    packages.iter().filter(|package| !of_tests(package)).map(|package| (name(package), dependencies(package))).collect()
}

/// The packages that a package may use.
fn allowed(package: &str) -> &'static [&'static str] {
    match package {
        "flow" | "mapping-guest" | "mapping-npm" => &["mapping"],
        "openimis-mediator" => {
            &["auth", "component-host", "mediator-console", "files", "flow", "mapping", "observe", "sandbox", "store"]
        }
        "component-host" => &["cases", "files", "flow", "mapping", "observe"],
        "embed-rust" => &["component-host", "mapping"],
        "auth" => &["files", "flow", "mapping"],
        "mediator-console" => &["auth", "flow", "mapping", "store"],
        "files" => &["mapping"],
        "store" => &["files", "flow", "mapping", "observe"],
        "edge" => &["flow", "mapping"],
        "xtask" => &["cases"],
        shell if shell.starts_with("map-") => &["mapping-guest"],
        _ => &[],
    }
}

#[test]
fn arrows_between_the_crates_go_one_way() {
    let packages = packages();
    let names: BTreeSet<&str> = packages.iter().map(|(name, _)| name.as_str()).collect();
    for expected in [
        "mapping",
        "cases",
        "flow",
        "openimis-mediator",
        "mapping-guest",
        "map-claim-response",
        "map-feedback",
        "map-patient",
        "mapping-npm",
        "edge",
    ] {
        assert!(names.contains(expected), "{expected} is not among {names:?}");
    }
    let mut wrong = Vec::new();
    for (package, dependencies) in &packages {
        let known = dependencies.iter().filter(|name| names.contains(name.as_str()) || name.ends_with("-tests"));
        wrong.extend(
            known.filter(|name| !allowed(package).contains(&name.as_str())).map(|name| format!("{package} -> {name}")),
        );
    }
    assert!(
        wrong.is_empty(),
        "these packages use others that docs/architecture.md and `allowed` do not name: {wrong:#?}"
    );
}

/// No runtime, no sockets, no database, no random numbers: neither by themselves nor by what they use.
#[test]
fn the_pure_crates_have_no_runtime_below_them() {
    const OUTSIDE: [&str; 8] = ["tokio", "reqwest", "sqlx", "wasmtime", "axum", "rand", "wit-bindgen", "getrandom"];
    for package in ["mapping", "flow"] {
        let tree = cargo(&[
            "tree",
            "--package",
            package,
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--offline",
        ]);
        let below: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert!(below.contains("serde_json"), "{below:?}");
        let wrong: Vec<_> = OUTSIDE.iter().filter(|name| below.contains(**name)).collect();
        assert!(
            wrong.is_empty(),
            "{package} has {wrong:?} below it: `cargo tree --package {package} --invert {}`",
            wrong[0]
        );
        let direct = packages().into_iter().find(|(name, _)| name == package).expect("the package").1;
        assert!(OUTSIDE.iter().all(|name| !direct.contains(*name)), "{package}: {direct:?}");
    }
}
