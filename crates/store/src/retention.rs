//! What is kept how long: documents go first, then messages and their trails. Dead letters and what waits stay until an admin acts.

use flow::ports::{Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use sqlx::Connection;

use super::forgotten::forgotten_key;
use super::{SqlStore, Tables, at, bounded, failed, list_of, ms, placeholders, sql};

/// Rows in one transaction: what comes in waits no longer than that.
const PIECE: i64 = 256;
/// Up to when documents were pruned.
const DOCUMENTS: &str = "documents-pruned";

/// What was pruned.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pruned {
    /// Messages whose documents went.
    pub documents: u64,
    /// Messages that went with their trails.
    pub messages: u64,
}

impl SqlStore {
    /// Prunes what was delivered, skipped or discarded before these moments. `progress` hears of every piece.
    pub async fn prune(
        &self,
        documents_before: Timestamp,
        messages_before: Timestamp,
        mut progress: impl FnMut(Pruned),
    ) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        loop {
            let messages = bounded(self.tables.prune_messages(messages_before)).await?;
            pruned.messages += messages;
            progress(pruned);
            if messages < PIECE as u64 {
                break;
            }
        }
        // A mark of a clock that was ahead would hide what was settled before it.
        let hour = SignedDuration::from_hours(1);
        let mark = self.watermark(DOCUMENTS).await?.filter(|mark| mark.duration_since(documents_before) < hour);
        let mut since = mark.unwrap_or(Timestamp::UNIX_EPOCH);
        while since < documents_before {
            let (documents, up_to) = bounded(self.tables.prune_documents(since, documents_before)).await?;
            pruned.documents += documents;
            progress(pruned);
            self.save_watermark(DOCUMENTS, up_to).await?;
            since = up_to;
        }
        Ok(pruned)
    }
}

impl Tables {
    async fn prune_messages(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin_with(self.dialect.begin()).await.map_err(failed)?;
        let statement = format!(
            "SELECT m.id, m.dedupe_key, m.state, m.agrees FROM message m
             WHERE m.state IN ('delivered', 'skipped', 'discarded') AND m.settled_at < $1 ORDER BY m.settled_at, m.id LIMIT $2 {}",
            self.dialect.skip_locked()
        );
        let old: Vec<(i64, String, String, Option<String>)> =
            sqlx::query_as(sql(statement)).bind(ms(before)).bind(PIECE).fetch_all(&mut *tx).await.map_err(failed)?;
        if old.is_empty() {
            return Ok(0);
        }
        // A skipped claim may still be selected; what was delivered or discarded stays so if it comes again.
        let kept: Vec<_> = old.iter().filter(|(_, _, state, _)| state != "skipped").collect();
        if !kept.is_empty() {
            let values = placeholders(kept.len(), 3);
            let statement =
                format!("INSERT INTO forgotten (key, message_id, agrees) VALUES {values} ON CONFLICT (key) DO NOTHING");
            let mut query = sqlx::query(sql(statement)).persistent(false);
            for (id, key, _, agrees) in &kept {
                query = query.bind(forgotten_key(key)).bind(*id).bind(agrees.as_deref());
            }
            query.execute(&mut *tx).await.map_err(failed)?;
        }
        let statement = format!("DELETE FROM message WHERE id IN ({})", list_of(old.len()));
        let mut query = sqlx::query(sql(statement)).persistent(false);
        for (id, ..) in &old {
            query = query.bind(*id);
        }
        query.execute(&mut *tx).await.map_err(failed)?;
        self.close_unasked_proposals(&mut tx).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(old.len() as u64)
    }

    /// Prunes the documents of one piece; returns how many, and up to when it looked.
    async fn prune_documents(&self, since: Timestamp, before: Timestamp) -> Result<(u64, Timestamp), StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin_with(self.dialect.begin()).await.map_err(failed)?;
        let piece: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT id, settled_at FROM message
             WHERE state IN ('delivered', 'skipped', 'discarded') AND settled_at >= $1 AND settled_at < $2
             ORDER BY settled_at, id LIMIT $3",
        )
        .bind(ms(since))
        .bind(ms(before))
        .bind(PIECE)
        .fetch_all(&mut *tx)
        .await
        .map_err(failed)?;
        // A full piece may end among messages of one moment: that moment is looked at again. Unless it fills the piece.
        let (first, last) = (piece.first().map_or(0, |row| row.1), piece.last().map_or(0, |row| row.1));
        let up_to = match piece.len() as i64 {
            PIECE if last > first => at(last),
            PIECE => at(last + 1),
            _ => before,
        };
        let statement = match piece.len() as i64 {
            // More of one moment than a piece holds: all of them at once.
            PIECE if last == first => {
                let all = "DELETE FROM document WHERE message_id IN (SELECT id FROM message
                           WHERE state IN ('delivered', 'skipped', 'discarded') AND settled_at = $1)";
                let done = sqlx::query(all).bind(last).execute(&mut *tx).await.map_err(failed)?;
                let none = "UPDATE message SET bytes = NULL
                            WHERE state IN ('delivered', 'skipped', 'discarded') AND settled_at = $1";
                sqlx::query(none).bind(last).execute(&mut *tx).await.map_err(failed)?;
                tx.commit().await.map_err(failed)?;
                return Ok((done.rows_affected(), up_to));
            }
            0 => return Ok((0, up_to)),
            _ => format!("DELETE FROM document WHERE message_id IN ({})", list_of(piece.len())),
        };
        let mut query = sqlx::query(sql(statement)).persistent(false);
        for (id, _) in &piece {
            query = query.bind(*id);
        }
        let done = query.execute(&mut *tx).await.map_err(failed)?;
        let statement = format!("UPDATE message SET bytes = NULL WHERE id IN ({})", list_of(piece.len()));
        let mut query = sqlx::query(sql(statement)).persistent(false);
        for (id, _) in &piece {
            query = query.bind(*id);
        }
        query.execute(&mut *tx).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok((done.rows_affected(), up_to))
    }
}
