//! The documentation: what is made from the sources, and the book.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Done, MEDIATOR, cargo_with, check, deploy, root, say, target_dir};

/// What lies outside of the book is read in the repository.
const REPOSITORY: &str = "https://github.com/openimis/openimis-mediator/blob/main/";

/// `cargo xtask docs`: writes the example configuration, its reference and schema, the catalogue of errors. The tests that compare
/// them write them where `BLESS` is set.
pub fn command() -> Done {
    say("writing what is made from the sources");
    cargo_with(&["test", "--test", "docs"], &MEDIATOR, &["made_from".to_owned()], &[("BLESS", OsStr::new("1"))])
}

/// `cargo xtask book`: `docs/` as a book in `target/book`.
pub fn book() -> Done {
    deploy::install_tools();
    let installed = target_dir().join("deploy-tools/bin/mdbook");
    let mdbook = if installed.is_file() { installed } else { PathBuf::from("mdbook") };
    let (from, source, out) = (root().join("docs"), target_dir().join("book-source"), target_dir().join("book"));
    std::fs::create_dir_all(&source).map_err(|error| format!("{}: {error}", source.display()))?;
    deploy::copy_all(&from, &source)?;
    link_to_repository(&source, "](../")?;
    link_to_repository(&source.join("decisions"), "](../../")?;
    check(Command::new(mdbook).args(["build", "--dest-dir"]).arg(&out).arg(&source), "mdbook")?;
    say(&format!("  {}", out.join("index.html").display()));
    Ok(())
}

/// Makes the links of a folder's pages that leave `docs/`, those that begin with `outward`, absolute.
fn link_to_repository(folder: &Path, outward: &str) -> Done {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let pages = std::fs::read_dir(folder).map_err(|error| failed(folder, error))?;
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    for page in pages.flatten().map(|entry| entry.path()).filter(is_page) {
        let text = std::fs::read_to_string(&page).map_err(|error| failed(&page, error))?;
        let linked = text.replace(outward, &format!("]({REPOSITORY}"));
        std::fs::write(&page, linked).map_err(|error| failed(&page, error))?;
    }
    Ok(())
}
