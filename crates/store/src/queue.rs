//! Leasing messages and settling them.

use flow::message::{Kind, Message, MessageId, Outcome, State, TrailEntry};
use flow::ports::StoreError;
use jiff::Timestamp;

use super::inbox::issues_json;
use super::{Dialect, Tables, at, failed, ms, text};

/// An attempt's end, ready to be written.
#[derive(Clone)]
pub(super) struct Settlement {
    pub id: MessageId,
    pub lease: i64,
    pub state: State,
    pub due_at: Option<i64>,
    pub reason: String,
    pub uncertain: i64,
    /// Since when.
    pub uncertain_since: Option<i64>,
    /// The peer has it: nothing is uncertain any more.
    pub known: i64,
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
            uncertain_since = CASE WHEN $6 = 1 THEN NULL ELSE coalesce($7, uncertain_since) END,
            attempts = attempts - $8, issues = $9, settled_at = $10
     WHERE id = $11 AND state = 'leased' AND leases = $12";
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
            Outcome::Delivered { note: reason } | Outcome::Skipped { reason } => (None, reason, None, None),
            Outcome::Dead { reason, issues, uncertain } => (None, reason, *uncertain, issues_json(issues)),
            Outcome::Waiting { at, reason } => (Some(*at), reason, None, None),
            Outcome::Retry { at, reason, uncertain } => (Some(*at), reason, *uncertain, None),
        };
        let state = outcome.state();
        Settlement {
            id: message.id,
            lease: message.lease,
            state,
            due_at: due_at.map(ms),
            reason: text(reason),
            uncertain: i64::from(uncertain.is_some()),
            uncertain_since: uncertain.map(ms),
            known: i64::from(state == State::Delivered),
            uncounted: i64::from(matches!(outcome, Outcome::Waiting { .. })),
            issues,
            sent: mapped.map(|mapped| self.seal.close(mapped.as_bytes(), &message.lane).into_owned()),
            settled_at: (state != State::Pending).then(|| ms(now)),
            trail: trail.to_vec(),
        }
    }

    pub(super) fn tell_of_unreadable(&self, kind: Kind, unreadable: &[(MessageId, String)]) {
        for (id, _) in unreadable {
            self.figures.unreadable(kind);
            tracing::error!(%id, %kind, "dead letter: see `messages show {id}`");
        }
    }

    pub(super) async fn next_due(&self, kind: Kind) -> Result<Option<Timestamp>, StoreError> {
        let next: Result<Option<i64>, _> =
            sqlx::query_scalar(NEXT_DUE).bind(kind.stored()).fetch_optional(&self.reader).await;
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
        Dialect::Postgres => "SELECT unnest($3::bigint[])",
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
                uncertain = CASE WHEN state = 'leased' THEN 1 ELSE uncertain END,
                uncertain_since = CASE WHEN state = 'leased' THEN $6 ELSE uncertain_since END
         WHERE id IN (SELECT id FROM due)
         RETURNING id, kind, origin, lane, claim_uuid, insuree_uuid, since, attempts, leases, uncertain,
                   uncertain_since, traceparent"
    )
}

/// When an attempt was made that may have reached the peer. What an older version stored does not tell: it was after the message came.
pub(super) fn unsure_since(uncertain: i64, uncertain_since: Option<i64>, since: i64) -> Option<Timestamp> {
    (uncertain != 0).then(|| at(uncertain_since.unwrap_or(since)))
}
