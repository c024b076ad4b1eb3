//! Exact counts after what came through the doors.

use mediator_tests::running::{eventually, notification, sample_claim, sample_feedback, states};
use openimis_mediator::sandbox::Fault;
use reqwest::StatusCode;

use super::{CLAIM, FEEDBACK, World, figures};

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_with_what_can_come_in_is_counted_exactly() {
    let world = World::new(&[]).await;
    let mediator = &world.mediator;
    let unmappable = r#"{"resourceType": "ClaimResponse"}"#;
    for (path, body, status) in [
        (CLAIM, sample_claim(), 202),
        (CLAIM, unmappable.to_owned(), 422),
        (CLAIM, "{".to_owned(), 400),
        (FEEDBACK, r#"{"claimuuid": "x"}"#.to_owned(), 202),
    ] {
        assert_eq!(mediator.post(path, body).await.status(), status, "{path}");
    }
    mediator.settled().await;
    assert_eq!(mediator.post(CLAIM, sample_claim()).await.status(), 202);
    assert_eq!(mediator.post(FEEDBACK, sample_feedback()).await.status(), 202);
    let stranger = mediator.client.post(format!("{}{FEEDBACK}", mediator.url)).body("{}").send().await;
    assert_eq!(stranger.expect("an answer").status(), StatusCode::UNAUTHORIZED);
    assert_eq!(states(&mediator.settled().await), ["delivered", "dead", "dead", "delivered"]);
    // Counted once the outcome is stored, a moment after.
    let scrape = eventually("both deliveries are counted", || async {
        let scrape = world.scrape().await;
        (scrape.counted("deliveries_total").len() == 2).then_some(scrape)
    })
    .await;

    let received = figures([
        ("claim-response, push, accepted", 1.0),
        ("claim-response, push, duplicate", 1.0),
        ("claim-response, push, refused", 1.0),
        ("claim-response, push, unmappable", 1.0),
        ("feedback, push, accepted", 1.0),
        ("feedback, push, refused", 1.0),
        ("feedback, push, unmappable", 1.0),
    ]);
    assert_eq!(scrape.counted("received_total"), received);
    assert_eq!(
        scrape.counted("deliveries_total"),
        figures([("claim-response, delivered", 1.0), ("feedback, delivered", 1.0)])
    );
    assert_eq!(scrape.get("accept_duration_seconds_count", &[("kind", "claim-response")]), 4.0);
    assert_eq!(scrape.get("accept_duration_seconds_count", &[("kind", "feedback")]), 3.0);
    assert_eq!(scrape.get("delivery_duration_seconds_count", &[("kind", "feedback")]), 1.0);
    assert_eq!(scrape.counted("backlog_messages"), figures([("claim-response, dead", 1.0), ("feedback, dead", 1.0)]));
    assert_eq!(scrape.counted("backlog_oldest_age_seconds"), figures([]));
    assert_eq!(
        scrape.all("peer_request_duration_seconds_count"),
        figures([
            ("login, openimis, 2xx", 1.0),
            ("Patient, openimis, 2xx", 1.0),
            ("people, cht, 2xx", 1.0),
            ("records, cht, 2xx", 1.0),
            ("Communication, openimis, 2xx", 1.0),
        ])
    );
    // Two documents of each kind that are JSON are tried at the door (the first twice), and once more on their way.
    assert_eq!(
        scrape.all("mapping_duration_seconds_count"),
        figures([("claim-response, answered", 4.0), ("feedback, answered", 3.0), ("patient, answered", 1.0)])
    );
    for mapping in ["claim-response", "feedback", "patient"] {
        let peak = scrape.get("mapping_memory_peak_bytes", &[("mapping", mapping)]);
        assert!((65_536.0..=67_108_864.0).contains(&peak) && peak % 65_536.0 == 0.0, "{mapping}: {peak} bytes");
    }
    assert_eq!((scrape.get("mapping_calls_running", &[]), scrape.get("mapping_calls_limit", &[])), (0.0, 32.0));
    // Four messages, a duplicate and two outcomes, however many commits that took.
    assert_eq!(scrape.get("store_commit_messages_sum", &[]), 7.0);
    assert_eq!(scrape.get("store_commits_total", &[("outcome", "failed")]), 0.0);
    assert!(scrape.get("store_commits_total", &[("outcome", "ok")]) <= 7.0);
    assert_eq!(scrape.get("store_writable", &[]), 1.0);
    assert!(scrape.get("store_used_bytes", &[]) > 4096.0 && scrape.get("store_free_bytes", &[]) > 0.0);
    assert_eq!(scrape.get("build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_away_shows_in_backlog_breaker_and_statuses() {
    let world = World::new(&[("retry.trip_after", "2"), ("retry.first", "1h"), ("retry.probe_longest", "1h")]).await;
    world.sandbox.cht.fail_next(usize::MAX, Fault::Status(503));
    for number in 0..3 {
        let claim = world.sandbox.openimis.enter_claim(&format!("AWAY{number}"));
        let body = notification(&world.sandbox, claim).await;
        assert_eq!(world.mediator.post(CLAIM, body).await.status(), 202);
    }
    let scrape = eventually("the breaker is open", || async {
        let scrape = world.scrape().await;
        let tried = scrape.get("deliveries_total", &[("kind", "claim-response"), ("outcome", "retry")]) >= 2.0;
        let retrying = [("kind", "claim-response"), ("state", "retrying")];
        let put_down = scrape.find("backlog_messages", &retrying).is_some_and(|count| count >= 2.0);
        (tried && put_down && scrape.get("peer_breaker_open", &[("peer", "cht")]) == 1.0).then_some(scrape)
    })
    .await;
    assert_eq!(scrape.get("peer_breaker_open", &[("peer", "openimis")]), 0.0);
    assert!(scrape.get("peer_failures_in_a_row", &[("peer", "cht")]) >= 2.0);
    let failed = [("peer", "cht"), ("operation", "people"), ("status", "5xx")];
    assert!(scrape.get("peer_request_duration_seconds_count", &failed) >= 2.0);
    let waiting: f64 = scrape.all("backlog_messages").values().sum();
    assert_eq!(waiting, 3.0, "{:?}", scrape.all("backlog_messages"));
    let older = eventually("it grows older", || async {
        let age = world.scrape().await.get("backlog_oldest_age_seconds", &[("kind", "claim-response")]);
        (age > 0.0).then_some(age)
    });
    assert!(older.await < 20.0);
}

/// By policy a claim may wait for months: that is no backlog that anybody has to look at.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_task_policy_puts_off_does_not_count_as_old() {
    let world = World::new(&[("tasks.policy", "submitted"), ("retry.recheck", "1h")]).await;
    let claim = world.sandbox.openimis.enter_claim("ENTERED");
    let body = notification(&world.sandbox, claim).await;
    assert_eq!(world.mediator.post(CLAIM, body).await.status(), 202);
    let scrape = eventually("it was looked at", || async {
        let scrape = world.scrape().await;
        let put_off = [("kind", "claim-response"), ("state", "put-off")];
        (scrape.find("backlog_messages", &put_off) == Some(1.0)).then_some(scrape)
    })
    .await;
    assert_eq!(scrape.counted("backlog_messages"), figures([("claim-response, put-off", 1.0)]));
    assert_eq!(scrape.counted("backlog_oldest_age_seconds"), figures([]));
    let waiting = [("kind", "claim-response"), ("outcome", "waiting")];
    eventually("the attempt is counted", || async {
        (world.scrape().await.get("deliveries_total", &waiting) == 1.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_and_the_subscription_are_counted() {
    let world = World::new(&[
        ("poll.enabled", "true"),
        ("poll.interval", "100ms"),
        ("poll.selected_interval", "100ms"),
        ("subscription.callback", "http://127.0.0.1:9/mediator/claim-response"),
    ])
    .await;
    world.sandbox.openimis.enter_claim("POLLED");
    let scrape = eventually("the claim was found", || async {
        let scrape = world.scrape().await;
        let found = [("kind", "claim-response"), ("origin", "poll"), ("outcome", "accepted")];
        let polled = ["claims", "selected"].iter().all(|poll| {
            scrape.find("polls_total", &[("poll", poll), ("outcome", "ok")]).is_some_and(|count| count >= 1.0)
        });
        let kept = scrape.find("subscription_in_place", &[]) == Some(1.0);
        // Looked up before the counters are: by the next scrape at the latest.
        let read = scrape.find("poll_watermark_age_seconds", &[("poll", "claims")]).is_some();
        (polled && kept && read && scrape.find("received_total", &found).is_some_and(|count| count >= 1.0))
            .then_some(scrape)
    })
    .await;
    let now = jiff::Timestamp::now().as_second() as f64;
    let last = scrape.get("poll_last_success_timestamp_seconds", &[("poll", "claims")]);
    assert!((now - 60.0..=now + 1.0).contains(&last), "{last} at {now}");
    assert!((0.0..60.0).contains(&scrape.get("poll_watermark_age_seconds", &[("poll", "claims")])));
    assert!(scrape.get("subscription_checks_total", &[("outcome", "ok")]) >= 1.0);
}

/// Many scrapes must not load the disk: what is in the store is told again for a while, what is counted here is not.
#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_looked_at_no_more_often_than_the_settings_say() {
    let world = World::new(&[("metrics.cache", "1h")]).await;
    assert_eq!(world.scrape().await.counted("backlog_messages"), figures([]));
    assert_eq!(world.mediator.post(CLAIM, r#"{"resourceType": "ClaimResponse"}"#).await.status(), 422);
    let scrape = world.scrape().await;
    assert_eq!(scrape.counted("backlog_messages"), figures([]), "as of a moment ago");
    let unmappable = [("kind", "claim-response"), ("origin", "push"), ("outcome", "unmappable")];
    assert_eq!(scrape.get("received_total", &unmappable), 1.0);
}
