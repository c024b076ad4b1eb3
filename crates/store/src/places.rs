//! Which CHT place is which openIMIS location: the table that `places import` brings in.

use flow::ports::StoreError;
use jiff::Timestamp;
use mapping::patient::PlaceLink;
use sqlx::Connection;

use super::admin::audit;
use super::{SqlStore, Tables, bounded, failed, list_of, ms, pieces, placeholders, sql};

/// What an import changes, or would change.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Imported {
    /// Codes that were not in the table.
    pub new: u64,
    /// Codes that had another place.
    pub changed: u64,
    /// Codes that are no longer in the table.
    pub removed: u64,
    /// Codes that had this place.
    pub unchanged: u64,
}

impl Tables {
    pub(super) async fn has_places(&self) -> Result<bool, StoreError> {
        let one: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM place LIMIT 1").fetch_optional(&self.reader).await.map_err(failed)?;
        Ok(one.is_some())
    }

    pub(super) async fn places(&self, location_codes: &[String]) -> Result<Vec<PlaceLink>, StoreError> {
        let mut places = Vec::new();
        for piece in pieces(location_codes) {
            let list = list_of(piece.len());
            let statement = format!("SELECT location_code, place_id FROM place WHERE location_code IN ({list})");
            let mut query = sqlx::query_as::<_, (String, String)>(sql(statement));
            for code in piece {
                query = query.bind(code.as_str());
            }
            let rows = query.fetch_all(&self.reader).await.map_err(failed)?;
            places.extend(rows.into_iter().map(|(location_code, place_id)| PlaceLink { location_code, place_id }));
        }
        Ok(places)
    }
}

impl SqlStore {
    /// The whole imported table, by code.
    pub async fn all_places(&self) -> Result<Vec<PlaceLink>, StoreError> {
        let asked =
            sqlx::query_as::<_, (String, String)>("SELECT location_code, place_id FROM place ORDER BY location_code");
        let rows = bounded(async { asked.fetch_all(&self.tables.reader).await.map_err(failed) }).await?;
        Ok(rows.into_iter().map(|(location_code, place_id)| PlaceLink { location_code, place_id }).collect())
    }

    /// What an import of these rows would change. `replace`: codes that are not among them go.
    pub async fn compare_places(&self, rows: &[PlaceLink], replace: bool) -> Result<Imported, StoreError> {
        let there: std::collections::HashMap<String, String> =
            self.all_places().await?.into_iter().map(|row| (row.location_code, row.place_id)).collect();
        let mut told = Imported::default();
        for row in rows {
            match there.get(&row.location_code) {
                None => told.new += 1,
                Some(place) if *place == row.place_id => told.unchanged += 1,
                Some(_) => told.changed += 1,
            }
        }
        if replace {
            let kept = told.changed + told.unchanged;
            told.removed = (there.len() as u64).saturating_sub(kept);
        }
        Ok(told)
    }

    /// Writes rows whose codes all differ, in one transaction: a running mediator has the old table or the new one. `progress` hears how
    /// many so far.
    pub async fn import_places(
        &self,
        rows: &[PlaceLink],
        replace: bool,
        actor: &str,
        now: Timestamp,
        mut progress: impl FnMut(u64),
    ) -> Result<Imported, StoreError> {
        let told = self.compare_places(rows, replace).await?;
        let mut connection = self.tables.write().await?;
        let mut tx = connection.begin_with(self.tables.dialect.begin()).await.map_err(failed)?;
        if replace {
            sqlx::query("DELETE FROM place").execute(&mut *tx).await.map_err(failed)?;
        }
        let mut done = 0;
        for piece in pieces(rows) {
            let statement = format!(
                "INSERT INTO place (location_code, place_id, imported_at) VALUES {}
                 ON CONFLICT (location_code) DO UPDATE SET place_id = excluded.place_id, imported_at = excluded.imported_at",
                placeholders(piece.len(), 3)
            );
            let mut query = sqlx::query(sql(statement));
            for row in piece {
                query = query.bind(row.location_code.as_str()).bind(row.place_id.as_str()).bind(ms(now));
            }
            query.execute(&mut *tx).await.map_err(failed)?;
            done += piece.len() as u64;
            progress(done);
        }
        let Imported { new, changed, removed, unchanged } = told;
        let detail = format!("{new} new, {changed} changed, {removed} removed, {unchanged} unchanged");
        audit(&mut tx, actor, "import places", None, &detail, now).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(told)
    }
}
