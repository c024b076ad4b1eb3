//! One run at a time, whoever does it: a mediator, its replica, or a command.

use flow::ports::StoreError;
use jiff::Timestamp;

use crate::{SqlStore, at, bounded, failed, ms, text};

/// Who has the lease.
#[derive(Clone, Debug)]
pub struct Holder {
    /// As it calls itself.
    pub owner: String,
    /// When the lease runs out.
    pub until: Timestamp,
}

impl SqlStore {
    /// Takes or keeps the lease. The error within: somebody else has it.
    pub async fn lease_facilities(
        &self,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Result<(), Holder>, StoreError> {
        bounded(async {
            let taken = sqlx::query(
                "INSERT INTO facility_lease (id, owner, until) VALUES (1, $1, $2)
                 ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, until = excluded.until
                 WHERE facility_lease.until <= $3 OR facility_lease.owner = excluded.owner",
            );
            let taken = taken.bind(text(owner)).bind(ms(until)).bind(ms(now));
            if self.tables.execute(taken).await? == 1 {
                return Ok(Ok(()));
            }
            let asked = sqlx::query_as::<_, (String, i64)>("SELECT owner, until FROM facility_lease WHERE id = 1");
            let (owner, until) = asked.fetch_one(&self.tables.reader).await.map_err(failed)?;
            Ok(Err(Holder { owner, until: at(until) }))
        })
        .await
    }

    /// Gives the lease back.
    pub async fn give_facilities_back(&self, owner: &str) -> Result<(), StoreError> {
        let given = sqlx::query("UPDATE facility_lease SET until = 0 WHERE id = 1 AND owner = $1").bind(text(owner));
        bounded(self.tables.execute(given)).await.map(|_| ())
    }
}
