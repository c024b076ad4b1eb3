//! Taking back that an insuree is a CHT contact, by the word of a person.

use flow::MessageId;
use flow::patients::CONTACT;
use flow::ports::StoreError;
use jiff::Timestamp;
use sqlx::{AnyConnection, Connection};

use super::super::admin::audit;
use super::super::inbox::Note;
use super::super::openhim;
use super::super::{SqlStore, bounded, failed, ms, text};

/// A link that was removed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unlinked {
    /// `_id` of the contact that the insuree was linked to.
    pub contact_id: String,
    /// Dead letters that waited for that and are due now.
    pub put_back: u64,
}

impl SqlStore {
    /// Removes the link of an insuree: with the next claim the contact is looked for as if there had been none. `refuse`: the contact is
    /// somebody else and is not taken again. None: the insuree has no link.
    pub async fn unlink_patient(
        &self,
        insuree_uuid: &str,
        refuse: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<Option<Unlinked>, StoreError> {
        self.tables.recent.forget(insuree_uuid);
        bounded(async {
            let mut connection = self.tables.write().await?;
            let mut tx = connection.begin_with(self.tables.dialect.begin()).await.map_err(failed)?;
            let removed: Option<String> =
                sqlx::query_scalar("DELETE FROM link WHERE insuree_uuid = $1 RETURNING contact_id")
                    .bind(insuree_uuid)
                    .fetch_optional(&mut *tx)
                    .await
                    .map_err(failed)?;
            let Some(contact_id) = removed else { return Ok(None) };
            if refuse {
                refused(&mut tx, insuree_uuid, &contact_id, actor, now).await.map_err(failed)?;
            }
            let why = format!("the insuree was unlinked from CHT contact {contact_id} by {actor}");
            let put_back = self.put_back_unlinked(&mut tx, insuree_uuid, &why, now).await.map_err(failed)?;
            let word = if refuse { ", which is somebody else" } else { "" };
            let detail = format!("insuree {insuree_uuid}, contact {contact_id}{word}, {put_back} message(s) go on");
            audit(&mut tx, actor, "unlink patient", None, &detail, now).await.map_err(failed)?;
            tx.commit().await.map_err(failed)?;
            Ok(Some(Unlinked { contact_id, put_back }))
        })
        .await
    }

    /// Makes due what became a dead letter because of the contact.
    async fn put_back_unlinked(
        &self,
        connection: &mut AnyConnection,
        insuree_uuid: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<u64, sqlx::Error> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "UPDATE message SET state = 'pending', due_at = $1, since = $2, settled_at = NULL, issues = NULL
             WHERE state = 'dead' AND insuree_uuid = $3 AND reason LIKE $4
               AND EXISTS (SELECT 1 FROM document WHERE message_id = id) RETURNING id",
        )
        .bind(ms(now))
        .bind(ms(now))
        .bind(insuree_uuid)
        .bind(format!("{CONTACT}%"))
        .fetch_all(&mut *connection)
        .await?;
        for id in &ids {
            openhim::put_back(connection, MessageId(*id), now).await?;
        }
        let note = |id: &i64| Note { id: MessageId(*id), at: now, event: "unlinked", detail: why.to_owned() };
        self.tables.note(connection, &ids.iter().map(note).collect::<Vec<_>>()).await?;
        Ok(ids.len() as u64)
    }
}

/// Remembers that the contact is not this insuree, as if a proposal had been refused.
async fn refused(
    connection: &mut AnyConnection,
    insuree_uuid: &str,
    contact_id: &str,
    actor: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO proposal (insuree_uuid, contact_id, kind, score, why, state, created_at, decided_at, decided_by)
         VALUES ($1, $2, 'similar', 0, 'unlinked by hand', 'refused', $3, $4, $5)
         ON CONFLICT (insuree_uuid, contact_id) DO UPDATE SET state = 'refused', insuree = NULL, contact = NULL,
            decided_at = excluded.decided_at, decided_by = excluded.decided_by",
    )
    .bind(insuree_uuid)
    .bind(contact_id)
    .bind(ms(now))
    .bind(ms(now))
    .bind(text(actor))
    .execute(connection)
    .await
    .map(drop)
}
