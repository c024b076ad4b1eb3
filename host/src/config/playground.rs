//! The playground page.

use std::path::PathBuf;

use serde::Deserialize;

/// The page at `/playground/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Playground {
    /// Whether it is served. It holds no data and is served without credentials.
    ///
    /// Default: `true`.
    pub enabled: bool,
    /// Directory with the page's mapping; `cargo xtask build` puts it into `target/playground`.
    ///
    /// Optional, for example `"target/playground"`. Without it: a directory `playground` beside the program or up to
    /// two directories above it, else in the working directory.
    pub dir: Option<PathBuf>,
}

impl Default for Playground {
    fn default() -> Self {
        Self { enabled: true, dir: None }
    }
}

impl Playground {
    /// Where its files are: as set, else beside the program or above it.
    pub fn files(&self) -> PathBuf {
        if let Some(dir) = &self.dir {
            return dir.clone();
        }
        let program = std::env::current_exe().unwrap_or_default();
        let mut candidates = program.ancestors().skip(1).take(3).map(|directory| directory.join("playground"));
        candidates.find(|candidate| candidate.is_dir()).unwrap_or_else(|| PathBuf::from("playground"))
    }
}
