//! Documents that came with the key of another one: stored as dead letters with keys of their own.

use flow::agreement;
use flow::conflict::{self, Original};
use flow::message::{Acceptance, MessageId, NewMessage, State};
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

use super::batch::Arriving;
use super::forgotten::{Forgotten, forgotten_key};
use super::inbox::{NewMessageRow, Note};
use super::{Tables, text, word};

/// Of documents that came with the same key one is delivered: the others are discarded first.
pub(super) const ALONE: &str =
    "(conflict_of IS NULL OR EXISTS (SELECT 1 FROM message AS first WHERE first.id = message.conflict_of
                                                   AND first.state = 'discarded'))
    AND NOT EXISTS (SELECT 1 FROM message AS other WHERE other.conflict_of = message.id
                    AND other.state IN ('pending', 'leased', 'delivered'))";

impl Tables {
    /// What is stored of the facts that a repetition must agree in.
    pub(super) fn agrees(&self, new: &NewMessage) -> Option<String> {
        self.seal.written(&new.agreement.facts, &new.dedupe_key)
    }

    /// Facts in which a document differs from what is known of the first one: by its digests, else by its document.
    pub(super) fn differing(&self, agrees: Option<String>, body: Option<&[u8]>, new: &NewMessage) -> Vec<&'static str> {
        let facts = &new.agreement.facts;
        if facts.is_empty() {
            return Vec::new();
        }
        let by_digests = agrees.and_then(|agrees| self.seal.differing(&agrees, facts, &new.dedupe_key));
        let by_document = || body.map(|body| agreement::differing_from(&new.agreement.reader.read(body), facts));
        by_digests.or_else(by_document).unwrap_or_default()
    }

    /// The first one is no longer stored.
    pub(super) async fn again_of_forgotten(
        &self,
        connection: &mut AnyConnection,
        gone: &Forgotten,
        one: &Arriving,
    ) -> Result<Acceptance, sqlx::Error> {
        let differing = self.differing(gone.agrees.clone(), None, &one.new);
        let original = Original { state: State::Delivered, has_issues: false };
        let differs = conflict::differences(original, &one.new, differing);
        match differs.is_empty() {
            true => Ok(Acceptance::Duplicate(gone.id, State::Delivered)),
            false => self.another_document(connection, gone.id, differs, one).await,
        }
    }

    /// Stores it once, however often it comes. What an admin decided on it stays so.
    pub(super) async fn another_document(
        &self,
        connection: &mut AnyConnection,
        first: MessageId,
        differs: Vec<&'static str>,
        one: &Arriving,
    ) -> Result<Acceptance, sqlx::Error> {
        let agrees = self.agrees(&one.new).unwrap_or_default();
        let key = format!("conflict/{first}/{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, agrees.as_bytes()));
        let there = sqlx::query("SELECT id, state, lane FROM message WHERE dedupe_key = $1").bind(key.as_str());
        if let Some(row) = there.fetch_optional(&mut *connection).await? {
            let id = MessageId(row.try_get("id")?);
            let state = word(&row, "state", State::from_word).map_err(|error| sqlx::Error::Protocol(error.0))?;
            if state != State::Dead {
                return Ok(Acceptance::Duplicate(id, state));
            }
            let body = self.seal.close(&one.new.body, row.try_get("lane")?).into_owned();
            let newest = "UPDATE document SET received = $1 WHERE message_id = $2";
            sqlx::query(newest).bind(body).bind(id.0).execute(&mut *connection).await?;
            return Ok(Acceptance::Conflict { id, first, differs });
        }
        let gone = sqlx::query_scalar::<_, i64>("SELECT message_id FROM forgotten WHERE key = $1");
        if let Some(id) = gone.bind(forgotten_key(&key)).fetch_optional(&mut *connection).await? {
            return Ok(Acceptance::Duplicate(MessageId(id), State::Delivered));
        }
        let reason = conflict::reason(first, &differs);
        let new = NewMessage { dedupe_key: key.clone(), ..one.new.clone() };
        let row = NewMessageRow {
            new: &new,
            traceparent: one.traceparent.as_deref(),
            now: one.now,
            dead: true,
            reason: Some(text(&reason)),
        };
        let inserted = self.insert(connection, std::slice::from_ref(&row)).await?;
        let lost = || sqlx::Error::Protocol("a message was not stored".to_owned());
        let (_, id) = inserted.into_iter().next().ok_or_else(lost)?;
        let behind = sqlx::query("UPDATE message SET conflict_of = $1 WHERE id = $2").bind(first.0).bind(id.0);
        behind.execute(&mut *connection).await?;
        let detail = format!("message {id}: they differ in {}", conflict::listed(&differs));
        let is_stored = sqlx::query_scalar::<_, i64>("SELECT id FROM message WHERE id = $1").bind(first.0);
        if is_stored.fetch_optional(&mut *connection).await?.is_some() {
            self.note(connection, &[Note { id: first, at: one.now, event: "another document came", detail }]).await?;
        }
        Ok(Acceptance::Conflict { id, first, differs })
    }

    /// Other documents that came with a message's key, and the one of them because of which it cannot be retried.
    pub(super) async fn rivals(
        &self,
        id: MessageId,
        conflict_of: Option<MessageId>,
    ) -> Result<(Vec<MessageId>, Option<MessageId>), sqlx::Error> {
        let behind = sqlx::query_as::<_, (i64, String)>(
            "SELECT id, state FROM message WHERE conflict_of = $1 ORDER BY id LIMIT 100",
        );
        let others = behind.bind(id.0).fetch_all(&self.reader).await?;
        let is_sent = |state: &str| ["pending", "leased", "delivered"].contains(&state);
        let sent = others.iter().find(|(_, state)| is_sent(state)).map(|(id, _)| MessageId(*id));
        let first = match conflict_of {
            Some(first) => {
                let state = sqlx::query_scalar::<_, String>("SELECT state FROM message WHERE id = $1").bind(first.0);
                let state = state.fetch_optional(&self.reader).await?;
                Some(first).filter(|_| state.as_deref() != Some(State::Discarded.word()))
            }
            None => None,
        };
        Ok((others.into_iter().map(|(id, _)| MessageId(id)).collect(), first.or(sent)))
    }
}
