//! Leasing and settling.

use super::*;

pub async fn a_lease_gives_a_message_as_it_came<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let body = b"\x00\xff not text \xf0\x9f\x92\x8a".to_vec();
    let new = NewMessage { kind: What::Feedback, origin: Origin::Push, body: body.clone(), ..message("a") };
    let id = add(&store, new.clone(), 7).await;
    let [leased] = &lease(&store, 8).await[..] else { panic!("one message") };
    assert_eq!((leased.id, leased.kind, leased.origin), (id, What::Feedback, Origin::Push));
    assert_eq!((leased.lane.as_str(), leased.claim_uuid.as_deref(), &leased.body), ("a", Some("a"), &body));
    assert_eq!((leased.received_at, leased.attempt, leased.uncertain), (at(7), 1, None));
    assert_eq!(state(&store, new).await, State::Leased);
    assert!(lease(&store, 9).await.is_empty(), "it is in somebody's hands");
}

pub async fn the_longest_due_come_first_and_no_more_than_asked_for<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let mut ids = Vec::new();
    for (key, due) in [("a", 30), ("b", 10), ("c", 20), ("d", 40)] {
        let id = add(&store, message(key), 0).await;
        ids.push((id, due));
    }
    for message in lease(&store, 0).await {
        let due = ids.iter().find(|(id, _)| *id == message.id).expect("its id").1;
        settle(&store, message.id, retry(due, false), 1).await;
    }
    let [a, b, c, d] = [ids[0].0, ids[1].0, ids[2].0, ids[3].0];
    let some = async |now, limit| {
        let taken = take(&store, now, long(), limit).await;
        taken.iter().map(|message| message.id).collect::<Vec<_>>()
    };
    assert_eq!(some(9, 10).await, []);
    assert_eq!(some(35, 1).await, [b]);
    assert_eq!(some(35, 0).await, []);
    assert_eq!(some(35, 2).await, [a, c], "both, as they came; d is not due");
    assert_eq!(some(40, 10).await, [d]);
}

pub async fn messages_of_one_lane_come_one_at_a_time_in_their_order<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    for outcome in [delivered(), skipped(), Outcome::dead("no")] {
        let lane = format!("lane {outcome:?}");
        let in_lane = |key: &str| NewMessage { lane: lane.clone(), ..message(&format!("{key} {lane}")) };
        let (first, second) = (add(&store, in_lane("1"), 0).await, add(&store, in_lane("2"), 0).await);
        let beside = add(&store, message(&format!("beside {lane}")), 0).await;
        assert_eq!(leased_ids(&store, 1).await, [first, beside], "the second waits for the first");
        assert_eq!(leased_ids(&store, 2).await, []);
        settle(&store, first, outcome, 3).await;
        assert_eq!(leased_ids(&store, 4).await, [second]);
        settle(&store, second, delivered(), 5).await;
        settle(&store, beside, delivered(), 5).await;
    }
}

pub async fn a_message_that_waits_holds_its_lane<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let in_lane = |key: &str| NewMessage { lane: "lane".into(), ..message(key) };
    let (first, second) = (add(&store, in_lane("1"), 0).await, add(&store, in_lane("2"), 0).await);
    for (now, outcome) in [(0, retry(100, false)), (100, waiting(200))] {
        assert_eq!(leased_ids(&store, now).await, [first]);
        settle(&store, first, outcome, now).await;
        assert_eq!(leased_ids(&store, now + 99).await, []);
    }
    assert_eq!(leased_ids(&store, 200).await, [first]);
    settle(&store, first, delivered(), 200).await;
    assert_eq!(leased_ids(&store, 200).await, [second]);
}

pub async fn a_settled_message_is_not_given_out_again<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    for (key, expected) in [("a", State::Delivered), ("b", State::Skipped), ("c", State::Dead)] {
        in_state(&store, message(key), expected).await;
        assert_eq!(state(&store, message(key)).await, expected);
    }
    assert!(take(&store, 2_000_000, at(3_000_000), 100).await.is_empty(), "at no time");
    assert_eq!(next_due(&store).await, None);
}

pub async fn a_wait_is_no_attempt<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let id = add(&store, message("a"), 0).await;
    for (now, outcome, attempt) in [
        (0, waiting(10), 1),
        (10, waiting(20), 1),
        (20, retry(30, false), 1),
        (30, waiting(40), 2),
        (40, retry(50, false), 2),
    ] {
        assert_eq!(lease(&store, now).await[0].attempt, attempt, "at {now}");
        settle(&store, id, outcome, now).await;
    }
    assert_eq!(lease(&store, 50).await[0].attempt, 3);
}

pub async fn an_uncertain_attempt_is_never_forgotten<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let id = add(&store, message("a"), 0).await;
    let unsure = Outcome::Dead { reason: "given up".into(), issues: Vec::new(), uncertain: Some(at(40)) };
    let steps = [
        (retry(10, false), false),
        (retry(20, true), false),
        (waiting(30), true),
        (retry(40, false), true),
        (unsure, true),
    ];
    for (step, (outcome, uncertain)) in steps.into_iter().enumerate() {
        assert_eq!(lease(&store, step as i64 * 10).await[0].uncertain.is_some(), uncertain, "before {outcome:?}");
        settle(&store, id, outcome, step as i64 * 10).await;
    }
    let news = NewMessage { body: b"news".to_vec(), ..message("a") };
    assert_eq!(store.accept(news, at(60)).await.expect("a store"), Acceptance::Revived(id));
    assert!(lease(&store, 60).await[0].uncertain.is_some(), "the peer may have it from before");
}

pub async fn a_lease_that_ran_out_is_given_out_again_as_uncertain<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let in_lane = |key: &str| NewMessage { lane: "lane".into(), ..message(key) };
    let (first, _second) = (add(&store, in_lane("1"), 0).await, add(&store, in_lane("2"), 0).await);
    let taken = take(&store, 0, at(10), 100).await;
    assert_eq!(taken.iter().map(|message| message.id).collect::<Vec<_>>(), [first]);
    assert_eq!(leased_ids(&store, 9).await, []);
    assert_eq!(next_due(&store).await, Some(at(10)));
    let [again] = &lease(&store, 10).await[..] else { panic!("one message") };
    assert_eq!((again.id, again.attempt, again.uncertain.is_some()), (first, 2, true));
    assert_eq!(leased_ids(&store, 11).await, [], "its lane is held as before");
}

pub async fn a_late_outcome_changes_nothing<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let id = in_state(&store, message("a"), State::Delivered).await;
    for late in [retry(5, true), Outcome::dead("no"), waiting(5)] {
        settle(&store, id, late, 4).await;
        assert_eq!(state(&store, message("a")).await, State::Delivered);
    }
    assert!(lease(&store, 10).await.is_empty());
}

pub async fn the_next_due_time_is_that_of_the_first_message_that_could_be_given_out<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let next = async || next_due(&store).await;
    assert_eq!(next().await, None);
    let in_lane = |key: &str| NewMessage { lane: "lane".into(), ..message(key) };
    let first = add(&store, in_lane("1"), 5).await;
    assert_eq!(next().await, Some(at(5)));
    leased_ids(&store, 5).await;
    settle(&store, first, retry(100, false), 6).await;
    add(&store, in_lane("2"), 7).await; // due at once, and behind the first
    assert_eq!(next().await, Some(at(100)));
    add(&store, message("beside"), 50).await;
    assert_eq!(next().await, Some(at(50)));
    take(&store, 50, at(80), 100).await;
    assert_eq!(next().await, Some(at(80)), "when the lease runs out");
}

pub async fn no_message_is_leased_twice<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    for number in 0..40 {
        add(&store, message(&number.to_string()), 0).await;
    }
    let some = || take(&store, 1, long(), 15);
    let (a, b, c, d) = tokio::join!(some(), some(), some(), some());
    let mut ids: Vec<MessageId> = [a, b, c, d].into_iter().flatten().map(|message| message.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
}

pub async fn a_kind_is_taken_by_itself<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let feedback = NewMessage { kind: What::Feedback, dedupe_key: "feedback/b".into(), ..message("b") };
    let (claim, feedback) = (add(&store, message("a"), 3).await, add(&store, feedback, 4).await);
    assert_eq!(store.next_due(What::ClaimResponse).await.expect("a store"), Some(at(3)));
    assert_eq!(store.next_due(What::Feedback).await.expect("a store"), Some(at(4)));
    for (kind, expected) in [(What::Feedback, feedback), (What::ClaimResponse, claim)] {
        let wanted = Lease { kind, now: at(5), until: long(), limit: 10, held: &[] };
        let taken = store.lease(&wanted).await.expect("a store");
        assert_eq!(taken.iter().map(|message| (message.id, message.kind)).collect::<Vec<_>>(), [(expected, kind)]);
    }
}

/// The clock jumps by a day while two messages are on their way: their leases seem to have run out.
pub async fn what_a_worker_is_still_at_is_not_given_to_it_again<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    let (a, b) = (add(&store, message("a"), 0).await, add(&store, message("b"), 0).await);
    assert_eq!(take(&store, 0, at(300), 10).await.len(), 2);
    let tomorrow = async |held: &[MessageId]| {
        let wanted = Lease { kind: What::ClaimResponse, now: at(86_400), until: long(), limit: 10, held };
        store.lease(&wanted).await.expect("a store")
    };
    assert!(tomorrow(&[a, b]).await.is_empty());
    let taken = tomorrow(&[a]).await;
    assert_eq!(taken.iter().map(|message| (message.id, message.uncertain.is_some())).collect::<Vec<_>>(), [(b, true)]);
}

pub async fn an_outcome_after_the_lease_went_to_another_is_not_written<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    add(&store, message("a"), 0).await;
    let slow = take(&store, 0, at(10), 1).await.remove(0);
    let next = take(&store, 10, at(20), 1).await.remove(0);
    assert_ne!(slow.lease, next.lease);
    let end = async |message: &Message, outcome| {
        store.settle(message, &outcome, None, &[trail_line(15)], at(15)).await.expect("a store")
    };
    assert!(!end(&slow, Outcome::dead("too late")).await);
    assert_eq!(state(&store, message("a")).await, State::Leased, "the other one still has it");
    // A wait gives the attempt back, so that only the lease itself tells the two apart.
    assert!(end(&next, waiting(30)).await);
    let third = take(&store, 30, at(40), 1).await.remove(0);
    assert_eq!(third.attempt, next.attempt);
    assert!(!end(&next, delivered()).await);
    assert!(end(&third, delivered()).await);
    assert!(!end(&third, Outcome::dead("twice")).await);
    assert_eq!(state(&store, message("a")).await, State::Delivered);
}

pub async fn many_outcomes_at_once_are_all_written<K: Kind>(folder: &Path) {
    let store = K::open(folder).await;
    for number in 0..100 {
        add(&store, message(&number.to_string()), 0).await;
    }
    let taken = take(&store, 0, long(), 100).await;
    let outcomes = [delivered(), skipped(), Outcome::dead("no"), retry(50, true)];
    let lines = [trail_line(1), trail_line(2), trail_line(3)];
    let settled = taken.iter().zip(outcomes.iter().cycle()).map(async |(message, outcome)| {
        store.settle(message, outcome, Some(&format!("sent {}", message.lane)), &lines, at(3)).await
    });
    let settled = futures_util::future::join_all(settled).await;
    assert!(settled.into_iter().all(|settled| settled.expect("a store")));
    for (number, outcome) in (0..100).zip(outcomes.iter().cycle()) {
        assert_eq!(state(&store, message(&number.to_string())).await, outcome.state(), "{number}");
    }
}
