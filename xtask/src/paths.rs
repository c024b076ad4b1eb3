//! Paths that the pages name, such as `host/src/main.rs`: each leads to a file or a folder of the repository.

use crate::style::pages;
use crate::{Done, root};

/// What a path of the repository begins with.
const FOLDERS: [&str; 14] = [
    "cht/",
    "components/",
    "crates/",
    "deploy/",
    "docs/",
    "examples/",
    "fuzz/",
    "host/",
    "npm/",
    "tests/",
    "wit/",
    "xtask/",
    ".ci/",
    ".github/",
];
/// What is built, or written by operators.
const EXCEPTIONS: [&str; 4] = ["npm/dist", "fuzz/target", "deploy/.env", "deploy/secrets"];
/// Pages of what was once, or is to come.
const HISTORY: [&str; 2] = ["CHANGELOG.md", "docs/decisions/077-restructuring-order.md"];

/// Fails with all paths that lead nowhere.
pub fn check() -> Done {
    let mut wrong = Vec::new();
    for (name, text) in pages()? {
        if HISTORY.contains(&name.as_str()) {
            continue;
        }
        for (line, path) in paths(&text) {
            let is_there = root().join(&path).exists();
            if !is_there && !EXCEPTIONS.iter().any(|exception| path.starts_with(exception)) {
                wrong.push(format!("{name}:{line}: {path} is not there"));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n       ")) }
}

/// The spans of code of a page that are paths, with their lines. Patterns and commands are not.
fn paths(text: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    let mut is_block = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        }
        if is_block {
            continue;
        }
        for span in line.split('`').skip(1).step_by(2) {
            let path = span.trim_end_matches('/').split([':', '#']).next().unwrap_or_default();
            let is_plain = path.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter));
            if is_plain && FOLDERS.iter().any(|folder| path.starts_with(folder)) && !path.contains("...") {
                paths.push((number + 1, path.to_owned()));
            }
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_other_code() {
        let page = "See `host/src/main.rs`, `crates/flow/`, `tests/fixtures/<mapping>`, `target/x` and `host`.\n\n\
                    ```sh\ncat `host/none`\n```\n| `wit/mapping/types.wit`: `docs/style.md#glossary` |\n";
        let found: Vec<(usize, String)> = paths(page);
        let expected =
            [(1, "host/src/main.rs"), (1, "crates/flow"), (6, "wit/mapping/types.wit"), (6, "docs/style.md")];
        assert_eq!(found, expected.map(|(line, path)| (line, path.to_owned())));
    }

    #[test]
    fn the_paths_of_the_project_are_there() {
        assert_eq!(check(), Ok(()));
    }
}
