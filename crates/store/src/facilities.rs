//! A registry's facilities: what was last sent to openIMIS, what was not and why, how far a run is.
//!
//! Here: what a run keeps (`flow`'s ledger). `shown`: what admins see and do. `lease`: one run at a time.

mod lease;
mod shown;

use flow::facilities::{
    Counts, Decision, Ledger, Record, Run, RunEnd, RunRequest, State, StoredFacility, UnsettledFacility,
};
use flow::ports::StoreError;
use jiff::{SignedDuration, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection, Row};

use super::{SqlStore, Tables, at, bounded, failed, list_of, ms, pieces, placeholders, sql, text};
pub use lease::Holder;
pub use shown::{FacilityFilter, FacilityLine, FacilityView, RunLine};

/// Columns of a facility that is written.
const COLUMNS: usize = 13;
/// Longest wait between two tries of an interrupted run.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);

/// A facility as it is written: everything that can fail is done before the transaction begins.
struct Line {
    values: [Option<String>; 9],
    document: Option<Vec<u8>>,
    attempts: i64,
}

impl Tables {
    fn line(&self, record: &Record) -> Result<Line, StoreError> {
        let is_done = record.state == State::Done;
        let issues = match record.issues.is_empty() {
            true => None,
            false => Some(serde_json::to_string(&record.issues).map_err(failed)?),
        };
        let values = [
            Some(record.source.clone()),
            record.code.clone(),
            record.name.clone(),
            record.fingerprint.clone().filter(|_| is_done),
            Some(record.state.word().to_owned()),
            record.action.map(|action| action.word().to_owned()),
            record.reason.clone(),
            issues,
            record.national_id.clone().filter(|_| is_done),
        ];
        Ok(Line {
            values: values.map(|value| value.map(|value| text(&value))),
            document: (!is_done).then(|| self.seal.close(record.document.as_bytes(), &record.source).to_vec()),
            attempts: i64::from(!is_done),
        })
    }

    async fn write_lines(&self, tx: &mut AnyConnection, lines: &[Line], now: Timestamp) -> Result<(), sqlx::Error> {
        for piece in pieces(lines) {
            // What openIMIS was last brought to stays known while a later state of the facility cannot be written.
            let statement = format!(
                "INSERT INTO facility (source, code, name, fingerprint, state, action, reason, issues, national_id, document, attempts, since,
                    updated_at) VALUES {}
                 ON CONFLICT (source) DO UPDATE SET code = coalesce(excluded.code, facility.code),
                    name = coalesce(excluded.name, facility.name),
                    national_id = coalesce(excluded.national_id, facility.national_id),
                    fingerprint = CASE excluded.state WHEN 'done' THEN excluded.fingerprint ELSE facility.fingerprint END,
                    since = CASE WHEN facility.state = excluded.state THEN facility.since ELSE excluded.since END,
                    attempts = CASE excluded.state WHEN 'done' THEN 0 ELSE facility.attempts + 1 END,
                    state = excluded.state, action = excluded.action, reason = excluded.reason, issues = excluded.issues,
                    document = excluded.document, updated_at = excluded.updated_at",
                placeholders(piece.len(), COLUMNS)
            );
            let mut query = sqlx::query(sql(statement));
            for line in piece {
                for value in &line.values {
                    query = query.bind(value.clone());
                }
                query = query.bind(line.document.clone()).bind(line.attempts).bind(ms(now)).bind(ms(now));
            }
            query.execute(&mut *tx).await?;
        }
        Ok(())
    }

    async fn record(&self, run: Option<&Run>, records: &[Record], now: Timestamp) -> Result<(), StoreError> {
        // The last word on each: one statement cannot write a row twice.
        let mut last = std::collections::BTreeMap::new();
        for record in records {
            last.insert(record.source.as_str(), self.line(record)?);
        }
        let lines: Vec<Line> = last.into_values().collect();
        let mut connection = self.write().await?;
        let mut tx = connection.begin_with(self.dialect.begin()).await.map_err(failed)?;
        self.write_lines(&mut tx, &lines, now).await.map_err(failed)?;
        if let Some(run) = run {
            let statement = "UPDATE facility_run SET state = 'running', next_page = $1, read_up_to = $2, counts = $3, reason = NULL,
                next_at = NULL, tries = 0 WHERE id = $4";
            sqlx::query(statement)
                .bind(run.next_page.clone())
                .bind(run.read_up_to.map(ms))
                .bind(counts_text(run.counts))
                .bind(run.id)
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
        }
        tx.commit().await.map_err(failed)
    }

    async fn begin_run(&self, asked: &RunRequest, since: Option<Timestamp>, now: Timestamp) -> Result<Run, StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin_with(self.dialect.begin()).await.map_err(failed)?;
        let open = sqlx::query(
            "SELECT id, whole, since, read_up_to, next_page, counts, started_at FROM facility_run
             WHERE state IN ('running', 'interrupted') ORDER BY id DESC LIMIT 1",
        );
        let open = open.fetch_optional(&mut *tx).await.map_err(failed)?;
        let open = open.map(|row| run(&row)).transpose().map_err(failed)?;
        if let Some(run) = open {
            if run.whole || !asked.whole {
                let statement = "UPDATE facility_run SET state = 'running' WHERE id = $1";
                sqlx::query(statement).bind(run.id).execute(&mut *tx).await.map_err(failed)?;
                tx.commit().await.map_err(failed)?;
                return Ok(run);
            }
            let statement = "UPDATE facility_run SET state = 'given-up', ended_at = $1 WHERE id = $2";
            sqlx::query(statement).bind(ms(now)).bind(run.id).execute(&mut *tx).await.map_err(failed)?;
        }
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO facility_run (state, whole, actor, since, counts, started_at) VALUES ('running', $1, $2, $3, $4, $5)
             RETURNING id",
        )
        .bind(i64::from(asked.whole))
        .bind(text(&asked.actor))
        .bind(since.map(ms))
        .bind(counts_text(Counts::default()))
        .bind(ms(now))
        .fetch_one(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(Run {
            id,
            whole: asked.whole,
            since,
            read_up_to: None,
            next_page: None,
            counts: Counts::default(),
            started_at: now,
            resumed: false,
        })
    }

    async fn end_run(&self, run: &Run, end: &RunEnd, now: Timestamp) -> Result<(), StoreError> {
        let statement = match end {
            RunEnd::Done => {
                "UPDATE facility_run SET state = 'done', next_page = NULL, counts = $1, read_up_to = $2, ended_at = $3, reason = $4,
                    next_at = $5 WHERE id = $6"
            }
            RunEnd::Interrupted { .. } => {
                "UPDATE facility_run SET state = 'interrupted', counts = $1, read_up_to = $2, ended_at = $3, reason = $4, next_at = $5,
                    tries = tries + 1 WHERE id = $6"
            }
        };
        let (reason, next_at) = match end {
            RunEnd::Done => (None, None),
            RunEnd::Interrupted { reason, next_at } => {
                let tries: i64 = sqlx::query_scalar("SELECT tries FROM facility_run WHERE id = $1")
                    .bind(run.id)
                    .fetch_one(&self.reader)
                    .await
                    .map_err(failed)?;
                (Some(text(reason)), Some(ms(later(*next_at, tries, now))))
            }
        };
        let ended = sqlx::query(statement)
            .bind(counts_text(run.counts))
            .bind(run.read_up_to.map(ms))
            .bind(ms(now))
            .bind(reason)
            .bind(next_at)
            .bind(run.id);
        self.execute(ended).await.map(|_| ())
    }
}

/// The wait doubles with each interruption in a row.
fn later(next_at: Timestamp, tries: i64, now: Timestamp) -> Timestamp {
    let wait = next_at.duration_since(now);
    let doubled =
        2_i32.checked_pow(u32::try_from(tries).unwrap_or(0).min(16)).and_then(|times| wait.checked_mul(times));
    let wait = doubled.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT.max(wait));
    now.saturating_add(wait).unwrap_or(next_at)
}

fn counts_text(counts: Counts) -> String {
    serde_json::to_string(&counts).unwrap_or_else(|_| "{}".to_owned()) // numbers only: cannot fail
}

fn run(row: &AnyRow) -> Result<Run, sqlx::Error> {
    let counts: String = row.try_get("counts")?;
    Ok(Run {
        id: row.try_get("id")?,
        whole: row.try_get::<i64, _>("whole")? != 0,
        since: row.try_get::<Option<i64>, _>("since")?.map(at),
        read_up_to: row.try_get::<Option<i64>, _>("read_up_to")?.map(at),
        next_page: row.try_get("next_page")?,
        counts: serde_json::from_str(&counts).unwrap_or_default(),
        started_at: at(row.try_get("started_at")?),
        resumed: true,
    })
}

impl Ledger for SqlStore {
    async fn last_facility_sync(&self) -> Result<Option<Timestamp>, StoreError> {
        let asked =
            sqlx::query_scalar::<_, Option<i64>>("SELECT max(read_up_to) FROM facility_run WHERE state = 'done'")
                .fetch_one(&self.tables.reader);
        bounded(async { asked.await.map(|last| last.map(at)).map_err(failed) }).await
    }

    async fn begin_facility_run(
        &self,
        asked: &RunRequest,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Run, StoreError> {
        bounded(self.tables.begin_run(asked, since, now)).await
    }

    async fn end_facility_run(&self, run: &Run, end: &RunEnd, now: Timestamp) -> Result<(), StoreError> {
        bounded(self.tables.end_run(run, end, now)).await
    }

    async fn record_facilities(&self, run: Option<&Run>, records: &[Record], now: Timestamp) -> Result<(), StoreError> {
        bounded(self.tables.record(run, records, now)).await
    }

    async fn kept_facilities(&self, sources: &[String]) -> Result<Vec<StoredFacility>, StoreError> {
        bounded(async {
            let mut kept = Vec::new();
            for piece in pieces(sources) {
                let list = list_of(piece.len());
                let statement = format!(
                    "SELECT source, code, national_id, fingerprint, state FROM facility WHERE source IN ({list})"
                );
                type Found = (String, Option<String>, Option<String>, Option<String>, String);
                let mut query = sqlx::query_as::<_, Found>(sql(statement));
                for source in piece {
                    query = query.bind(text(source));
                }
                let found = query.fetch_all(&self.tables.reader).await.map_err(failed)?;
                for (source, code, national_id, fingerprint, state) in found {
                    let state = State::from_word(&state).unwrap_or(State::Failed);
                    kept.push(StoredFacility { source, code, national_id, fingerprint, state });
                }
            }
            Ok(kept)
        })
        .await
    }

    async fn facilities_with_codes(&self, codes: &[String]) -> Result<Vec<(String, String)>, StoreError> {
        bounded(async {
            let mut found = Vec::new();
            for piece in pieces(codes) {
                let list = list_of(piece.len());
                let statement =
                    format!("SELECT code, source FROM facility WHERE code IN ({list}) AND fingerprint IS NOT NULL");
                let mut query = sqlx::query_as::<_, (String, String)>(sql(statement));
                for code in piece {
                    query = query.bind(text(code));
                }
                found.extend(query.fetch_all(&self.tables.reader).await.map_err(failed)?);
            }
            Ok(found)
        })
        .await
    }

    async fn unsettled_facilities(
        &self,
        only_due: bool,
        before: Timestamp,
        after: i64,
        limit: u32,
    ) -> Result<Vec<UnsettledFacility>, StoreError> {
        let statement = match only_due {
            // When it was asked for again is another clock's time, perhaps.
            true => "SELECT id, source, document FROM facility WHERE state = 'due' AND id > $1 AND $2 > 0 ORDER BY id LIMIT $3",
            false => {
                "SELECT id, source, document FROM facility WHERE state IN ('failed', 'possible-duplicate', 'due') AND id > $1
                    AND updated_at < $2 ORDER BY id LIMIT $3"
            }
        };
        let asked = sqlx::query_as::<_, (i64, String, Option<Vec<u8>>)>(statement)
            .bind(after)
            .bind(ms(before))
            .bind(i64::from(limit));
        let rows = bounded(async { asked.fetch_all(&self.tables.reader).await.map_err(failed) }).await?;
        let opened = |(id, source, document): (i64, String, Option<Vec<u8>>)| {
            let document = self.tables.seal.open(document.unwrap_or_default(), &source).map_err(StoreError)?;
            Ok(UnsettledFacility { id, source, document: String::from_utf8_lossy(&document).into_owned() })
        };
        rows.into_iter().map(opened).collect()
    }

    async fn facility_decisions(&self) -> Result<Vec<Decision>, StoreError> {
        let asked = sqlx::query_as::<_, (String, Option<String>)>("SELECT national_id, code FROM facility_decision")
            .fetch_all(&self.tables.reader);
        let rows = bounded(async { asked.await.map_err(failed) }).await?;
        Ok(rows.into_iter().map(|(national_id, code)| Decision { national_id, code }).collect())
    }
}
