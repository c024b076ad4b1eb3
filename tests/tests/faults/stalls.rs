//! A CHT whose database freezes now and then: it gives no answer, and does what it was asked for when it goes on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mediator_tests::running::{notification, states, story};
use sandbox::Fault;

use crate::{CLAIM, linked, started};

/// How many times as long everything takes: 1 for a test, 10 for the figures of docs/reliability.md (a time-out of 3 s, four freezes of 8 s).
fn scale() -> u64 {
    std::env::var("STALL_SCALE").ok().and_then(|scale| scale.parse().ok()).unwrap_or(1)
}

/// Thirty claims while CHT freezes four times; how many reports there are too many.
async fn doubled(resend_after_ms: u64, records: &str) -> usize {
    let ms = |ms: u64| format!("{}ms", ms * scale());
    let (timeout, resend_after) = (ms(300), ms(resend_after_ms));
    let (mediator, sandbox, _dir) = started(&[
        ("cht.timeout", timeout.as_str()),
        ("cht.resend_after", &resend_after),
        ("cht.records", records),
        ("retry.first", &ms(500)),
        ("retry.longest", &ms(1000)),
        ("retry.probe_longest", &ms(500)),
    ])
    .await;
    linked(&mediator, &sandbox).await;
    let pause = |ms: u64| tokio::time::sleep(Duration::from_millis(ms * scale()));
    let freezing = async {
        for _ in 0..4 {
            sandbox.cht.fail_next(usize::MAX, Fault::Stall(Duration::from_millis(800 * scale())));
            pause(800).await;
            sandbox.cht.fail_next(0, Fault::Reset);
            pause(400).await;
        }
    };
    let posting = async {
        for number in 0..30 {
            let claim = notification(&sandbox, sandbox.openimis.enter_claim(&format!("STALL{number}"))).await;
            mediator.post(CLAIM, claim).await;
            pause(150).await;
        }
    };
    tokio::join!(freezing, posting);
    let begun = Instant::now();
    let messages = loop {
        let messages = mediator.messages().await;
        if messages.iter().all(|message| message.summary.settled_at.is_some()) {
            break messages;
        }
        assert!(begun.elapsed() < Duration::from_secs(60 * scale()), "{}", story(&messages));
        pause(100).await;
    };
    assert!(states(&messages).iter().all(|state| *state == "delivered"), "{}", story(&messages));
    pause(1000).await; // what is late has come
    let mut reports = BTreeMap::<String, usize>::new();
    for record in sandbox.cht.records() {
        *reports.entry(record["fields"]["op_claim_uuid"].to_string()).or_default() += 1;
    }
    assert_eq!(reports.len(), 31, "nothing is lost");
    let doubled = reports.values().map(|count| count - 1).sum();
    println!("resend_after {resend_after}, records {records}: {doubled} of 30 doubled");
    doubled
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cht_that_freezes_has_no_claim_twice_if_it_is_given_its_time() {
    assert_eq!(doubled(3000, "api").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cht_that_freezes_takes_a_report_under_its_own_id_once() {
    assert_eq!(doubled(0, "document").await, 0);
}

/// That the two above do show something.
#[tokio::test(flavor = "multi_thread")]
async fn a_cht_that_freezes_has_claims_twice_if_nothing_is_waited_for() {
    assert!(doubled(0, "api").await > 0);
}
