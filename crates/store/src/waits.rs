//! Why messages wait that no worker has tried yet: a peer that is left alone, an earlier message of the same claim.

use flow::peers::Peer;
use flow::ports::StoreError;
use flow::{Kind, MessageId, State};
use jiff::Timestamp;
use sqlx::Row;

use super::admin::Summary;
use super::{SqlStore, bounded, failed, list_of, pieces, sql};

/// Under this and its name the watermarks hold since when a peer takes nothing.
const AWAY: &str = "away/";

fn name(peer: Peer) -> String {
    format!("{AWAY}{peer}")
}

impl SqlStore {
    /// Since when a peer takes nothing; none: it does. For whoever lists messages, in another process as well.
    pub async fn note_away(&self, peer: Peer, since: Option<Timestamp>) -> Result<(), StoreError> {
        let tables = &self.tables;
        bounded(async {
            match since {
                Some(since) => tables.save_watermark(&name(peer), since).await,
                None => {
                    let gone = sqlx::query("DELETE FROM watermark WHERE name = $1").bind(name(peer));
                    tables.execute(gone).await.map(drop)
                }
            }
        })
        .await
    }

    /// Gives a reason to each message of a list that waits without one.
    pub(super) async fn say_why(&self, messages: &mut [Summary]) -> Result<(), StoreError> {
        let mut waiting: Vec<&mut Summary> = messages
            .iter_mut()
            .filter(|message| message.reason.is_none() && message.state == State::Pending.word())
            .collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let away = self.watermarks().await?;
        let ids: Vec<MessageId> = waiting.iter().map(|message| message.id).collect();
        let behind = self.earlier(&ids).await?;
        for message in &mut waiting {
            let peer = Kind::from_word(&message.kind).map(Peer::of);
            let since = peer.and_then(|peer| away.iter().find(|(known, _)| *known == name(peer)));
            let earlier = behind.iter().find(|(id, _)| *id == message.id);
            message.reason = Some(match (earlier, peer, since) {
                (Some((_, earlier)), ..) => format!("waits for message {earlier} of the same claim"),
                (None, Some(peer), Some((_, since))) => format!("waits for {peer}, not reachable since {since}"),
                _ => "waits for its turn".to_owned(),
            });
        }
        Ok(())
    }

    /// Which of these messages wait behind which.
    async fn earlier(&self, ids: &[MessageId]) -> Result<Vec<(MessageId, MessageId)>, StoreError> {
        let mut found = Vec::new();
        for piece in pieces(ids) {
            let statement = format!(
                "SELECT m.id, min(earlier.id) AS earlier FROM message m
                 JOIN message earlier ON earlier.lane = m.lane AND earlier.id < m.id AND earlier.settled_at IS NULL
                 WHERE m.id IN ({}) GROUP BY m.id",
                list_of(piece.len())
            );
            let mut query = sqlx::query(sql(statement));
            for id in piece {
                query = query.bind(id.0);
            }
            let rows = bounded(async { query.fetch_all(&self.tables.reader).await.map_err(failed) }).await?;
            for row in &rows {
                let id = |column| row.try_get(column).map(MessageId).map_err(failed);
                found.push((id("id")?, id("earlier")?));
            }
        }
        Ok(found)
    }
}
