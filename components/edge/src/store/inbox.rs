//! Taking messages in: stored with the first lines of their trail, or recognised as there before.

use flow::agreement;
use flow::conflict::{self, Original};
use flow::message::{Acceptance, MessageId, NewMessage, Origin, State};
use flow::ports::StoreError;
use flow::retry;
use jiff::Timestamp;
use spin_sdk::sqlite::Value;
use uuid::Uuid;

use super::{SpinStore, column, id, issues_json, line, ms, optional, text, word};

/// How often a message is looked at that another request changes meanwhile.
const LOOKS: u32 = 5;
/// Longest claim code that is kept: openIMIS' have 8 characters.
const CODE_CHARS: usize = 200;

impl SpinStore {
    pub(super) fn take_in(&self, new: &NewMessage, now: Timestamp) -> Result<Acceptance, StoreError> {
        for _ in 0..LOOKS {
            if let Some(id) = self.insert(new, now)? {
                return Ok(Acceptance::New(id));
            }
            if let Some(accepted) = self.again(new, now)? {
                return Ok(accepted);
            }
        }
        Err(StoreError("another request keeps changing this message".to_owned()))
    }

    /// None: one with this key is there. Looked up rather than left to `ON CONFLICT`, which would use up a number.
    fn insert(&self, new: &NewMessage, now: Timestamp) -> Result<Option<MessageId>, StoreError> {
        self.insert_with(new, unmappable(new), now)
    }

    /// `reason`: why it is a dead letter from the start.
    fn insert_with(
        &self,
        new: &NewMessage,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<Option<MessageId>, StoreError> {
        let statement =
            "INSERT INTO message (kind, origin, state, dedupe_key, lane, claim_uuid, claim_code, insuree_uuid,
                              received, reason, issues, trail, received_at, since, due_at, settled_at, agrees)
                          SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?13, ?14, ?15
                          WHERE NOT EXISTS (SELECT 1 FROM message WHERE dedupe_key = ?4) RETURNING id";
        let state = if reason.is_some() { State::Dead } else { State::Pending };
        let mut trail = line(now, "received", &told(new), None, None);
        if let Some(reason) = &reason {
            trail.push_str(&line(now, "dead letter", reason, None, None));
        }
        let rows = self.rows(
            statement,
            &[
                text(new.kind.stored()),
                text(new.origin.word()),
                text(state.word()),
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
                if reason.is_some() { ms(now) } else { Value::Null },
                optional(agrees(new).as_deref()),
            ],
        )?;
        Ok(id(&rows))
    }

    /// None: somebody changed it in between.
    fn again(&self, new: &NewMessage, now: Timestamp) -> Result<Option<Acceptance>, StoreError> {
        let there = self.rows(
            "SELECT id, state, origin, received, issues, agrees FROM message WHERE dedupe_key = ?1",
            &[text(&new.dedupe_key)],
        )?;
        let Some(row) = there.first() else { return Ok(None) };
        let id = MessageId(column(row, 0)?);
        let old_state = word(row, 1, State::from_word)?;
        let old_origin = word(row, 2, Origin::from_word)?;
        let old = Original { state: old_state, has_issues: row.get::<&str>(4).is_some() };
        let differs = conflict::differences(old, new, differing(row.get(5), row.get(3), new));
        if !differs.is_empty() {
            return self.another_document(id, differs, new, now);
        }
        if !retry::revives(old_state, old_origin, row.get(3), new) {
            // Once is enough: somebody may send the same for ever.
            let statement =
                "UPDATE message SET trail = trail || ?2 WHERE id = ?1 AND instr(trail, '\"received again\"') = 0";
            let note = line(now, "received again", "nothing to do", None, None);
            self.rows(statement, &[Value::Integer(id.0), text(&note)])?;
            return Ok(Some(Acceptance::Duplicate(id, old_state)));
        }
        let statement = "UPDATE message SET state = ?1, claim_code = coalesce(?2, claim_code),
                              insuree_uuid = coalesce(?3, insuree_uuid), received = ?4, reason = ?5, issues = ?6,
                              since = ?7, due_at = ?7, settled_at = ?8, trail = trail || ?9, agrees = ?12
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
            optional(agrees(new).as_deref()),
        ];
        Ok(super::id(&self.rows(statement, &values)?).map(Acceptance::Revived))
    }

    /// Came with the key of another document: stored once as a dead letter with a key of its own.
    fn another_document(
        &self,
        first: MessageId,
        differs: Vec<&'static str>,
        new: &NewMessage,
        now: Timestamp,
    ) -> Result<Option<Acceptance>, StoreError> {
        let own = Uuid::new_v5(&Uuid::NAMESPACE_OID, agrees(new).unwrap_or_default().as_bytes());
        let other = NewMessage { dedupe_key: format!("conflict/{first}/{own}"), ..new.clone() };
        if let Some(id) = self.insert_with(&other, Some(conflict::reason(first, &differs)), now)? {
            return Ok(Some(Acceptance::Conflict { id, first, differs }));
        }
        let there = self.rows("SELECT id, state FROM message WHERE dedupe_key = ?1", &[text(&other.dedupe_key)])?;
        let Some(row) = there.first() else { return Ok(None) };
        let (id, state) = (MessageId(column(row, 0)?), word(row, 1, State::from_word)?);
        Ok(Some(match state {
            State::Dead => Acceptance::Conflict { id, first, differs },
            state => Acceptance::Duplicate(id, state),
        }))
    }
}

/// The digests have no key: who reads this database reads the documents as well.
fn digest(dedupe_key: &str, told: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{dedupe_key}\0{told}").as_bytes()).simple().to_string()
}

fn agrees(new: &NewMessage) -> Option<String> {
    agreement::written(&new.agreement.facts, "-", |told| digest(&new.dedupe_key, told))
}

/// By the digests of what is there, else by its document.
fn differing(agrees: Option<&str>, body: Option<&[u8]>, new: &NewMessage) -> Vec<&'static str> {
    let facts = &new.agreement.facts;
    match (agrees, body) {
        (Some(agrees), _) => agreement::differing(agrees, facts, |told| digest(&new.dedupe_key, told)),
        (None, Some(body)) => agreement::differing_from(&new.agreement.reader.read(body), facts),
        (None, None) => Vec::new(),
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
