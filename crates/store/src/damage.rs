//! A SQLite file that is damaged: noticed by what SQLite says of it, and by looking at all of it now and then.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flow::ports::StoreError;
use rusqlite::{Connection, OpenFlags};

use super::{SqlStore, failed};

/// SQLite's words for a file that is none of its own any more.
const WORDS: [&str; 2] = ["malformed", "is not a database"];
const WHAT_TO_DO: &str = "the database file is damaged: stop the mediator and restore it (docs/operations.md)";

/// Whether the file is damaged; for good, until another start.
#[derive(Clone, Default)]
pub(super) struct Damage(Arc<AtomicBool>);

impl Damage {
    /// What went wrong may be the file.
    pub fn heard(&self, error: &StoreError) {
        if WORDS.iter().any(|words| error.0.contains(words)) && !self.0.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "{WHAT_TO_DO}");
        }
    }
}

impl SqlStore {
    /// Whether the file of the store is known to be damaged.
    pub fn is_damaged(&self) -> bool {
        self.tables.damage.0.load(Ordering::Relaxed)
    }

    /// Looks at the whole file, past what is in memory. Nothing to look at where the store is no file.
    pub async fn look_for_damage(&self) -> Result<(), StoreError> {
        let Some(path) = self.file.clone() else { return Ok(()) };
        let looked = tokio::task::spawn_blocking(move || look(&path)).await.map_err(failed)?;
        if let Err(error) = &looked {
            self.tables.damage.heard(error);
        }
        looked
    }
}

fn look(path: &Path) -> Result<(), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if found == "ok" { Ok(()) } else { Err(StoreError(format!("malformed: {found}"))) }
}
