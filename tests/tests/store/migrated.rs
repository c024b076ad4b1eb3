//! A database of 0.1.0, with messages in every state, opened by this version.

use std::path::Path as FilePath;

use flow::agreement::{Agreement, Reader};
use secrecy::ExposeSecret;
use sqlx::AnyPool;
use sqlx::migrate::Migrator;

use super::*;

/// The last migration of 0.1.0.
const OLD: i64 = 9;
const STATES: [&str; 6] = ["pending", "leased", "delivered", "skipped", "dead", "discarded"];

fn notification(claim: usize, patient: usize) -> Vec<u8> {
    format!(
        r#"{{"resourceType": "ClaimResponse", "id": "00000000-0000-4000-8000-0000000001{claim:02}",
            "patient": {{"reference": "Patient/00000000-0000-4000-8000-0000000000{patient:02}"}}}}"#
    )
    .into_bytes()
}

/// The database itself, and all steps to its tables that the sources have.
async fn database(settings: &StoreSettings) -> (AnyPool, Migrator) {
    sqlx::any::install_default_drivers();
    let (url, migrations) = match &settings.url {
        Some(url) => (url.expose_secret().to_owned(), "postgres"),
        None => (format!("sqlite://{}?mode=rwc", settings.path.display()), "sqlite"),
    };
    let pool = AnyPool::connect(&url).await.expect("a database");
    let all = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../crates/store/migrations").join(migrations);
    (pool, Migrator::new(all).await.expect("migrations"))
}

/// The tables of 0.1.0, and a message in each state as it wrote them.
async fn old_database<K: Kind<Store = SqlStore>>(folder: &FilePath) {
    let settings = K::settings(folder);
    let (pool, mut migrator) = database(&settings).await;
    migrator.migrations.to_mut().retain(|migration| migration.version <= OLD);
    migrator.run(&pool).await.expect("the old tables");
    for (number, state) in STATES.into_iter().enumerate() {
        let id = number as i64 + 1;
        let settled = (!matches!(state, "pending" | "leased")).then(|| at(5).as_millisecond());
        sqlx::query(
            "INSERT INTO message (id, kind, origin, state, dedupe_key, lane, claim_code, reason, attempts, leases, uncertain,
                                  received_at, since, due_at, settled_at)
             VALUES ($1, 'claim-response', 'push', $2, $3, $4, $5, 'why', 1, 1, $6, $7, $8, $9, $10)",
        )
        .bind(id)
        .bind(state)
        .bind(format!("claim/{state}"))
        .bind(state)
        .bind(format!("CODE-{state}"))
        .bind(i64::from(state == "pending"))
        .bind(at(1).as_millisecond())
        .bind(at(1).as_millisecond())
        .bind(at(2).as_millisecond())
        .bind(settled)
        .execute(&pool)
        .await
        .expect("a message");
        let document = sqlx::query("INSERT INTO document (message_id, received, sent) VALUES ($1, $2, NULL)");
        document.bind(id).bind(notification(number, number)).execute(&pool).await.expect("a document");
        let trail =
            sqlx::query("INSERT INTO trail (message_id, at, event, detail) VALUES ($1, $2, 'received', 'by push')");
        trail.bind(id).bind(at(1).as_millisecond()).execute(&pool).await.expect("a trail");
    }
    // One that retention took.
    let key = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, b"claim/gone").into_bytes().to_vec();
    let gone = sqlx::query("INSERT INTO forgotten (key, message_id) VALUES ($1, 77)").bind(key);
    gone.execute(&pool).await.expect("a key");
    if settings.url.is_some() {
        let next = sqlx::query("SELECT setval('message_id_seq', 100)");
        next.execute(&pool).await.expect("a sequence");
    }
    pool.close().await;
}

fn again(key: &str, body: Vec<u8>) -> NewMessage {
    let facts = Reader::ClaimResponse.read(&body);
    assert!(!facts.is_empty());
    NewMessage {
        origin: Origin::Push,
        lane: key.into(),
        body,
        agreement: Agreement { facts, reader: Reader::ClaimResponse },
        ..message(key)
    }
}

pub async fn a_database_of_the_first_release_opens_and_loses_nothing<K: Kind<Store = SqlStore>>(folder: &Path) {
    old_database::<K>(folder).await;
    for _ in 0..2 {
        let store = K::open(folder).await;
        let mut all = messages(&store).await;
        all.sort_by_key(|view| view.summary.id);
        let states: Vec<_> = all.iter().map(|view| view.summary.state.as_str()).collect();
        assert_eq!(states, STATES);
        for (number, view) in all.iter().enumerate() {
            assert_eq!(view.body, Some(notification(number, number)), "{}", view.summary.state);
            assert_eq!(view.trail.len(), 1);
            assert_eq!((view.sender.as_deref(), view.conflict_of), (None, None));
        }
    }
    let store = K::open(folder).await;
    // What waits is delivered, what was uncertain stays so, and what is known stays known.
    let leased = take(&store, 10, long(), 10).await;
    let ids: Vec<_> = leased.iter().map(|message| (message.id, message.uncertain.is_some())).collect();
    assert_eq!(ids, [(MessageId(1), true), (MessageId(2), true)]);
    assert_eq!(leased[1].uncertain, Some(at(10)), "its lease is found to have run out then");
    let accept = async |new| store.accept(new, at(20)).await.expect("a store");
    assert_eq!(
        accept(again("delivered", notification(2, 2))).await,
        Acceptance::Duplicate(MessageId(3), State::Delivered)
    );
    assert_eq!(accept(again("gone", notification(7, 7))).await, Acceptance::Duplicate(MessageId(77), State::Delivered));
    // Another document is told from what was stored without digests.
    let other = accept(again("delivered", notification(2, 9))).await;
    assert!(matches!(&other, Acceptance::Conflict { first: MessageId(3), .. }), "{other:?}");
    assert_eq!(
        accept(again("discarded", notification(5, 5))).await,
        Acceptance::Duplicate(MessageId(6), State::Discarded)
    );
    assert!(store.retry(MessageId(5), "an admin", at(21)).await.expect("a store"));
    // What is old is pruned, and still known.
    store.prune(at(100), at(100), |_| {}).await.expect("a store");
    assert_eq!(
        accept(again("delivered", notification(2, 2))).await,
        Acceptance::Duplicate(MessageId(3), State::Delivered)
    );
}

pub async fn every_step_of_the_sources_is_taken_as_it_is_written<K: Kind<Store = SqlStore>>(folder: &Path) {
    K::open(folder).await;
    let (pool, migrator) = database(&K::settings(folder)).await;
    let taken = "SELECT version, description, checksum FROM _sqlx_migrations ORDER BY version";
    let taken: Vec<(i64, String, Vec<u8>)> = sqlx::query_as(taken).fetch_all(&pool).await.expect("steps");
    let written = migrator.iter().map(|step| (step.version, step.description.to_string(), step.checksum.to_vec()));
    assert_eq!(taken, written.collect::<Vec<_>>());
}
