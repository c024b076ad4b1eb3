//! Links between insurees and contacts, watermarks, and what is known of claims.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flow::message::TrailEntry;
use flow::ports::StoreError;
use flow::{Kind, MessageId};
use hashlink::LruCache;
use jiff::Timestamp;
use sqlx::{AnyConnection, Connection};

use super::forgotten::forgotten_key;
use super::inbox::INSERT_NOTE;
use super::patients::Held;
use super::{Tables, at, failed, list_of, ms, pieces, placeholders, sql, text};

pub(super) const LINK: &str = "SELECT contact_id FROM link WHERE insuree_uuid = $1";
/// The lane of a message that names its claim is the claim.
pub(super) const INSUREE_OF: &str = "SELECT insuree_uuid FROM message WHERE lane = $1 AND kind = $2 AND insuree_uuid IS NOT NULL AND conflict_of IS NULL";
pub(super) const OTHERS: &str = "SELECT count(*) FROM link WHERE contact_id = $1 AND insuree_uuid <> $2";
/// How many links are kept in memory: about a megabyte of them.
const RECENT: usize = 4096;

/// Links as they were when a message was last leased: the delivery is about to ask for them. Another process may change a link, so each lease
/// reads it again.
#[derive(Clone)]
pub(super) struct RecentLinks(Arc<Mutex<LruCache<String, String>>>);

impl Default for RecentLinks {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(RECENT))))
    }
}

impl RecentLinks {
    pub fn contact(&self, insuree_uuid: &str) -> Option<String> {
        self.all().get(insuree_uuid).cloned()
    }

    pub fn remember(&self, insuree_uuid: &str, contact_id: &str) {
        self.all().insert(insuree_uuid.to_owned(), contact_id.to_owned());
    }

    pub fn forget(&self, insuree_uuid: &str) {
        self.all().remove(insuree_uuid);
    }

    fn all(&self) -> MutexGuard<'_, LruCache<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    pub(super) async fn settled_keys(&self, keys: &[String]) -> Result<Vec<String>, StoreError> {
        let mut settled = Vec::new();
        for piece in pieces(keys) {
            let list = list_of(piece.len());
            let statement = format!(
                "SELECT dedupe_key FROM message
                 WHERE dedupe_key IN ({list}) AND (state IN ('leased', 'delivered', 'discarded') OR origin = 'selected')"
            );
            let mut query = sqlx::query_scalar::<_, String>(sql(statement));
            for key in piece {
                query = query.bind(key.as_str());
            }
            settled.extend(query.fetch_all(&self.reader).await.map_err(failed)?);
            let mut query =
                sqlx::query_scalar::<_, Vec<u8>>(sql(format!("SELECT key FROM forgotten WHERE key IN ({list})")));
            for key in piece {
                query = query.bind(forgotten_key(key));
            }
            let forgotten = query.fetch_all(&self.reader).await.map_err(failed)?;
            settled.extend(piece.iter().filter(|key| forgotten.contains(&forgotten_key(key))).cloned());
        }
        Ok(settled)
    }

    pub(super) async fn insuree_of(&self, claim_uuid: &str) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar(INSUREE_OF)
            .bind(claim_uuid)
            .bind(Kind::ClaimResponse.stored())
            .fetch_optional(&self.reader)
            .await
            .map_err(failed)
    }

    pub(super) async fn link(&self, insuree_uuid: &str) -> Result<Option<String>, StoreError> {
        if let Some(contact) = self.recent.contact(insuree_uuid) {
            return Ok(Some(contact));
        }
        let found: Option<String> =
            sqlx::query_scalar(LINK).bind(insuree_uuid).fetch_optional(&self.reader).await.map_err(failed)?;
        if let Some(contact) = &found {
            self.recent.remember(insuree_uuid, contact);
        }
        Ok(found)
    }

    pub(super) async fn save_link(
        &self,
        insuree_uuid: &str,
        contact_id: &str,
        how: &str,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin_with(self.dialect.begin()).await.map_err(failed)?;
        let linked = self.link_and_go_on(&mut tx, insuree_uuid, contact_id, how, now).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(linked)
    }

    /// None: the contact is another insuree's.
    pub(super) async fn save_match(
        &self,
        insuree_uuid: &str,
        contact_id: &str,
        how: &str,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin_with(self.dialect.begin()).await.map_err(failed)?;
        // Twins may be matched at the same moment.
        if let Some(lock) = self.dialect.lock() {
            sqlx::query(lock).bind(contact_id).execute(&mut *tx).await.map_err(failed)?;
        }
        let others: i64 =
            sqlx::query_scalar(OTHERS).bind(contact_id).bind(insuree_uuid).fetch_one(&mut *tx).await.map_err(failed)?;
        if others > 0 {
            return Ok(None);
        }
        let linked = self.link_and_go_on(&mut tx, insuree_uuid, contact_id, how, now).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(Some(linked))
    }

    /// Removes a link to a contact that CHT no longer has. False: there is another link by now, or none.
    pub(super) async fn unlink(&self, insuree_uuid: &str, contact_id: &str) -> Result<bool, StoreError> {
        self.recent.forget(insuree_uuid);
        let removed = sqlx::query("DELETE FROM link WHERE insuree_uuid = $1 AND contact_id = $2");
        Ok(self.execute(removed.bind(insuree_uuid).bind(contact_id)).await? > 0)
    }

    pub(super) async fn add_remark(&self, message: MessageId, line: &TrailEntry) -> Result<(), StoreError> {
        tracing::warn!(id = %message, "a delivered report reaches nobody: see `messages show {message}`");
        let statement = format!("{INSERT_NOTE} VALUES {}", placeholders(1, 4));
        let added = sqlx::query(sql(statement)).bind(message.0).bind(ms(line.at));
        self.execute(added.bind(line.event.as_str()).bind(text(&line.detail))).await.map(drop)
    }

    /// Links an insuree; what was open is decided by this, and what waited for a decision goes on.
    async fn link_and_go_on(
        &self,
        connection: &mut AnyConnection,
        insuree_uuid: &str,
        contact_id: &str,
        how: &str,
        now: Timestamp,
    ) -> Result<String, sqlx::Error> {
        let linked = self.insert_link(&mut *connection, insuree_uuid, contact_id, how, now).await?;
        if self.close_proposals(&mut *connection, insuree_uuid).await? > 0 {
            let why = format!("the insuree is CHT contact {linked}");
            self.put_back_held(&mut *connection, Held::ForDecision, insuree_uuid, &why, now).await?;
        }
        self.warn_others(connection, insuree_uuid, &linked).await?;
        Ok(linked)
    }

    /// Links an insuree, or returns the contact of the earlier link.
    pub(super) async fn insert_link(
        &self,
        connection: &mut AnyConnection,
        insuree_uuid: &str,
        contact_id: &str,
        how: &str,
        now: Timestamp,
    ) -> Result<String, sqlx::Error> {
        // The no-op update makes RETURNING give the row that was there.
        sqlx::query_scalar(
            "INSERT INTO link (insuree_uuid, contact_id, how, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (insuree_uuid) DO UPDATE SET contact_id = link.contact_id RETURNING contact_id",
        )
        .bind(insuree_uuid)
        .bind(contact_id)
        .bind(how)
        .bind(ms(now))
        .fetch_one(connection)
        .await
    }

    pub(super) async fn watermark(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        let found: Option<i64> = sqlx::query_scalar("SELECT at FROM watermark WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.reader)
            .await
            .map_err(failed)?;
        Ok(found.map(at))
    }

    /// When the newest message came.
    pub(super) async fn newest(&self) -> Result<Option<Timestamp>, StoreError> {
        let newest = sqlx::query_scalar("SELECT received_at FROM message ORDER BY id DESC LIMIT 1");
        Ok(newest.fetch_optional(&self.reader).await.map_err(failed)?.map(at))
    }

    pub(super) async fn save_watermark(&self, name: &str, moment: Timestamp) -> Result<(), StoreError> {
        let statement =
            "INSERT INTO watermark (name, at) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET at = excluded.at";
        self.execute(sqlx::query(statement).bind(name).bind(ms(moment))).await.map(drop)
    }
}
