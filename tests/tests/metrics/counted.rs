//! Exact counts after what came through the doors.

use flow::Kind;
use flow::message::{NewMessage, Origin, Outcome};
use flow::ports::{Lease, Store};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use mediator_tests::postgres::Cluster;
use mediator_tests::running::{
    Mediator, config, eventually, notification, sample_claim, sample_feedback, sandbox, states, store_path,
};
use openimis_mediator::config::StoreSettings;
use reqwest::StatusCode;
use sandbox::Fault;
use sqlx::{Connection, SqliteConnection};
use store::SqlStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{CLAIM, FEEDBACK, World, figures};

const CREDENTIALS: &str = "authorization: Basic aW50ZXJvcC1jbGllbnQ6aW50ZXJvcC1wYXNzd29yZA==\r\n";

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
    assert_eq!(scrape.counted("mapping_failures_total"), figures([]));
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

/// Months may lie between a claim's arrival and the day the policy lets it go: each look at it on the way is no old backlog.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_off_and_is_due_again_waits_since_then() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = SqlStore::open(&StoreSettings::file(dir.path().join("store.sqlite"))).await.expect("a store");
    let start = Timestamp::now();
    let after = |hours: i64| start + SignedDuration::from_hours(hours);
    let new = NewMessage {
        kind: Kind::ClaimResponse,
        origin: Origin::Push,
        dedupe_key: "one".to_owned(),
        lane: "one".to_owned(),
        claim_uuid: None,
        claim_code: None,
        insuree_uuid: None,
        body: b"{}".to_vec(),
        issues: Vec::new(),
        sender: None,
        agreement: Default::default(),
    };
    store.accept(new, start).await.expect("stored");
    let oldest = async |now| {
        let [found] = store.backlog(now).await.expect("the backlog")[..] else { panic!("one message") };
        (found.state, found.oldest.map(|oldest| (oldest.as_millisecond() - start.as_millisecond()) / 3_600_000))
    };
    let lease = async |now, until| {
        let wanted = Lease { kind: Kind::ClaimResponse, now, until, limit: 1, held: &[] };
        store.lease(&wanted).await.expect("the store").pop().expect("it is due")
    };
    assert_eq!(oldest(after(2)).await, ("due", Some(0)));
    let message = lease(after(2), after(3)).await;
    assert_eq!(oldest(after(2)).await, ("leased", None), "as long as a first attempt lasts");
    assert_eq!(oldest(after(4)).await, ("leased", Some(0)), "who had it is gone");
    let reason = "the policy".to_owned();
    let waiting = Outcome::Waiting { at: after(500), reason: reason.clone() };
    assert!(store.settle(&message, &waiting, None, &[], after(2)).await.expect("the store"));
    assert_eq!(oldest(after(499)).await.0, "put-off");
    assert_eq!(oldest(after(501)).await, ("due", Some(500)));
    let message = lease(after(501), after(502)).await;
    let retry = Outcome::Retry { at: after(503), reason, uncertain: None };
    assert!(store.settle(&message, &retry, None, &[], after(501)).await.expect("the store"));
    assert_eq!(oldest(after(502)).await, ("retrying", Some(0)), "a failure is old from the beginning");
    assert_eq!(oldest(after(504)).await, ("due", Some(0)));
}

/// An alert on an increase sees only what was 0 before.
#[tokio::test(flavor = "multi_thread")]
async fn what_alerts_wait_for_is_there_before_it_happens() {
    let scrape = World::new(&[]).await.scrape().await;
    for kind in ["claim-response", "feedback"] {
        assert_eq!(scrape.get("deliveries_total", &[("kind", kind), ("outcome", "dead")]), 0.0);
        assert_eq!(scrape.get("deliveries_total", &[("kind", kind), ("outcome", "delivered")]), 0.0);
        for outcome in ["unmappable", "refused"] {
            let posted = [("kind", kind), ("origin", "push"), ("outcome", outcome)];
            assert_eq!(scrape.get("received_total", &posted), 0.0);
        }
    }
    for origin in ["poll", "selected"] {
        let found = [("kind", "claim-response"), ("origin", origin), ("outcome", "unmappable")];
        assert_eq!(scrape.get("received_total", &found), 0.0);
    }
    for mapping in ["claim-response", "feedback", "patient"] {
        for outcome in ["deadline", "memory", "trap", "unusable"] {
            let failed = [("mapping", mapping), ("outcome", outcome)];
            assert_eq!(scrape.get("mapping_failures_total", &failed), 0.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_whose_time_is_up_and_requests_that_are_held_off_are_counted() {
    let world = World::new(&[("server.answer_timeout", "1s"), ("server.requests_per_second", "1")]).await;
    let let_in = || async {
        eventually("a scrape is let in", || async {
            let answer = super::scrape(&world.mediator).await;
            if answer.status() != StatusCode::OK {
                return None;
            }
            Some(super::Figures(answer.text().await.expect("text")))
        })
        .await
    };
    let never_ends = format!(
        "POST {CLAIM} HTTP/1.1\r\nhost: mediator\r\n{CREDENTIALS}content-type: application/json\r\ncontent-length: 9\r\n\r\n{{"
    );
    let address = world.mediator.url.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(never_ends.as_bytes()).await.expect("sent");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 408");
    let scrape = let_in().await;
    assert_eq!(scrape.counted("received_total"), figures([("claim-response, push, unanswered", 1.0)]));
    assert!(scrape.get("accept_duration_seconds_sum", &[("kind", "claim-response")]) >= 1.0);
    let before = scrape.get("throttled_requests_total", &[]);
    join_all((0..20).map(|_| world.mediator.post(CLAIM, "{"))).await;
    assert!(let_in().await.get("throttled_requests_total", &[]) > before);
}

/// Its document is gone, or sealed with a key that is not here: nobody tries it, and somebody has to hear of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_was_never_tried_is_counted() {
    let world = World::new(&[("tasks.policy", "submitted"), ("retry.recheck", "1h")]).await;
    let claim = world.sandbox.openimis.enter_claim("ENTERED");
    let body = notification(&world.sandbox, claim).await;
    assert_eq!(world.mediator.post(CLAIM, body).await.status(), 202);
    let put_off = [("kind", "claim-response"), ("state", "put-off")];
    eventually("it was put off", || async {
        (world.scrape().await.find("backlog_messages", &put_off) == Some(1.0)).then_some(())
    })
    .await;
    let url = format!("sqlite://{}", store_path(&world._dir).display());
    let mut other = SqliteConnection::connect(&url).await.expect("the file");
    for statement in ["DELETE FROM document", "UPDATE message SET due_at = 0"] {
        sqlx::query(statement).execute(&mut other).await.expect("done");
    }
    world.mediator.host.wake.notify_one();
    let dead = [("kind", "claim-response"), ("outcome", "dead")];
    eventually("it is counted", || async {
        (world.scrape().await.get("deliveries_total", &dead) == 1.0).then_some(())
    })
    .await;
}

/// Of several mediators one polls: that the others did not is no poll that worked.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: cargo xtask test"]
async fn a_poll_that_is_anothers_turn_is_not_counted() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let settings = StoreSettings { url: Some(Cluster::shared().database().into()), ..StoreSettings::default() };
    let store = SqlStore::open(&settings).await.expect("a store");
    let now = store.now(Timestamp::now()).await.expect("the store");
    assert!(store.take_turn("poll-claims", now, now + SignedDuration::from_secs(60)).await.expect("the store"));
    let changes = [
        ("metrics.public", "true"),
        ("admin.listen", "127.0.0.1:0"),
        ("poll.enabled", "true"),
        ("poll.interval", "100ms"),
        ("poll.selected_interval", "100ms"),
    ];
    let mut config = config(&sandbox, &dir, &changes);
    config.store = settings;
    let world = World { mediator: Mediator::start(config).await, sandbox, _dir: dir };
    let scrape = eventually("the other poll is made", || async {
        let scrape = world.scrape().await;
        let polled = scrape.find("polls_total", &[("poll", "selected"), ("outcome", "ok")]);
        polled.is_some_and(|count| count >= 3.0).then_some(scrape)
    })
    .await;
    assert_eq!(scrape.all("polls_total").len(), 1, "{:?}", scrape.all("polls_total"));
    assert_eq!(scrape.all("poll_last_success_timestamp_seconds").len(), 1);
    assert_eq!(scrape.get("backlog_oldest_age_seconds", &[("kind", "feedback")]), 0.0, "PostgreSQL was asked");
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
