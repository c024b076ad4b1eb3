//! What a message costs does not grow with what is stored: no statement on its way reads a table or an index from one end to the other.

use rusqlite::Connection;

use super::*;

/// What is read as a whole: the numbers that a worker holds, and the messages that were chosen just before.
const SHORT: [&str; 3] = ["json_each", "due", "CONSTANT"];

#[tokio::test]
async fn every_statement_on_a_messages_way_goes_by_an_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mediator.db");
    drop(SqlStore::open(&StoreSettings::file(&file)).await.expect("a store"));
    let statements = SqlStore::hot_statements();
    assert!(statements.len() >= 10, "{statements:?}");
    for (what, statement) in statements {
        let plan = plan(&file, &statement);
        assert!(plan.iter().any(|step| step.starts_with("SEARCH ")), "{what}: {plan:?}");
        let whole = plan.iter().filter_map(|step| step.strip_prefix("SCAN "));
        let long: Vec<&str> = whole.filter(|step| !SHORT.iter().any(|short| step.starts_with(short))).collect();
        assert!(long.is_empty(), "{what} reads all of {long:?}:\n{statement}\n{plan:#?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{what} sorts: {plan:#?}");
    }
}

#[tokio::test]
async fn a_statement_without_an_index_would_be_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mediator.db");
    drop(SqlStore::open(&StoreSettings::file(&file)).await.expect("a store"));
    let plan = plan(&file, "SELECT id FROM message WHERE reason = $1");
    assert!(plan.iter().any(|step| step == "SCAN message"), "{plan:?}");
}

fn plan(file: &Path, statement: &str) -> Vec<String> {
    let connection = Connection::open(file).expect("a database");
    let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).expect("a plan");
    // Whatever the values are: none is bound.
    let steps = explained.raw_query().mapped(|row| row.get("detail"));
    steps.collect::<Result<_, _>>().expect("steps")
}
