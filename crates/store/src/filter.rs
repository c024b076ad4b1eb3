//! Which messages a list or a bulk is about, and how that is asked for without reading the whole table.

use flow::ports::StoreError;
use flow::{Kind, MessageId, State};
use jiff::{SignedDuration, Timestamp};
use mapping::text::plain;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row};

use super::{SqlStore, bounded, failed, ms, sql, text};

/// Numbers follow the time of arrival but for messages that came at the same moment: so far they may be apart.
const APART: SignedDuration = SignedDuration::from_mins(10);

/// Which messages to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// A claim's uuid or code.
    pub claim: Option<String>,
    /// openIMIS' uuid of an insuree: its claims, and the feedback on them.
    pub insuree: Option<String>,
    /// Received at this moment or later.
    pub from: Option<Timestamp>,
    /// Received before this moment.
    pub to: Option<Timestamp>,
    /// With a smaller number than this: the next page.
    pub before: Option<MessageId>,
    /// At most so many.
    pub limit: u32,
}

/// Conditions with their values, in the order of their placeholders.
pub(super) struct Conditions {
    pub wanted: String,
    texts: Vec<String>,
    numbers: Vec<i64>,
}

impl Conditions {
    /// How many placeholders are taken.
    pub fn count(&self) -> usize {
        self.texts.len() + self.numbers.len()
    }

    /// Binds the values.
    pub fn bind<'q>(&'q self, mut query: Query<'q, Any, AnyArguments>) -> Query<'q, Any, AnyArguments> {
        for value in &self.texts {
            query = query.bind(value.as_str());
        }
        for value in &self.numbers {
            query = query.bind(*value);
        }
        query
    }

    fn text(&mut self, condition: &str, value: String) {
        debug_assert!(self.numbers.is_empty(), "texts come first");
        self.texts.push(value);
        self.with(condition);
    }

    fn number(&mut self, condition: &str, value: i64) {
        self.numbers.push(value);
        self.with(condition);
    }

    fn with(&mut self, condition: &str) {
        let placeholder = format!("${}", self.count());
        self.wanted.push_str(&condition.replace('?', &placeholder));
    }
}

impl SqlStore {
    /// The filter but for its paging, as ` AND …`.
    pub(super) async fn conditions(&self, filter: &Filter) -> Result<Conditions, StoreError> {
        let mut all = Conditions { wanted: String::new(), texts: Vec::new(), numbers: Vec::new() };
        if let Some(state) = filter.state {
            // A claim or an insuree has few messages, a state may have millions: SQLite would take the index of the state.
            let is_narrow = filter.claim.is_some() || filter.insuree.is_some();
            all.text(if is_narrow { " AND state || '' = ?" } else { " AND state = ?" }, state.to_string());
        }
        if let Some(kind) = filter.kind {
            all.text(" AND kind = ?", kind.stored().to_owned());
        }
        if let Some(claim) = &filter.claim {
            // A feedback knows its claim by uuid only, which is the lane of both. What a hospital posted knows it by code only; what is
            // followed of it, and the answers, know both.
            let claim = plain(claim);
            let uuid = text(&claim.to_lowercase());
            all.text(" AND lane IN (SELECT lane FROM message WHERE claim_code = ?", text(&claim));
            all.text(" UNION ALL SELECT CAST(? AS TEXT)", uuid.clone());
            all.text(
                " UNION ALL SELECT lane FROM message WHERE claim_code IN
                  (SELECT claim_code FROM message WHERE lane = 'adjudication/' || CAST(? AS TEXT)",
                uuid.clone(),
            );
            all.text(" OR lane = 'hospital/' || CAST(? AS TEXT)))", uuid);
        }
        if let Some(insuree) = &filter.insuree {
            let insuree = text(&plain(insuree).to_lowercase());
            all.text(" AND lane IN (SELECT lane FROM message WHERE insuree_uuid = ?", insuree.clone());
            all.text(
                " UNION ALL SELECT lane FROM message WHERE claim_code IN
                  (SELECT claim_code FROM message WHERE insuree_uuid = ?))",
                insuree,
            );
        }
        if let Some(from) = filter.from {
            let first = self.first_since(from.saturating_add(-APART).unwrap_or(Timestamp::MIN)).await?;
            all.number(" AND id >= ?", first.map_or(i64::MAX, |id| id.0));
            all.number(" AND received_at >= ?", ms(from));
        }
        if let Some(to) = filter.to {
            let end = self.first_since(to.saturating_add(APART).unwrap_or(Timestamp::MAX)).await?;
            all.number(" AND id < ?", end.map_or(i64::MAX, |id| id.0));
            all.number(" AND received_at < ?", ms(to));
        }
        Ok(all)
    }

    /// The first message that came at a moment or later, found by halving: numbers follow time, and an index for so rare a question would
    /// cost each message something.
    async fn first_since(&self, moment: Timestamp) -> Result<Option<MessageId>, StoreError> {
        let Some((mut low, _)) = self.at_or_after(0).await? else { return Ok(None) };
        let statement = "SELECT id, received_at FROM message ORDER BY id DESC LIMIT 1";
        let last = sqlx::query(statement).fetch_optional(&self.tables.reader);
        let last = bounded(async { last.await.map_err(failed) }).await?;
        let Some((last, newest)) = last.as_ref().map(place).transpose()? else { return Ok(None) };
        if newest < ms(moment) {
            return Ok(None);
        }
        // The message that is looked for is one of low..=high.
        let mut high = last;
        while low < high {
            let middle = low + (high - low) / 2;
            match self.at_or_after(middle).await? {
                Some((id, received_at)) if received_at < ms(moment) => low = id + 1,
                _ => high = middle,
            }
        }
        Ok(Some(MessageId(low)))
    }

    /// The first message with this number or a larger one, and when it came.
    async fn at_or_after(&self, id: i64) -> Result<Option<(i64, i64)>, StoreError> {
        let statement = "SELECT id, received_at FROM message WHERE id >= $1 ORDER BY id LIMIT 1";
        let asked = sqlx::query(statement).bind(id).fetch_optional(&self.tables.reader);
        bounded(async { asked.await.map_err(failed) }).await?.as_ref().map(place).transpose()
    }

    /// How many messages fit a filter, or `most` if there are more.
    pub async fn count_fitting(&self, filter: &Filter, most: u32) -> Result<u64, StoreError> {
        let conditions = self.conditions(filter).await?;
        let (wanted, limit) = (&conditions.wanted, conditions.count() + 1);
        // Nothing is always true: without any condition there must be a WHERE, too.
        let statement = format!(
            "SELECT count(*) AS count FROM (SELECT 1 FROM message WHERE id > 0{wanted} LIMIT ${limit}) AS fitting"
        );
        let query = conditions.bind(sqlx::query(sql(statement))).bind(i64::from(most));
        let row = bounded(async { query.fetch_one(&self.tables.reader).await.map_err(failed) }).await?;
        let count: i64 = row.try_get("count").map_err(failed)?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}

fn place(row: &AnyRow) -> Result<(i64, i64), StoreError> {
    let read = || Ok::<_, sqlx::Error>((row.try_get("id")?, row.try_get("received_at")?));
    read().map_err(failed)
}
