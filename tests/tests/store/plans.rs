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

/// Before the server has counted anything; and where it has counted that there is nothing, and some thousands of messages came since.
#[tokio::test]
#[ignore = "needs PostgreSQL: cargo xtask test"]
async fn every_statement_on_a_messages_way_goes_by_an_index_on_postgresql() {
    const FILL: &str = "
        INSERT INTO message (kind, origin, state, dedupe_key, lane, received_at, since, due_at, settled_at)
            SELECT 'feedback', 'push', CASE n % 2 WHEN 0 THEN 'delivered' ELSE 'pending' END, n, n, 1, 1, 1,
                   CASE n % 2 WHEN 0 THEN 1 END FROM generate_series(1, 5000) n;
        INSERT INTO document (message_id, received) SELECT id, 'x' FROM message;
        INSERT INTO trail (message_id, at, event, detail) SELECT id, 1, 'received', 'x' FROM message;
        INSERT INTO forgotten (key, message_id) SELECT convert_to(n::text, 'UTF8'), n FROM generate_series(1, 5000) n;
        INSERT INTO link (insuree_uuid, contact_id, how, created_at) SELECT n, n, 'x', 1 FROM generate_series(1, 5000) n";
    let cluster = Cluster::shared();
    let url = cluster.database();
    let settings = StoreSettings { url: Some(url.clone().into()), ..StoreSettings::default() };
    drop(SqlStore::open(&settings).await.expect("a store"));
    goes_by_indexes(&SqlStore::hot_plans(&url).await.expect("plans"));
    cluster.sql(&url, "ANALYZE");
    cluster.sql(&url, FILL);
    goes_by_indexes(&SqlStore::hot_plans(&url).await.expect("plans"));
}

fn goes_by_indexes(plans: &[(&str, Vec<String>)]) {
    let expected: [(&str, &[&str]); 3] = [
        ("taken in", &["message_dedupe_key_key", "forgotten_pkey"]),
        ("settled", &["message_pkey", "document_pkey"]),
        ("leased", &["message_due", "message_lane", "message_pkey", "document_pkey", "link_pkey"]),
    ];
    assert_eq!(plans.len(), expected.len());
    for ((what, plan), (expected, indexes)) in plans.iter().zip(expected) {
        assert_eq!(*what, expected);
        let steps: Vec<&str> = plan.iter().map(|step| step.trim_start_matches([' ', '-', '>'])).collect();
        let whole =
            |step: &&&str| ["Seq Scan", "Bitmap", "Hash ", "Merge "].iter().any(|whole| step.starts_with(whole));
        assert_eq!(steps.iter().find(whole), None, "{what}: {plan:#?}");
        // An index that is read without a condition is read from one end to the other.
        let by_condition = steps.windows(2).filter(|step| step[1].starts_with("Index Cond:"));
        let used: Vec<&str> = by_condition.filter_map(|step| step[0].split(" using ").nth(1)).collect();
        let used: Vec<&str> = used.iter().filter_map(|index| index.split_whitespace().next()).collect();
        assert_eq!(used, indexes, "{what}: {plan:#?}");
        assert_eq!(steps.iter().filter(|step| step.contains(" using ")).count(), used.len(), "{what}: {plan:#?}");
    }
}

fn plan(file: &Path, statement: &str) -> Vec<String> {
    let connection = Connection::open(file).expect("a database");
    let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).expect("a plan");
    // Whatever the values are: none is bound.
    let steps = explained.raw_query().mapped(|row| row.get("detail"));
    steps.collect::<Result<_, _>>().expect("steps")
}
