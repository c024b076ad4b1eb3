//! Where the components of the mappings are: a folder, and below it those of a country, which go before.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::LoadError;

/// Which folders are looked into, and how.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The `.wasm` files in it are the mappings.
    pub dir: PathBuf,
    /// Whose mappings replace those of `dir`, one by one.
    pub country: Option<Country>,
    /// Where compiled components are kept; nowhere if not set.
    pub cache_dir: Option<PathBuf>,
    /// Whether a component must keep the contract of the mappings ([`super::conformance`]) before it is used.
    pub check: bool,
}

/// Mappings of a country: `<dir>/<system>/<country>/<interface>`, then `<dir>/<system>/<country>`.
#[derive(Clone, Debug)]
pub struct Country {
    /// The system that openIMIS is connected with: `cht`.
    pub system: String,
    /// For example `np`.
    pub country: String,
    /// Version of the interfaces: `0.1`.
    pub interface: String,
}

impl Sources {
    /// One folder, and nothing else.
    pub fn folder(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), country: None, cache_dir: None, check: false }
    }

    /// The component files, those of a folder together; the first folder goes before the others.
    pub(super) fn files(&self) -> Result<Vec<Vec<PathBuf>>, LoadError> {
        let mut layers = Vec::new();
        if let Some(Country { system, country, interface }) = &self.country {
            let folder = self.dir.join(system).join(country);
            if !folder.is_dir() {
                return Err(LoadError::Country(folder));
            }
            let versioned = folder.join(interface);
            if versioned.is_dir() {
                layers.push(wasm_files(&versioned)?);
            }
            layers.push(wasm_files(&folder)?);
        }
        layers.push(wasm_files(&self.dir)?);
        Ok(layers)
    }

    /// What the files look like from outside. Equal as long as nobody touches them.
    pub fn stamps(&self) -> Result<Vec<(PathBuf, Stamp)>, LoadError> {
        let stamped = |path: PathBuf| match Stamp::of(&path) {
            Ok(stamp) => Ok((path, stamp)),
            Err(error) => Err(LoadError::File(path, error)),
        };
        self.files()?.into_iter().flatten().map(stamped).collect()
    }
}

/// A file as it is now. Symbolic links are followed: Kubernetes exchanges a whole folder by one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    pub(super) bytes: u64,
    inode: (u64, u64),
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let file = fs::metadata(path)?;
        Ok(Self {
            bytes: file.len(),
            inode: (file.dev(), file.ino()),
            written: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

fn wasm_files(directory: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let named = |error| LoadError::File(directory.to_owned(), error);
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(named)? {
        let path = entry.map_err(named)?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
