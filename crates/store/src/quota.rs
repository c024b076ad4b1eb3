//! What a client has in the store: its documents and its dead letters.

use flow::ports::StoreError;

use super::{SqlStore, bounded, failed};

/// What a client has stored here.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Held {
    /// Its dead letters.
    pub dead_letters: u64,
    /// Bytes of its documents as received.
    pub bytes: u64,
}

impl SqlStore {
    /// What a client has stored here, read from indexes alone.
    pub async fn held_of(&self, client: &str) -> Result<Held, StoreError> {
        let reader = &self.tables.reader;
        let dead = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM message WHERE state = 'dead' AND sender = $1");
        let bytes = sqlx::query_scalar::<_, i64>(
            "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM message WHERE sender = $1 AND bytes IS NOT NULL",
        );
        bounded(async {
            let dead = dead.bind(client).fetch_one(reader).await.map_err(failed)?;
            let bytes = bytes.bind(client).fetch_one(reader).await.map_err(failed)?;
            let count = |number: i64| u64::try_from(number).unwrap_or_default();
            Ok(Held { dead_letters: count(dead), bytes: count(bytes) })
        })
        .await
    }
}
