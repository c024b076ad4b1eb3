//! How hospitals' claims stand, for those who ask.

use flow::eclaim::{EclaimStatus, keys_of};
use flow::message::{Kind, MessageId, State};
use flow::ports::StoreError;
use jiff::Timestamp;
use sqlx::Row;

use super::{SqlStore, Tables, bounded, failed, ms, sql, word};

/// Which claim is meant.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// By its message.
    Message(MessageId),
    /// By its lane, which ends with the word of its status address, and the client that sent it.
    Lane(&'a str, &'a str),
}

impl SqlStore {
    /// How a hospital's claim stands. None: there is no such claim.
    pub async fn eclaim_status(&self, which: Which<'_>) -> Result<Option<EclaimStatus>, StoreError> {
        bounded(self.tables.eclaim_status(which)).await
    }
}

impl Tables {
    async fn eclaim_status(&self, which: Which<'_>) -> Result<Option<EclaimStatus>, StoreError> {
        const COLUMNS: &str =
            "SELECT id, lane, state, attempts, reason, issues, claim_code, dedupe_key, sender FROM message";
        let query = match which {
            Which::Message(id) => sqlx::query(sql(format!("{COLUMNS} WHERE id = $1 AND kind = $2"))).bind(id.0),
            Which::Lane(lane, _) => {
                sqlx::query(sql(format!("{COLUMNS} WHERE lane = $1 AND kind = $2 ORDER BY id LIMIT 1"))).bind(lane)
            }
        };
        let row = query.bind(Kind::Eclaim.stored()).fetch_optional(&self.reader).await.map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        let key: String = row.try_get("dedupe_key").map_err(failed)?;
        let sender: Option<String> = row.try_get("sender").map_err(failed)?;
        let is_of = |client: &str| sender.as_deref() == Some(client) || key.starts_with(&keys_of(client));
        if matches!(which, Which::Lane(_, client) if !is_of(client)) {
            return Ok(None); // somebody else's
        }
        let issues: Option<String> = row.try_get("issues").map_err(failed)?;
        let code: Option<String> = row.try_get("claim_code").map_err(failed)?;
        let state = word(&row, "state", State::from_word)?;
        let answer = match code {
            Some(code) if state == State::Delivered => self.last_answer(&code).await?,
            _ => None,
        };
        Ok(Some(EclaimStatus {
            id: MessageId(row.try_get("id").map_err(failed)?),
            lane: row.try_get("lane").map_err(failed)?,
            state,
            attempts: u32::try_from(row.try_get::<i64, _>("attempts").map_err(failed)?).unwrap_or(u32::MAX),
            reason: row.try_get("reason").map_err(failed)?,
            issues: issues.and_then(|issues| serde_json::from_str(&issues).ok()).unwrap_or_default(),
            answer,
        }))
    }

    /// openIMIS' last word on the claim with this code, if its document is still kept.
    async fn last_answer(&self, code: &str) -> Result<Option<String>, StoreError> {
        let found: Option<(String, Vec<u8>)> = sqlx::query_as(
            "SELECT m.lane, d.received FROM message m JOIN document d ON d.message_id = m.id
             WHERE m.claim_code = $1 AND m.kind = $2 ORDER BY m.id DESC LIMIT 1",
        )
        .bind(code)
        .bind(Kind::EclaimAnswer.stored())
        .fetch_optional(&self.reader)
        .await
        .map_err(failed)?;
        let Some((lane, sealed)) = found else { return Ok(None) };
        let body = self.seal.open(sealed, &lane).map_err(StoreError)?;
        String::from_utf8(body).map(Some).map_err(failed)
    }

    pub(super) async fn key_of(&self, id: MessageId) -> Result<Option<String>, StoreError> {
        let asked = sqlx::query_scalar("SELECT dedupe_key FROM message WHERE id = $1").bind(id.0);
        asked.fetch_optional(&self.reader).await.map_err(failed)
    }

    pub(super) async fn wake(&self, key: &str, now: Timestamp) -> Result<(), StoreError> {
        let statement = "UPDATE message SET due_at = $1 WHERE dedupe_key = $2 AND state = 'pending' AND due_at > $3";
        self.execute(sqlx::query(statement).bind(ms(now)).bind(key.to_owned()).bind(ms(now))).await.map(drop)
    }
}
