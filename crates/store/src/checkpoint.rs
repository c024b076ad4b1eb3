//! What SQLite wrote ahead goes into the database beside the writer, on a thread of its own: these are pages all over the file, and a disk
//! takes its time for them. The writer would answer nobody meanwhile.
//!
//! While the bulk of the log is carried over, the writer goes on at its end; that is carried over next, and is less each time. The last few
//! pages are the writer's: only what is carried over as a whole begins anew, and would else grow for ever.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::connect_settings::SQLITE;

/// Pages of 4 kB in the log from which on it is carried over. With more, pages that are written again and again are carried over less
/// often, but the disk is busy for longer each time, and commits wait for it.
const MANY: i64 = 700;
/// So few are carried over between two commits.
const FEW: i64 = 100;
/// With so many the writer waits: the disk does not keep up. From here on other connections carry over by themselves ([`SQLITE`]).
const TOO_MANY: i64 = 16_000;
/// Rest after a failure, of the disk for the most part.
const FAILED: Duration = Duration::from_secs(5);

thread_local! {
    /// Pages in the log after the last commit of this thread.
    static PAGES: Cell<i64> = const { Cell::new(0) };
}

/// The writer's end.
pub(super) struct Log {
    shared: Arc<Shared>,
    begin: SyncSender<()>,
}

#[derive(Default)]
struct Shared {
    /// In the log, as the writer knows it.
    pages: AtomicI64,
    /// The rest is the writer's.
    few: AtomicBool,
    /// Held while something is carried over.
    at_work: Mutex<()>,
}

impl Log {
    /// Of a file. The thread ends with this.
    pub fn of(path: PathBuf) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (begin, begun) = sync_channel(1);
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new().name("store-checkpoint".to_owned());
        thread.spawn(move || carry_over(&path, &of_thread, &begun))?;
        Ok(Self { shared, begin })
    }

    /// The connection that commits: this tells how long its log is.
    pub fn watch(connection: &Connection) {
        connection.wal_hook(Some(|_, pages| {
            PAGES.set(pages.into());
            Ok(())
        }));
    }

    /// After a commit of this thread.
    pub fn committed(&self, connection: &Connection) {
        let pages = PAGES.get();
        self.shared.pages.store(pages, Relaxed);
        if self.shared.few.swap(false, Relaxed) || pages >= TOO_MANY {
            let _alone = self.shared.at_work.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = checkpoint(connection) {
                tracing::warn!(%error, pages, "what was written ahead could not be carried over into the database");
            }
        } else if pages >= MANY
            && let Err(TrySendError::Disconnected(())) = self.begin.try_send(())
        {
            tracing::error!(pages, "nobody carries over what was written ahead");
        }
    }
}

/// Carries over when asked to, until nobody is left who could ask.
fn carry_over(path: &std::path::Path, shared: &Shared, begun: &Receiver<()>) {
    let mut connection = None;
    while begun.recv().is_ok() {
        if let Err(error) = rounds(path, &mut connection, shared) {
            tracing::warn!(%error, "what was written ahead could not be carried over into the database");
            connection = None;
            std::thread::sleep(FAILED);
        }
    }
}

fn rounds(path: &std::path::Path, connection: &mut Option<Connection>, shared: &Shared) -> rusqlite::Result<()> {
    let connection = match connection {
        Some(connection) => connection,
        None => {
            let opened = Connection::open(path)?;
            opened.execute_batch(SQLITE)?;
            connection.insert(opened)
        }
    };
    // Fewer each time, unless the disk is too slow for that: then the writer waits sooner or later. Where a reader is in the way, there
    // is no further round before the next commit.
    let mut before = 0;
    while shared.pages.load(Relaxed) < TOO_MANY {
        let _at_work = shared.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        let done = checkpoint(connection)?;
        if shared.pages.load(Relaxed) - done <= FEW {
            shared.few.store(true, Relaxed);
            break;
        }
        if done <= before {
            break;
        }
        before = done;
    }
    Ok(())
}

/// How many pages of the log are in the database now. Nobody is waited for: what a reader still needs is carried over next time.
fn checkpoint(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2))
}
