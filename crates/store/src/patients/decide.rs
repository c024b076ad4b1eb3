//! Deciding on proposals: the insuree is linked or the contact refused, and what waited for it goes on.

use std::time::Duration;

use flow::ports::StoreError;
use jiff::Timestamp;
use sqlx::{AnyConnection, Connection};

use super::super::admin::audit;
use super::super::{SqlStore, Tables, bounded, failed, ms, text};
use super::Held;

/// What became of a decision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decided {
    /// It is written; so many messages go on.
    Done {
        /// Messages that waited and are due now.
        put_back: u64,
    },
    /// It was decided before, or the insuree has a contact by now: the state it is in.
    NotOpen(String),
    /// There is no such proposal.
    NotFound,
}

#[derive(Clone, Copy)]
enum Decision {
    Confirm,
    Refuse,
}

/// How often a message is waited for that a worker is just putting down to wait.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

impl Tables {
    /// Settles open proposals of an insuree without a decision; personal data goes.
    pub(in super::super) async fn close_proposals(
        &self,
        connection: &mut AnyConnection,
        insuree_uuid: &str,
    ) -> Result<u64, sqlx::Error> {
        let statement = "UPDATE proposal SET state = 'closed', insuree = NULL, contact = NULL
                         WHERE insuree_uuid = $1 AND state = 'open'";
        sqlx::query(statement).bind(insuree_uuid).execute(connection).await.map(|done| done.rows_affected())
    }

    /// Settles open proposals that no message asks for any more, since all of them are pruned: personal data goes.
    pub(in super::super) async fn close_unasked_proposals(
        &self,
        connection: &mut AnyConnection,
    ) -> Result<(), sqlx::Error> {
        let statement = "UPDATE proposal SET state = 'closed', insuree = NULL, contact = NULL WHERE state = 'open'
                         AND NOT EXISTS (SELECT 1 FROM proposal_wait w WHERE w.insuree_uuid = proposal.insuree_uuid)";
        sqlx::query(statement).execute(connection).await.map(drop)
    }

    /// Tells whoever decides on this contact for another insuree that it is somebody's by now.
    pub(in super::super) async fn warn_others(
        &self,
        connection: &mut AnyConnection,
        insuree_uuid: &str,
        contact_id: &str,
    ) -> Result<(), sqlx::Error> {
        let statement = "UPDATE proposal SET why = why || ', by now linked to another insuree'
                         WHERE contact_id = $1 AND insuree_uuid <> $2 AND state = 'open' AND why NOT LIKE '%another insuree'";
        sqlx::query(statement).bind(contact_id).bind(insuree_uuid).execute(connection).await.map(drop)
    }
}

impl SqlStore {
    /// The contact is the insuree: links them, for ever. Other proposals for the insuree are closed.
    pub async fn confirm_match(&self, id: i64, actor: &str, now: Timestamp) -> Result<Decided, StoreError> {
        self.decide(id, Decision::Confirm, actor, now).await
    }

    /// The contact is somebody else: it is not proposed for this insuree again.
    pub async fn refuse_match(&self, id: i64, actor: &str, now: Timestamp) -> Result<Decided, StoreError> {
        self.decide(id, Decision::Refuse, actor, now).await
    }

    async fn decide(&self, id: i64, decision: Decision, actor: &str, now: Timestamp) -> Result<Decided, StoreError> {
        let written = bounded(self.write_decision(id, decision, actor, now)).await?;
        let (insuree_uuid, mut put_back) = match written {
            Ok(done) => done,
            Err(undone) => return Ok(undone),
        };
        let why = format!("proposal {id} by {actor}");
        // A worker that proposed just now puts its message down to wait a moment later. Who is leased is asked before what waits is put
        // back: what is put down in between is put back, too.
        for _ in 0..TRIES {
            let leased = bounded(self.is_one_leased(&insuree_uuid)).await?;
            put_back += bounded(async {
                let mut connection = self.tables.write().await?;
                let mut tx = connection.begin_with(self.tables.dialect.begin()).await.map_err(failed)?;
                let done = self.tables.put_back_held(&mut tx, Held::ForDecision, &insuree_uuid, &why, now);
                let done = done.await.map_err(failed)?;
                tx.commit().await.map_err(failed)?;
                Ok(done)
            })
            .await?;
            if !leased {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(Decided::Done { put_back })
    }

    /// The insuree and how many messages were put back; or why nothing was written.
    async fn write_decision(
        &self,
        id: i64,
        decision: Decision,
        actor: &str,
        now: Timestamp,
    ) -> Result<Result<(String, u64), Decided>, StoreError> {
        let mut connection = self.tables.write().await?;
        let mut tx = connection.begin_with(self.tables.dialect.begin()).await.map_err(failed)?;
        let (state, action) = match decision {
            Decision::Confirm => ("confirmed", "confirm match"),
            Decision::Refuse => ("refused", "refuse match"),
        };
        let decided: Option<(String, String)> = sqlx::query_as(
            "UPDATE proposal SET state = $1, decided_at = $2, decided_by = $3, insuree = NULL, contact = NULL
             WHERE id = $4 AND state = 'open' RETURNING insuree_uuid, contact_id",
        )
        .bind(state)
        .bind(ms(now))
        .bind(text(actor))
        .bind(id)
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed)?;
        let Some((insuree_uuid, contact_id)) = decided else {
            let known: Option<String> = sqlx::query_scalar("SELECT state FROM proposal WHERE id = $1")
                .bind(id)
                .fetch_optional(&mut *tx)
                .await
                .map_err(failed)?;
            return Ok(Err(known.map_or(Decided::NotFound, Decided::NotOpen)));
        };
        if matches!(decision, Decision::Confirm) {
            let how = format!("confirmed by {actor}");
            let linked =
                self.tables.insert_link(&mut tx, &insuree_uuid, &contact_id, &how, now).await.map_err(failed)?;
            if linked != contact_id {
                // Rolled back: a link is for ever, whatever is decided later.
                return Ok(Err(Decided::NotOpen(format!("linked to {linked}"))));
            }
            self.tables.close_proposals(&mut tx, &insuree_uuid).await.map_err(failed)?;
            self.tables.warn_others(&mut tx, &insuree_uuid, &contact_id).await.map_err(failed)?;
        }
        let why = format!("proposal {id} {state} by {actor}");
        let put_back = self.tables.put_back_held(&mut tx, Held::ForDecision, &insuree_uuid, &why, now);
        let put_back = put_back.await.map_err(failed)?;
        let detail =
            format!("proposal {id}: insuree {insuree_uuid}, contact {contact_id}, {put_back} message(s) go on");
        audit(&mut tx, actor, action, None, &detail, now).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(Ok((insuree_uuid, put_back)))
    }

    async fn is_one_leased(&self, insuree_uuid: &str) -> Result<bool, StoreError> {
        let statement = "SELECT count(*) FROM proposal_wait w JOIN message m ON m.id = w.message_id
                         WHERE w.insuree_uuid = $1 AND m.state = 'leased'";
        let leased: i64 =
            sqlx::query_scalar(statement).bind(insuree_uuid).fetch_one(&self.tables.reader).await.map_err(failed)?;
        Ok(leased > 0)
    }
}
