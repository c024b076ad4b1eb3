//! The statements that every message meets, to be shown that none of them reads more as more is stored.

use flow::ports::StoreError;

use super::links::{INSUREE_OF, LINK, OTHERS};
use super::queue::{NEXT_DUE, PARK, SENT, SETTLE, lease_statement};
use super::sqlite::{DOCUMENT, KNOWN};
use super::{Dialect, SqlStore, failed, postgres};

impl SqlStore {
    /// On SQLite: what each is for, and its text. Insertions are left out: they read nothing.
    pub fn hot_statements() -> Vec<(&'static str, String)> {
        let fixed = [
            ("taken in: whether it was there before", KNOWN),
            ("feedback taken in: the insuree of its claim", INSUREE_OF),
            ("when the next one is due", NEXT_DUE),
            ("its document", DOCUMENT),
            ("the contact of its insuree", LINK),
            ("a new contact: whether it is another insuree's", OTHERS),
            ("settled", SETTLE),
            ("settled: what was sent", SENT),
            ("parked", PARK),
        ];
        let lease = ("leased", lease_statement(Dialect::Sqlite));
        fixed.map(|(what, statement)| (what, statement.to_owned())).into_iter().chain([lease]).collect()
    }
    /// On PostgreSQL: what each is for, and how the server goes about it.
    pub async fn hot_plans(url: &str) -> Result<Vec<(&'static str, Vec<String>)>, StoreError> {
        postgres::plans(url).await.map_err(failed)
    }
}
