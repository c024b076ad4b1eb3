//! The oldest supported Rust version (`rust-version`): whether the compiler in use is new enough, whether every package declares it, and
//! whether the documentation names the same one.
//!
//! A newer compiler cannot prove that the old one still builds the workspace: RELEASE.md says how to check that.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Done, root};

/// Files that name the version, each at least once.
const NAMED_IN: [&str; 8] = [
    "CONTRIBUTING.md",
    "README.md",
    "RELEASE.md",
    "deploy/Containerfile",
    "docs/deployment.md",
    "docs/quick-start.fr.md",
    "docs/quick-start.md",
    "examples/workflow-proof/Cargo.toml",
];
/// What stands before a version in these files.
const BEFORE: [&str; 5] = ["Rust ", "rust:", "rust-version = \"", "cargo +", "toolchain install "];
/// Where the packages of the workspace are.
const FOLDERS: [&str; 7] = ["components", "crates", "examples", "host", "npm", "tests", "xtask"];

/// Fails with all that disagrees with `rust-version`.
pub fn check() -> Done {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).map_err(|error| format!("{name}: {error}"));
    let workspace = read("Cargo.toml")?;
    let oldest = declared(&workspace).ok_or("Cargo.toml has no rust-version")?;
    let mut wrong = Vec::new();
    match compiler() {
        Some(found) if found >= oldest => {}
        Some(found) => wrong.push(format!("the compiler is {}, rust-version is {}", shown(found), shown(oldest))),
        None => wrong.push("`rustc --version` names no version".into()),
    }
    for name in NAMED_IN {
        let others = versions(&read(name)?);
        if others.is_empty() {
            wrong.push(format!("{name} does not name Rust {}", shown(oldest)));
        }
        for other in others.into_iter().filter(|other| *other != oldest) {
            wrong.push(format!("{name} names Rust {}, rust-version is {}", shown(other), shown(oldest)));
        }
    }
    let mut packages = Vec::new();
    for folder in FOLDERS {
        manifests(&root().join(folder), &mut packages);
    }
    for path in packages {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let inherits = !text.contains("edition.workspace = true") || text.contains("rust-version.workspace = true");
        if !inherits {
            let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
            wrong.push(format!("{name} needs `rust-version.workspace = true` below its edition"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n       ")) }
}

type Version = (u32, u32);

fn shown((major, minor): Version) -> String {
    format!("{major}.{minor}")
}

/// The version of a manifest.
fn declared(manifest: &str) -> Option<Version> {
    version(manifest.split_once("rust-version = \"")?.1)
}

/// The version at the beginning of a text.
fn version(text: &str) -> Option<Version> {
    let (major, rest) = text.split_once('.')?;
    let minor = &rest[..rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len())];
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// All versions of Rust that a text names.
fn versions(text: &str) -> Vec<Version> {
    BEFORE.iter().flat_map(|before| text.split(before).skip(1).filter_map(version)).collect()
}

/// The compiler that cargo uses.
fn compiler() -> Option<Version> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").current_dir(root()).output().ok()?;
    version(String::from_utf8_lossy(&output.stdout).strip_prefix("rustc ")?)
}

/// All manifests below a folder.
fn manifests(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default();
        if name == "Cargo.toml" {
            found.push(path);
        } else if path.is_dir() && name != "target" && name != "node_modules" && name != "fixtures" {
            manifests(&path, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_wherever_they_are_named() {
        assert_eq!(declared("edition = \"2024\"\nrust-version = \"1.95\"\n"), Some((1, 95)));
        assert_eq!(declared("edition = \"2024\"\n"), None);
        let text = "Rust 1.95 or later, rust:1.94-slim, `cargo +1.93.1 check`, Rust itself, rust-version = \"1.92\"";
        assert_eq!(versions(text), [(1, 95), (1, 94), (1, 92), (1, 93)]);
        assert!(versions("Rust or 1.95").is_empty());
    }

    #[test]
    fn a_newer_compiler_is_new_enough() {
        assert!(version("1.100.0 (abc)") > Some((1, 95)));
        assert!(version("1.94.1") < Some((1, 95)));
        assert!(version("2.0.0") > Some((1, 95)));
    }

    #[test]
    fn the_versions_of_the_project_agree() {
        assert_eq!(check(), Ok(()));
    }
}
