//! `prefill`: a delivered message of the store, with its documents and its trail, as often as wanted, by SQL.
//!
//! The rows are copies of a real one, whatever columns the tables have; only what names the message is its own.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor, Row};

/// Rows of `message` in one statement.
const PIECE: i64 = 50_000;
/// What belongs to a message, by its column `message_id`.
const CHILDREN: [&str; 2] = ["document", "trail"];

/// Where, and how many.
#[derive(Args, Debug)]
pub struct Options {
    /// sqlite:<file> or postgres://user@host/database
    #[arg(long)]
    store: String,
    /// Messages to add
    #[arg(long, default_value_t = 1_000_000)]
    count: i64,
}

/// Fills.
pub async fn command(options: Options) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    prefill(&options.store, options.count).await?;
    println!("{} delivered messages added in {:.0} s", options.count, begun.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

/// Adds `count` copies of a delivered claim.
pub async fn prefill(store: &str, count: i64) -> anyhow::Result<()> {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(store).await?;
    let postgres = connection.backend_name() == "PostgreSQL";
    if !postgres {
        connection.execute("PRAGMA synchronous = OFF").await?; // a store that is lost now is filled again
    }
    let template = sqlx::query(
        "SELECT id, claim_uuid, claim_code FROM message
         WHERE state = 'delivered' AND claim_uuid IS NOT NULL AND claim_code IS NOT NULL ORDER BY id LIMIT 1",
    );
    let template = template.fetch_optional(&mut connection).await?.context("no delivered claim to copy")?;
    let (id, uuid, code): (i64, String, String) = (template.get(0), template.get(1), template.get(2));
    ensure!(uuid.len() == 36 && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "not a claim of `send`");
    let last: i64 = sqlx::query_scalar("SELECT max(id) FROM message").fetch_one(&mut connection).await?;

    let columns = columns(&mut connection, "message", postgres).await?;
    let children = {
        let mut children = Vec::new();
        for table in CHILDREN {
            children.push((table, self::columns(&mut connection, table, postgres).await?));
        }
        children
    };
    let mut from = 1;
    while from <= count {
        let to = count.min(from + PIECE - 1);
        let numbers = numbers(from, to, postgres);
        let values = columns.iter().map(|(name, kind)| match (name.as_str(), kind.to_lowercase().as_str()) {
            ("id", _) => format!("{last} + new.n"),
            (name, "text") => format!("replace(replace(old.{name}, '{uuid}', new.uuid), '{code}', new.code)"),
            (name, _) => format!("old.{name}"),
        });
        copy(&mut connection, &numbers, "message", &columns, values.collect(), &format!("old.id = {id}")).await?;
        for (table, columns) in &children {
            // Its own number, where it has one, comes by itself.
            let columns: Vec<_> = columns.iter().filter(|(name, _)| name != "id").cloned().collect();
            let values = columns.iter().map(|(name, _)| match name.as_str() {
                "message_id" => format!("{last} + new.n"),
                name => format!("old.{name}"),
            });
            let of_template = format!("old.message_id = {id}");
            copy(&mut connection, &numbers, table, &columns, values.collect(), &of_template).await?;
        }
        from = to + 1;
    }
    tidy(&mut connection, postgres).await
}

/// Names and types, in order.
async fn columns(connection: &mut AnyConnection, table: &str, postgres: bool) -> anyhow::Result<Vec<(String, String)>> {
    let statement = match postgres {
        true => format!(
            "SELECT CAST(column_name AS TEXT), CAST(data_type AS TEXT) FROM information_schema.columns
             WHERE table_schema = current_schema() AND table_name = '{table}' ORDER BY ordinal_position"
        ),
        false => format!("SELECT name, type FROM pragma_table_info('{table}')"),
    };
    let columns: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(statement)).fetch_all(&mut *connection).await?;
    ensure!(!columns.is_empty(), "the store has no table {table}");
    Ok(columns)
}

/// A table `new` of numbers, each with a uuid that is spread as random ones are, and a claim's code.
fn numbers(from: i64, to: i64, postgres: bool) -> String {
    match postgres {
        true => format!(
            "WITH new AS (SELECT n, lpad(to_hex((n * 2654435761) & 4294967295), 8, '0') || '-0000-4000-8000-'
                    || lpad(to_hex(n), 12, '0') AS uuid, 'P' || n AS code
                FROM generate_series({from}::bigint, {to}::bigint) AS n)"
        ),
        false => format!(
            "WITH RECURSIVE number (n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM number WHERE n < {to}),
                new AS (SELECT n, printf('%08x-0000-4000-8000-%012x', (n * 2654435761) & 4294967295, n) AS uuid,
                    'P' || n AS code FROM number)"
        ),
    }
}

async fn copy(
    connection: &mut AnyConnection,
    numbers: &str,
    table: &str,
    columns: &[(String, String)],
    values: Vec<String>,
    which: &str,
) -> anyhow::Result<()> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let (names, values) = (names.join(", "), values.join(", "));
    let statement = format!(
        "{numbers} INSERT INTO {table} ({names}) SELECT {values} FROM new CROSS JOIN {table} old WHERE {which} ORDER BY new.n"
    );
    connection.execute(AssertSqlSafe(statement)).await.with_context(|| format!("table {table}"))?;
    Ok(())
}

/// What a store that grew over the years would have had done to it.
async fn tidy(connection: &mut AnyConnection, postgres: bool) -> anyhow::Result<()> {
    if !postgres {
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        return Ok(());
    }
    connection
        .execute("SELECT CAST(setval(pg_get_serial_sequence('message', 'id'), (SELECT max(id) FROM message)) AS TEXT)")
        .await?;
    for table in ["message", CHILDREN[0], CHILDREN[1]] {
        connection.execute(AssertSqlSafe(format!("VACUUM (ANALYZE) {table}"))).await?;
    }
    Ok(())
}
