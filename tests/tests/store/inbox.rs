//! Taking messages in.

use super::*;

/// A second message of the same key that differs as told.
fn second(origin: Origin, news: bool) -> NewMessage {
    let mut new = NewMessage { origin, ..message("a") };
    if news {
        new.body = b"news".to_vec();
    }
    new
}

pub async fn a_message_is_stored_once<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let (first, second) = (add(&store, message("a"), 1).await, add(&store, message("b"), 1).await);
    assert!(first < second, "numbers are in the order of arrival");
    let again = store.accept(message("a"), at(2)).await.expect("a store");
    assert_eq!(again, Acceptance::Duplicate(first, State::Pending));
    let feedback = NewMessage { kind: What::Feedback, dedupe_key: "feedback/a".into(), ..message("a") };
    assert_eq!(
        add(&store, feedback, 2).await,
        MessageId(second.0 + 1),
        "the key tells messages apart; a duplicate takes no number"
    );
}

pub async fn a_message_that_cannot_be_mapped_is_a_dead_letter_from_the_start<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let issues = vec![Issue::missing("ClaimResponse.patient", "a patient")];
    let dead = NewMessage { issues, ..message("a") };
    let id = add(&store, dead.clone(), 1).await;
    assert!(lease(&store, 2).await.is_empty());
    assert_eq!(store.accept(dead, at(3)).await.expect("a store"), Acceptance::Duplicate(id, State::Dead));
    assert_eq!(next_due(&store).await, None);
}

pub async fn what_was_left_out_or_parked_is_revived_by_news<K: Kind>(folder: &Path) {
    use Origin::{Poll, Push, Selected};
    for (number, old_state) in [State::Skipped, State::Dead].into_iter().enumerate() {
        for (case, (old, new, news, revived)) in [
            (Poll, Poll, false, false),
            (Poll, Push, false, false),
            (Poll, Poll, true, true),
            (Push, Push, true, true),
            (Poll, Selected, false, true),
            (Push, Selected, false, true),
            (Selected, Selected, false, false),
            (Selected, Selected, true, true),
            (Selected, Poll, false, false),
        ]
        .into_iter()
        .enumerate()
        {
            let folder = folder.join(format!("{number}-{case}"));
            let store = K::open(&folder).await;
            let id = in_state(&store, NewMessage { origin: old, ..message("a") }, old_state).await;
            let accepted = store.accept(second(new, news), at(10)).await.expect("a store");
            let expected = if revived { Acceptance::Revived(id) } else { Acceptance::Duplicate(id, old_state) };
            assert_eq!(accepted, expected, "{old_state}: {old}, then {new}, news: {news}");
            assert_eq!(leased_ids(&store, 10).await.len(), usize::from(revived));
        }
    }
}

pub async fn what_waits_is_revived_by_its_selection_only<K: Kind>(folder: &Path) {
    use Origin::{Poll, Push, Selected};
    let cases = [
        (Poll, Push, true, false),
        (Push, Poll, true, false),
        (Poll, Selected, false, true),
        (Selected, Selected, true, false),
    ];
    for (case, (old, new, news, revived)) in cases.into_iter().enumerate() {
        let store = K::open(&folder.join(case.to_string())).await;
        let id = in_state(&store, NewMessage { origin: old, ..message("a") }, State::Leased).await;
        settle(&store, id, waiting(1000), 1).await;
        let accepted = store.accept(second(new, news), at(10)).await.expect("a store");
        let expected = if revived { Acceptance::Revived(id) } else { Acceptance::Duplicate(id, State::Pending) };
        assert_eq!(accepted, expected, "{old}, then {new}, news: {news}");
        let leased = lease(&store, 10).await;
        assert_eq!(leased.len(), usize::from(revived), "{old}, then {new}: selected means now");
        assert!(leased.iter().all(|message| message.origin == Selected));
    }
}

pub async fn what_is_on_its_way_or_delivered_is_not_revived<K: Kind>(folder: &Path) {
    for (number, old_state) in [State::Leased, State::Delivered].into_iter().enumerate() {
        let store = K::open(&folder.join(number.to_string())).await;
        let id = in_state(&store, message("a"), old_state).await;
        for origin in [Origin::Push, Origin::Poll, Origin::Selected] {
            let accepted = store.accept(second(origin, true), at(10)).await.expect("a store");
            assert_eq!(accepted, Acceptance::Duplicate(id, old_state), "{origin}");
        }
        assert!(lease(&store, 10).await.is_empty());
    }
}

pub async fn a_revived_message_begins_anew<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let id = in_state(&store, message("a"), State::Dead).await;
    let news = second(Origin::Selected, true);
    assert_eq!(store.accept(news.clone(), at(50)).await.expect("a store"), Acceptance::Revived(id));
    let [leased] = &lease(&store, 50).await[..] else { panic!("one message") };
    assert_eq!(
        (leased.body.as_slice(), leased.origin, leased.received_at),
        (b"news".as_slice(), Origin::Selected, at(50))
    );
    settle(&store, id, Outcome::dead("no"), 51).await;
    // News that cannot be mapped take the place of the old ones, and nothing is tried.
    let issues = vec![Issue::missing("ClaimResponse.patient", "a patient")];
    let worse = NewMessage { body: b"worse".to_vec(), issues, ..news };
    assert_eq!(store.accept(worse.clone(), at(60)).await.expect("a store"), Acceptance::Revived(id));
    assert!(lease(&store, 60).await.is_empty());
    assert_eq!(state(&store, worse).await, State::Dead);
}

pub async fn a_selection_outlives_a_poll<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let id = in_state(&store, NewMessage { origin: Origin::Selected, ..message("a") }, State::Dead).await;
    assert_eq!(store.accept(second(Origin::Poll, true), at(10)).await.expect("a store"), Acceptance::Revived(id));
    assert_eq!(lease(&store, 10).await[0].origin, Origin::Selected);
}

pub async fn of_many_at_once_one_is_new<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let one = || store.accept(message("a"), at(1));
    let (a, b, c, d, e) = tokio::join!(one(), one(), one(), one(), one());
    let accepted = [a, b, c, d, e].map(|accepted| accepted.expect("a store"));
    assert_eq!(accepted.iter().filter(|accepted| matches!(accepted, Acceptance::New(_))).count(), 1, "{accepted:?}");
    assert!(accepted.iter().all(|other| other.id() == accepted[0].id()), "{accepted:?}");
}

/// Many come in one commit: new ones, some twice, some that are there, one that was there as a dead letter.
pub async fn a_message_of_many_at_once_is_told_which_it_is<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let done = in_state(&store, message("done"), State::Delivered).await;
    let dead = in_state(&store, message("dead"), State::Dead).await;
    let mut sent = vec![message("done"), NewMessage { body: b"news".to_vec(), ..message("dead") }];
    sent.extend((0..300).map(|number| message(&(number % 150).to_string())));
    let mut tasks = Vec::new();
    for new in sent {
        tasks.push(store.accept(new, at(5)));
    }
    let mut accepted = futures_util::future::join_all(tasks).await.into_iter().map(|one| one.expect("a store"));
    assert_eq!(accepted.next(), Some(Acceptance::Duplicate(done, State::Delivered)));
    assert_eq!(accepted.next(), Some(Acceptance::Revived(dead)));
    let accepted: Vec<Acceptance> = accepted.collect();
    let new = accepted.iter().filter(|one| matches!(one, Acceptance::New(_))).count();
    assert_eq!(new, 150, "each key once");
    for number in 0..150 {
        assert_eq!(accepted[number].id(), accepted[number + 150].id(), "both say which one it is");
    }
    let leased = take(&store, 5, long(), 1000).await;
    assert_eq!(leased.len(), 151);
    for message in leased.iter().filter(|message| message.id != dead) {
        assert_eq!(message.body, format!("body of {}", message.lane).into_bytes(), "each has its own document");
    }
}

pub async fn text_that_a_database_does_not_take_is_taken<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let issues = vec![Issue::missing("ClaimResponse.patient\0", "a patient")];
    let new = NewMessage { claim_code: Some("nul \0 and 💊".into()), issues, body: b"\0".to_vec(), ..message("a") };
    add(&store, new, 0).await;
    let id = add(&store, NewMessage { claim_code: Some("\0".into()), ..message("b") }, 0).await;
    assert_eq!(leased_ids(&store, 1).await, [id]);
    settle(&store, id, Outcome::dead("a peer said \0"), 1).await;
    assert_eq!(state(&store, message("b")).await, State::Dead);
}
