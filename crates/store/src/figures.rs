//! What the metrics tell of the store: what waits, since when, and what room there is.

use std::path::Path;

use flow::Kind;
use flow::ports::StoreError;
use jiff::Timestamp;
use sqlx::Row;

use super::metrics::StoreFigures;
use super::{SqlStore, at, bounded, failed, ms, word};
use crate::settings::Place;

/// Messages of one kind that somebody or something still has to act on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backlog {
    /// Of this kind.
    pub kind: Kind,
    /// Why they are there: one of [`Backlog::WORDS`].
    pub state: &'static str,
    /// How many.
    pub count: i64,
    /// Since when the oldest of them waits: since it came in or was put back, or, where it was put off without a failure, since it is due
    /// again. By policy a claim is looked at for months, and each look must not seem an old backlog: none while a first try is at work.
    pub oldest: Option<Timestamp>,
}

impl Backlog {
    /// To be delivered now; failed and to be tried again later; put off without a failure (by the task policy, or because its peer was
    /// being left alone); in a worker's hands; dead letter.
    pub const WORDS: [&str; 5] = ["due", "retrying", "put-off", "leased", "dead"];
}

/// What a SQLite file takes, and what room its disk has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Disk {
    /// The file with what is written ahead.
    pub used_bytes: u64,
    /// What this user may still write on its file system.
    pub free_bytes: u64,
    /// Size of its file system.
    pub size_bytes: u64,
}

impl SqlStore {
    /// What the store counts.
    pub fn figures(&self) -> &StoreFigures {
        &self.tables.figures
    }

    /// What waits, and what is dead. Reads the indexes of these states only, never what is settled.
    pub async fn backlog(&self, now: Timestamp) -> Result<Vec<Backlog>, StoreError> {
        let waiting = sqlx::query(
            "SELECT kind, CASE WHEN state = 'leased' THEN 'leased' WHEN due_at <= $1 THEN 'due'
                               WHEN attempts > 0 THEN 'retrying' ELSE 'put-off' END AS why,
                    count(*) AS count,
                    min(CASE WHEN attempts = 0 AND due_at <= $2 THEN due_at
                             WHEN attempts = 1 AND state = 'leased' AND due_at > $3 THEN NULL ELSE since END) AS oldest
             FROM message WHERE state IN ('pending', 'leased') GROUP BY 1, 2",
        )
        .bind(ms(now))
        .bind(ms(now))
        .bind(ms(now));
        let dead = sqlx::query(
            "SELECT kind, 'dead' AS why, count(*) AS count, min(since) AS oldest
             FROM message WHERE state = 'dead' GROUP BY 1",
        );
        let reader = &self.tables.reader;
        let rows = bounded(async {
            let mut rows = waiting.fetch_all(reader).await.map_err(failed)?;
            rows.extend(dead.fetch_all(reader).await.map_err(failed)?);
            Ok(rows)
        });
        let known = |text: &str| Backlog::WORDS.into_iter().find(|known| *known == text);
        let read = |row: &sqlx::any::AnyRow| {
            Ok(Backlog {
                kind: word(row, "kind", Kind::from_stored)?,
                state: word(row, "why", known)?,
                count: row.try_get("count").map_err(failed)?,
                oldest: row.try_get::<Option<i64>, _>("oldest").map_err(failed)?.map(at),
            })
        };
        rows.await?.iter().map(read).collect()
    }
}

impl Disk {
    /// Of a SQLite file; none where the store is elsewhere.
    pub fn of(place: &Place) -> Option<Self> {
        let Place::Sqlite(path) = place else { return None };
        let beside = |suffix: &str| {
            let mut name = path.clone().into_os_string();
            name.push(suffix);
            std::fs::metadata(name).map_or(0, |file| file.len())
        };
        let used_bytes = ["", "-wal", "-shm"].into_iter().map(beside).sum();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let system = rustix::fs::statvfs(folder).ok()?;
        let of = |blocks: u64| blocks.saturating_mul(system.f_frsize);
        Some(Self { used_bytes, free_bytes: of(system.f_bavail), size_bytes: of(system.f_blocks) })
    }

    /// What is left free of it: what the settings say, or a twentieth of a small disk.
    pub fn reserve(&self, reserve_bytes: u64) -> u64 {
        reserve_bytes.min(self.size_bytes / 20)
    }
}

/// How full the disk of the store is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DiskLevel {
    /// There is enough space.
    #[default]
    Enough,
    /// Somebody should free space soon.
    Low,
    /// Nothing more is accepted.
    Full,
}
