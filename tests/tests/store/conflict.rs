//! Documents that come with the key of another one.

use flow::agreement::Agreement;
use store::Filter;

use super::*;

/// A hospital's claim with the code `X` of an insuree, on a day.
fn claim(insuree: &str, day: &str) -> NewMessage {
    NewMessage {
        kind: What::Eclaim,
        origin: Origin::Push,
        dedupe_key: "eclaim/hospital/X".to_owned(),
        lane: format!("eclaim/{insuree}-{day}"),
        body: format!("claim of {insuree} on {day}").into_bytes(),
        sender: Some("hospital".to_owned()),
        agreement: Agreement {
            facts: vec![("insuree.number", insuree.into()), ("day", day.into())],
            ..Agreement::default()
        },
        ..message("x")
    }
}

/// One that corrects another: the same insuree and day.
fn corrected(insuree: &str, day: &str) -> NewMessage {
    NewMessage { body: b"other items".to_vec(), ..claim(insuree, day) }
}

async fn accept(store: &impl Store, new: NewMessage, now: i64) -> Acceptance {
    store.accept(new, at(now)).await.expect("a store")
}

async fn view(store: &SqlStore, id: MessageId) -> store::View {
    store.view(id).await.expect("a store").expect("a message")
}

pub async fn another_document_is_stored_with_a_key_of_its_own_and_both_are_named<K: Kind<Store = SqlStore>>(
    folder: &Path,
) {
    for (number, state) in
        [State::Pending, State::Leased, State::Delivered, State::Dead, State::Skipped, State::Discarded]
            .into_iter()
            .enumerate()
    {
        let store = K::open(&folder.join(number.to_string())).await;
        let first = match state {
            State::Discarded => {
                let id = add(&store, claim("a", "1"), 0).await;
                assert!(store.discard(id, "test", "an admin", at(0)).await.expect("a store"));
                id
            }
            state => in_state(&store, claim("a", "1"), state).await,
        };
        let second = accept(&store, claim("b", "2"), 1).await;
        let Acceptance::Conflict { id, first: named, differs } = second.clone() else { panic!("{state}: {second:?}") };
        assert_eq!((named, &differs[..]), (first, ["insuree", "day"].as_slice()), "{state}");
        // However often it comes, and also corrected.
        assert_eq!(accept(&store, claim("b", "2"), 2).await, second, "{state}");
        assert_eq!(accept(&store, corrected("b", "2"), 3).await, second, "{state}");
        let (kept, old) = (view(&store, id).await, view(&store, first).await);
        assert_eq!((kept.summary.state.as_str(), kept.conflict_of), ("dead", Some(first)), "{state}");
        assert!(
            reason(&kept).ends_with(&format!("as message {first}: they differ in insuree and day")),
            "{}",
            reason(&kept)
        );
        assert_eq!(kept.body.as_deref(), Some(b"other items".as_slice()), "the newest is stored");
        assert_eq!(old.conflicts, [id], "{state}");
        assert_eq!(old.body.as_deref(), Some(b"claim of a on 1".as_slice()), "{state}: the first is as it was");
        assert!(old.trail.iter().any(|line| line.event == "another document came"), "{state}");
        // A third one is a third message.
        let third = accept(&store, claim("a", "3"), 4).await;
        assert!(matches!(&third, Acceptance::Conflict { differs, .. } if differs == &["day"]), "{state}: {third:?}");
        assert_ne!(third.id(), id);
        // The first one is still the one that has the key.
        assert_eq!(accept(&store, claim("a", "1"), 5).await, Acceptance::Duplicate(first, state));
    }
}

pub async fn what_corrects_a_document_still_takes_its_place<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let first = in_state(&store, claim("a", "1"), State::Dead).await;
    assert_eq!(accept(&store, corrected("a", "1"), 1).await, Acceptance::Revived(first));
    // What was refused with its faults may be corrected in everything.
    let store = K::open(&folder.join("refused")).await;
    let issues = vec![Issue::missing("Claim.patient", "a patient")];
    let first = add(&store, NewMessage { issues, ..claim("a", "1") }, 0).await;
    assert_eq!(accept(&store, claim("b", "2"), 1).await, Acceptance::Revived(first));
    assert!(matches!(accept(&store, claim("a", "1"), 2).await, Acceptance::Conflict { .. }), "the newest counts");
}

pub async fn a_document_that_is_no_longer_stored_is_still_told_from_another<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let first = in_state(&store, claim("a", "1"), State::Delivered).await;
    for messages_before in [0, 1_000] {
        store.prune(at(1_000), at(messages_before), |_| {}).await.expect("a store");
        assert_eq!(accept(&store, claim("a", "1"), 5).await, Acceptance::Duplicate(first, State::Delivered));
        let other = accept(&store, claim("b", "1"), 6).await;
        assert!(matches!(&other, Acceptance::Conflict { first: named, .. } if *named == first), "{other:?}");
    }
}

pub async fn one_of_two_documents_with_the_same_key_is_sent_and_only_after_a_decision<K: Kind<Store = SqlStore>>(
    folder: &Path,
) {
    let store = K::open(folder).await;
    let retry = async |id, now| store.retry(id, "an admin", at(now)).await.expect("a store");
    let first = in_state(&store, claim("a", "1"), State::Dead).await;
    let second = accept(&store, claim("b", "2"), 1).await.id();
    assert!(!retry(second, 2).await, "the first may still be sent");
    let dead = Filter { state: Some(State::Dead), ..Filter::default() };
    assert_eq!(store.retry_all(&dead, "an admin", at(3), |_| {}).await.expect("a store"), 1, "the first alone");
    assert!(store.discard(first, "the wrong one", "an admin", at(4)).await.expect("a store"));
    assert_eq!(store.retry_all(&dead, "an admin", at(5), |_| {}).await.expect("a store"), 0, "not by the way");
    assert!(retry(second, 6).await);
    assert!(!retry(first, 7).await, "the second is under way");
    assert_eq!(leased_ids(&store, 8).await, [second]);
    settle(&store, second, delivered(), 9).await;
    assert!(!retry(first, 10).await, "the second was delivered");
    assert_eq!(accept(&store, claim("b", "2"), 11).await, Acceptance::Duplicate(second, State::Delivered));
}

pub async fn what_was_stored_without_digests_is_compared_by_its_document<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let notification = |patient: u32| {
        let body = format!(
            r#"{{"resourceType": "ClaimResponse", "patient": {{"reference": "Patient/00000000-0000-4000-8000-00000000000{patient}"}}}}"#
        );
        let reader = flow::agreement::Reader::ClaimResponse;
        let facts = reader.read(body.as_bytes());
        assert_eq!(facts.len(), 1);
        NewMessage {
            origin: Origin::Push,
            body: body.into_bytes(),
            agreement: Agreement { facts, reader },
            ..message("a")
        }
    };
    let old = NewMessage { agreement: Agreement::default(), ..notification(6) };
    let first = in_state(&store, old, State::Delivered).await;
    assert_eq!(accept(&store, notification(6), 1).await, Acceptance::Duplicate(first, State::Delivered));
    assert!(matches!(accept(&store, notification(7), 2).await, Acceptance::Conflict { .. }));
}

pub async fn digests_are_of_the_stores_key<K: Kind<Store = SqlStore>>(folder: &Path) {
    use base64::Engine;
    let keys = |bytes: &[u8]| {
        let path = folder.join(format!("keys-{}", bytes.len()));
        let line = |byte: &u8| base64::engine::general_purpose::STANDARD.encode([*byte; 32]) + "\n";
        std::fs::write(&path, bytes.iter().map(line).collect::<String>()).expect("a file");
        StoreSettings { key_file: Some(path), ..K::settings(folder) }
    };
    let open = async |bytes: &[u8]| SqlStore::open(&keys(bytes)).await.expect("a store");
    let store = open(b"o").await;
    let first = in_state(&store, claim("a", "1"), State::Delivered).await;
    store.prune(at(1_000), at(0), |_| {}).await.expect("a store");
    // With a newer key before it the older digests are still read.
    let store = open(b"no").await;
    assert_eq!(accept(&store, claim("a", "1"), 5).await, Acceptance::Duplicate(first, State::Delivered));
    assert!(matches!(accept(&store, claim("b", "1"), 6).await, Acceptance::Conflict { .. }));
}

pub async fn since_when_an_outcome_is_unknown_is_written_down<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let id = add(&store, message("a"), 0).await;
    let since = async |now| lease(&store, now).await.remove(0).uncertain;
    let retry = |now, uncertain| Outcome::Retry { at: at(now), reason: "slow".into(), uncertain };
    assert_eq!(since(1).await, None);
    settle(&store, id, retry(2, None), 2).await;
    assert_eq!(since(3).await, None);
    settle(&store, id, retry(4, Some(at(4))), 4).await;
    assert_eq!(since(5).await, Some(at(4)));
    settle(&store, id, retry(6, None), 6).await;
    assert_eq!(since(7).await, Some(at(4)), "it stays so");
    settle(&store, id, retry(7, Some(at(7))), 7).await;
    assert_eq!(since(8).await, Some(at(7)), "the last attempt counts: a peer may be at that one");
    // A lease that ran out.
    let other = add(&store, message("b"), 8).await;
    let taken = take(&store, 8, at(9), 10).await;
    assert_eq!(taken.iter().find(|message| message.id == other).expect("b").uncertain, None);
    let again = take(&store, 20, long(), 10).await;
    assert_eq!(again.iter().find(|message| message.id == other).expect("b").uncertain, Some(at(20)));
}
