//! The store on SQLite: one writer, write-ahead log, every commit on disk before it is answered.

use std::path::Path;
use std::time::Duration;

use flow::message::{Accepted, Kind, Message, MessageId, NewMessage, Origin, Outcome, State, TrailEntry};
use flow::ports::{Store, StoreError};
use jiff::Timestamp;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection, Row, SqliteConnection};

use super::{at, failed, ms};

/// Messages, trails, links and watermarks in one SQLite file.
#[derive(Clone)]
pub struct SqliteStore {
    /// One connection: SQLite has one writer, and waiting for it here is fairer than its busy loop.
    writer: SqlitePool,
    pub(super) reader: SqlitePool,
}

impl SqliteStore {
    /// Opens or creates the file and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let named = |error: &dyn std::fmt::Display| StoreError(format!("{}: {error}", path.display()));
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(|error| named(&error))?;
        }
        keep_private(path).map_err(|error| named(&error))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full) // what was acknowledged outlives a power failure
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        let pool = |size| SqlitePoolOptions::new().max_connections(size).acquire_timeout(Duration::from_secs(5));
        let writer = pool(1).connect_with(options.clone()).await.map_err(|error| named(&error))?;
        sqlx::migrate!("migrations/sqlite").run(&writer).await.map_err(|error| named(&error))?;
        let reader = pool(4).connect_with(options).await.map_err(|error| named(&error))?;
        Ok(Self { writer, reader })
    }

    /// Gives back what a process that died had in its hands. To be called before the first lease, by the only process that leases.
    pub async fn release_leases(&self, now: Timestamp) -> Result<u64, StoreError> {
        let released =
            sqlx::query("UPDATE message SET state = 'pending', uncertain = 1, due_at = ? WHERE state = 'leased'")
                .bind(ms(now))
                .execute(&self.writer)
                .await
                .map_err(failed)?;
        Ok(released.rows_affected())
    }

    /// Puts a message back to be delivered at once. False: there is no such message, or it is delivered or on its way.
    pub async fn retry(&self, id: MessageId, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.writer.begin().await.map_err(failed)?;
        let done = sqlx::query(
            "UPDATE message SET state = 'pending', due_at = ?1, since = ?1, settled_at = NULL, issues = NULL
             WHERE id = ?2 AND state IN ('dead', 'skipped', 'pending')",
        )
        .bind(ms(now))
        .bind(id.0)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        let found = done.rows_affected() == 1;
        if found {
            note(&mut tx, id, now, "retry asked for", "by an admin").await?;
        }
        tx.commit().await.map_err(failed)?;
        Ok(found)
    }
}

/// Patient data is in there: the file, and what SQLite puts beside it, is for this user only.
fn keep_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(|_| ())
}

async fn note(
    connection: &mut SqliteConnection,
    id: MessageId,
    now: Timestamp,
    event: &str,
    detail: &str,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO trail (message_id, at, event, detail) VALUES (?, ?, ?, ?)")
        .bind(id.0)
        .bind(ms(now))
        .bind(event)
        .bind(detail)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(failed)
}

fn issues_json(issues: &[mapping::Issue]) -> Option<String> {
    (!issues.is_empty()).then(|| serde_json::to_string(issues).unwrap_or_default())
}

/// Whether a message that is there already takes a new body and is tried (again).
fn revives(old_state: State, old_origin: Origin, old_body: &[u8], new: &NewMessage) -> bool {
    let selected_now = new.origin == Origin::Selected && old_origin != Origin::Selected;
    match old_state {
        State::Skipped | State::Dead => selected_now || old_body != new.body,
        State::Pending => selected_now,
        State::Leased | State::Delivered => false,
    }
}

async fn accept(connection: &mut SqliteConnection, new: &NewMessage, now: Timestamp) -> Result<Accepted, StoreError> {
    let dead = !new.issues.is_empty();
    let state = if dead { State::Dead } else { State::Pending };
    let reason = new.issues.iter().min_by_key(|issue| issue.severity).map(|issue| format!("cannot be mapped: {issue}"));
    let settled_at = dead.then(|| ms(now));
    let received = format!("by {}, {} bytes", new.origin, new.body.len());
    // The write lock comes first, so nobody inserts in between. Inserting and giving way to a conflict would use up a number and
    // write to disk for each claim that a poll lists again.
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let row = sqlx::query("SELECT id, state, origin, body FROM message WHERE dedupe_key = ?")
        .bind(&new.dedupe_key)
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed)?;
    let Some(row) = row else {
        let id = sqlx::query_scalar(
            "INSERT INTO message (kind, origin, state, dedupe_key, lane, claim_uuid, claim_code, insuree_uuid, body, reason, issues,
                                  received_at, since, due_at, settled_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, ?12, ?13) RETURNING id",
        )
        .bind(new.kind.word())
        .bind(new.origin.word())
        .bind(state.word())
        .bind(&new.dedupe_key)
        .bind(&new.lane)
        .bind(&new.claim_uuid)
        .bind(&new.claim_code)
        .bind(&new.insuree_uuid)
        .bind(&new.body)
        .bind(&reason)
        .bind(issues_json(&new.issues))
        .bind(ms(now))
        .bind(settled_at)
        .fetch_one(&mut *tx)
        .await
        .map(MessageId)
        .map_err(failed)?;
        note(&mut tx, id, now, "received", &received).await?;
        if let Some(reason) = &reason {
            note(&mut tx, id, now, "dead letter", reason).await?;
        }
        tx.commit().await.map_err(failed)?;
        return Ok(Accepted::New(id));
    };

    let id = MessageId(row.get("id"));
    let old_state = word(&row, "state", State::from_word)?;
    let old_origin = word(&row, "origin", Origin::from_word)?;
    let old_body: Vec<u8> = row.get("body");
    if !revives(old_state, old_origin, &old_body, new) {
        if new.origin == Origin::Push {
            note(&mut tx, id, now, "received again", "nothing to do").await?;
        }
        tx.commit().await.map_err(failed)?;
        return Ok(Accepted::Duplicate(id, old_state));
    }
    // An officer's selection is not undone by a poll that lists the claim once more.
    let origin = if old_origin == Origin::Selected { old_origin } else { new.origin };
    sqlx::query(
        "UPDATE message SET origin = ?1, state = ?2, claim_code = coalesce(?3, claim_code),
                insuree_uuid = coalesce(?4, insuree_uuid), body = ?5, reason = ?6, issues = ?7, since = ?8, due_at = ?8, settled_at = ?9
         WHERE id = ?10",
    )
    .bind(origin.word())
    .bind(state.word())
    .bind(&new.claim_code)
    .bind(&new.insuree_uuid)
    .bind(&new.body)
    .bind(&reason)
    .bind(issues_json(&new.issues))
    .bind(ms(now))
    .bind(settled_at)
    .bind(id.0)
    .execute(&mut *tx)
    .await
    .map_err(failed)?;
    note(&mut tx, id, now, "received anew", &format!("{received}; was {old_state}, now {state}")).await?;
    tx.commit().await.map_err(failed)?;
    Ok(Accepted::Revived(id))
}

pub(super) fn word<T>(row: &SqliteRow, column: &str, read: fn(&str) -> Option<T>) -> Result<T, StoreError> {
    let text: String = row.get(column);
    read(&text).ok_or_else(|| StoreError(format!("column {column} holds an unknown word")))
}

impl Store for SqliteStore {
    async fn accept(&self, new: NewMessage, now: Timestamp) -> Result<Accepted, StoreError> {
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        accept(&mut connection, &new, now).await
    }

    async fn lease(&self, now: Timestamp, until: Timestamp, limit: u32) -> Result<Vec<Message>, StoreError> {
        let rows = sqlx::query(
            "UPDATE message SET state = 'leased', due_at = ?2, attempts = attempts + 1, uncertain = max(uncertain, state = 'leased')
             WHERE id IN (
                SELECT m.id FROM message m
                WHERE m.state IN ('pending', 'leased') AND m.due_at <= ?1 AND NOT EXISTS (
                    SELECT 1 FROM message earlier
                    WHERE earlier.lane = m.lane AND earlier.id < m.id AND earlier.state IN ('pending', 'leased'))
                ORDER BY m.due_at, m.id LIMIT ?3)
             RETURNING id, kind, origin, lane, claim_uuid, body, since, attempts, uncertain",
        )
        .bind(ms(now))
        .bind(ms(until))
        .bind(limit)
        .fetch_all(&self.writer)
        .await
        .map_err(failed)?;
        let mut messages = rows
            .iter()
            .map(|row| {
                Ok(Message {
                    id: MessageId(row.get("id")),
                    kind: word(row, "kind", Kind::from_word)?,
                    origin: word(row, "origin", Origin::from_word)?,
                    lane: row.get("lane"),
                    claim_uuid: row.get("claim_uuid"),
                    body: row.get("body"),
                    received_at: at(row.get("since")),
                    attempt: row.get("attempts"),
                    uncertain: row.get("uncertain"),
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        messages.sort_by_key(|message| message.id);
        Ok(messages)
    }

    async fn settle(
        &self,
        id: MessageId,
        outcome: &Outcome,
        mapped: Option<&str>,
        trail: &[TrailEntry],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (state, due_at, reason, uncertain, counted, issues) = match outcome {
            Outcome::Delivered { note } => (State::Delivered, None, note, false, true, None),
            Outcome::Skipped { reason } => (State::Skipped, None, reason, false, true, None),
            Outcome::Dead { reason, issues, uncertain } => {
                (State::Dead, None, reason, *uncertain, true, issues_json(issues))
            }
            Outcome::Waiting { at, reason } => (State::Pending, Some(*at), reason, false, false, None),
            Outcome::Retry { at, reason, uncertain } => (State::Pending, Some(*at), reason, *uncertain, true, None),
        };
        let settled_at = (state != State::Pending).then(|| ms(now));
        let mut tx = self.writer.begin().await.map_err(failed)?;
        sqlx::query(
            "UPDATE message SET state = ?1, due_at = coalesce(?2, due_at), reason = ?3, uncertain = max(uncertain, ?4),
                    attempts = attempts - ?5, issues = ?6, mapped = coalesce(?7, mapped), settled_at = ?8
             WHERE id = ?9 AND state = 'leased'",
        )
        .bind(state.word())
        .bind(due_at.map(ms))
        .bind(reason)
        .bind(uncertain)
        .bind(i64::from(!counted))
        .bind(issues)
        .bind(mapped)
        .bind(settled_at)
        .bind(id.0)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        for entry in trail {
            sqlx::query(
                "INSERT INTO trail (message_id, at, event, detail, status, duration_ms) VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(id.0)
            .bind(ms(entry.at))
            .bind(&entry.event)
            .bind(&entry.detail)
            .bind(entry.status)
            .bind(entry.duration_ms)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        }
        tx.commit().await.map_err(failed)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let next: Option<i64> = sqlx::query_scalar(
            "SELECT due_at FROM message m
             WHERE m.state IN ('pending', 'leased') AND NOT EXISTS (
                SELECT 1 FROM message earlier
                WHERE earlier.lane = m.lane AND earlier.id < m.id AND earlier.state IN ('pending', 'leased'))
             ORDER BY due_at, id LIMIT 1",
        )
        .fetch_optional(&self.reader)
        .await
        .map_err(failed)?;
        Ok(next.map(at))
    }

    async fn settled_keys(&self, keys: &[String]) -> Result<Vec<String>, StoreError> {
        let keys = serde_json::to_string(keys).map_err(failed)?;
        sqlx::query_scalar(
            "SELECT dedupe_key FROM message
             WHERE dedupe_key IN (SELECT value FROM json_each(?))
               AND (state IN ('leased', 'delivered') OR origin = 'selected')",
        )
        .bind(keys)
        .fetch_all(&self.reader)
        .await
        .map_err(failed)
    }

    async fn insuree_of(&self, claim_uuid: &str) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar(
            "SELECT insuree_uuid FROM message WHERE claim_uuid = ? AND kind = ? AND insuree_uuid IS NOT NULL",
        )
        .bind(claim_uuid)
        .bind(Kind::ClaimResponse.word())
        .fetch_optional(&self.reader)
        .await
        .map_err(failed)
    }

    async fn link(&self, insuree_uuid: &str) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT contact_id FROM link WHERE insuree_uuid = ?")
            .bind(insuree_uuid)
            .fetch_optional(&self.reader)
            .await
            .map_err(failed)
    }

    async fn save_link(
        &self,
        insuree_uuid: &str,
        contact_id: &str,
        how: &str,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        // The no-op update makes RETURNING give the row that was there.
        sqlx::query_scalar(
            "INSERT INTO link (insuree_uuid, contact_id, how, created_at) VALUES (?, ?, ?, ?)
             ON CONFLICT (insuree_uuid) DO UPDATE SET contact_id = contact_id RETURNING contact_id",
        )
        .bind(insuree_uuid)
        .bind(contact_id)
        .bind(how)
        .bind(ms(now))
        .fetch_one(&self.writer)
        .await
        .map_err(failed)
    }

    async fn watermark(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        let found: Option<i64> = sqlx::query_scalar("SELECT at FROM watermark WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.reader)
            .await
            .map_err(failed)?;
        Ok(found.map(at))
    }

    async fn save_watermark(&self, name: &str, moment: Timestamp) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO watermark (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at")
            .bind(name)
            .bind(ms(moment))
            .execute(&self.writer)
            .await
            .map(|_| ())
            .map_err(failed)
    }
}
