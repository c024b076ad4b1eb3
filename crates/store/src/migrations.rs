//! The tables of the store, step by step: the files of `migrations/`, in their order.
//!
//! sqlx's `migrate!` would read them by itself. It builds sqlx and SQLite's C library a second time, for the compiler, which doubles the
//! time of a first build.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use super::Dialect;

/// Number, description and statements of one step. All three are kept in the database and compared at each start.
type Step = (i64, &'static str, &'static str);

const SQLITE: [Step; 10] = [
    (1, "messages", include_str!("../migrations/sqlite/0001_messages.sql")),
    (2, "engine", include_str!("../migrations/sqlite/0002_engine.sql")),
    (3, "openhim", include_str!("../migrations/sqlite/0003_openhim.sql")),
    (4, "console", include_str!("../migrations/sqlite/0004_console.sql")),
    (5, "patients", include_str!("../migrations/sqlite/0005_patients.sql")),
    (6, "traces", include_str!("../migrations/sqlite/0006_traces.sql")),
    (7, "openhim settings", include_str!("../migrations/sqlite/0007_openhim_settings.sql")),
    (8, "facilities", include_str!("../migrations/sqlite/0008_facilities.sql")),
    (9, "links", include_str!("../migrations/sqlite/0009_links.sql")),
    (10, "senders", include_str!("../migrations/sqlite/0010_senders.sql")),
];

const POSTGRES: [Step; 9] = [
    (1, "messages", include_str!("../migrations/postgres/0001_messages.sql")),
    (3, "openhim", include_str!("../migrations/postgres/0003_openhim.sql")),
    (4, "console", include_str!("../migrations/postgres/0004_console.sql")),
    (5, "patients", include_str!("../migrations/postgres/0005_patients.sql")),
    (6, "traces", include_str!("../migrations/postgres/0006_traces.sql")),
    (7, "openhim settings", include_str!("../migrations/postgres/0007_openhim_settings.sql")),
    (8, "facilities", include_str!("../migrations/postgres/0008_facilities.sql")),
    (9, "links", include_str!("../migrations/postgres/0009_links.sql")),
    (10, "senders", include_str!("../migrations/postgres/0010_senders.sql")),
];

/// Brings a database of any earlier version up to date, each step in a transaction.
pub(super) fn migrator(dialect: Dialect) -> Migrator {
    let steps: &[Step] = match dialect {
        Dialect::Sqlite => &SQLITE,
        Dialect::Postgres => &POSTGRES,
    };
    let migrations = steps.iter().map(|&(version, description, statements)| {
        let statements = AssertSqlSafe(statements).into_sql_str();
        Migration::new(version, Cow::Borrowed(description), MigrationType::Simple, statements, false)
    });
    Migrator::with_migrations(migrations.collect())
}
