//! Taking messages in: stored with the first lines of their trail, or recognised as there before.

use flow::decide;
use flow::message::{Accepted, MessageId, NewMessage, Origin, State};
use flow::ports::StoreError;
use jiff::Timestamp;
use spin_sdk::sqlite::Value;

use super::{SpinStore, column, id, issues_json, line, ms, optional, text, word};

/// How often a message is looked at that another request changes meanwhile.
const LOOKS: u32 = 5;
/// Longest claim code that is kept: openIMIS' have 8 characters.
const CODE_CHARS: usize = 200;

impl SpinStore {
    pub(super) fn take_in(&self, new: &NewMessage, now: Timestamp) -> Result<Accepted, StoreError> {
        for _ in 0..LOOKS {
            if let Some(id) = self.insert(new, now)? {
                return Ok(Accepted::New(id));
            }
            if let Some(accepted) = self.again(new, now)? {
                return Ok(accepted);
            }
        }
        Err(StoreError("another request keeps changing this message".to_owned()))
    }

    /// None: one with this key is there. Looked up rather than left to `ON CONFLICT`, which would use up a number.
    fn insert(&self, new: &NewMessage, now: Timestamp) -> Result<Option<MessageId>, StoreError> {
        let statement =
            "INSERT INTO message (kind, origin, state, dedupe_key, lane, claim_uuid, claim_code, insuree_uuid,
                              received, reason, issues, trail, received_at, since, due_at, settled_at)
                          SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?13, ?14
                          WHERE NOT EXISTS (SELECT 1 FROM message WHERE dedupe_key = ?4) RETURNING id";
        let reason = unmappable(new);
        let mut trail = line(now, "received", &told(new), None, None);
        if let Some(reason) = &reason {
            trail.push_str(&line(now, "dead letter", reason, None, None));
        }
        let rows = self.rows(
            statement,
            &[
                text(new.kind.word()),
                text(new.origin.word()),
                text(state(new).word()),
                text(&new.dedupe_key),
                text(&new.lane),
                optional(new.claim_uuid.as_deref()),
                code(new),
                optional(new.insuree_uuid.as_deref()),
                Value::Blob(new.body.clone()),
                optional(reason.as_deref()),
                issues_json(&new.issues),
                text(&trail),
                ms(now),
                settled_at(new, now),
            ],
        )?;
        Ok(id(&rows))
    }

    /// None: somebody changed it in between.
    fn again(&self, new: &NewMessage, now: Timestamp) -> Result<Option<Accepted>, StoreError> {
        let there = self
            .rows("SELECT id, state, origin, received FROM message WHERE dedupe_key = ?1", &[text(&new.dedupe_key)])?;
        let Some(row) = there.first() else { return Ok(None) };
        let id = MessageId(column(row, 0)?);
        let old_state = word(row, 1, State::from_word)?;
        let old_origin = word(row, 2, Origin::from_word)?;
        if !decide::revives(old_state, old_origin, row.get(3), new) {
            // Once is enough: somebody may send the same for ever.
            let statement =
                "UPDATE message SET trail = trail || ?2 WHERE id = ?1 AND instr(trail, '\"received again\"') = 0";
            let note = line(now, "received again", "nothing to do", None, None);
            self.rows(statement, &[Value::Integer(id.0), text(&note)])?;
            return Ok(Some(Accepted::Duplicate(id, old_state)));
        }
        let statement = "UPDATE message SET state = ?1, claim_code = coalesce(?2, claim_code),
                              insuree_uuid = coalesce(?3, insuree_uuid), received = ?4, reason = ?5, issues = ?6,
                              since = ?7, due_at = ?7, settled_at = ?8, trail = trail || ?9
                          WHERE id = ?10 AND state = ?11 RETURNING id";
        let detail = format!("{}; was {old_state}, now {}", told(new), state(new));
        let values = [
            text(state(new).word()),
            code(new),
            optional(new.insuree_uuid.as_deref()),
            Value::Blob(new.body.clone()),
            optional(unmappable(new).as_deref()),
            issues_json(&new.issues),
            ms(now),
            settled_at(new, now),
            text(&line(now, "received anew", &detail, None, None)),
            Value::Integer(id.0),
            text(old_state.word()),
        ];
        Ok(super::id(&self.rows(statement, &values)?).map(Accepted::Revived))
    }
}

fn unmappable(new: &NewMessage) -> Option<String> {
    let first = new.issues.iter().min_by_key(|issue| issue.severity);
    first.map(|issue| format!("cannot be mapped: {issue}"))
}

fn state(new: &NewMessage) -> State {
    if new.issues.is_empty() { State::Pending } else { State::Dead }
}

fn settled_at(new: &NewMessage, now: Timestamp) -> Value {
    if new.issues.is_empty() { Value::Null } else { ms(now) }
}

fn told(new: &NewMessage) -> String {
    format!("by {}, {} bytes", new.origin, new.body.len())
}

fn code(new: &NewMessage) -> Value {
    let code = new.claim_code.as_deref().map(|code| code.chars().take(CODE_CHARS).collect::<String>());
    optional(code.as_deref())
}
