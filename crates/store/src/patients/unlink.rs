//! Taking back that an insuree is a CHT contact, by the word of a person.

use flow::ports::StoreError;
use jiff::Timestamp;
use sqlx::{AnyConnection, Connection};

use super::super::admin::audit;
use super::super::{SqlStore, bounded, failed, ms, text};
use super::put_back::Held;

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
            let put_back = self.tables.put_back_held(&mut tx, Held::ByContact, insuree_uuid, &why, now);
            let put_back = put_back.await.map_err(failed)?;
            let word = if refuse { ", which is somebody else" } else { "" };
            let detail = format!("insuree {insuree_uuid}, contact {contact_id}{word}, {put_back} message(s) go on");
            audit(&mut tx, actor, "unlink patient", None, &detail, now).await.map_err(failed)?;
            tx.commit().await.map_err(failed)?;
            Ok(Some(Unlinked { contact_id, put_back }))
        })
        .await
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
