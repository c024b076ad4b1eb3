//! A peer that cannot be reached: its messages wait, and the others go on.

use std::time::Duration;

use mediator_tests::raw_peer::{Swallowing, drip, listener, read_request};
use mediator_tests::running::{
    Mediator, PATIENCE, config, eventually, reason, sample_claim, sample_feedback, sandbox, states, story,
};
use sandbox::Sandbox;
use tokio::net::TcpListener;

use crate::{CLAIM, FEEDBACK, started};

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_refuses_connections_is_tried_again() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let reserved = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = reserved.local_addr().expect("an address");
    drop(reserved); // nobody listens there now
    let mediator = Mediator::start(config(&sandbox, &dir, &[("cht.url", &format!("http://{address}"))])).await;
    mediator.post(CLAIM, sample_claim()).await;
    let waiting = eventually("it was tried twice", || async {
        let message = mediator.messages().await.remove(0);
        (message.summary.attempts >= 2).then_some(message)
    })
    .await;
    assert!(reason(&waiting).contains("Connection refused"), "{}", story([&waiting]));
    let free = "127.0.0.1:0".parse().expect("an address");
    let late = Sandbox::start(free, address).await.expect("the port is still free");
    assert_eq!(states(&mediator.settled().await), ["delivered"]);
    assert_eq!(late.cht.records().len(), 1);
}

/// Waits until a message was tried once by a mediator with a time-out of 500 ms; returns why it waits and how long the request took.
async fn once_tried(mediator: &Mediator) -> (String, Duration) {
    let message = eventually("it was tried once", || async {
        let message = mediator.messages().await.pop()?;
        (message.summary.attempts >= 1 && message.summary.state != "leased").then_some(message)
    })
    .await;
    assert_eq!(message.summary.state, "pending", "{}", story([&message]));
    let last = message.trail.iter().filter_map(|line| line.duration_ms).next_back().expect("a request");
    (reason(&message).to_owned(), Duration::from_millis(last as u64))
}

fn bounded(took: Duration) -> bool {
    // The time-out is 500 ms; a busy machine may be late, but these peers never end by themselves.
    took >= Duration::from_millis(490) && took < PATIENCE
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_swallows_packets_or_never_answers_costs_one_timeout() {
    let swallowing = Swallowing::open().await;
    let (silent, silent_url) = listener().await; // the system takes connections and requests, nobody reads them
    for url in [&swallowing.url, &silent_url] {
        for (peer, timeout) in [("cht.url", "cht.timeout"), ("openimis.url", "openimis.timeout")] {
            let (mediator, sandbox, _dir) = started(&[(peer, url), (timeout, "500ms"), ("retry.first", "1h")]).await;
            mediator.post(CLAIM, sample_claim()).await;
            let (why, took) = once_tried(&mediator).await;
            assert!(why.contains("the time was up"), "{peer}: {why}");
            assert!(bounded(took), "{peer}: {took:?}");
            // The other peer's messages go on.
            if peer == "cht.url" {
                mediator.post(FEEDBACK, sample_feedback().replace("ba81", "ba80")).await;
                let feedback = eventually("openIMIS judged the feedback", || async {
                    mediator.messages().await.pop().filter(|message| message.summary.settled_at.is_some())
                })
                .await;
                assert!(reason(&feedback).contains("Claim does not exist"), "{}", story([&feedback]));
                assert_eq!(sandbox.openimis.logins(), 1);
            }
        }
    }
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_drops_ends_with_the_timeout() {
    for beginning in ["HTTP/1.1 200 OK\r\nx-slow: ", "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", "H"] {
        let (listener, url) = listener().await;
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    if read_request(&mut stream).await.is_some() {
                        drip(&mut stream, beginning).await;
                    }
                });
            }
        });
        let (mediator, _sandbox, _dir) =
            started(&[("cht.url", &url), ("cht.timeout", "500ms"), ("retry.first", "1h")]).await;
        mediator.post(CLAIM, sample_claim()).await;
        let (why, took) = once_tried(&mediator).await;
        assert!(why.contains("the time was up"), "{beginning:?}: {why}");
        assert!(bounded(took), "{beginning:?}: {took:?}");
    }
}
