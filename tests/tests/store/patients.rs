//! Possible matches, what waits for them, and imported places.

use flow::proposal::{Person, PossibleMatch};
use mapping::ids::InsureeUuid;
use mapping::patient::PlaceLink;
use serde_json::json;
use store::{Decided, Imported, Proposal, ProposalFilter};

use super::*;

const INSUREE: &str = "7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73";

fn insuree() -> Person {
    let uuid = InsureeUuid::parse(INSUREE).expect("a uuid");
    Person::read(&json!({"name": "Kalpana Udaharan", "phone": "+9779800000000"}).to_string(), uuid)
}

fn possible(contact: &str, score: u16) -> PossibleMatch {
    let contact_id = contact.to_owned();
    let why = "name alike by 0.93".to_owned();
    PossibleMatch { contact_id, exact: false, score, why, contact: json!({"name": "Kalpna Udaharan"}) }
}

async fn listed(store: &SqlStore, state: Option<&str>) -> Vec<Proposal> {
    let filter = ProposalFilter { state: state.map(str::to_owned), before: None, limit: 100 };
    store.proposals(&filter).await.expect("a store")
}

fn contacts(proposals: &[Proposal]) -> Vec<(&str, &str)> {
    proposals.iter().map(|proposal| (proposal.contact_id.as_str(), proposal.state.as_str())).collect()
}

pub async fn a_proposal_is_kept_once_until_it_is_decided<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let id = in_state(&store, message("a"), State::Dead).await;
    assert!(store.keeps_proposals() && listed(&store, None).await.is_empty());
    store.propose(id, &insuree(), &[possible("one", 900), possible("two", 800)], at(1)).await.expect("a store");
    store.propose(id, &insuree(), &[possible("one", 950)], at(2)).await.expect("a store");
    let proposals = listed(&store, None).await;
    assert_eq!(contacts(&proposals), [("two", "closed"), ("one", "open")], "what is no longer proposed is closed");
    let one = &proposals[1];
    assert_eq!((one.score, one.waiting, one.created_at), (0.95, 1, at(1)));
    let view = store.proposal(one.id).await.expect("a store").expect("a proposal");
    assert_eq!((view.messages, &view.insuree["name"]), (vec![id], &json!("Kalpana Udaharan")));
    let two = store.proposal(proposals[0].id).await.expect("a store").expect("a proposal");
    assert!(two.insuree.is_null() && two.contact.is_null());
    // A page.
    let filter = ProposalFilter { before: Some(proposals[0].id), limit: 1, ..ProposalFilter::default() };
    assert_eq!(contacts(&store.proposals(&filter).await.expect("a store")), [("one", "open")]);
}

pub async fn a_confirmed_match_is_a_link_and_what_waits_is_due<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let waits = in_state(&store, message("waits"), State::Dead).await;
    let other = in_state(&store, message("other"), State::Dead).await;
    store.propose(waits, &insuree(), &[possible("one", 900), possible("two", 800)], at(1)).await.expect("a store");
    let [two, one] = &listed(&store, Some("open")).await[..] else { panic!("two proposals") };
    let decided = store.confirm_match(one.id, "ann", at(2)).await.expect("a store");
    assert_eq!(decided, Decided::Done { put_back: 1 });
    assert_eq!(store.link(INSUREE).await.expect("a store").as_deref(), Some("one"));
    assert_eq!(leased_ids(&store, 3).await, [waits], "the other dead letter waits for something else: {other}");
    let proposals = listed(&store, None).await;
    assert_eq!(contacts(&proposals), [("two", "closed"), ("one", "confirmed")]);
    assert!(proposals.iter().all(|proposal| proposal.waiting == 0), "nothing waits any more: {proposals:#?}");
    for undone in [store.confirm_match(two.id, "ann", at(4)).await, store.refuse_match(two.id, "ann", at(4)).await] {
        assert_eq!(undone.expect("a store"), Decided::NotOpen("closed".to_owned()));
    }
    assert_eq!(store.confirm_match(two.id + 7, "ann", at(4)).await.expect("a store"), Decided::NotFound);
    let view = store.view(waits).await.expect("a store").expect("a message");
    assert!(view.trail.iter().any(|line| line.event == "decided" && line.detail.contains("ann")), "{:?}", view.trail);
}

pub async fn a_refused_match_is_remembered<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let waits = in_state(&store, message("waits"), State::Dead).await;
    store.propose(waits, &insuree(), &[possible("one", 900)], at(1)).await.expect("a store");
    let [one] = &listed(&store, Some("open")).await[..] else { panic!("one proposal") };
    assert_eq!(store.refuse_match(one.id, "ann", at(2)).await.expect("a store"), Decided::Done { put_back: 1 });
    assert_eq!(store.refused_contacts(INSUREE).await.expect("a store"), ["one"]);
    assert_eq!(store.link(INSUREE).await.expect("a store"), None);
    // Whoever proposes it all the same does not open it again.
    store.propose(waits, &insuree(), &[possible("one", 900)], at(3)).await.expect("a store");
    assert_eq!(contacts(&listed(&store, None).await), [("one", "refused")]);
}

pub async fn a_message_does_not_wait_for_what_is_decided_by_then<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let (early, late) = (in_state(&store, message("early"), State::Dead).await, MessageId(2));
    assert_eq!(in_state(&store, message("late"), State::Dead).await, late);
    let propose =
        async |id, contacts: &[PossibleMatch]| store.propose(id, &insuree(), contacts, at(1)).await.expect("a store");
    assert!(propose(early, &[possible("one", 900)]).await, "it waits");
    let [one] = &listed(&store, Some("open")).await[..] else { panic!("one proposal") };
    store.refuse_match(one.id, "ann", at(2)).await.expect("a store");
    // A worker that had searched before the refusal.
    assert!(!propose(late, &[possible("one", 900)]).await, "nobody would put it back");
    store.save_link(INSUREE, "two", "matched", at(3)).await.expect("a store");
    assert!(!propose(late, &[possible("three", 900)]).await, "there is a link by now");
    assert!(listed(&store, Some("open")).await.is_empty(), "and nothing to decide");
}

pub async fn a_proposal_goes_with_the_last_message_that_asked_for_it<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let id = in_state(&store, message("a"), State::Dead).await;
    store.propose(id, &insuree(), &[possible("one", 900)], at(1)).await.expect("a store");
    store.prune(at(9), at(9), |_| {}).await.expect("a store");
    assert_eq!(contacts(&listed(&store, None).await), [("one", "open")], "a dead letter waits as long as it takes");
    assert!(store.discard(id, "no patient of ours", "ann", at(2)).await.expect("a store"));
    store.prune(at(9), at(9), |_| {}).await.expect("a store");
    let [one] = &listed(&store, None).await[..] else { panic!("one proposal") };
    let view = store.proposal(one.id).await.expect("a store").expect("a proposal");
    assert!(one.state == "closed" && view.insuree.is_null() && view.contact.is_null(), "{view:?}");
}

pub async fn a_contact_is_matched_to_one_insuree<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let waits = in_state(&store, message("waits"), State::Dead).await;
    store.propose(waits, &insuree(), &[possible("one", 900)], at(1)).await.expect("a store");
    let saved = async |insuree: &str, contact: &str| {
        store.save_match(insuree, contact, "matched", at(2)).await.expect("a store")
    };
    let (twin, other) = tokio::join!(saved("twin", "one"), saved("other-twin", "one"));
    assert_eq!([&twin, &other].iter().filter(|linked| linked.is_some()).count(), 1, "{twin:?} {other:?}");
    let linked = if twin.is_some() { "twin" } else { "other-twin" };
    assert_eq!(saved(linked, "one").await.as_deref(), Some("one"), "once more is no other");
    assert_eq!(saved(linked, "two").await.as_deref(), Some("one"), "an earlier link wins");
    let [proposal] = &listed(&store, Some("open")).await[..] else { panic!("one proposal") };
    assert!(proposal.why.ends_with(", by now linked to another insuree"), "{proposal:?}");
}

pub async fn a_link_settles_what_was_proposed<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let waits = in_state(&store, message("waits"), State::Dead).await;
    store.propose(waits, &insuree(), &[possible("one", 900)], at(1)).await.expect("a store");
    store.save_link(INSUREE, "another", "matched", at(2)).await.expect("a store");
    assert_eq!(contacts(&listed(&store, None).await), [("one", "closed")]);
    assert_eq!(leased_ids(&store, 3).await, [waits]);
}

pub async fn a_decision_reaches_a_message_that_is_just_being_put_down<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let id = in_state(&store, message("a"), State::Leased).await;
    store.propose(id, &insuree(), &[possible("one", 900)], at(1)).await.expect("a store");
    let [one] = &listed(&store, Some("open")).await[..] else { panic!("one proposal") };
    // The worker writes its outcome while the decision waits for it.
    let (decided, ()) = tokio::join!(store.confirm_match(one.id, "ann", at(2)), async {
        while store.link(INSUREE).await.expect("a store").is_none() {
            tokio::task::yield_now().await;
        }
        settle(&store, id, Outcome::dead("waits for a person: …"), 2).await;
    });
    assert_eq!(decided.expect("a store"), Decided::Done { put_back: 1 });
    assert_eq!(leased_ids(&store, 3).await, [id]);
}

pub async fn a_table_of_places_is_imported_as_a_whole<K: Kind<Store = SqlStore>>(folder: &Path) {
    let store = K::open(folder).await;
    let row = |code: String, place: &str| PlaceLink { location_code: code, place_id: place.to_owned() };
    let codes = |of: &[&str]| of.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>();
    assert!(!store.has_places().await.expect("a store"));
    let rows: Vec<_> = (0..300).map(|number| row(format!("R{number}"), "a")).collect();
    let mut told = Vec::new();
    let done = store.import_places(&rows, false, "ann", at(1), |so_far| told.push(so_far)).await.expect("a store");
    assert_eq!(done, Imported { new: 300, ..Imported::default() });
    assert!(told.is_sorted() && told.last() == Some(&300), "{told:?}");
    assert!(store.has_places().await.expect("a store"));
    let found = store.places(&codes(&["R7", "R299", "nowhere"])).await.expect("a store");
    assert_eq!(found.len(), 2);
    let rows = [row("R7".to_owned(), "b"), row("R8".to_owned(), "a"), row("new".to_owned(), "c")];
    let would = store.compare_places(&rows, true).await.expect("a store");
    assert_eq!(would, Imported { new: 1, changed: 1, removed: 298, unchanged: 1 });
    assert_eq!(store.all_places().await.expect("a store").len(), 300, "comparing changes nothing");
    assert_eq!(store.import_places(&rows, true, "ann", at(2), |_| {}).await.expect("a store"), would);
    let mut all = store.all_places().await.expect("a store");
    all.sort_by(|one, other| one.location_code.cmp(&other.location_code));
    assert_eq!(all, [row("R7".to_owned(), "b"), row("R8".to_owned(), "a"), row("new".to_owned(), "c")]);
    let audit = store.audit(None, 10).await.expect("a store");
    assert_eq!(audit.iter().filter(|line| line.action == "import places").count(), 2);
}
