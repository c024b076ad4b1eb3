//! Where the components of the mappings are: a folder, and below it those of a country, which go before.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Interface, LoadError};

/// Folder of the cases that a component must give.
const FIXTURES: &str = "fixtures";

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

    /// The folders that are looked into; the first goes before the others.
    fn folders(&self) -> Vec<PathBuf> {
        let of_country =
            self.country.iter().flat_map(|country| [country.versioned(&self.dir), country.folder(&self.dir)]);
        of_country.chain([self.dir.clone()]).collect()
    }

    /// The component files by folder, in the order of the folders.
    pub(super) fn files(&self) -> Result<Vec<(PathBuf, Vec<PathBuf>)>, LoadError> {
        let mut layers = Vec::new();
        for folder in self.folders() {
            let is = |path: fn(&Country, &Path) -> PathBuf| {
                self.country.as_ref().is_some_and(|country| path(country, &self.dir) == folder)
            };
            let files = match folder.is_dir() {
                false if is(Country::versioned) => Vec::new(), // a country needs none for one version
                false if is(Country::folder) => return Err(LoadError::Country(folder)),
                _ => wasm_files(&folder)?,
            };
            layers.push((folder, files));
        }
        Ok(layers)
    }

    /// Where a component's own cases are: beside it; for one version of the interfaces in its country's folder, too.
    pub(super) fn fixtures(&self, component: &Path) -> Vec<PathBuf> {
        let beside = component.parent().unwrap_or(Path::new(""));
        let country = self.country.as_ref().filter(|country| country.versioned(&self.dir) == beside);
        let of_country = country.map(|country| country.folder(&self.dir).join(FIXTURES));
        [beside.join(FIXTURES)].into_iter().chain(of_country).collect()
    }

    /// Folders and component files that others may write to: what they put there is run, in its sandbox, on patients' data.
    pub fn shared(&self) -> Vec<PathBuf> {
        let folders = self.folders();
        let files = folders.iter().flat_map(|folder| wasm_files(folder).unwrap_or_default());
        folders.iter().cloned().chain(files).filter(|path| files::is_shared(path)).collect()
    }

    /// What the components look like from outside, and their cases where they are asked. Equal as long as nobody touches them. What
    /// cannot be looked at is told as that: it must not hide what changes beside it.
    pub fn stamps(&self) -> Stamps {
        let mut paths = Vec::new();
        for folder in self.folders() {
            paths.extend(wasm_files(&folder).unwrap_or_else(|_| vec![folder.clone()]));
            if self.check {
                for interface in Interface::ALL {
                    let cases = entries(&folder.join(FIXTURES).join(interface.name())).unwrap_or_default();
                    // A case is a folder or a file.
                    paths.extend(cases.into_iter().flat_map(|case| entries(&case).unwrap_or_else(|_| vec![case])));
                }
            }
        }
        let stamped = |path: PathBuf| {
            let found = Stamp::of(&path).map_err(|error| error.kind());
            (path, found)
        };
        paths.into_iter().map(stamped).collect()
    }
}

impl Country {
    fn folder(&self, dir: &Path) -> PathBuf {
        dir.join(&self.system).join(&self.country)
    }

    fn versioned(&self, dir: &Path) -> PathBuf {
        self.folder(dir).join(&self.interface)
    }
}

/// Files as they are now, or why they cannot be looked at.
pub type Stamps = Vec<(PathBuf, Result<Stamp, io::ErrorKind>)>;

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
    let mut files = entries(directory).map_err(|error| LoadError::File(directory.to_owned(), error))?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    Ok(files)
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}
