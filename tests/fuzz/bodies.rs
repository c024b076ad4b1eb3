//! What comes in through HTTP: JSON is stored exactly once and byte for byte but for a byte order mark, anything else never.

use std::time::Duration;

use flow::ports::{Http, HttpError};
use flow::receive::Receipt;
use flow::{Flow, Kind, Origin, Settings};
use mapping::Severity;
use serde_json::Value;

use crate::memory::{MemoryStore, Native, Still, now};

/// Taking something in asks nobody.
struct Nobody;

impl Http for Nobody {
    async fn send(&self, _: http::Request<Vec<u8>>, _: Duration) -> Result<http::Response<Vec<u8>>, HttpError> {
        panic!("a request while something is taken in");
    }
}

type TakingIn = Flow<Nobody, MemoryStore, Still, Native>;

/// The body of `POST /mediator/claim-response`.
pub fn claim_response(data: &[u8]) {
    body(data, Kind::ClaimResponse, |flow| now(flow.receive_claim_response(data.to_vec(), Origin::Push)));
}

/// The body of `POST /mediator/claims-feedback`.
pub fn feedback(data: &[u8]) {
    body(data, Kind::Feedback, |flow| now(flow.receive_feedback(data.to_vec())));
}

fn body<E: std::fmt::Debug>(data: &[u8], kind: Kind, receive: impl Fn(&TakingIn) -> Result<Receipt, E>) {
    let document = data.strip_prefix("\u{feff}".as_bytes()).unwrap_or(data);
    let flow = Flow::new(Nobody, MemoryStore::default(), Still, Native, Settings::default());
    let received = receive(&flow).expect("the store takes everything");
    let again = receive(&flow).expect("the store takes everything");
    let kept = flow.store.0.borrow();
    if let Receipt::NotJson(issue) = &received {
        assert!(!is_json(document), "JSON was refused: {issue}");
        assert!(kept.messages.is_empty(), "what is not JSON was stored");
        assert!(matches!(again, Receipt::NotJson(_)));
        assert_eq!(issue.severity, Severity::Fatal);
        return;
    }
    assert!(is_json(document), "what is not JSON was taken");
    let [message] = &kept.messages[..] else { panic!("stored {} times", kept.messages.len()) };
    assert_eq!((message.kind, message.origin), (kind, Origin::Push));
    assert_eq!(message.body, document, "another body was stored");
    let (prefix, name) = message.dedupe_key.split_once('/').expect("a key with a kind");
    assert_eq!(prefix, if kind == Kind::Feedback { "feedback" } else { "claim" });
    assert!(!name.is_empty() && !message.lane.is_empty());
    match (&received, &again) {
        (Receipt::Accepted(first), Receipt::Duplicate(second)) => {
            assert_eq!(first, second);
            assert!(message.issues.is_empty() && message.claim_uuid.is_some());
        }
        (Receipt::Unmappable(first, issues), Receipt::Unmappable(second, same)) => {
            assert_eq!((first, issues), (second, same));
            assert_eq!(issues, &message.issues);
            assert!(issues.iter().any(|issue| issue.severity <= Severity::Error));
        }
        other => panic!("{other:?}"),
    }
}

/// By another reader than the door's, which passes over what it does not use: numbers and depths beyond ours are JSON all the same.
fn is_json(data: &[u8]) -> bool {
    match serde_json::from_slice::<Value>(data) {
        Ok(_) => true,
        Err(error) => {
            let text = error.to_string();
            let beyond_us = ["recursion limit", "number out of range", "surrogate", "end of hex escape"];
            std::str::from_utf8(data).is_ok()
                && beyond_us.iter().any(|known| text.contains(known))
                && serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok()
        }
    }
}
