//! Taking messages in: stored with the first line of their trail, or recognised as there before.

use std::collections::HashMap;

use flow::conflict::{self, Original};
use flow::message::{Acceptance, MessageId, NewMessage, Origin, State};
use flow::ports::StoreError;
use flow::retry;
use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::batch::Arriving;
use super::forgotten::{Forgotten, forgotten_key};
use super::{Tables, list_of, ms, pieces, placeholders, sql, text, word};

/// What a new message is stored with, in the order of [`NewMessageRow`]'s values.
pub(super) const INSERT_MESSAGE: &str =
    "INSERT INTO message (kind, origin, state, dedupe_key, lane, claim_uuid, claim_code, insuree_uuid, reason, issues,
                          received_at, since, due_at, settled_at, traceparent, sender, bytes, agrees)";
/// How many values that are.
pub(super) const VALUES: usize = 18;
pub(super) const INSERT_DOCUMENT: &str = "INSERT INTO document (message_id, received)";
pub(super) const INSERT_NOTE: &str = "INSERT INTO trail (message_id, at, event, detail)";

pub(super) fn issues_json(issues: &[mapping::Issue]) -> Option<String> {
    (!issues.is_empty()).then(|| text(&serde_json::to_string(issues).unwrap_or_default()))
}

/// A claim's code: openIMIS' have 8 characters; what somebody else sends must not burst an index.
pub(super) fn code(code: &str) -> String {
    text(&code.chars().take(200).collect::<String>())
}

/// One line for a trail that is not from an attempt.
pub(super) struct Note {
    pub id: MessageId,
    pub at: Timestamp,
    pub event: &'static str,
    pub detail: String,
}

/// What a new message is stored with.
pub(super) struct NewMessageRow<'a> {
    pub new: &'a NewMessage,
    pub traceparent: Option<&'a str>,
    pub now: Timestamp,
    pub dead: bool,
    pub reason: Option<String>,
}

impl<'a> NewMessageRow<'a> {
    pub fn of(Arriving { new, now, traceparent }: &'a Arriving) -> Self {
        let first = new.issues.iter().min_by_key(|issue| issue.severity);
        let reason = first.map(|issue| text(&format!("cannot be mapped: {issue}")));
        Self { new, traceparent: traceparent.as_deref(), now: *now, dead: !new.issues.is_empty(), reason }
    }

    pub fn state(&self) -> State {
        if self.dead { State::Dead } else { State::Pending }
    }

    /// Of the document.
    pub fn bytes(&self) -> i64 {
        i64::try_from(self.new.body.len()).unwrap_or(i64::MAX)
    }

    pub fn received(&self) -> String {
        format!("by {}, {} bytes", self.new.origin, self.new.body.len())
    }
}

impl Tables {
    /// Stores messages whose keys all differ. Within one transaction, which the caller commits.
    pub(super) async fn accept(
        &self,
        connection: &mut AnyConnection,
        all: &[&Arriving],
    ) -> Result<Vec<Acceptance>, sqlx::Error> {
        let mut accepted = HashMap::new();
        for piece in pieces(all) {
            let mut open: Vec<&Arriving> = piece.to_vec();
            // On PostgreSQL another mediator may insert the same key in between: then it is found the next time round.
            while !open.is_empty() {
                let there = self.there(connection, &open).await?;
                let forgotten = self.forgotten(connection, &open).await?;
                let mut fresh = Vec::new();
                for one in &open {
                    let key = one.new.dedupe_key.as_str();
                    if let Some(row) = there.get(key) {
                        accepted.insert(key, self.again(connection, row, one).await?);
                    } else if let Some(gone) = forgotten.get(&forgotten_key(key)) {
                        accepted.insert(key, self.again_of_forgotten(connection, gone, one).await?);
                    } else {
                        fresh.push(NewMessageRow::of(one));
                    }
                }
                for (key, id) in self.insert(connection, &fresh).await? {
                    if let Some(one) = open.iter().find(|one| one.new.dedupe_key == key) {
                        accepted.insert(one.new.dedupe_key.as_str(), Acceptance::New(id));
                    }
                }
                open.retain(|one| !accepted.contains_key(one.new.dedupe_key.as_str()));
            }
        }
        let lost = || sqlx::Error::Protocol("a message was not stored".to_owned());
        all.iter().map(|one| accepted.get(one.new.dedupe_key.as_str()).cloned().ok_or_else(lost)).collect()
    }

    /// Messages of these keys that are there.
    async fn there(
        &self,
        connection: &mut AnyConnection,
        open: &[&Arriving],
    ) -> Result<HashMap<String, AnyRow>, sqlx::Error> {
        let statement = format!(
            "SELECT m.id, m.state, m.origin, m.dedupe_key, m.lane, m.issues, m.agrees, d.received
             FROM message m LEFT JOIN document d ON d.message_id = m.id WHERE m.dedupe_key IN ({}) {}",
            list_of(open.len()),
            self.dialect.for_update()
        );
        let mut query = sqlx::query(sql(statement));
        for one in open {
            query = query.bind(one.new.dedupe_key.as_str());
        }
        let rows = query.fetch_all(connection).await?;
        rows.into_iter().map(|row| Ok((row.try_get("dedupe_key")?, row))).collect()
    }

    /// Messages of these keys that were delivered and are no longer kept.
    async fn forgotten(
        &self,
        connection: &mut AnyConnection,
        open: &[&Arriving],
    ) -> Result<HashMap<Vec<u8>, Forgotten>, sqlx::Error> {
        let statement = format!("SELECT key, message_id, agrees FROM forgotten WHERE key IN ({})", list_of(open.len()));
        let mut query = sqlx::query_as::<_, (Vec<u8>, i64, Option<String>)>(sql(statement));
        for one in open {
            query = query.bind(forgotten_key(&one.new.dedupe_key));
        }
        let rows = query.fetch_all(connection).await?;
        Ok(rows.into_iter().map(|(key, id, agrees)| (key, Forgotten { id: MessageId(id), agrees })).collect())
    }

    /// Inserts new messages with their documents and trails; returns the keys that were not there in the meantime.
    pub(super) async fn insert(
        &self,
        connection: &mut AnyConnection,
        rows: &[NewMessageRow<'_>],
    ) -> Result<Vec<(String, MessageId)>, sqlx::Error> {
        let mut inserted = Vec::new();
        for piece in pieces(rows) {
            let statement = format!(
                "{INSERT_MESSAGE} VALUES {} ON CONFLICT (dedupe_key) DO NOTHING RETURNING dedupe_key, id",
                placeholders(piece.len(), VALUES)
            );
            let mut query = sqlx::query_as::<_, (String, i64)>(sql(statement));
            for row in piece {
                let (new, now) = (row.new, ms(row.now));
                query = query
                    .bind(new.kind.stored())
                    .bind(new.origin.word())
                    .bind(row.state().word())
                    .bind(new.dedupe_key.as_str())
                    .bind(new.lane.as_str())
                    .bind(new.claim_uuid.as_deref())
                    .bind(new.claim_code.as_deref().map(code))
                    .bind(new.insuree_uuid.as_deref())
                    .bind(row.reason.as_deref())
                    .bind(issues_json(&new.issues))
                    .bind(now)
                    .bind(now)
                    .bind(now)
                    .bind(row.dead.then_some(now))
                    .bind(row.traceparent)
                    .bind(new.sender.as_deref())
                    .bind(row.bytes())
                    .bind(self.agrees(new));
            }
            let ids: HashMap<String, i64> = query.fetch_all(&mut *connection).await?.into_iter().collect();
            let stored: Vec<(&NewMessageRow<'_>, MessageId)> =
                piece.iter().filter_map(|row| Some((row, MessageId(*ids.get(&row.new.dedupe_key)?)))).collect();
            self.insert_documents(connection, &stored).await?;
            let mut notes = Vec::new();
            for (row, id) in &stored {
                notes.push(Note { id: *id, at: row.now, event: "received", detail: row.received() });
                if let Some(reason) = &row.reason {
                    notes.push(Note { id: *id, at: row.now, event: "dead letter", detail: reason.clone() });
                }
            }
            self.note(connection, &notes).await?;
            inserted.extend(ids.into_iter().map(|(key, id)| (key, MessageId(id))));
        }
        Ok(inserted)
    }

    async fn insert_documents(
        &self,
        connection: &mut AnyConnection,
        stored: &[(&NewMessageRow<'_>, MessageId)],
    ) -> Result<(), sqlx::Error> {
        for piece in pieces(stored) {
            let values = placeholders(piece.len(), 2);
            let mut query = sqlx::query(sql(format!("{INSERT_DOCUMENT} VALUES {values}")));
            for (row, id) in piece {
                query = query.bind(id.0).bind(self.seal.close(&row.new.body, &row.new.lane).into_owned());
            }
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// A message that is there: revived by what came now, or a duplicate.
    async fn again(
        &self,
        connection: &mut AnyConnection,
        there: &AnyRow,
        one: &Arriving,
    ) -> Result<Acceptance, sqlx::Error> {
        let (new, now) = (&one.new, one.now);
        let id = MessageId(there.try_get("id")?);
        let unreadable = |error: StoreError| sqlx::Error::Protocol(error.0);
        let old_state = word(there, "state", State::from_word).map_err(unreadable)?;
        let old_origin = word(there, "origin", Origin::from_word).map_err(unreadable)?;
        let sealed: Option<Vec<u8>> = there.try_get("received")?;
        let lane: String = there.try_get("lane")?;
        let old_body = sealed.and_then(|sealed| self.seal.open(sealed, &lane).ok());
        let old = Original { state: old_state, has_issues: there.try_get::<Option<String>, _>("issues")?.is_some() };
        let differing = self.differing(there.try_get("agrees")?, old_body.as_deref(), new);
        let differs = conflict::differences(old, new, differing);
        if !differs.is_empty() {
            return self.another_document(connection, id, differs, one).await;
        }
        if !retry::revives(old_state, old_origin, old_body.as_deref(), new) {
            const AGAIN: &str = "received again";
            let last = "SELECT event FROM trail WHERE message_id = $1 ORDER BY id DESC LIMIT 1";
            // Once is enough: somebody may send the same for ever.
            if new.origin == Origin::Push
                && sqlx::query_scalar::<_, String>(last).bind(id.0).fetch_optional(&mut *connection).await?.as_deref()
                    != Some(AGAIN)
            {
                let detail = "nothing to do".to_owned();
                self.note(connection, &[Note { id, at: now, event: AGAIN, detail }]).await?;
            }
            return Ok(Acceptance::Duplicate(id, old_state));
        }
        let row = NewMessageRow::of(one);
        // An officer's selection is not undone by a poll that lists the claim once more.
        let origin = if old_origin == Origin::Selected { old_origin } else { new.origin };
        sqlx::query(
            "UPDATE message SET origin = $1, state = $2, claim_code = coalesce($3, claim_code),
                    insuree_uuid = coalesce($4, insuree_uuid), reason = $5, issues = $6, since = $7, due_at = $8, settled_at = $9,
                    traceparent = $10, sender = $11, bytes = $12, agrees = $13
             WHERE id = $14",
        )
        .bind(origin.word())
        .bind(row.state().word())
        .bind(new.claim_code.as_deref().map(code))
        .bind(new.insuree_uuid.as_deref())
        .bind(row.reason.as_deref())
        .bind(issues_json(&new.issues))
        .bind(ms(now))
        .bind(ms(now))
        .bind(row.dead.then(|| ms(now)))
        .bind(row.traceparent)
        .bind(new.sender.as_deref())
        .bind(row.bytes())
        .bind(self.agrees(new))
        .bind(id.0)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "INSERT INTO document (message_id, received) VALUES ($1, $2)
             ON CONFLICT (message_id) DO UPDATE SET received = excluded.received",
        )
        .bind(id.0)
        .bind(self.seal.close(&new.body, &lane).into_owned())
        .execute(&mut *connection)
        .await?;
        let detail = format!("{}; was {old_state}, now {}", row.received(), row.state());
        self.note(connection, &[Note { id, at: now, event: "received anew", detail }]).await?;
        Ok(Acceptance::Revived(id))
    }

    /// Writes lines of trails.
    pub(super) async fn note(&self, connection: &mut AnyConnection, notes: &[Note]) -> Result<(), sqlx::Error> {
        for piece in pieces(notes) {
            let values = placeholders(piece.len(), 4);
            let statement = format!("{INSERT_NOTE} VALUES {values}");
            let mut query = sqlx::query(sql(statement));
            for note in piece {
                query = query.bind(note.id.0).bind(ms(note.at)).bind(note.event).bind(text(&note.detail));
            }
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }
}
