//! What admins see and do.

use store::Filter;

use super::*;

pub async fn what_a_killed_process_had_in_its_hands_is_uncertain_and_due_at_once<K: Kind<Store = SqlStore>>(
    folder: &Path,
) {
    let store = K::open(folder).await;
    let held = in_state(&store, message("held"), State::Leased).await;
    in_state(&store, message("done"), State::Delivered).await;
    assert_eq!(store.release_leases(at(5)).await.expect("a store"), 1);
    let [again] = &lease(&store, 5).await[..] else { panic!("one message") };
    assert_eq!((again.id, again.attempt, again.uncertain.is_some()), (held, 2, true));
}

pub async fn an_admin_puts_back_what_is_settled_or_waits_but_not_what_is_delivered_or_on_its_way<
    K: Kind<Store = SqlStore>,
>(
    folder: &Path,
) {
    let store = K::open(folder).await;
    for (key, state, put_back) in [
        ("dead", State::Dead, true),
        ("skipped", State::Skipped, true),
        ("delivered", State::Delivered, false),
        ("leased", State::Leased, false),
    ] {
        let id = in_state(&store, message(key), state).await;
        assert_eq!(store.retry(id, "an admin", at(5)).await.expect("a store"), put_back, "{key}");
        let leased = lease(&store, 5).await;
        assert_eq!(leased.len(), usize::from(put_back), "{key}");
        assert!(leased.iter().all(|message| message.received_at == at(5)), "giving up counts from now");
    }
    let waits = in_state(&store, message("waits"), State::Leased).await;
    settle(&store, waits, retry(1000, false), 5).await;
    assert!(store.retry(waits, "an admin", at(6)).await.expect("a store"));
    assert_eq!(leased_ids(&store, 6).await, [waits]);
    assert!(!store.retry(MessageId(4711), "an admin", at(6)).await.expect("a store"));
}

pub async fn an_admin_sees_what_became_of_a_message_and_why<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let id = in_state(&store, message("a"), State::Leased).await;
    settle(&store, id, Outcome::dead("CHT refused it"), 3).await;
    let feedback = NewMessage { kind: What::Feedback, dedupe_key: "feedback/a".into(), ..message("a") };
    let related = add(&store, feedback, 4).await;
    let views = messages(&store).await;
    let view = &views[0];
    assert_eq!(
        (view.summary.state.as_str(), reason(view), view.summary.settled_at),
        ("dead", "CHT refused it", Some(at(3)))
    );
    assert_eq!((view.mapped.as_deref(), view.related[0].id), (Some("mapped"), related));
    let events: Vec<_> = view.trail.iter().map(|line| (line.at, line.event.as_str(), line.status)).collect();
    assert_eq!(events, [(at(0), "received", None), (at(3), "tried", Some(200))]);

    let list = async |filter: Filter| {
        let found = store.list(&Filter { limit: 10, ..filter }).await.expect("a store");
        found.iter().map(|summary| summary.id).collect::<Vec<_>>()
    };
    assert_eq!(list(Filter::default()).await, [related, id], "newest first");
    assert_eq!(list(Filter { state: Some(State::Dead), ..Filter::default() }).await, [id]);
    assert_eq!(list(Filter { kind: Some(What::Feedback), ..Filter::default() }).await, [related]);
    assert_eq!(
        list(Filter { claim: Some("CODE-a".into()), kind: Some(What::ClaimResponse), ..Filter::default() }).await,
        [id]
    );
    assert_eq!(
        list(Filter { claim: Some("A".into()), ..Filter::default() }).await,
        [related, id],
        "a uuid in any case"
    );
    assert_eq!(store.list(&Filter { limit: 1, ..Filter::default() }).await.expect("a store").len(), 1);
    let mut counts = store.counts().await.expect("a store");
    counts.sort_by_key(|(state, _)| state.word());
    assert_eq!(counts, [(State::Dead, 1), (State::Pending, 1)]);
}

pub async fn a_discarded_message_stays_away_until_an_admin_brings_it_back<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    for (key, old_state, done) in [
        ("dead", State::Dead, true),
        ("skipped", State::Skipped, true),
        ("pending", State::Pending, true),
        ("leased", State::Leased, false),
        ("delivered", State::Delivered, false),
    ] {
        let id = in_state(&store, message(key), old_state).await;
        assert_eq!(store.discard(id, "a test claim", "an admin", at(5)).await.expect("a store"), done, "{key}");
        let news = NewMessage { body: b"news".to_vec(), origin: Origin::Selected, ..message(key) };
        let kept = if done { State::Discarded } else { old_state };
        let key = format!("claim/{key}");
        let needs_nothing = done || matches!(old_state, State::Leased | State::Delivered);
        let settled = store.settled_keys(std::slice::from_ref(&key)).await.expect("a store");
        assert_eq!(settled.contains(&key), needs_nothing, "{key}");
        let key = key.trim_start_matches("claim/");
        assert_eq!(store.accept(news, at(6)).await.expect("a store"), Acceptance::Duplicate(id, kept), "{key}");
        if done {
            assert!(leased_ids(&store, 7).await.is_empty(), "{key}");
            assert!(!store.discard(id, "again", "an admin", at(8)).await.expect("a store"));
            assert!(store.retry(id, "an admin", at(9)).await.expect("a store"));
            assert_eq!(leased_ids(&store, 9).await, [id]);
        }
    }
    assert!(!store.discard(MessageId(4711), "no such message", "an admin", at(5)).await.expect("a store"));
}

pub async fn all_that_fit_are_put_back<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let mut dead = Vec::new();
    for number in 0..450 {
        dead.push(in_state(&store, message(&number.to_string()), State::Dead).await);
    }
    let feedback = NewMessage { kind: What::Feedback, dedupe_key: "feedback/a".into(), ..message("a") };
    in_state(&store, feedback, State::Dead).await;
    in_state(&store, message("skipped"), State::Skipped).await;
    let filter = Filter { state: Some(State::Dead), kind: Some(What::ClaimResponse), ..Filter::default() };
    let mut heard = Vec::new();
    let count = store.retry_all(&filter, "an admin", at(5), |count| heard.push(count)).await.expect("a store");
    assert_eq!((count, heard), (450, vec![200, 400, 450]));
    let mut leased: Vec<_> = take(&store, 5, long(), 1000).await.iter().map(|message| message.id).collect();
    leased.sort();
    assert_eq!(leased, dead);
    let audit = store.audit(None, 10).await.expect("a store");
    let told: Vec<_> = audit.iter().rev().map(|line| line.detail.as_str()).collect();
    let line = |count, last: MessageId| format!("{count} messages up to {last}, state dead, kind claim-response");
    assert_eq!(
        told,
        [line(200, dead[199]), line(200, dead[399]), line(50, dead[449])],
        "oldest first, a line with each piece"
    );
}

pub async fn what_admins_did_is_kept<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let id = in_state(&store, message("a"), State::Dead).await;
    assert!(store.retry(id, "Asha", at(1)).await.expect("a store"));
    assert!(store.discard(id, "a test claim", "Bina", at(2)).await.expect("a store"));
    assert!(!store.discard(id, "nothing to do leaves no line", "Bina", at(2)).await.expect("a store"));
    store.audit_read("Chandra", id, at(3)).await.expect("a store");
    let all = store.audit(None, 10).await.expect("a store");
    let lines: Vec<_> = all
        .iter()
        .map(|line| (line.at, line.actor.as_str(), line.action.as_str(), line.message_id, line.detail.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (at(3), "Chandra", "read documents", Some(id), ""),
            (at(2), "Bina", "discard", Some(id), "a test claim"),
            (at(1), "Asha", "retry", Some(id), ""),
        ],
        "newest first"
    );
    let next: Vec<i64> = store.audit(Some(all[0].id), 1).await.expect("a store").iter().map(|line| line.id).collect();
    assert_eq!(next, [all[1].id]);
    let view = store.view(id).await.expect("a store").expect("a message");
    let trail: Vec<_> = view.trail.iter().map(|line| format!("{}: {}", line.event, line.detail)).collect();
    assert!(trail.contains(&"retry asked for: by Asha".to_owned()), "{trail:?}");
    assert!(trail.contains(&"discarded: by Bina: a test claim".to_owned()), "{trail:?}");
}

pub async fn a_list_goes_on_where_it_stopped<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let mut ids = Vec::new();
    for number in 0..7 {
        ids.push(add(&store, message(&number.to_string()), 0).await);
    }
    ids.reverse();
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = store.list(&Filter { before, limit: 3, ..Filter::default() }).await.expect("a store");
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page.iter().map(|summary| summary.id));
    }
    assert_eq!(seen, ids);
}

pub async fn what_a_wrong_clock_set_far_off_is_pulled_forward<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let (soon, far) = (add(&store, message("soon"), 0).await, add(&store, message("far"), 0).await);
    lease(&store, 0).await;
    settle(&store, soon, retry(100, false), 0).await;
    settle(&store, far, retry(900_000, false), 0).await;
    let held = add(&store, message("held"), 0).await;
    assert_eq!(leased_ids(&store, 0).await, [held], "its lease ends long after all that is sensible, too");
    assert_eq!(store.pull_forward(at(10), at(300), at(500)).await.expect("a store"), 2);
    assert_eq!(leased_ids(&store, 10).await, [far]);
    assert_eq!(leased_ids(&store, 299).await, [soon]);
    assert_eq!(leased_ids(&store, 300).await, [held]);
}

pub async fn an_admin_finds_an_insurees_claims_with_their_feedback_and_what_came_in_a_time<
    K: Kind<Store = SqlStore>,
>(
    folder: &Path,
) {
    let store = K::open(folder).await;
    let insuree = "7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73";
    let hour = 3600;
    let claim = NewMessage { insuree_uuid: Some(insuree.into()), ..message("a") };
    let claim = add(&store, claim, hour).await;
    let feedback = NewMessage { kind: What::Feedback, dedupe_key: "feedback/a".into(), ..message("a") };
    let feedback = add(&store, feedback, 2 * hour).await;
    let other = add(&store, message("b"), 3 * hour).await;
    let last = add(&store, message("c"), 4 * hour).await;
    let list = async |filter: Filter| {
        let fitting = store.count_fitting(&filter, 100).await.expect("a store");
        let found = store.list(&Filter { limit: 10, ..filter }).await.expect("a store");
        assert_eq!(fitting, found.len() as u64);
        found.iter().map(|message| message.id).collect::<Vec<_>>()
    };
    let of = |insuree: &str| Filter { insuree: Some(insuree.to_owned()), ..Filter::default() };
    assert_eq!(list(of(insuree)).await, [feedback, claim]);
    assert_eq!(list(of(&insuree.to_uppercase())).await, [feedback, claim]);
    assert_eq!(list(of("7b00e6ec-e0f5-4d07-a8e0-ec00a4160e74")).await, []);
    for (from, to, expected) in [
        (None, None, vec![last, other, feedback, claim]),
        (Some(2 * hour), None, vec![last, other, feedback]),
        (Some(2 * hour + 1), Some(4 * hour), vec![other]),
        (None, Some(2 * hour), vec![claim]),
        (None, Some(0), vec![]),
        (Some(5 * hour), None, vec![]),
        (Some(0), Some(5 * hour), vec![last, other, feedback, claim]),
    ] {
        let filter = Filter { from: from.map(at), to: to.map(at), ..Filter::default() };
        assert_eq!(list(filter).await, expected, "{from:?} to {to:?}");
    }
    assert_eq!(store.count_fitting(&Filter::default(), 3).await.expect("a store"), 3, "no more is counted");
    let both = Filter { to: Some(at(2 * hour)), before: Some(claim), ..of(insuree) };
    assert_eq!(store.list(&Filter { limit: 10, ..both }).await.expect("a store").len(), 0);
}

pub async fn messages_are_counted_by_state_and_kind_with_the_age_of_the_oldest<K: Kind<Store = SqlStore>>(
    folder: &Path,
) {
    let store = K::open(folder).await;
    assert!(store.tally_now().await.expect("a store").is_empty());
    in_state(&store, message("a"), State::Dead).await;
    in_state(&store, message("b"), State::Dead).await;
    let feedback = NewMessage { kind: What::Feedback, dedupe_key: "feedback/a".into(), ..message("c") };
    add(&store, feedback, 7).await;
    let mut tally = store.tally_now().await.expect("a store");
    tally.sort_by_key(|tally| tally.count);
    let told: Vec<_> = tally.iter().map(|tally| (tally.state, tally.kind, tally.count, tally.oldest)).collect();
    let expected = [(State::Pending, What::Feedback, 1, at(7)), (State::Dead, What::ClaimResponse, 2, at(0))];
    assert_eq!(told, expected);
}
