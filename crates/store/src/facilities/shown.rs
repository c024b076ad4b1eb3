//! What admins see of the facilities, and what they decide.

use flow::facilities::{Counts, State};
use flow::ports::StoreError;
use jiff::Timestamp;
use mapping::Issue;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Connection, Row};

use crate::admin::audit;
use crate::{SqlStore, at, bounded, failed, ms, sql, text};

/// Which facilities to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct FacilityFilter {
    /// In this state; none: in any that is not done.
    pub state: Option<State>,
    /// With a smaller number than this: the next page.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// A facility, as a list shows it.
#[derive(Clone, Debug, Serialize)]
pub struct FacilityLine {
    /// Its number.
    pub id: i64,
    /// The registry's name for it: `Location/<id>`.
    pub source: String,
    /// openIMIS' code, where it could be told.
    pub code: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Where it is.
    pub state: State,
    /// What was done in openIMIS; of a done one.
    pub action: Option<String>,
    /// Why it is not done.
    pub reason: Option<String>,
    /// How often it was tried in vain.
    pub attempts: i64,
    /// When it came into this state.
    pub since: Timestamp,
    /// When it was last looked at.
    pub updated_at: Timestamp,
}

/// A facility with what is wrong with it and the registry's document.
#[derive(Clone, Debug, Serialize)]
pub struct FacilityView {
    /// What the list shows of it.
    #[serde(flatten)]
    pub line: FacilityLine,
    /// What is wrong with the registry's entry, or worth a look.
    pub issues: Vec<Issue>,
    /// As the registry had it; not kept of a done one.
    #[serde(skip)]
    pub document: Option<String>,
}

/// A run, as a list shows it.
#[derive(Clone, Debug, Serialize)]
pub struct RunLine {
    /// Its number.
    pub id: i64,
    /// running, interrupted, done or given-up.
    pub state: String,
    /// It asks for all facilities.
    pub whole: bool,
    /// Who began it.
    pub actor: String,
    /// It asks for what changed since then.
    pub since: Option<Timestamp>,
    /// Up to when the registry is read once it is done.
    pub read_up_to: Option<Timestamp>,
    /// What came of it.
    pub counts: Counts,
    /// Why it was interrupted.
    pub reason: Option<String>,
    /// When it goes on.
    pub next_at: Option<Timestamp>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, for now or for good.
    pub ended_at: Option<Timestamp>,
}

const LINE: &str = "id, source, code, name, state, action, reason, attempts, since, updated_at";

fn line(row: &AnyRow) -> Result<FacilityLine, sqlx::Error> {
    let state: String = row.try_get("state")?;
    Ok(FacilityLine {
        id: row.try_get("id")?,
        source: row.try_get("source")?,
        code: row.try_get("code")?,
        name: row.try_get("name")?,
        state: State::from_word(&state).unwrap_or(State::Failed),
        action: row.try_get("action")?,
        reason: row.try_get("reason")?,
        attempts: row.try_get("attempts")?,
        since: at(row.try_get("since")?),
        updated_at: at(row.try_get("updated_at")?),
    })
}

fn run_line(row: &AnyRow) -> Result<RunLine, sqlx::Error> {
    let counts: String = row.try_get("counts")?;
    let moment = |column| row.try_get::<Option<i64>, _>(column).map(|moment| moment.map(at));
    Ok(RunLine {
        id: row.try_get("id")?,
        state: row.try_get("state")?,
        whole: row.try_get::<i64, _>("whole")? != 0,
        actor: row.try_get("actor")?,
        since: moment("since")?,
        read_up_to: moment("read_up_to")?,
        counts: serde_json::from_str(&counts).unwrap_or_default(),
        reason: row.try_get("reason")?,
        next_at: moment("next_at")?,
        started_at: at(row.try_get("started_at")?),
        ended_at: moment("ended_at")?,
    })
}

impl SqlStore {
    /// Facilities, newest first.
    pub async fn facilities(&self, filter: &FacilityFilter) -> Result<Vec<FacilityLine>, StoreError> {
        let states = match filter.state {
            Some(state) => format!("'{}'", state.word()),
            None => "'failed', 'possible-duplicate', 'due'".to_owned(),
        };
        let statement =
            format!("SELECT {LINE} FROM facility WHERE state IN ({states}) AND id < $1 ORDER BY id DESC LIMIT $2");
        let asked = sqlx::query(sql(statement)).bind(filter.before.unwrap_or(i64::MAX)).bind(i64::from(filter.limit));
        let rows = bounded(async { asked.fetch_all(&self.tables.reader).await.map_err(failed) }).await?;
        rows.iter().map(|row| line(row).map_err(failed)).collect()
    }

    /// One facility.
    pub async fn facility(&self, id: i64) -> Result<Option<FacilityView>, StoreError> {
        let statement = format!("SELECT {LINE}, issues, document FROM facility WHERE id = $1");
        let asked = sqlx::query(sql(statement)).bind(id);
        let row = bounded(async { asked.fetch_optional(&self.tables.reader).await.map_err(failed) }).await?;
        let Some(row) = row else { return Ok(None) };
        let line = line(&row).map_err(failed)?;
        let issues: Option<String> = row.try_get("issues").map_err(failed)?;
        let document: Option<Vec<u8>> = row.try_get("document").map_err(failed)?;
        let opened = document.map(|document| self.tables.seal.open(document, &line.source));
        let document = opened.transpose().map_err(StoreError)?;
        Ok(Some(FacilityView {
            issues: issues.and_then(|issues| serde_json::from_str(&issues).ok()).unwrap_or_default(),
            document: document.map(|document| String::from_utf8_lossy(&document).into_owned()),
            line,
        }))
    }

    /// How many there are in each state.
    pub async fn facility_counts(&self) -> Result<Vec<(State, u64)>, StoreError> {
        let asked = sqlx::query_as::<_, (String, i64)>("SELECT state, count(*) FROM facility GROUP BY state")
            .fetch_all(&self.tables.reader);
        let rows = bounded(async { asked.await.map_err(failed) }).await?;
        let count = |(state, count): (String, i64)| Some((State::from_word(&state)?, u64::try_from(count).ok()?));
        Ok(rows.into_iter().filter_map(count).collect())
    }

    /// The last runs, newest first.
    pub async fn facility_runs(&self, limit: u32) -> Result<Vec<RunLine>, StoreError> {
        let asked = sqlx::query(
            "SELECT id, state, whole, actor, since, read_up_to, counts, reason, next_at, started_at, ended_at
             FROM facility_run ORDER BY id DESC LIMIT $1",
        )
        .bind(i64::from(limit));
        let rows = bounded(async { asked.fetch_all(&self.tables.reader).await.map_err(failed) }).await?;
        rows.iter().map(|row| run_line(row).map_err(failed)).collect()
    }

    /// Has a facility tried again, or all that failed; with a line in the audit trail. Returns how many.
    pub async fn ask_facilities_again(&self, id: Option<i64>, actor: &str, now: Timestamp) -> Result<u64, StoreError> {
        bounded(async {
            let mut connection = self.tables.write().await?;
            let mut tx = connection.begin_with(self.tables.dialect.begin()).await.map_err(failed)?;
            let statement = match id {
                Some(_) => {
                    "UPDATE facility SET state = 'due', since = $1, updated_at = $1 WHERE id = $2
                        AND state IN ('failed', 'possible-duplicate')"
                }
                None => {
                    "UPDATE facility SET state = 'due', since = $1, updated_at = $1 WHERE id > $2 AND state = 'failed'"
                }
            };
            let done = sqlx::query(statement).bind(ms(now)).bind(id.unwrap_or(0)).execute(&mut *tx).await;
            let count = done.map_err(failed)?.rows_affected();
            if count > 0 {
                let detail = id.map_or_else(|| format!("{count} facilities"), |id| format!("facility {id}"));
                audit(&mut tx, actor, "retry facilities", None, &detail, now).await.map_err(failed)?;
            }
            tx.commit().await.map_err(failed)?;
            Ok(count)
        })
        .await
    }

    /// Keeps what an admin decided on a possible duplicate, and has it tried again. `code`: it is the facility that openIMIS calls so;
    /// none: it is another one. False: there is nothing to decide (any more).
    pub async fn decide_facility(
        &self,
        id: i64,
        national_id: &str,
        code: Option<&str>,
        actor: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        bounded(async {
            let mut connection = self.tables.write().await?;
            let mut tx = connection.begin_with(self.tables.dialect.begin()).await.map_err(failed)?;
            let put_back = sqlx::query(
                "UPDATE facility SET state = 'due', since = $1, updated_at = $1 WHERE id = $2 AND state = 'possible-duplicate'",
            );
            let put_back = put_back.bind(ms(now)).bind(id).execute(&mut *tx).await.map_err(failed)?;
            if put_back.rows_affected() != 1 {
                return Ok(false);
            }
            let decided = sqlx::query(
                "INSERT INTO facility_decision (national_id, code, decided_at, decided_by) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (national_id) DO UPDATE SET code = excluded.code, decided_at = excluded.decided_at,
                    decided_by = excluded.decided_by",
            );
            let decided = decided.bind(text(national_id)).bind(code.map(text)).bind(ms(now)).bind(text(actor));
            decided.execute(&mut *tx).await.map_err(failed)?;
            let detail = match code {
                Some(code) => format!("facility {id} ({national_id}) is {code}"),
                None => format!("facility {id} ({national_id}) is another one"),
            };
            audit(&mut tx, actor, "decide facility", None, &detail, now).await.map_err(failed)?;
            tx.commit().await.map_err(failed)?;
            Ok(true)
        })
        .await
    }

    /// Whether an admin waits for a facility to be tried again.
    pub async fn is_facility_due(&self) -> Result<bool, StoreError> {
        let asked = sqlx::query_scalar::<_, i64>("SELECT id FROM facility WHERE state = 'due' LIMIT 1")
            .fetch_optional(&self.tables.reader);
        bounded(async { asked.await.map(|id| id.is_some()).map_err(failed) }).await
    }
}
