//! Answers of somebody else, at the peer's address: they are no delivery and no refusal.

use std::time::Duration;

use flow::ports::Http;
use mediator_tests::raw_peer::{Scripted, http, listener, read_request};
use mediator_tests::running::{eventually, notification, sample_claim, story};
use openimis_mediator::http::ReqwestHttp;
use tokio::io::AsyncWriteExt;

use crate::{CLAIM, started, waits_with};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_chts_is_no_delivery() {
    let json = "content-type: application/json";
    let answers = [
        http("200 OK", json, ""),
        http("200 OK", json, "{}"),
        http("200 OK", json, r#"{"ok": false}"#),
        http("200 OK", "content-type: text/html", "<html></html>"),
        http("200 OK", json, r#"{"ok": true"#),
        http("204 No Content", json, ""),
        http("201 Created", json, "[]"),
    ];
    let strange = Scripted::answering(&answers).await;
    let (mediator, sandbox, _dir) =
        started(&[("cht.url", &strange.url), ("retry.first", "1h"), ("retry.trip_after", "1000")]).await;
    for (number, answer) in answers.iter().enumerate() {
        let claim = sandbox.openimis.enter_claim(&format!("STRANGE{number}"));
        mediator.post(CLAIM, notification(&sandbox, claim).await).await;
        let message = waits_with(&mediator, "not CHT's").await;
        assert_eq!((message.summary.state.as_str(), message.summary.attempts), ("pending", 1), "{answer}");
        assert_eq!(strange.seen().len(), number + 1, "{answer}");
    }
}

/// A proxy that is in the middle of an update, a wrong address, a gateway with a body in JSON: they say nothing of the message.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_is_not_the_peers_own_makes_no_dead_letter() {
    let (html, json) = ("content-type: text/html", "content-type: application/json");
    let answers = [
        http("404 Not Found", html, "<h1>404 Not Found</h1>"),
        http("400 Bad Request", html, "<h1>400 The plain HTTP request was sent to HTTPS port</h1>"),
        http("405 Method Not Allowed", html, ""),
        http("410 Gone", json, "{}"),
        http("404 Not Found", json, r#"{"message": "no Route matched with those values"}"#),
        http("409 Conflict", "content-type: text/plain", "conflict"),
        http("418 I'm a teapot", json, r#"["short", "stout"]"#),
    ];
    for peer in ["cht.url", "openimis.url"] {
        let answers = if peer == "cht.url" { &answers[..] } else { &[&answers[..1], &answers[2..]].concat() };
        let strange = Scripted::answering(answers).await;
        let (mediator, sandbox, _dir) =
            started(&[(peer, &strange.url), ("retry.first", "1h"), ("retry.trip_after", "1000")]).await;
        for (number, answer) in answers.iter().enumerate() {
            let claim = sandbox.openimis.enter_claim(&format!("STRANGE{number}"));
            mediator.post(CLAIM, notification(&sandbox, claim).await).await;
            let message = eventually("it was tried once", || async {
                let message = mediator.messages().await.pop()?;
                (message.summary.attempts == 1 && message.summary.state != "leased").then_some(message)
            })
            .await;
            assert_eq!(message.summary.state, "pending", "{peer} {answer}{}", story([&message]));
            assert_eq!(strange.seen().len(), number + 1, "{peer} {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_cut_off() {
    let (listener, url) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Some(_) = read_request(&mut stream).await else { return };
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n\"").await);
                while stream.write_all(&[b'x'; 1 << 16]).await.is_ok() {}
            });
        }
    });
    let (mediator, _sandbox, _dir) =
        started(&[("cht.url", &url), ("cht.timeout", "50s"), ("retry.first", "1h"), ("retry.trip_after", "1000")])
            .await;
    mediator.post(CLAIM, sample_claim()).await;
    let message = waits_with(&mediator, "longer than").await;
    assert_eq!(message.summary.state, "pending");
}

/// Answers of so many bytes, and then either their end or nothing more.
async fn long_answers(length: usize, ends: bool) -> String {
    let (listener, url) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Some(_) = read_request(&mut stream).await else { return };
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await);
                drop(stream.write_all(&vec![b'x'; length]).await);
                if !ends {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
            });
        }
    });
    url
}

async fn asked(http: &ReqwestHttp, url: &str, seconds: u64) -> Result<usize, String> {
    let request = http::Request::get(url).body(Vec::new()).expect("a request");
    let answer = http.send(request, Duration::from_secs(seconds)).await;
    answer.map(|answer| answer.body().len()).map_err(|error| error.to_string())
}

/// Many long answers at once share the memory that is there, and all of them arrive.
#[tokio::test(flavor = "multi_thread")]
async fn long_answers_wait_for_each_other() {
    let url = long_answers(3 << 20, true).await;
    let http = ReqwestHttp::new(None, 64).expect("a client").within(8 << 20);
    let answers = (0..30).map(|_| asked(&http, &url, 60));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!(answer, Ok(3 << 20));
    }
    let url = long_answers(5 << 20, true).await;
    let told = asked(&http, &url, 60).await.expect_err("longer than half of it");
    assert!(told.contains("longer than 4194304 bytes"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_memory_for_an_answer_in_time_is_told_so() {
    let (stuck, url) = (long_answers(3 << 20, false).await, long_answers(3 << 20, true).await);
    let http = std::sync::Arc::new(ReqwestHttp::new(None, 64).expect("a client").within(8 << 20));
    for _ in 0..4 {
        let (http, stuck) = (http.clone(), stuck.clone());
        tokio::spawn(async move { asked(&http, &stuck, 50).await });
    }
    let told = eventually("all is taken", || async { asked(&http, &url, 2).await.err() }).await;
    assert!(told.contains("worker.answers_limit_bytes"), "{told}");
    let small = long_answers(10, true).await;
    assert_eq!(asked(&http, &small, 20).await, Ok(10), "a short answer waits for nobody");
}
