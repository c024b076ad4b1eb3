//! The answers of openIMIS and CHT: whatever they say, the attempt ends, its outcome is written down, and a message is delivered only
//! if the peer itself has said so.

use flow::deliver::AttemptResult;
use flow::settings::{MatchBy, Policy};
use flow::{Flow, Kind, Message, Origin, Outcome, Settings};
use http::StatusCode;
use mapping::ids::ClaimUuid;
use mapping::patient::PlaceLink;
use serde_json::Value;

use self::script::{Said, Script};
use crate::input::{Choices, Parts};
use crate::memory::{MemoryStore, Native, Still, now};
use flow::ports::Clock;

mod script;

/// What no trail may hold.
const PASSWORD: &str = "correct-horse-battery";

type Talking = Flow<Script, MemoryStore, Still, Native>;

/// Parts: what is asked, and how it is set up; then the answer to each request, its status first. An answer that is empty or not there
/// is what the peer would say on a good day.
pub fn answer(data: &[u8]) {
    let mut parts = Parts::of(data);
    let mut choices = parts.choices();
    let what = choices.below(5);
    let settings = settings(&mut choices);
    let (uncertain, attempt, origin) = (choices.yes(), 1 + choices.byte() as u32, choices.below(Origin::ALL.len()));
    let answers = std::iter::from_fn(|| parts.bytes()).map(<[u8]>::to_vec).collect();
    let flow = Flow::new(Script::new(answers), MemoryStore::default(), Still, Native, settings);
    match what {
        0 => {
            let received = flow.receive_claim_response(script::CLAIM_RESPONSE.into(), Origin::ALL[origin]);
            now(received).expect("the store takes everything");
            deliver(&flow, uncertain, attempt);
        }
        1 => {
            now(flow.receive_feedback(script::FEEDBACK.into())).expect("the store takes everything");
            deliver(&flow, uncertain, attempt);
        }
        2 => drop(now(flow.poll_claims())),
        3 => drop(now(flow.poll_selected())),
        _ => drop(now(flow.keep_subscription())),
    }
}

fn settings(choices: &mut Choices) -> Settings {
    let url = |text: &str| Some(text.parse().expect("an address"));
    let mut settings = Settings::default();
    settings.openimis.url = url("https://imis.example.org");
    settings.cht.url = url("https://cht.example.org");
    settings.openimis.password = Some(PASSWORD.into());
    settings.cht.password = Some(PASSWORD.into());
    settings.subscription.callback = url("https://mediator.example.org/mediator/claim-response");
    settings.subscription.password = Some(PASSWORD.into());
    settings.mapping.patient.default_place = "national".to_owned();
    settings.mapping.patient.phone_prefix = "+977".to_owned();
    settings.tasks.policy = [Policy::All, Policy::Submitted, Policy::Selected][choices.below(3)];
    settings.tasks.include_rejected = choices.yes();
    settings.cht.match_by =
        [vec![], vec![MatchBy::Phone], vec![MatchBy::OpenimisId, MatchBy::InsuranceNumber, MatchBy::Phone]]
            [choices.below(3)]
        .clone();
    if choices.yes() {
        settings.mapping.patient.places =
            vec![PlaceLink { location_code: "R1D1M1V1".to_owned(), place_id: "village".to_owned() }];
    }
    settings
}

fn deliver(flow: &Talking, uncertain: bool, attempt: u32) {
    // Long enough ago to send once more what CHT does not show.
    let since = Still.now() - jiff::SignedDuration::from_mins(3);
    let message = flow.store.leased(0, uncertain.then_some(since), attempt);
    let AttemptResult::Settled(outcome) = now(flow.deliver(&message)).expect("the store takes everything") else {
        panic!("the lease was ours");
    };
    let kept = flow.store.0.borrow();
    let [(id, settled, trail)] = &kept.settled[..] else { panic!("settled {} times", kept.settled.len()) };
    assert_eq!((id, settled), (&message.id, &outcome));
    let said = flow.http.said.borrow();
    for secret in [PASSWORD, script::TOKEN] {
        // What a peer says is told, even what it cannot know.
        let of_peer = said.iter().any(|said| !said.is_login() && holds(&said.body, secret));
        let lines = trail.iter().map(|entry| entry.detail.as_str());
        let told = lines.chain([format!("{outcome:?}").as_str()]).any(|line| line.contains(secret));
        assert!(of_peer || !told, "{trail:?}");
    }
    let last = said.last();
    let effects: Vec<&Said> = said.iter().filter(|said| said.is_effect()).collect();
    assert!(effects.len() <= if message.kind == Kind::Feedback { 2 } else { 1 }, "sent {} times", effects.len());
    match &outcome {
        Outcome::Delivered { .. } => {
            let last = last.expect("nobody was asked");
            let own = match message.kind {
                Kind::ClaimResponse => is_record(last) || (uncertain && is_found(last, &message)),
                Kind::Feedback => is_communication(last) || is_feedback_exists(last),
                Kind::Eclaim | Kind::Adjudication | Kind::EclaimAnswer => unreachable!("not begun with here"),
            };
            assert!(own, "delivered by {last:?}");
        }
        Outcome::Retry { uncertain: told, .. } | Outcome::Dead { uncertain: told, .. } => {
            // Sent, and not known what became of it: the next attempt has to ask. What is tried again after a 5xx may have been done.
            let again = matches!(outcome, Outcome::Retry { .. });
            let open = |status: StatusCode| status.is_success() || (again && status.is_server_error());
            let unknown = |said: &&Said| said.status.is_none_or(open) && !said.not_sent;
            assert!(
                told.is_some() || !last.filter(|said| said.is_effect()).is_some_and(|said| unknown(&said)),
                "{last:?}"
            );
        }
        Outcome::Skipped { .. } => assert!(effects.is_empty(), "skipped, and sent"),
        Outcome::Waiting { .. } => {}
    }
    let links = kept.links.values().all(|contact| !contact.is_empty());
    assert!(links, "a link to nobody");
}

fn holds(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|window| window == text.as_bytes())
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&String::from_utf8_lossy(&said.body)).unwrap_or_default()
}

fn taken(said: &Said) -> bool {
    said.status.is_some_and(|status: StatusCode| status.is_success())
}

/// CHT says that it made a report.
fn is_record(said: &Said) -> bool {
    said.path == "/api/v2/records" && taken(said) && json(said)["success"] == true && json(said)["id"].is_string()
}

/// CHT says that it has a report of this claim.
fn is_found(said: &Said, message: &Message) -> bool {
    let rows = json(said)["rows"].clone();
    let of_claim = |row: &Value| {
        let uuid = row["doc"]["fields"]["op_claim_uuid"].as_str().and_then(ClaimUuid::parse);
        uuid.is_some() && uuid.map(|uuid| uuid.to_string()) == message.claim_uuid
    };
    said.path.ends_with("/reports_by_subject")
        && taken(said)
        && rows.as_array().is_some_and(|rows| rows.iter().any(of_claim))
}

/// openIMIS shows what it keeps.
fn is_communication(said: &Said) -> bool {
    said.path.ends_with("/Communication/") && taken(said) && json(said)["resourceType"] == "Communication"
}

/// openIMIS says that it had it.
fn is_feedback_exists(said: &Said) -> bool {
    let text = json(said)["issue"][0]["details"]["text"].clone();
    said.path.ends_with("/Communication/") && !taken(said) && text == "Feedback exists for this claim"
}
