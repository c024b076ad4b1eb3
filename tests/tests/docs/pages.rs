//! The pages: every one is in the book, every link leads somewhere, every example is what the program reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mediator_tests::running::{skipped, workspace};
use openimis_mediator::config::{Config, NAMED};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A page as it is read.
#[derive(Default)]
pub struct Page {
    /// Targets of links and pictures.
    links: Vec<String>,
    /// What `#…` can name.
    anchors: BTreeSet<String>,
    /// Headings with their level.
    pub headings: Vec<(u32, String)>,
    /// Blocks of code with their language.
    pub code: Vec<(String, String)>,
}

impl Page {
    /// Where its links lead, in their order.
    pub fn links(&self) -> Vec<&str> {
        self.links.iter().map(String::as_str).collect()
    }
}

/// Reads a page of the repository.
pub fn page(path: &Path) -> Page {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut page = Page::default();
    let mut heading: Option<(u32, String)> = None;
    let mut block: Option<(String, String)> = None;
    for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.links.push(dest_url.to_string())
            }
            Event::Start(Tag::Heading { level, .. }) => heading = Some((level as u32, String::new())),
            Event::End(TagEnd::Heading(_)) => {
                let (level, title) = heading.take().expect("a heading that began");
                let slug = slug(&title);
                let mut anchor = slug.clone();
                for number in 1.. {
                    if page.anchors.insert(anchor) {
                        break;
                    }
                    anchor = format!("{slug}-{number}");
                }
                page.headings.push((level, title));
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(language) => language.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                block = Some((language, String::new()));
            }
            Event::End(TagEnd::CodeBlock) => page.code.extend(block.take()),
            Event::Text(text) | Event::Code(text) => {
                if let Some((_, code)) = &mut block {
                    code.push_str(&text);
                } else if let Some((_, title)) = &mut heading {
                    title.push_str(&text);
                }
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                let names = html.split("id=\"").skip(1).filter_map(|rest| rest.split('"').next());
                page.anchors.extend(names.map(str::to_owned));
            }
            _ => {}
        }
    }
    page
}

/// As GitHub and mdBook name a heading.
fn slug(title: &str) -> String {
    let letters = title.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    letters.flat_map(char::to_lowercase).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// Every page for readers: the book's, and those beside what they are about.
pub fn pages() -> Vec<PathBuf> {
    let folders = ["docs", "docs/decisions"].map(|name| std::fs::read_dir(workspace().join(name)).expect("a folder"));
    let mut pages: Vec<PathBuf> = folders
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    for other in [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "RELEASE.md",
        "SECURITY.md",
        "cht/README.md",
        "deploy/README.md",
        "npm/package/README.md",
        "tests/openimis/README.md",
        "wit/CHANGELOG.md",
        "wit/cases/README.md",
    ] {
        let path = workspace().join(other);
        pages.extend(path.is_file().then_some(path));
    }
    pages
}

fn shown(path: &Path) -> String {
    path.strip_prefix(workspace()).expect("in the workspace").display().to_string()
}

#[test]
fn the_book_lists_every_page_once() {
    let docs = workspace().join("docs");
    let listed = page(&docs.join("SUMMARY.md")).links;
    let once: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    assert_eq!(once.len(), listed.len(), "{listed:?}");
    let there: BTreeSet<String> = pages()
        .iter()
        .filter_map(|path| path.strip_prefix(&docs).ok())
        .map(|path| path.display().to_string())
        .filter(|name| name != "SUMMARY.md")
        .collect();
    assert_eq!(once, there.iter().map(String::as_str).collect());
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let mut read: BTreeMap<PathBuf, Page> = BTreeMap::new();
    let mut broken = Vec::new();
    let mut checked = 0;
    for path in pages() {
        for link in page(&path).links {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().expect("a folder").join(file) };
            if !target.exists() {
                broken.push(format!("{}: {link}: no such file", shown(&path)));
            } else if !anchor.is_empty() {
                let target = target.canonicalize().expect("a path");
                let page = read.entry(target.clone()).or_insert_with(|| page(&target));
                if !page.anchors.contains(anchor) {
                    broken.push(format!("{}: {link}: no such heading", shown(&path)));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(checked > 100, "only {checked} links were found");
}

/// Keys of the configuration's top.
fn sections() -> BTreeSet<String> {
    super::source::settings().keys.into_iter().map(|key| key.name).collect()
}

#[test]
fn every_example_of_a_configuration_is_understood() {
    let sections = sections();
    let dir = tempfile::tempdir().expect("a folder");
    let mut checked = 0;
    for path in pages() {
        for (language, code) in page(&path).code {
            if language != "toml" {
                continue;
            }
            let place = format!("{}:\n{code}", shown(&path));
            let table: toml::Table = code.parse().unwrap_or_else(|error| panic!("{place}{error}"));
            if !table.keys().all(|key| sections.contains(key)) {
                assert!(!table.keys().any(|key| sections.contains(key)), "half of it is no configuration: {place}");
                continue; // of another program: Cargo, Spin
            }
            let file = dir.path().join("mediator.toml");
            std::fs::write(&file, &code).expect("a file");
            let loaded = Config::load_partial(Some(&file), &BTreeMap::new());
            let problems = loaded.map_or_else(|error| error.0, |_| Vec::new());
            // The tables that an example names are not here.
            let is_elsewhere = |problem: &String| problem.starts_with("tables.") && problem.contains("No such file");
            assert!(problems.iter().all(is_elsewhere), "{place}{problems:#?}");
            checked += 1;
        }
    }
    assert!(checked > 5, "only {checked} examples were found");
}

#[test]
fn every_example_in_json_is_json() {
    let mut checked = 0;
    for path in pages() {
        for (language, code) in page(&path).code {
            if language != "json" {
                continue;
            }
            // A part of an object stands for itself.
            let whole = if code.trim_start().starts_with('"') { format!("{{{code}}}") } else { code.clone() };
            let read: Result<serde_json::Value, _> = serde_json::from_str(&whole);
            read.unwrap_or_else(|error| panic!("{}: {error}:\n{code}", shown(&path)));
            checked += 1;
        }
    }
    assert!(checked > 3, "only {checked} examples were found");
}

#[test]
fn every_variable_with_a_name_of_its_own_is_told() {
    let page = std::fs::read_to_string(workspace().join("docs/operations.md")).expect("a page");
    let missing: Vec<&str> =
        NAMED.iter().map(|(name, _)| *name).filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/operations.md does not name {missing:?}");
}

#[test]
fn mdbook_builds_the_book() {
    let mdbook = workspace().join("target/deploy-tools/bin/mdbook");
    if !mdbook.is_file() {
        return skipped(
            "tests/tests/docs (mdBook builds the book)",
            "mdBook is not installed: it needs Python with venv, and PyPI",
        );
    }
    let out = tempfile::tempdir().expect("a folder");
    let ran = std::process::Command::new(mdbook)
        .args(["build", "--dest-dir"])
        .arg(out.path())
        .arg(workspace().join("docs"))
        .output()
        .expect("mdBook runs");
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && !told.contains("WARN"), "{told}");
    for page in ["index.html", "quick-start.html", "quick-start.fr.html", "errors.html"] {
        assert!(out.path().join(page).is_file(), "{page} was not made");
    }
}
