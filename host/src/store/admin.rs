//! What an admin sees of the store: lists, one message with its trail, counts.

use flow::ports::StoreError;
use flow::{Kind, MessageId, State};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::sqlite::{SqliteStore, word};
use super::{at, failed};

/// Which messages to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// A claim's uuid or code.
    pub claim: Option<String>,
    /// At most so many.
    pub limit: u32,
}

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
    /// What is wrong with the document.
    pub issues: Vec<mapping::Issue>,
    /// What was done, oldest first.
    pub trail: Vec<TrailLine>,
    /// Other messages of the same claim.
    pub related: Vec<Summary>,
    /// As received.
    #[serde(skip)]
    pub body: Vec<u8>,
    /// As last sent.
    #[serde(skip)]
    pub mapped: Option<String>,
}

const COLUMNS: &str =
    "id, kind, origin, state, claim_uuid, claim_code, attempts, received_at, due_at, settled_at, reason, lane";

fn summary(row: &SqliteRow) -> Result<Summary, StoreError> {
    let state = word(row, "state", State::from_word)?;
    let unsettled = matches!(state, State::Pending | State::Leased);
    Ok(Summary {
        id: MessageId(row.get("id")),
        kind: row.get("kind"),
        origin: row.get("origin"),
        state: state.to_string(),
        claim_uuid: row.get("claim_uuid"),
        claim_code: row.get("claim_code"),
        attempts: row.get("attempts"),
        received_at: at(row.get("received_at")),
        due_at: unsettled.then(|| at(row.get("due_at"))),
        settled_at: row.get::<Option<i64>, _>("settled_at").map(at),
        reason: row.get("reason"),
    })
}

impl SqliteStore {
    /// Messages that fit a filter, newest first.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<Summary>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(format!("SELECT {COLUMNS} FROM message WHERE 1 = 1"));
        if let Some(state) = filter.state {
            query.push(" AND state = ").push_bind(state.word());
        }
        if let Some(kind) = filter.kind {
            query.push(" AND kind = ").push_bind(kind.word());
        }
        if let Some(claim) = &filter.claim {
            // A feedback knows its claim by uuid only.
            query
                .push(" AND claim_uuid IN (SELECT claim_uuid FROM message WHERE claim_code = ")
                .push_bind(claim.clone());
            query.push(" UNION SELECT ").push_bind(claim.to_lowercase()).push(")");
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(filter.limit);
        let rows = query.build().fetch_all(&self.reader).await.map_err(failed)?;
        rows.iter().map(summary).collect()
    }

    /// One message with all there is about it.
    pub async fn view(&self, id: MessageId) -> Result<Option<View>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(format!(
            "SELECT {COLUMNS}, insuree_uuid, issues, body, mapped FROM message WHERE id = "
        ));
        query.push_bind(id.0);
        let Some(row) = query.build().fetch_optional(&self.reader).await.map_err(failed)? else { return Ok(None) };
        let trail =
            sqlx::query("SELECT at, event, detail, status, duration_ms FROM trail WHERE message_id = ? ORDER BY id")
                .bind(id.0)
                .fetch_all(&self.reader)
                .await
                .map_err(failed)?;
        let mut related = QueryBuilder::<Sqlite>::new(format!("SELECT {COLUMNS} FROM message WHERE lane = "));
        related.push_bind(row.get::<String, _>("lane")).push(" AND id <> ").push_bind(id.0).push(" ORDER BY id");
        let related = related.build().fetch_all(&self.reader).await.map_err(failed)?;
        let issues: Option<String> = row.get("issues");
        Ok(Some(View {
            summary: summary(&row)?,
            insuree_uuid: row.get("insuree_uuid"),
            issues: issues.map(|json| serde_json::from_str(&json).map_err(failed)).transpose()?.unwrap_or_default(),
            trail: trail
                .iter()
                .map(|line| TrailLine {
                    at: at(line.get("at")),
                    event: line.get("event"),
                    detail: line.get("detail"),
                    status: line.get("status"),
                    duration_ms: line.get("duration_ms"),
                })
                .collect(),
            related: related.iter().map(summary).collect::<Result<_, _>>()?,
            body: row.get("body"),
            mapped: row.get("mapped"),
        }))
    }

    /// How many messages are in each state.
    pub async fn counts(&self) -> Result<Vec<(State, i64)>, StoreError> {
        let rows = sqlx::query("SELECT state, count(*) AS count FROM message GROUP BY state")
            .fetch_all(&self.reader)
            .await
            .map_err(failed)?;
        rows.iter().map(|row| Ok((word(row, "state", State::from_word)?, row.get("count")))).collect()
    }
}
