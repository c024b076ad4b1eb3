//! What statements are made of, and how values cross between the program and a database.

use std::time::Duration;

use flow::ports::StoreError;
use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

/// Longest wait for the database, a commit included.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// A database that hangs is a database that failed.
pub(super) async fn bounded<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::time::timeout(LIMIT, work).await {
        Ok(done) => done,
        Err(_) => Err(StoreError(format!("no answer within {} s", LIMIT.as_secs()))),
    }
}

pub(super) fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError(error.to_string())
}

pub(super) fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

/// Text as every database takes it: PostgreSQL has no NUL.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

pub(super) fn word<T>(row: &AnyRow, column: &str, read: fn(&str) -> Option<T>) -> Result<T, StoreError> {
    let text: String = row.try_get(column).map_err(failed)?;
    read(&text).ok_or_else(|| StoreError(format!("column {column} holds an unknown word")))
}

/// A statement that was put together from our own words and placeholders only.
pub(super) fn sql(statement: String) -> AssertSqlSafe<String> {
    AssertSqlSafe(statement)
}

/// `($1, $2), ($3, $4)`: placeholders for rows of values.
pub(super) fn placeholders(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let values: Vec<String> = (1..=columns).map(|column| format!("${}", row * columns + column)).collect();
        format!("({})", values.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// `$1, $2, $3`: placeholders for a list.
pub(super) fn list_of(count: usize) -> String {
    (1..=count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

/// Cuts work into pieces of 1, 2, 4 … 64: a few statements that are prepared once serve every length.
pub(super) fn pieces<T>(mut all: &[T]) -> Vec<&[T]> {
    let mut pieces = Vec::new();
    while !all.is_empty() {
        let length = 1 << all.len().min(64).ilog2();
        let (piece, rest) = all.split_at(length);
        pieces.push(piece);
        all = rest;
    }
    pieces
}
