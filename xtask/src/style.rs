//! `cargo xtask style`: words that docs/style.md advises against, in what people read: pages, doc comments, and the texts of the
//! product (log, errors, `--help`).
//!
//! The tree has many of them, so each file has a limit in docs/style-debt.toml: a change may not add any, and whoever removes some
//! lowers the limit with `cargo xtask style --bless`. Blessing never raises the sum of all limits.

mod debt;
mod prose;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{Done, root, say};
use words::{Hit, Words};

/// The words, and the phrases in which they are right.
const WORDS: &str = "docs/style-words.toml";
/// How many hits each file still has.
const DEBT: &str = "docs/style-debt.toml";
/// Files of other languages, files generated from texts that are checked themselves, inputs of tests, and the examples of this check.
const EXCLUDED: [&str; 11] = [
    "docs/configuration.md",
    "docs/errors.md",
    "docs/quick-start.fr.md",
    "fuzz/corpus",
    "fuzz/target",
    "crates/console/src/texts/fr.rs",
    "crates/console/src/texts/ne.rs",
    "sandbox-data",
    "tests/fixtures",
    "wit/cases",
    "xtask/src/style",
];
/// The folders whose string literals people may read: the program, its parts, and this tool.
const PRODUCT: [&str; 5] = ["components", "crates", "host", "npm", "xtask"];

/// The hits of each file that has any, by its path in the repository.
type Hits = BTreeMap<String, Vec<Hit>>;

/// The command: reports the hits of all files that have too many, or with `--bless` writes the limits; `--list [path]` shows all hits.
pub fn command(options: &[String]) -> Done {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    match options.as_slice() {
        [] if std::env::var_os("BLESS").is_some() => bless(),
        [] => check(),
        ["--bless"] => bless(),
        ["--list"] => list(""),
        ["--list", path] => list(path),
        _ => Err("style: expected nothing, --bless, or --list [path]".into()),
    }
}

/// Fails if a file has more hits than its limit.
pub fn check() -> Done {
    let (words, hits) = hits()?;
    let report = debt::compare(&debt::read(&read(DEBT)?)?, &counts(&hits));
    for (path, found, limit) in &report.more {
        eprintln!("{path}: {found} words that {WORDS} lists, at most {limit} are allowed:");
        print(&words, path, &hits[path]);
    }
    if !report.more.is_empty() {
        let moved = if report.found <= report.allowed {
            " (the sum of all files did not rise; if you only moved text: `cargo xtask style --bless`)"
        } else {
            ""
        };
        return Err(format!("{} file(s) have more of these words than before{moved}", report.more.len()));
    }
    if !report.fewer.is_empty() {
        let files = report.fewer.len();
        say(&format!(
            "{files} file(s) have fewer of these words than {DEBT} allows: `cargo xtask style --bless` lowers it"
        ));
    }
    say(&format!("style: {} words to replace are left in {} files", report.found, hits.len()));
    Ok(())
}

/// Writes the limits as they are, unless their sum would rise.
fn bless() -> Done {
    let (words, hits) = hits()?;
    let counts = counts(&hits);
    let path = root().join(DEBT);
    if path.is_file() {
        let report = debt::compare(&debt::read(&read(DEBT)?)?, &counts);
        if report.found > report.allowed {
            for (path, ..) in &report.more {
                print(&words, path, &hits[path]);
            }
            return Err(format!("style: {} words, but {DEBT} allows {} in all", report.found, report.allowed));
        }
    }
    std::fs::write(&path, debt::write(&counts)).map_err(|error| format!("{DEBT}: {error}"))
}

fn list(path: &str) -> Done {
    let (words, hits) = hits()?;
    for (file, hits) in hits.iter().filter(|(file, _)| file.starts_with(path)) {
        print(&words, file, hits);
    }
    Ok(())
}

fn print(words: &Words, path: &str, hits: &[Hit]) {
    for hit in hits {
        eprintln!("  {path}:{}: \"{}\": {}", hit.line, hit.word, words.instead(&hit.word));
    }
}

fn counts(hits: &Hits) -> BTreeMap<String, usize> {
    hits.iter().map(|(path, hits)| (path.clone(), hits.len())).collect()
}

fn hits() -> Done<(Words, Hits)> {
    let words = Words::read(&read(WORDS)?).map_err(|error| format!("{WORDS}: {error}"))?;
    let mut files = Vec::new();
    walk(root(), &mut files)?;
    let mut hits = Hits::new();
    for path in files {
        let name = name(&path);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        let is_product = PRODUCT.iter().any(|folder| name.starts_with(&format!("{folder}/")));
        let prose = match path.extension().and_then(|extension| extension.to_str()) {
            Some("md") => prose::markdown(&text),
            Some("wit") => prose::rust(&text, false),
            _ => prose::rust(&text, is_product),
        };
        let found = words.find(&prose);
        if !found.is_empty() {
            hits.insert(name, found);
        }
    }
    Ok((words, hits))
}

/// The pages of the repository with their names, for checks of what they say.
pub fn pages() -> Done<Vec<(String, String)>> {
    let mut files = Vec::new();
    walk(root(), &mut files)?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    files.iter().map(|path| name(path)).map(|name| read(&name).map(|text| (name, text))).collect()
}

/// All files with text for people below a folder, without what is built, hidden or excluded.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Done {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_built = matches!(file_name.as_str(), "target" | "node_modules" | "dist");
        let is_hidden = file_name.starts_with('.') && file_name != ".github";
        if is_built || is_hidden || EXCLUDED.contains(&name(&path).as_str()) {
            continue;
        }
        if path.is_dir() {
            walk(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "md" || extension == "rs" || extension == "wit")
        {
            files.push(path);
        }
    }
    Ok(())
}

/// A path in the repository, with `/` between its parts.
fn name(path: &Path) -> String {
    let inside = path.strip_prefix(root()).unwrap_or(path);
    inside.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn read(name: &str) -> Done<String> {
    std::fs::read_to_string(root().join(name)).map_err(|error| format!("{name}: {error}"))
}
