//! What an admin sees of the store and does with it: lists, one message with its trail, counts, retry, discard, the audit trail.

use flow::ports::StoreError;
use flow::{Kind, MessageId, State};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection, Row};

use super::conflict::ALONE;
use super::filter::Filter;
use super::inbox::Note;
use super::{SqlStore, at, bounded, failed, ms, openhim, sql, text, word};
use observe::trace::kept_trace_id;

/// One message in a list.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Its number.
    pub id: MessageId,
    /// What it is.
    pub kind: String,
    /// How it came.
    pub origin: String,
    /// Where it is.
    pub state: String,
    /// openIMIS' uuid of the claim.
    pub claim_uuid: Option<String>,
    /// The claim's code.
    pub claim_code: Option<String>,
    /// How often delivery was tried.
    pub attempts: u32,
    /// When it came.
    pub received_at: Timestamp,
    /// When it is tried next, while it is not settled.
    pub due_at: Option<Timestamp>,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
    /// Why it is where it is.
    pub reason: Option<String>,
}

/// One line of a trail.
#[derive(Clone, Debug, Serialize)]
pub struct TrailLine {
    /// When it began.
    pub at: Timestamp,
    /// What was done.
    pub event: String,
    /// How it went.
    pub detail: String,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// How long it took.
    pub duration_ms: Option<i64>,
}

/// All there is about one message. `body` and `mapped` hold personal data.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// What the list shows of it.
    #[serde(flatten)]
    pub summary: Summary,
    /// openIMIS' uuid of the insuree.
    pub insuree_uuid: Option<String>,
    /// The client that posted it.
    pub sender: Option<String>,
    /// The message that has the key with which it came, though it is another document.
    pub conflict_of: Option<MessageId>,
    /// Other documents that came with its key.
    pub conflicts: Vec<MessageId>,
    /// One of these that is, or may be, delivered: as long as that is so this one cannot be retried.
    pub behind: Option<MessageId>,
    /// The trace in which it came in.
    pub trace_id: Option<String>,
    /// What is wrong with the document.
    pub issues: Vec<mapping::Issue>,
    /// What was done, oldest first.
    pub trail: Vec<TrailLine>,
    /// Other messages of the same claim.
    pub related: Vec<Summary>,
    /// As received. None: no longer kept, or sealed with a key that is not here.
    #[serde(skip)]
    pub body: Option<Vec<u8>>,
    /// As last sent.
    #[serde(skip)]
    pub mapped: Option<String>,
}

/// One thing an admin did.
#[derive(Clone, Debug, Serialize)]
pub struct AuditLine {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// With which message.
    pub message_id: Option<MessageId>,
    /// Why, or how much.
    pub detail: String,
}

const COLUMNS: &str =
    "id, kind, origin, state, claim_uuid, claim_code, attempts, received_at, due_at, settled_at, reason, lane";
/// How many are put back in one transaction.
const PIECE: u32 = 200;

fn summary(row: &AnyRow) -> Result<Summary, StoreError> {
    let state = word(row, "state", State::from_word)?;
    let unsettled = matches!(state, State::Pending | State::Leased);
    let read = || {
        Ok::<_, sqlx::Error>(Summary {
            id: MessageId(row.try_get("id")?),
            kind: kind_word(row.try_get("kind")?),
            origin: row.try_get("origin")?,
            state: state.to_string(),
            claim_uuid: row.try_get("claim_uuid")?,
            claim_code: row.try_get("claim_code")?,
            attempts: u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or_default(),
            received_at: at(row.try_get("received_at")?),
            due_at: if unsettled { Some(at(row.try_get("due_at")?)) } else { None },
            settled_at: row.try_get::<Option<i64>, _>("settled_at")?.map(at),
            reason: row.try_get("reason")?,
        })
    };
    read().map_err(failed)
}

/// The word that is shown. One that this version does not know is shown as it is stored.
fn kind_word(stored: String) -> String {
    Kind::from_stored(&stored).map_or(stored, |kind| kind.to_string())
}

fn trail_line(row: &AnyRow) -> Result<TrailLine, sqlx::Error> {
    let status = row.try_get::<Option<i64>, _>("status")?;
    Ok(TrailLine {
        at: at(row.try_get("at")?),
        event: row.try_get("event")?,
        detail: row.try_get("detail")?,
        status: status.and_then(|status| u16::try_from(status).ok()),
        duration_ms: row.try_get("duration_ms")?,
    })
}

impl SqlStore {
    /// Messages that fit a filter, newest first.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<Summary>, StoreError> {
        self.listed(filter, None).await
    }

    /// Newest first below `filter.before`, or oldest first above `after`.
    async fn listed(&self, filter: &Filter, after: Option<MessageId>) -> Result<Vec<Summary>, StoreError> {
        let conditions = self.conditions(filter).await?;
        let (wanted, numbers) = (&conditions.wanted, conditions.count());
        let statement = format!(
            "SELECT {COLUMNS} FROM message WHERE id {} ${}{wanted} ORDER BY id {} LIMIT ${}",
            if after.is_some() { ">" } else { "<" },
            numbers + 1,
            if after.is_some() { "ASC" } else { "DESC" },
            numbers + 2
        );
        let bound = after.or(filter.before).map_or(i64::MAX, |id| id.0);
        let query = conditions.bind(sqlx::query(sql(statement))).bind(bound).bind(i64::from(filter.limit));
        let rows = bounded(async { query.fetch_all(&self.tables.reader).await.map_err(failed) }).await?;
        let mut all: Vec<Summary> = rows.iter().map(summary).collect::<Result<_, _>>()?;
        self.say_why(&mut all).await?;
        Ok(all)
    }

    /// One message with all there is about it.
    pub async fn view(&self, id: MessageId) -> Result<Option<View>, StoreError> {
        let Some(mut view) = bounded(self.viewed(id)).await? else { return Ok(None) };
        self.say_why(std::slice::from_mut(&mut view.summary)).await?;
        self.say_why(&mut view.related).await?;
        Ok(Some(view))
    }

    async fn viewed(&self, id: MessageId) -> Result<Option<View>, StoreError> {
        let tables = &self.tables;
        let statement = format!(
            "SELECT {COLUMNS}, insuree_uuid, traceparent, issues, received, sent, sender, conflict_of
             FROM message LEFT JOIN document ON message_id = id WHERE id = $1"
        );
        let row = sqlx::query(sql(statement)).bind(id.0).fetch_optional(&tables.reader).await.map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        let trail = "SELECT at, event, detail, status, duration_ms FROM trail WHERE message_id = $1 ORDER BY id";
        let trail = sqlx::query(trail).bind(id.0).fetch_all(&tables.reader).await.map_err(failed)?;
        let lane: String = row.try_get("lane").map_err(failed)?;
        // A hospital's claim and its answers have lanes of their own; the code is the claim's.
        let code: Option<String> = row.try_get("claim_code").map_err(failed)?;
        let statement = format!(
            "SELECT {COLUMNS} FROM message WHERE lane IN
             (SELECT CAST($1 AS TEXT) UNION ALL SELECT lane FROM message WHERE claim_code = $2) AND id <> $3 ORDER BY id"
        );
        let related = sqlx::query(sql(statement)).bind(lane.as_str()).bind(code).bind(id.0).fetch_all(&tables.reader);
        let related = related.await.map_err(failed)?;
        let conflict_of = row.try_get::<Option<i64>, _>("conflict_of").map_err(failed)?.map(MessageId);
        let (conflicts, behind) = tables.rivals(id, conflict_of).await.map_err(failed)?;
        let issues: Option<String> = row.try_get("issues").map_err(failed)?;
        let traceparent: Option<String> = row.try_get("traceparent").map_err(failed)?;
        let document = |column| {
            let sealed: Option<Vec<u8>> = row.try_get(column).map_err(failed)?;
            Ok::<_, StoreError>(sealed.and_then(|sealed| tables.seal.open(sealed, &lane).ok()))
        };
        Ok(Some(View {
            summary: summary(&row)?,
            insuree_uuid: row.try_get("insuree_uuid").map_err(failed)?,
            sender: row.try_get("sender").map_err(failed)?,
            conflict_of,
            conflicts,
            behind,
            trace_id: traceparent.as_deref().and_then(kept_trace_id).map(str::to_owned),
            issues: issues.map(|json| serde_json::from_str(&json).map_err(failed)).transpose()?.unwrap_or_default(),
            trail: trail.iter().map(trail_line).collect::<Result<_, _>>().map_err(failed)?,
            related: related.iter().map(summary).collect::<Result<_, _>>()?,
            body: document("received")?,
            mapped: document("sent")?.map(|sent| String::from_utf8_lossy(&sent).into_owned()),
        }))
    }

    /// How many messages are in each state.
    pub async fn counts(&self) -> Result<Vec<(State, i64)>, StoreError> {
        let asked = sqlx::query("SELECT state, count(*) AS count FROM message GROUP BY state");
        let rows = bounded(async { asked.fetch_all(&self.tables.reader).await.map_err(failed) }).await?;
        rows.iter()
            .map(|row| Ok((word(row, "state", State::from_word)?, row.try_get("count").map_err(failed)?)))
            .collect()
    }

    /// Puts a message back to be delivered at once. False: there is no such message, it is delivered or on its way, its document is no
    /// longer kept, or another document with its key is not discarded.
    pub async fn retry(&self, id: MessageId, actor: &str, now: Timestamp) -> Result<bool, StoreError> {
        bounded(async {
            let mut connection = self.tables.write().await?;
            let mut tx = connection.begin_with(self.tables.dialect.begin()).await.map_err(failed)?;
            let done = self.put_back(&mut tx, id, None, actor, now).await.map_err(failed)?;
            if done {
                audit(&mut tx, actor, "retry", Some(id), "", now).await.map_err(failed)?;
            }
            tx.commit().await.map_err(failed)?;
            Ok(done)
        })
        .await
    }

    /// `still`: only if it is in this state. Who retries many means those that were listed, not one that was discarded meanwhile.
    async fn put_back(
        &self,
        connection: &mut AnyConnection,
        id: MessageId,
        still: Option<&str>,
        actor: &str,
        now: Timestamp,
    ) -> Result<bool, sqlx::Error> {
        let is_still = if still.is_some() { " AND state = $4 AND conflict_of IS NULL" } else { "" };
        let statement = format!(
            "UPDATE message SET state = 'pending', due_at = $1, since = $2, settled_at = NULL, issues = NULL
             WHERE id = $3 AND state IN ('dead', 'skipped', 'pending', 'discarded')
               AND EXISTS (SELECT 1 FROM document WHERE message_id = id) AND {ALONE}{is_still}"
        );
        let mut query = sqlx::query(sql(statement)).bind(ms(now)).bind(ms(now)).bind(id.0);
        if let Some(still) = still {
            query = query.bind(still);
        }
        let done = query.execute(&mut *connection).await?;
        let found = done.rows_affected() == 1;
        if found {
            let note = Note { id, at: now, event: "retry asked for", detail: format!("by {actor}") };
            self.tables.note(connection, &[note]).await?;
            openhim::put_back(connection, id, now).await?;
        }
        Ok(found)
    }

    /// Puts back all messages that fit a filter (its `before` and `limit` do not count), oldest first; `progress` hears how many so far.
    /// Each piece leaves its audit line together with what it does.
    pub async fn retry_all(
        &self,
        filter: &Filter,
        actor: &str,
        now: Timestamp,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, StoreError> {
        let of = |name: &str, value: Option<String>| value.map(|value| format!(", {name} {value}")).unwrap_or_default();
        let fitting = [
            of("state", filter.state.map(|state| state.to_string())),
            of("kind", filter.kind.map(|kind| kind.to_string())),
            of("claim", filter.claim.clone()),
            of("insuree", filter.insuree.clone()),
            of("from", filter.from.map(|from| from.to_string())),
            of("to", filter.to.map(|to| to.to_string())),
        ]
        .concat();
        let (mut count, mut after) = (0, MessageId(0));
        loop {
            let page = self.listed(&Filter { limit: PIECE, ..filter.clone() }, Some(after)).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            count += bounded(async {
                let mut connection = self.tables.write().await?;
                let mut tx = connection.begin_with(self.tables.dialect.begin()).await.map_err(failed)?;
                let mut put_back = 0;
                for message in &page {
                    let still = Some(message.state.as_str());
                    let done = self.put_back(&mut tx, message.id, still, actor, now).await.map_err(failed)?;
                    put_back += u64::from(done);
                }
                if put_back > 0 {
                    let detail = format!("{put_back} messages up to {after}{fitting}");
                    audit(&mut tx, actor, "retry all", None, &detail, now).await.map_err(failed)?;
                }
                tx.commit().await.map_err(failed)?;
                Ok(put_back)
            })
            .await?;
            progress(count);
        }
        Ok(count)
    }

    /// Takes a message out for good, with the reason. False: there is no such message, or it is delivered, on its way or discarded.
    pub async fn discard(&self, id: MessageId, reason: &str, actor: &str, now: Timestamp) -> Result<bool, StoreError> {
        bounded(async {
            let mut connection = self.tables.write().await?;
            let mut tx = connection.begin_with(self.tables.dialect.begin()).await.map_err(failed)?;
            let done = sqlx::query(
                "UPDATE message SET state = 'discarded', reason = $1, settled_at = $2
                 WHERE id = $3 AND state IN ('dead', 'skipped', 'pending')",
            )
            .bind(text(reason))
            .bind(ms(now))
            .bind(id.0)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
            let found = done.rows_affected() == 1;
            if found {
                let note = Note { id, at: now, event: "discarded", detail: format!("by {actor}: {reason}") };
                self.tables.note(&mut tx, &[note]).await.map_err(failed)?;
                audit(&mut tx, actor, "discard", Some(id), reason, now).await.map_err(failed)?;
            }
            tx.commit().await.map_err(failed)?;
            Ok(found)
        })
        .await
    }

    /// Notes that somebody looked at a message's documents: they hold personal data.
    pub async fn audit_read(&self, actor: &str, id: MessageId, now: Timestamp) -> Result<(), StoreError> {
        self.audited(actor, "read documents", Some(id), "", now).await
    }

    /// Notes what somebody did.
    pub async fn audited(
        &self,
        actor: &str,
        action: &str,
        id: Option<MessageId>,
        detail: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        bounded(async {
            let mut connection = self.tables.write().await?;
            audit(&mut connection, actor, action, id, detail, now).await.map_err(failed)
        })
        .await
    }

    /// What admins did, newest first, below a line's number.
    pub async fn audit(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditLine>, StoreError> {
        let statement =
            "SELECT id, at, actor, action, message_id, detail FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2";
        let asked = sqlx::query_as::<_, (i64, i64, String, String, Option<i64>, String)>(statement)
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(limit));
        let rows = bounded(async { asked.fetch_all(&self.tables.reader).await.map_err(failed) }).await?;
        let line = |(id, ms, actor, action, message_id, detail): (_, _, _, _, Option<i64>, _)| AuditLine {
            id,
            at: at(ms),
            actor,
            action,
            message_id: message_id.map(MessageId),
            detail,
        };
        Ok(rows.into_iter().map(line).collect())
    }
}

pub(super) async fn audit(
    connection: &mut AnyConnection,
    actor: &str,
    action: &str,
    id: Option<MessageId>,
    detail: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO audit (at, actor, action, message_id, detail) VALUES ($1, $2, $3, $4, $5)")
        .bind(ms(now))
        .bind(text(actor))
        .bind(action)
        .bind(id.map(|id| id.0))
        .bind(text(detail))
        .execute(connection)
        .await
        .map(|_| ())
}
