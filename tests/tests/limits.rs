//! Nobody takes the mediator away from the others: time, connections, requests and bodies are limited, and every answer is safe to hold.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use auth::limits::Limits;
use mediator_tests::running::{Mediator, PATIENCE, config, eventually, sample_claim, sandbox};
use openimis_mediator::config::Server;
use reqwest::{Method, StatusCode};
use sandbox::Sandbox;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const CLAIM: &str = "/mediator/claim-response";
/// interop-client:interop-password
const CREDENTIALS: &str = "authorization: Basic aW50ZXJvcC1jbGllbnQ6aW50ZXJvcC1wYXNzd29yZA==\r\n";
const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: mediator\r\n\r\n";

async fn started(changes: &[(&str, &str)]) -> (Mediator, Sandbox, TempDir) {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let mediator = Mediator::start(config(&sandbox, &dir, changes)).await;
    (mediator, sandbox, dir)
}

async fn connect(mediator: &Mediator) -> TcpStream {
    TcpStream::connect(mediator.url.trim_start_matches("http://")).await.expect("a connection")
}

/// All that comes until the server closes; none if it never does.
async fn until_closed(stream: &mut TcpStream) -> Option<String> {
    let mut received = Vec::new();
    // A reset is an end too.
    let _ended = timeout(PATIENCE, stream.read_to_end(&mut received)).await.ok()?;
    Some(String::from_utf8(received).expect("text"))
}

/// The head of one answer.
async fn head(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n\r\n") {
        received.push(stream.read_u8().await.expect("an answer"));
    }
    String::from_utf8(received).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_its_head_drop_by_drop_is_cut_off() {
    let (mediator, _sandbox, _dir) = started(&[("server.header_timeout", "400ms")]).await;
    let begun = Instant::now();
    let mut stream = connect(&mediator).await;
    stream.write_all(b"POST /mediator/claim-response HTTP/1.1\r\nhost: mediator\r\n").await.expect("sent");
    let (mut incoming, mut outgoing) = stream.split();
    let drip = async {
        while outgoing.write_all(b"x-drop: 1\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut received = Vec::new();
    tokio::select! {
        () = drip => {}
        _ended = incoming.read_to_end(&mut received) => {}
        () = tokio::time::sleep(PATIENCE) => panic!("it may go on for ever"),
    }
    assert!(begun.elapsed() >= Duration::from_millis(400), "cut off after {:?}", begun.elapsed());
    assert!(!String::from_utf8_lossy(&received).contains(" 2"), "nothing was done for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_is_cut_off() {
    let (mediator, _sandbox, _dir) = started(&[("server.header_timeout", "300ms")]).await;
    let mut silent = connect(&mediator).await;
    assert_eq!(until_closed(&mut silent).await.as_deref(), Some(""));
    let mut once = connect(&mediator).await;
    once.write_all(LIVE).await.expect("sent");
    let answer = until_closed(&mut once).await.expect("closed when no second request came");
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 1, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_end_is_refused() {
    let (mediator, _sandbox, _dir) = started(&[]).await;
    let mut stream = connect(&mediator).await;
    let (mut incoming, mut outgoing) = stream.split();
    let send = async {
        let mut sent = outgoing.write_all(b"GET /health/live HTTP/1.1\r\nx-filling: ").await;
        while sent.is_ok() {
            sent = outgoing.write_all(&[b'x'; 4096]).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = send => {}
        _ended = incoming.read_to_end(&mut answer) => {}
        () = tokio::time::sleep(PATIENCE) => panic!("it may go on for ever"),
    }
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    let long = format!("GET /health/live HTTP/1.1\r\nhost: mediator\r\nx-filling: {}\r\n\r\n", "x".repeat(200_000));
    let mut stream = connect(&mediator).await;
    drop(stream.write_all(long.as_bytes()).await); // it may be cut off in the middle
    let answer = until_closed(&mut stream).await.expect("closed before the time for heads is over");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_drop_by_drop_is_answered_408_and_not_stored() {
    let (mediator, _sandbox, _dir) = started(&[("server.answer_timeout", "400ms")]).await;
    let mut stream = connect(&mediator).await;
    let head = format!(
        "POST {CLAIM} HTTP/1.1\r\nhost: mediator\r\n{CREDENTIALS}content-type: application/json\r\ncontent-length: 1000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let (mut incoming, mut outgoing) = stream.split();
    let drip = async {
        while outgoing.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = drip => {}
        _ended = incoming.read_to_end(&mut answer) => {}
        () = tokio::time::sleep(PATIENCE) => panic!("it may go on for ever"),
    }
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"code\":\"timeout\""), "{answer}");
    assert!(mediator.messages().await.is_empty());
}

/// What it asks for fills every buffer on the way; then nothing moves.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_no_answer_is_cut_off() {
    let changes = [("server.answer_timeout", "500ms"), ("server.requests_per_second", "1000000")];
    let (mediator, _sandbox, _dir) = started(&changes).await;
    let mut stream = connect(&mediator).await;
    let requests = LIVE.repeat(500);
    let mut broken = false;
    let mut stuck = 0;
    let begun = Instant::now();
    while !broken && begun.elapsed() < PATIENCE {
        match timeout(Duration::from_millis(200), stream.write(&requests)).await {
            Ok(written) => broken = written.is_err(),
            Err(_) => stuck += 1,
        }
    }
    assert!(broken && stuck > 0, "still open after {:?}, stuck {stuck} times", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let (mediator, _sandbox, _dir) = started(&[("server.max_connections", "2")]).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(&mediator).await;
        stream.write_all(LIVE).await.expect("sent");
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 200 "));
        held.push(stream);
    }
    let mut third = connect(&mediator).await; // by the system; the mediator does not know of it yet
    third.write_all(LIVE).await.expect("sent");
    let early = timeout(Duration::from_millis(300), third.read_u8()).await;
    assert!(early.is_err(), "answered although two are there: {early:?}");
    drop(held.pop());
    let answer = timeout(PATIENCE, head(&mut third)).await.expect("a place is free");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_answered_429_with_the_time_to_come_again() {
    let (mediator, _sandbox, _dir) = started(&[("server.requests_per_second", "3")]).await;
    let ask = || mediator.client.get(format!("{}/health/live", mediator.url)).send();
    let mut refused = None;
    for _ in 0..50 {
        let answer = ask().await.expect("an answer");
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("50 in a row are more than 3 a second");
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(refused.headers()["x-content-type-options"], "nosniff");
    let outcome: Value = refused.json().await.expect("JSON");
    assert_eq!(
        (&outcome["resourceType"], &outcome["issue"][0]["code"]),
        (&"OperationOutcome".into(), &"throttled".into())
    );
    eventually("it is let in again", || async {
        (ask().await.expect("an answer").status() == StatusCode::OK).then_some(())
    })
    .await;
}

/// An IPv6 client has as many addresses as it likes, so those of one network count as one; and what was quiet is forgotten.
#[test]
fn many_addresses_do_not_fill_the_memory() {
    let Server { requests_per_second, failed_logins_per_minute, .. } = Server::default();
    let limits = Limits::new(requests_per_second, failed_logins_per_minute);
    for number in 0..100_000 {
        limits.request(Ipv6Addr::from_bits(0x2001_0db8 << 96 | number).into()).ok();
    }
    assert_eq!(limits.remembered(), 1);
    for number in 0..100_000 {
        let network = Ipv6Addr::from_bits(0x2001_0db9 << 96 | number << 64);
        assert!(limits.request(network.into()).is_ok(), "each network has its own count");
    }
    assert!(limits.remembered() < 10_000, "{} of 100000 are remembered", limits.remembered());
    let mapped = |number: u8| limits.request(format!("::ffff:192.0.2.{number}").parse().expect("an address"));
    assert!((1..=200).all(|number| mapped(number).is_ok()), "IPv4 addresses count by themselves");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_body_is_a_setting() {
    let (mediator, _sandbox, _dir) = started(&[("server.max_body_bytes", "4096")]).await;
    let padded = |length: usize| format!("{}{}", sample_claim(), " ".repeat(length - sample_claim().len()));
    let refused = mediator.post(CLAIM, padded(4097)).await;
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(refused.text().await.expect("text").contains("longer than 4096 bytes"));
    assert_eq!(mediator.post(CLAIM, padded(4096)).await.status(), StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_headers_that_keep_browsers_and_caches_away() {
    let (mediator, _sandbox, _dir) = started(&[("server.max_body_bytes", "4096")]).await;
    let ask = |method: Method, path: &str, right: bool, body: String| {
        let request = mediator.client.request(method, format!("{}{path}", mediator.url));
        let password = if right { mediator_tests::running::INBOUND_PASSWORD } else { "wrong" };
        let request = request.basic_auth(mediator_tests::running::INBOUND_USER, Some(password));
        request.header("content-type", "application/json").body(body).send()
    };
    for (status, method, path, right, body) in [
        (200, Method::GET, "/health/live", true, String::new()),
        (202, Method::POST, CLAIM, true, sample_claim()),
        (400, Method::POST, CLAIM, true, "{".into()),
        (401, Method::POST, CLAIM, false, sample_claim()),
        (404, Method::GET, "/", true, String::new()),
        (405, Method::PUT, CLAIM, true, String::new()),
        (413, Method::POST, CLAIM, true, " ".repeat(5000)),
        (422, Method::POST, CLAIM, true, "{}".into()),
    ] {
        let answer = ask(method, path, right, body).await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
        let headers = answer.headers();
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(headers.get(name).map(|value| value.to_str().expect("text")), Some(value), "{status}: {name}");
        }
        assert!(!headers.contains_key("server") && !headers.contains_key("strict-transport-security"), "{headers:?}");
    }
}

/// Head and half of the body of a claim; the other half.
fn two_halves() -> (String, String) {
    let claim = sample_claim();
    let (first, second) = claim.split_at(claim.len() / 2);
    let length = claim.len();
    let head = format!(
        "POST {CLAIM} HTTP/1.1\r\nhost: mediator\r\n{CREDENTIALS}content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    (format!("{head}{first}"), second.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_a_request_on_its_way_and_not_for_idle_connections() {
    let (mediator, _sandbox, _dir) = started(&[("worker.drain", "300s")]).await;
    let (first, second) = two_halves();
    let (mut idle, mut busy) = (connect(&mediator).await, connect(&mediator).await);
    idle.write_all(LIVE).await.expect("sent");
    head(&mut idle).await;
    busy.write_all(first.as_bytes()).await.expect("sent");
    // Connections are taken in order: once a later one is answered, the half request is in the mediator's hands.
    let mut later = connect(&mediator).await;
    later.write_all(LIVE).await.expect("sent");
    head(&mut later).await;
    let stopping = tokio::spawn(mediator.stop());
    let closed = until_closed(&mut idle).await;
    assert!(closed.is_some(), "the idle connection is closed at once, not after the time for heads");
    assert!(!stopping.is_finished(), "a request is on its way");
    busy.write_all(second.as_bytes()).await.expect("sent");
    let answer = until_closed(&mut busy).await.expect("an answer, then the end");
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    timeout(PATIENCE, stopping).await.expect("it has stopped").expect("a clean stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_ever() {
    let (mediator, _sandbox, _dir) = started(&[("worker.drain", "500ms")]).await;
    let mut busy = connect(&mediator).await;
    busy.write_all(two_halves().0.as_bytes()).await.expect("sent");
    // Once a later one is answered, the half request is in the mediator's hands.
    let mut later = connect(&mediator).await;
    later.write_all(LIVE).await.expect("sent");
    head(&mut later).await;
    let begun = Instant::now();
    timeout(PATIENCE, mediator.stop()).await.expect("it has stopped");
    assert!(begun.elapsed() >= Duration::from_millis(500), "it gave the client its time: {:?}", begun.elapsed());
    assert!(until_closed(&mut busy).await.is_some(), "the connection is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_hold_all_places() {
    let (mediator, _sandbox, _dir) = started(&[("server.max_connections_per_address", "3")]).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&mediator).await;
        stream.write_all(LIVE).await.expect("sent");
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
        held.push(stream);
    }
    let mut fourth = connect(&mediator).await;
    assert_eq!(until_closed(&mut fourth).await.as_deref(), Some(""), "closed at once");
    drop(held.pop());
    eventually("the place is free again", || async {
        let mut stream = connect(&mediator).await;
        stream.write_all(LIVE).await.ok()?;
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).await.ok()?;
        (&answer == b"HTTP/1.1 200 OK").then_some(())
    })
    .await;
}

/// Anybody may ask whether the mediator is ready, and each look at the store writes to the disk.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_often_whether_it_is_ready_does_not_keep_the_store_busy() {
    use flow::ports::Store;
    let (mediator, _sandbox, _dir) = started(&[("server.requests_per_second", "1000000")]).await;
    let (begun, mut looks) = (Instant::now(), std::collections::BTreeSet::new());
    let mut asked = 0;
    while begun.elapsed() < Duration::from_secs(1) {
        let ask = || mediator.client.get(format!("{}/health/ready", mediator.url)).send();
        for answer in futures_util::future::join_all((0..40).map(|_| ask())).await {
            assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
            asked += 1;
        }
        looks.insert(mediator.store().watermark("ready").await.expect("the store"));
    }
    let most = begun.elapsed().as_millis() / 250 + 1;
    assert!(asked > looks.len() * 3 && looks.len() as u128 <= most, "{} looks for {asked}", looks.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_too_many_dead_letters_hears_whose_turn_it_is() {
    let (mediator, _sandbox, _dir) = started(&[("store.client_dead_letters", "2")]).await;
    for number in 0..4 {
        let answer = mediator.post(CLAIM, format!("{{\"number\": {number}}}")).await;
        let (status, body) = (answer.status(), answer.text().await.expect("text"));
        match number {
            0 | 1 => assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}"),
            _ => {
                assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{body}");
                assert!(
                    body.contains("2 messages of this client wait as dead letters for the mediator's admin"),
                    "{body}"
                );
            }
        }
    }
    assert_eq!(mediator.messages().await.len(), 2);
    // The admin has looked.
    let id = mediator.messages().await[0].summary.id;
    let now = jiff::Timestamp::now();
    assert!(mediator.store().discard(id, "a test", "an admin", now).await.expect("a store"));
    eventually("there is room again", || async {
        (mediator.post(CLAIM, sample_claim()).await.status() == StatusCode::ACCEPTED).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_its_share_of_the_store_is_answered_507() {
    let (mediator, _sandbox, _dir) = started(&[("store.client_bytes", "10")]).await;
    assert_eq!(mediator.post(CLAIM, sample_claim()).await.status(), StatusCode::ACCEPTED);
    let answer = mediator.post(CLAIM, sample_claim()).await;
    assert_eq!(answer.status(), StatusCode::INSUFFICIENT_STORAGE);
    assert!(answer.headers().contains_key("retry-after"));
    let body = answer.text().await.expect("text");
    assert!(body.contains("store.client_bytes") && body.contains("admin"), "{body}");
    assert_eq!(mediator.settled().await.len(), 1, "what is stored is delivered");
}

async fn answer_to(mediator: &Mediator, request: &str) -> String {
    let mut stream = connect(mediator).await;
    stream.write_all(request.as_bytes()).await.expect("sent");
    head(&mut stream).await
}

/// Somebody on the way may have read another host than we.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_says_once_which_host_it_is_for() {
    let (mediator, _sandbox, _dir) = started(&[]).await;
    for (version, hosts, status) in [
        ("1.1", "host: mediator\r\n", "200"),
        ("1.1", "Host: [::1]:8080\r\n", "200"),
        ("1.1", "host:\r\n", "200"),
        ("1.0", "", "200"),
        ("1.0", "host: mediator\r\n", "200"),
        ("1.1", "", "400"),
        ("1.1", "host: mediator\r\nhost: mediator\r\n", "400"),
        ("1.1", "host: mediator\r\nHost: other\r\n", "400"),
        ("1.0", "host: mediator\r\nhost: other\r\n", "400"),
        ("1.1", "host: a b\r\n", "400"),
        ("1.1", "host: mediator/path\r\n", "400"),
    ] {
        let answer = answer_to(&mediator, &format!("GET /health/live HTTP/{version}\r\n{hosts}\r\n")).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{version} {hosts:?}: {answer}");
        assert!(answer.contains("x-content-type-options: nosniff"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_more_than_64_kib_is_refused() {
    let (mediator, _sandbox, _dir) = started(&[]).await;
    for (filling, status) in [(60_000, 200), (66_000, 431), (100_000, 431)] {
        let filled = "x".repeat(filling);
        let request = format!("GET /health/live HTTP/1.1\r\nhost: mediator\r\nx-filling: {filled}\r\n\r\n");
        let answer = answer_to(&mediator, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{filling}: {answer}");
    }
    let long = format!("GET /health/live?{} HTTP/1.1\r\nhost: mediator\r\n\r\n", "x".repeat(65_600));
    let answer = answer_to(&mediator, &long).await;
    assert!(answer.starts_with("HTTP/1.1 431 ") || answer.starts_with("HTTP/1.1 414 "), "{answer}");
}
