//! The statements that every message meets on SQLite, to be shown that none of them reads more as more is stored.

use super::direct::{DOCUMENT, KNOWN};
use super::links::{INSUREE_OF, LINK, OTHERS};
use super::queue::{NEXT_DUE, PARK, SENT, SETTLE, lease_statement};
use super::{Dialect, SqlStore};

impl SqlStore {
    /// What each is for, and its text. Insertions are left out: they read nothing.
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
}
