//! Documents encrypted at rest.

use super::*;

/// A file of keys, the first one made of `bytes[0]`, and so on.
fn key_file(folder: &Path, bytes: &[u8]) -> PathBuf {
    use base64::Engine;
    let path = folder.join(format!("keys-{bytes:?}"));
    let line = |byte: &u8| base64::engine::general_purpose::STANDARD.encode([*byte; 32]) + "\n";
    std::fs::write(&path, bytes.iter().map(line).collect::<String>()).expect("a file");
    path
}

async fn open<K: Kind>(folder: &Path, bytes: &[u8]) -> Result<SqlStore, String> {
    let key_file = (!bytes.is_empty()).then(|| key_file(folder, bytes));
    let settings = StoreSettings { key_file, ..K::settings(folder) };
    SqlStore::open(&settings).await.map_err(|error| error.to_string())
}

async fn with<K: Kind>(folder: &Path, bytes: &[u8]) -> SqlStore {
    open::<K>(folder, bytes).await.expect("a store")
}

pub async fn documents_are_sealed_at_rest_and_read_as_they_came<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = with::<K>(folder, b"k").await;
    let secret = NewMessage { body: b"the patient's name".to_vec(), ..message("a") };
    let id = add(&store, secret.clone(), 0).await;
    assert_eq!(store.accept(secret.clone(), at(1)).await.expect("a store").id(), id);
    let leased = lease(&store, 1).await.remove(0);
    assert_eq!(leased.body, secret.body);
    store.settle(&leased, &delivered(), Some("the patient's phone"), &[], at(2)).await.expect("a store");
    let view = store.view(id).await.expect("a store").expect("a message");
    assert_eq!((view.body, view.mapped.as_deref()), (Some(secret.body), Some("the patient's phone")));
    // As another reader of the tables sees it.
    let plain = raw_documents::<K>(folder).await;
    assert_eq!(plain.len(), 2);
    for document in plain {
        assert_eq!(document[0], 1, "sealed");
        let text = String::from_utf8_lossy(&document);
        assert!(!text.contains("patient") && !text.contains("name"), "{text}");
    }
}

async fn raw_documents<K: Kind>(folder: &Path) -> Vec<Vec<u8>> {
    let statement = "SELECT received FROM document UNION ALL SELECT sent FROM document";
    sqlx::query_scalar(statement).fetch_all(&raw::<K>(folder).await).await.expect("documents")
}

/// The database without the store.
async fn raw<K: Kind>(folder: &Path) -> sqlx::AnyPool {
    use secrecy::ExposeSecret;
    let settings = K::settings(folder);
    let url =
        settings.url.map_or(format!("sqlite://{}", settings.path.display()), |url| url.expose_secret().to_owned());
    sqlx::AnyPool::connect(&url).await.expect("a database")
}

pub async fn another_key_is_noticed_at_the_start<K: Kind<Store = SqlStore>>(folder: &Path) {
    add(&with::<K>(folder, b"k").await, message("a"), 0).await;
    for wrong in [b"w".as_slice(), b""] {
        let Err(error) = open::<K>(folder, wrong).await else { panic!("{wrong:?} opens the store") };
        assert!(error.contains("store.key_file"), "{error}");
    }
    let store = with::<K>(folder, b"k").await;
    assert_eq!(lease(&store, 0).await[0].body, b"body of a");
    let file = folder.join("short");
    for (text, words) in [("c2hvcnQ=\n", "32 bytes"), ("\n", "empty"), ("not base64!", "32 bytes")] {
        std::fs::write(&file, text).expect("a file");
        let settings = StoreSettings { key_file: Some(file.clone()), ..K::settings(folder) };
        let Err(error) = SqlStore::open(&settings).await else { panic!("{text:?} is a key") };
        assert!(error.to_string().contains(words), "{error}");
        assert!(!error.to_string().contains("c2hvcnQ"), "a key must not be told: {error}");
    }
}

pub async fn an_older_key_still_opens<K: Kind<Store = SqlStore>>(folder: &Path) {
    // First without a key at all, then with one, then with a newer one before it.
    add(&with::<K>(folder, b"").await, message("plain"), 0).await;
    add(&with::<K>(folder, b"o").await, message("old"), 0).await;
    let store = with::<K>(folder, b"no").await;
    add(&store, message("new"), 0).await;
    let bodies: Vec<_> = lease(&store, 0).await.into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, [b"body of plain".to_vec(), b"body of old".to_vec(), b"body of new".to_vec()]);
}

pub async fn a_changed_document_is_a_dead_letter_and_holds_nobody_up<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = with::<K>(folder, b"k").await;
    let (a, b) = (add(&store, message("a"), 0).await, add(&store, message("b"), 0).await);
    // Somebody puts b's document in the place of a's.
    let database = raw::<K>(folder).await;
    let swap =
        "UPDATE document SET received = (SELECT received FROM document WHERE message_id = $1) WHERE message_id = $2";
    sqlx::query(swap).bind(b.0).bind(a.0).execute(&database).await.expect("a database");
    assert_eq!(leased_ids(&store, 1).await, [b]);
    let view = store.view(a).await.expect("a store").expect("a message");
    assert_eq!(view.summary.state, "dead");
    assert!(reason(&view).contains("changed in the store"), "{}", reason(&view));
}
