//! Dead letters of an insuree that go on together after a person's word.

use flow::MessageId;
use flow::patients::CONTACT;
use jiff::Timestamp;
use sqlx::AnyConnection;

use super::super::inbox::Note;
use super::super::{Tables, ms, openhim, sql};

/// What made them wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) enum Held {
    /// Nobody had decided whether a contact is the insuree.
    ForDecision,
    /// The contact was gone, or had no place.
    ByContact,
}

impl Tables {
    /// Makes due what was held; says how many.
    pub(in super::super) async fn put_back_held(
        &self,
        connection: &mut AnyConnection,
        held: Held,
        insuree_uuid: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<u64, sqlx::Error> {
        let (event, which) = match held {
            Held::ForDecision => {
                ("decided", "id IN (SELECT message_id FROM proposal_wait WHERE insuree_uuid = $3)".to_owned())
            }
            Held::ByContact => ("unlinked", format!("insuree_uuid = $3 AND reason LIKE '{CONTACT}%'")),
        };
        let statement = format!(
            "UPDATE message SET state = 'pending', due_at = $1, since = $2, settled_at = NULL, issues = NULL
             WHERE state = 'dead' AND {which} AND EXISTS (SELECT 1 FROM document WHERE message_id = id) RETURNING id"
        );
        let ids: Vec<i64> = sqlx::query_scalar(sql(statement))
            .bind(ms(now))
            .bind(ms(now))
            .bind(insuree_uuid)
            .fetch_all(&mut *connection)
            .await?;
        for id in &ids {
            let done = sqlx::query("DELETE FROM proposal_wait WHERE message_id = $1").bind(*id);
            done.execute(&mut *connection).await?;
            openhim::put_back(connection, MessageId(*id), now).await?;
        }
        let note = |id: &i64| Note { id: MessageId(*id), at: now, event, detail: why.to_owned() };
        self.note(connection, &ids.iter().map(note).collect::<Vec<_>>()).await?;
        Ok(ids.len() as u64)
    }
}
