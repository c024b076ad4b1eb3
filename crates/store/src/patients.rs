//! Contacts that may be an insuree: kept until a person confirms or refuses them.

mod decide;
mod put_back;
mod unlink;

pub use decide::Decided;
pub(super) use put_back::Held;
pub use unlink::Unlinked;

use flow::MessageId;
use flow::ports::StoreError;
use flow::proposal::{Person, PossibleMatch};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{Connection, Row};

use super::{SqlStore, Tables, at, bounded, failed, ms, sql, text};

/// States of a proposal, as they are stored and shown: a person has to decide; was decided; was settled without a decision.
pub const PROPOSAL_STATES: [&str; 4] = ["open", "confirmed", "refused", "closed"];

/// Which proposals to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct ProposalFilter {
    /// In this state: one of [`PROPOSAL_STATES`].
    pub state: Option<String>,
    /// With a smaller number than this: the next page.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// A contact that may be an insuree. No personal data but the two ids.
#[derive(Clone, Debug, Serialize)]
pub struct Proposal {
    /// Its number.
    pub id: i64,
    /// openIMIS' uuid of the insuree.
    pub insuree_uuid: String,
    /// `_id` of the CHT contact.
    pub contact_id: String,
    /// "similar": almost the same. "several": it fits, and so does another one.
    pub kind: String,
    /// How well it fits, 0 to 1.
    pub score: f64,
    /// What agrees and what does not.
    pub why: String,
    /// One of [`PROPOSAL_STATES`].
    pub state: String,
    /// How many messages wait for the decision.
    pub waiting: i64,
    /// When it was proposed first.
    pub created_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// Who decided.
    pub decided_by: Option<String>,
}

/// A proposal with what both sides say of the person: personal data, there as long as it is open.
#[derive(Clone, Debug, Serialize)]
pub struct ProposalView {
    /// What the list shows of it.
    #[serde(flatten)]
    pub proposal: Proposal,
    /// Name, date of birth, phone and so on, as openIMIS has them.
    pub insuree: Value,
    /// The same as CHT has it.
    pub contact: Value,
    /// Messages that wait for the decision.
    pub messages: Vec<MessageId>,
}

const COLUMNS: &str =
    "p.id, p.insuree_uuid, p.contact_id, p.kind, p.score, p.why, p.state, p.created_at, p.decided_at, p.decided_by,
    (SELECT count(*) FROM proposal_wait w JOIN message m ON m.id = w.message_id
        WHERE w.insuree_uuid = p.insuree_uuid AND m.state = 'dead') AS waiting";

fn proposal(row: &AnyRow) -> Result<Proposal, sqlx::Error> {
    Ok(Proposal {
        id: row.try_get("id")?,
        insuree_uuid: row.try_get("insuree_uuid")?,
        contact_id: row.try_get("contact_id")?,
        kind: row.try_get("kind")?,
        score: row.try_get::<i64, _>("score")? as f64 / 1000.0,
        why: row.try_get("why")?,
        state: row.try_get("state")?,
        waiting: row.try_get("waiting")?,
        created_at: at(row.try_get("created_at")?),
        decided_at: row.try_get::<Option<i64>, _>("decided_at")?.map(at),
        decided_by: row.try_get("decided_by")?,
    })
}

impl Tables {
    pub(super) async fn refused_contacts(&self, insuree_uuid: &str) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar("SELECT contact_id FROM proposal WHERE insuree_uuid = $1 AND state = 'refused'")
            .bind(insuree_uuid)
            .fetch_all(&self.reader)
            .await
            .map_err(failed)
    }

    /// Keeps proposals, and that a message waits for them. What was proposed for the insuree before and is no longer is closed; what a
    /// person decided stays decided. False: that is so for all of it, and the message does not wait.
    pub(super) async fn propose(
        &self,
        message: MessageId,
        insuree: &Person,
        possible: &[PossibleMatch],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let uuid = insuree.insuree.to_string();
        let sealed = |shown: &Value| self.seal.close(shown.to_string().as_bytes(), &uuid).into_owned();
        let mut connection = self.write().await?;
        let mut tx = connection.begin_with(self.dialect.begin()).await.map_err(failed)?;
        self.close_proposals(&mut tx, &uuid).await.map_err(failed)?;
        for one in possible {
            sqlx::query(
                "INSERT INTO proposal (insuree_uuid, contact_id, kind, score, why, state, insuree, contact, created_at)
                 VALUES ($1, $2, $3, $4, $5, 'open', $6, $7, $8)
                 ON CONFLICT (insuree_uuid, contact_id) DO UPDATE SET kind = excluded.kind, score = excluded.score,
                    why = excluded.why, state = 'open', insuree = excluded.insuree, contact = excluded.contact
                 WHERE proposal.state = 'closed'",
            )
            .bind(uuid.as_str())
            .bind(one.contact_id.as_str())
            .bind(if one.exact { "several" } else { "similar" })
            .bind(i64::from(one.score))
            .bind(text(&one.why))
            .bind(sealed(&insuree.shown()))
            .bind(sealed(&one.contact))
            .bind(ms(now))
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        }
        let waits = "INSERT INTO proposal_wait (insuree_uuid, message_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        sqlx::query(waits).bind(uuid.as_str()).bind(message.0).execute(&mut *tx).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        // A decision looks for what waits after it is written, and this looks for decisions after it waits: one of them sees the other.
        let mut tx = connection.begin_with(self.dialect.begin()).await.map_err(failed)?;
        let linked: i64 = sqlx::query_scalar("SELECT count(*) FROM link WHERE insuree_uuid = $1")
            .bind(uuid.as_str())
            .fetch_one(&mut *tx)
            .await
            .map_err(failed)?;
        if linked > 0 {
            self.close_proposals(&mut tx, &uuid).await.map_err(failed)?;
        }
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM proposal WHERE insuree_uuid = $1 AND state = 'open'")
            .bind(uuid.as_str())
            .fetch_one(&mut *tx)
            .await
            .map_err(failed)?;
        if open == 0 {
            let no_more = "DELETE FROM proposal_wait WHERE insuree_uuid = $1 AND message_id = $2";
            sqlx::query(no_more).bind(uuid.as_str()).bind(message.0).execute(&mut *tx).await.map_err(failed)?;
        }
        tx.commit().await.map_err(failed)?;
        Ok(open > 0)
    }
}

impl SqlStore {
    /// Proposals that fit a filter, newest first.
    pub async fn proposals(&self, filter: &ProposalFilter) -> Result<Vec<Proposal>, StoreError> {
        let wanted = if filter.state.is_some() { " AND p.state = $3" } else { "" };
        let statement = format!("SELECT {COLUMNS} FROM proposal p WHERE p.id < $1{wanted} ORDER BY p.id DESC LIMIT $2");
        let mut query = sqlx::query(sql(statement));
        query = query.bind(filter.before.unwrap_or(i64::MAX)).bind(i64::from(filter.limit));
        if let Some(state) = &filter.state {
            query = query.bind(state.as_str());
        }
        let rows = bounded(async { query.fetch_all(&self.tables.reader).await.map_err(failed) }).await?;
        rows.iter().map(proposal).collect::<Result<_, _>>().map_err(failed)
    }

    /// One proposal with both sides: that it was read belongs into the audit trail.
    pub async fn proposal(&self, id: i64) -> Result<Option<ProposalView>, StoreError> {
        bounded(async {
            let reader = &self.tables.reader;
            let statement = format!("SELECT {COLUMNS}, p.insuree, p.contact FROM proposal p WHERE p.id = $1");
            let row = sqlx::query(sql(statement)).bind(id).fetch_optional(reader).await.map_err(failed)?;
            let Some(row) = row else { return Ok(None) };
            let proposal = proposal(&row).map_err(failed)?;
            let side = |column| {
                let sealed: Option<Vec<u8>> = row.try_get(column).map_err(failed)?;
                let opened = sealed.and_then(|sealed| self.tables.seal.open(sealed, &proposal.insuree_uuid).ok());
                let read = opened.and_then(|opened| serde_json::from_slice(&opened).ok());
                Ok::<Value, StoreError>(read.unwrap_or_default())
            };
            let (insuree, contact) = (side("insuree")?, side("contact")?);
            let waiting = "SELECT w.message_id FROM proposal_wait w JOIN message m ON m.id = w.message_id
                           WHERE w.insuree_uuid = $1 AND m.state = 'dead' ORDER BY w.message_id LIMIT 100";
            let messages = sqlx::query_scalar(waiting).bind(proposal.insuree_uuid.as_str()).fetch_all(reader);
            let messages = messages.await.map_err(failed)?.into_iter().map(MessageId).collect();
            Ok(Some(ProposalView { proposal, insuree, contact, messages }))
        })
        .await
    }
}
