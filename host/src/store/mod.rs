//! Where messages are kept. SQLite; PostgreSQL will stand beside it behind the same port.

mod admin;
mod sqlite;

pub use admin::{Filter, Summary, TrailLine, View};
pub use sqlite::SqliteStore;

use flow::ports::StoreError;
use jiff::Timestamp;

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError(error.to_string())
}

fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}
