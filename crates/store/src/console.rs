//! What the console and the metrics ask for beside lists: how many messages are where and since when, and what was read up to when.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use flow::ports::StoreError;
use flow::{Kind, State};
use jiff::Timestamp;
use sqlx::Row;

use super::{SqlStore, Tables, at, bounded, failed, sql, word};

/// How long a count is good for at least, and how many times longer than it took: nobody's clicks may keep the disk busy.
const GOOD_FOR: Duration = Duration::from_secs(2);
const TIMES_AS_LONG: u32 = 20;

/// The messages of a kind in a state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tally {
    /// Their state.
    pub state: State,
    /// Their kind.
    pub kind: Kind,
    /// How many.
    pub count: u64,
    /// When the oldest of them came.
    pub oldest: Timestamp,
}

/// The last count, and until when it is good.
#[derive(Default)]
pub(super) struct Counted(Mutex<Option<(Instant, Vec<Tally>)>>);

impl Counted {
    fn get(&self) -> Option<Vec<Tally>> {
        let last = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        last.as_ref().filter(|(until, _)| Instant::now() < *until).map(|(_, tally)| tally.clone())
    }

    fn keep(&self, tally: &[Tally], took: Duration) {
        let until = Instant::now() + GOOD_FOR.max(took * TIMES_AS_LONG);
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some((until, tally.to_vec()));
    }
}

impl SqlStore {
    /// How many messages of each kind are in each state, and when the oldest came. May be some seconds old.
    pub async fn tally(&self) -> Result<Vec<Tally>, StoreError> {
        match self.counted.get() {
            Some(tally) => Ok(tally),
            None => self.tally_now().await,
        }
    }

    /// The same, counted now: after what an admin did.
    pub async fn tally_now(&self) -> Result<Vec<Tally>, StoreError> {
        let begun = Instant::now();
        let tally = bounded(self.tables.counted()).await?;
        self.counted.keep(&tally, begun.elapsed());
        Ok(tally)
    }

    /// All watermarks, by name: up to when something was read, or whose turn ends when.
    pub async fn watermarks(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let asked = sqlx::query_as::<_, (String, i64)>("SELECT name, at FROM watermark ORDER BY name");
        let rows = bounded(async { asked.fetch_all(&self.tables.reader).await.map_err(failed) }).await?;
        Ok(rows.into_iter().map(|(name, moment)| (name, at(moment))).collect())
    }
}

impl Tables {
    /// One way through the index, which holds state, number and kind: grouped by the state alone there is nothing to be sorted.
    async fn counted(&self) -> Result<Vec<Tally>, StoreError> {
        let mut columns = String::new();
        for (at, kind) in Kind::ALL.iter().enumerate() {
            let stored = kind.stored();
            columns.push_str(&format!(
                ", sum(CASE kind WHEN '{stored}' THEN 1 ELSE 0 END) AS count{at}, min(CASE kind WHEN '{stored}' THEN id END) AS first{at}"
            ));
        }
        let statement = format!("SELECT state{columns} FROM message GROUP BY state");
        let rows = sqlx::query(sql(statement)).fetch_all(&self.reader).await.map_err(failed)?;
        let mut tally = Vec::new();
        for row in &rows {
            let state = word(row, "state", State::from_word)?;
            for (number, kind) in Kind::ALL.iter().enumerate() {
                let count: i64 = row.try_get(format!("count{number}").as_str()).map_err(failed)?;
                let first: Option<i64> = row.try_get(format!("first{number}").as_str()).map_err(failed)?;
                // Numbers follow the time of arrival: the first is the oldest.
                let Some(oldest) = self.received_at(first).await? else { continue };
                tally.push(Tally { state, kind: *kind, count: u64::try_from(count).unwrap_or_default(), oldest });
            }
        }
        Ok(tally)
    }

    async fn received_at(&self, id: Option<i64>) -> Result<Option<Timestamp>, StoreError> {
        let Some(id) = id else { return Ok(None) };
        let asked = sqlx::query_scalar("SELECT received_at FROM message WHERE id = $1").bind(id);
        Ok(asked.fetch_optional(&self.reader).await.map_err(failed)?.map(at))
    }
}
