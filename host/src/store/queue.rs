//! Leasing messages and settling them.

use flow::message::{Kind, Message, MessageId, Origin, Outcome, State, TrailEntry};
use flow::ports::{Lease, StoreError};
use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection, Row};

use super::inbox::{Note, issues_json};
use super::{Dialect, Leased, Tables, at, failed, list_of, ms, pieces, placeholders, sql, text, word};

/// An attempt's end, ready to be written.
#[derive(Clone)]
pub(super) struct Settlement {
    pub id: MessageId,
    pub lease: i64,
    pub state: State,
    pub due_at: Option<i64>,
    pub reason: String,
    pub uncertain: i64,
    /// A wait is not a try.
    pub uncounted: i64,
    pub issues: Option<String>,
    pub sent: Option<Vec<u8>>,
    pub settled_at: Option<i64>,
    pub trail: Vec<TrailEntry>,
}

/// Ends an attempt, as long as its lease is the worker's.
pub(super) const SETTLE: &str = "UPDATE message SET state = $1, due_at = coalesce($2, due_at), reason = $3,
            uncertain = CASE WHEN uncertain > $4 THEN uncertain ELSE $5 END,
            attempts = attempts - $6, issues = $7, settled_at = $8
     WHERE id = $9 AND state = 'leased' AND leases = $10";
pub(super) const SENT: &str = "UPDATE document SET sent = $1 WHERE message_id = $2";
pub(super) const INSERT_TRAIL: &str = "INSERT INTO trail (message_id, at, event, detail, status, duration_ms)";
/// One that cannot be read must not hold up the others.
pub(super) const PARK: &str = "UPDATE message SET state = 'dead', reason = $1, settled_at = $2 WHERE id = $3";
pub(super) const NEXT_DUE: &str = "SELECT due_at FROM message m
     WHERE m.kind = $1 AND m.state IN ('pending', 'leased') AND NOT EXISTS (
        SELECT 1 FROM message earlier
        WHERE earlier.lane = m.lane AND earlier.id < m.id AND earlier.settled_at IS NULL)
     ORDER BY due_at, id LIMIT 1";
pub(super) const NO_DOCUMENT: &str = "its document is no longer kept";

impl Tables {
    pub(super) fn settlement(
        &self,
        message: &Message,
        outcome: &Outcome,
        mapped: Option<&str>,
        trail: &[TrailEntry],
        now: Timestamp,
    ) -> Settlement {
        let (due_at, reason, uncertain, issues) = match outcome {
            Outcome::Delivered { note: reason } | Outcome::Skipped { reason } => (None, reason, false, None),
            Outcome::Dead { reason, issues, uncertain } => (None, reason, *uncertain, issues_json(issues)),
            Outcome::Waiting { at, reason } => (Some(*at), reason, false, None),
            Outcome::Retry { at, reason, uncertain } => (Some(*at), reason, *uncertain, None),
        };
        let state = outcome.state();
        Settlement {
            id: message.id,
            lease: message.lease,
            state,
            due_at: due_at.map(ms),
            reason: text(reason),
            uncertain: i64::from(uncertain),
            uncounted: i64::from(matches!(outcome, Outcome::Waiting { .. })),
            issues,
            sent: mapped.map(|mapped| self.seal.close(mapped.as_bytes(), &message.lane).into_owned()),
            settled_at: (state != State::Pending).then(|| ms(now)),
            trail: trail.to_vec(),
        }
    }

    /// Writes settlements within one transaction, which the caller commits. False: that lease was somebody else's by then.
    pub(super) async fn settle(
        &self,
        connection: &mut AnyConnection,
        all: &[&Settlement],
    ) -> Result<Vec<bool>, sqlx::Error> {
        let mut settled = Vec::with_capacity(all.len());
        let mut trail = Vec::new();
        for one in all {
            let done = sqlx::query(SETTLE)
                .bind(one.state.word())
                .bind(one.due_at)
                .bind(one.reason.as_str())
                .bind(one.uncertain)
                .bind(one.uncertain)
                .bind(one.uncounted)
                .bind(one.issues.as_deref())
                .bind(one.settled_at)
                .bind(one.id.0)
                .bind(one.lease)
                .execute(&mut *connection)
                .await?
                .rows_affected()
                == 1;
            settled.push(done);
            if !done {
                continue;
            }
            if let Some(sent) = &one.sent {
                sqlx::query(SENT).bind(sent.as_slice()).bind(one.id.0).execute(&mut *connection).await?;
            }
            trail.extend(one.trail.iter().map(|entry| (one.id, entry)));
        }
        for piece in pieces(&trail) {
            let values = placeholders(piece.len(), 6);
            let statement = format!("{INSERT_TRAIL} VALUES {values}");
            let mut query = sqlx::query(sql(statement));
            for (id, entry) in piece {
                query = query
                    .bind(id.0)
                    .bind(ms(entry.at))
                    .bind(text(&entry.event))
                    .bind(text(&entry.detail))
                    .bind(entry.status.map(i64::from))
                    .bind(entry.duration_ms);
            }
            query.execute(&mut *connection).await?;
        }
        Ok(settled)
    }

    pub(super) async fn lease(&self, wanted: &Lease<'_>) -> Result<Vec<Leased>, StoreError> {
        let held = serde_json::to_string(wanted.held).map_err(failed)?;
        let mut connection = self.write().await?;
        let mut tx = connection.begin_with(self.dialect.begin()).await.map_err(failed)?;
        let rows = sqlx::query(sql(lease_statement(self.dialect)))
            .bind(wanted.kind.word())
            .bind(ms(wanted.now))
            .bind(held)
            .bind(i64::from(wanted.limit))
            .bind(ms(wanted.until))
            .fetch_all(&mut *tx)
            .await
            .map_err(failed)?;
        let mut leased = rows.iter().map(leased).collect::<Result<Vec<_>, _>>()?;
        leased.sort_by_key(|leased| leased.message.id);
        let unreadable = self.read_bodies(&mut tx, &mut leased).await?;
        for (id, why) in &unreadable {
            sqlx::query(PARK)
                .bind(why.as_str())
                .bind(ms(wanted.now))
                .bind(id.0)
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
            let note = Note { id: *id, at: wanted.now, event: "dead letter", detail: why.clone() };
            self.note(&mut tx, &[note]).await.map_err(failed)?;
        }
        tx.commit().await.map_err(failed)?;
        self.tell_of_unreadable(wanted.kind, &unreadable);
        leased.retain(|leased| !unreadable.iter().any(|(id, _)| *id == leased.message.id));
        Ok(leased)
    }

    pub(super) fn tell_of_unreadable(&self, kind: Kind, unreadable: &[(MessageId, String)]) {
        for (id, _) in unreadable {
            self.figures.unreadable(kind);
            tracing::error!(%id, %kind, "dead letter: see `messages show {id}`");
        }
    }

    /// Gives the messages their bodies; returns those that have none, and why.
    async fn read_bodies(
        &self,
        connection: &mut AnyConnection,
        leased: &mut [Leased],
    ) -> Result<Vec<(MessageId, String)>, StoreError> {
        if leased.is_empty() {
            return Ok(Vec::new());
        }
        let list = list_of(leased.len());
        let statement = format!("SELECT message_id, received FROM document WHERE message_id IN ({list})");
        let mut query = sqlx::query_as::<_, (i64, Vec<u8>)>(sql(statement));
        for leased in &*leased {
            query = query.bind(leased.message.id.0);
        }
        let mut bodies: std::collections::HashMap<i64, Vec<u8>> =
            query.fetch_all(connection).await.map_err(failed)?.into_iter().collect();
        let mut unreadable = Vec::new();
        for Leased { message, .. } in leased {
            let opened = match bodies.remove(&message.id.0) {
                None => Err(NO_DOCUMENT.to_owned()),
                Some(sealed) => self.seal.open(sealed, &message.lane),
            };
            match opened {
                Ok(body) => message.body = body,
                Err(why) => unreadable.push((message.id, why)),
            }
        }
        Ok(unreadable)
    }

    pub(super) async fn next_due(&self, kind: Kind) -> Result<Option<Timestamp>, StoreError> {
        let next: Result<Option<i64>, _> =
            sqlx::query_scalar(NEXT_DUE).bind(kind.word()).fetch_optional(&self.reader).await;
        Ok(next.map_err(failed)?.map(at))
    }
}

/// Takes due messages: chosen first and once (a planner may run a sub-query twice, which would take twice as many).
///
/// What is earlier in a lane is asked by `settled_at`: asked by `state`, PostgreSQL takes the index of what is due, which it believes to be
/// empty, and reads all that waits for each message. SQLite numbers `$n` as they come: they come in order.
pub(super) fn lease_statement(dialect: Dialect) -> String {
    let held = match dialect {
        Dialect::Sqlite => "SELECT value FROM json_each($3)",
        Dialect::Postgres => "SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST($3 AS JSON))",
    };
    let lock = dialect.skip_locked();
    format!(
        "WITH due AS MATERIALIZED (
            SELECT m.id FROM message m
            WHERE m.kind = $1 AND m.state IN ('pending', 'leased') AND m.due_at <= $2 AND m.id NOT IN ({held})
              AND NOT EXISTS (
                SELECT 1 FROM message earlier
                WHERE earlier.lane = m.lane AND earlier.id < m.id AND earlier.settled_at IS NULL)
            ORDER BY m.due_at, m.id LIMIT $4 {lock})
         UPDATE message SET state = 'leased', due_at = $5, attempts = attempts + 1, leases = leases + 1,
                uncertain = CASE WHEN state = 'leased' THEN 1 ELSE uncertain END
         WHERE id IN (SELECT id FROM due)
         RETURNING id, kind, origin, lane, claim_uuid, insuree_uuid, since, attempts, leases, uncertain, traceparent"
    )
}

/// A leased message; its body is read after it.
fn leased(row: &AnyRow) -> Result<Leased, StoreError> {
    let message = Message {
        id: MessageId(row.try_get("id").map_err(failed)?),
        kind: word(row, "kind", Kind::from_word)?,
        origin: word(row, "origin", Origin::from_word)?,
        lane: row.try_get("lane").map_err(failed)?,
        claim_uuid: row.try_get("claim_uuid").map_err(failed)?,
        body: Vec::new(),
        received_at: at(row.try_get("since").map_err(failed)?),
        attempt: u32::try_from(row.try_get::<i64, _>("attempts").map_err(failed)?).unwrap_or(u32::MAX),
        lease: row.try_get("leases").map_err(failed)?,
        uncertain: row.try_get::<i64, _>("uncertain").map_err(failed)? != 0,
    };
    Ok(Leased { message, traceparent: row.try_get("traceparent").map_err(failed)? })
}
