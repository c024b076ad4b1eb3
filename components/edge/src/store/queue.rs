//! Leasing messages and settling them.

use flow::message::{Kind, Message, MessageId, Origin, Outcome, State, TrailEntry};
use flow::ports::{Lease, StoreError};
use jiff::Timestamp;
use spin_sdk::sqlite::{RowResult, Value};

use super::{SpinStore, at, column, id, issues_json, line, ms, optional, text, word};

/// Takes due messages whose lane has nothing earlier unfinished. A lease that has run out is taken again, as uncertain: its request
/// died before it could settle it, and `died` counts how often in a row.
const LEASE: &str = "
    UPDATE message SET state = 'leased', due_at = ?3, attempts = attempts + 1, leases = leases + 1,
           died = CASE WHEN state = 'leased' THEN died + 1 ELSE 0 END,
           uncertain = CASE WHEN state = 'leased' THEN 1 ELSE uncertain END,
           uncertain_since = CASE WHEN state = 'leased' THEN ?2 ELSE uncertain_since END
    WHERE id IN (
        SELECT m.id FROM message m
        WHERE m.kind = ?1 AND m.state IN ('pending', 'leased') AND m.due_at <= ?2 AND (?5 IS NULL OR m.id = ?5)
          AND NOT EXISTS (
            SELECT 1 FROM message earlier
            WHERE earlier.lane = m.lane AND earlier.id < m.id AND earlier.settled_at IS NULL)
        ORDER BY m.due_at, m.id LIMIT ?4)
    RETURNING id, kind, origin, lane, claim_uuid, received, since, attempts, leases, uncertain,
              died, uncertain_since";

/// A trail is cut at its beginning when it grows beyond this: a message may be tried for two weeks.
const SETTLE: &str = "
    UPDATE message SET state = ?1, due_at = coalesce(?2, due_at), reason = ?3, uncertain = max(uncertain, ?4),
           attempts = attempts - ?5, issues = ?6, settled_at = ?7, sent = coalesce(?8, sent),
           trail = substr(trail, -60000) || ?9,
           uncertain_since = coalesce(?12, uncertain_since)
    WHERE id = ?10 AND state = 'leased' AND leases = ?11 RETURNING id";

/// A message, and how its latest requests fared.
pub struct Leased {
    pub message: Message,
    /// How many requests in a row ended before they could settle it.
    pub died: i64,
}

impl SpinStore {
    /// Leases one message that is due and that nothing stands before: this one, or the one that has waited longest.
    pub fn lease_one(&self, wanted: &Lease<'_>, only: Option<MessageId>) -> Result<Option<Leased>, StoreError> {
        Ok(self.take(wanted, only)?.pop())
    }

    pub(super) fn take(&self, wanted: &Lease<'_>, only: Option<MessageId>) -> Result<Vec<Leased>, StoreError> {
        let values = [
            text(wanted.kind.stored()),
            ms(wanted.now),
            ms(wanted.until),
            Value::Integer(wanted.limit.into()),
            only.map_or(Value::Null, |id| Value::Integer(id.0)),
        ];
        self.rows(LEASE, &values)?.iter().map(leased).collect()
    }

    pub(super) fn write_outcome(
        &self,
        message: &Message,
        outcome: &Outcome,
        mapped: Option<&str>,
        trail: &[TrailEntry],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (due_at, reason, uncertain, issues): (_, _, _, &[_]) = match outcome {
            Outcome::Delivered { note: reason } | Outcome::Skipped { reason } => (None, reason, None, &[]),
            Outcome::Dead { reason, issues, uncertain } => (None, reason, *uncertain, issues),
            Outcome::Waiting { at, reason } => (Some(*at), reason, None, &[]),
            Outcome::Retry { at, reason, uncertain } => (Some(*at), reason, *uncertain, &[]),
        };
        let state = outcome.state();
        let lines: String = trail
            .iter()
            .map(|entry| line(entry.at, &entry.event, &entry.detail, entry.status, entry.duration_ms))
            .collect();
        let values = [
            text(state.word()),
            due_at.map_or(Value::Null, ms),
            text(reason),
            Value::Integer(uncertain.is_some().into()),
            Value::Integer(matches!(outcome, Outcome::Waiting { .. }).into()),
            issues_json(issues),
            if state == State::Pending { Value::Null } else { ms(now) },
            optional(mapped),
            text(&lines),
            Value::Integer(message.id.0),
            Value::Integer(message.lease),
            uncertain.map_or(Value::Null, ms),
        ];
        Ok(id(&self.rows(SETTLE, &values)?).is_some())
    }
}

fn leased(row: &RowResult) -> Result<Leased, StoreError> {
    let (attempts, unsure): (i64, i64) = (column(row, 7)?, column(row, 9)?);
    let message = Message {
        id: MessageId(column(row, 0)?),
        kind: word(row, 1, Kind::from_stored)?,
        origin: word(row, 2, Origin::from_word)?,
        lane: column::<&str>(row, 3)?.to_owned(),
        claim_uuid: row.get::<&str>(4).map(str::to_owned),
        body: column::<&[u8]>(row, 5)?.to_vec(),
        received_at: at(column(row, 6)?),
        attempt: u32::try_from(attempts).unwrap_or(u32::MAX),
        lease: column(row, 8)?,
        uncertain: (unsure != 0).then(|| row.get::<i64>(11).map_or_else(|| Timestamp::UNIX_EPOCH, at)),
        is_ageless: false,
    };
    Ok(Leased { message, died: column(row, 10)? })
}
