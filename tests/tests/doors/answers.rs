//! What the doors answer, and that nothing is acknowledged which is not kept.

use mediator_tests::running::{eventually, sample_claim, sample_feedback};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{CLAIM, CREDENTIALS, FEEDBACK, On, World};

const LIMIT: usize = 1 << 20;

/// Status and JSON body. Every answer has to be JSON and say so: openIMIS takes anything else for a failure.
pub async fn read(answer: Response) -> (StatusCode, Value) {
    let (status, url) = (answer.status(), answer.url().clone());
    let content_type = answer.headers().get("content-type").map(|value| value.to_str().expect("text").to_owned());
    assert_eq!(content_type.as_deref(), Some("application/json"), "{status} of {url}");
    let body = answer.text().await.expect("a body");
    (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{status} of {url}: {error}: {body}")))
}

pub fn issues(outcome: &Value) -> &Vec<Value> {
    assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
    outcome["issue"].as_array().expect("a list of issues")
}

/// The documented claim with some elements replaced; null takes one out.
pub fn claim_with(changes: Value) -> String {
    let mut claim: Value = serde_json::from_str(&sample_claim()).expect("JSON");
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => drop(claim.as_object_mut().expect("an object").remove(name)),
            value => claim[name] = value.clone(),
        }
    }
    claim.to_string()
}

/// A claim of which several things are wrong.
fn unmappable_claim() -> String {
    claim_with(json!({"identifier": [], "patient": {"reference": "Practitioner/1"}, "created": "1800-01-01"}))
}

pub async fn what_is_stored_is_answered_202_with_its_number(on: On) {
    let world = World::start(on, &[]).await;
    let claim = read(world.post(CLAIM, sample_claim()).await).await;
    assert_eq!(claim, (StatusCode::ACCEPTED, json!({"status": "accepted", "id": 1, "duplicate": false})));
    let feedback = read(world.post(FEEDBACK, sample_feedback()).await).await;
    assert_eq!(feedback, (StatusCode::ACCEPTED, json!({"status": "accepted", "id": 2, "duplicate": false})));
    let stored = world.messages().await;
    assert_eq!(stored[0].received.as_deref(), Some(sample_claim().as_bytes()), "kept as received, byte for byte");
    assert_eq!(stored[1].received.as_deref(), Some(sample_feedback().as_bytes()));
}

pub async fn what_comes_twice_is_answered_202_and_has_one_effect(on: On) {
    let world = World::start(on, &[]).await;
    let (claim, feedback) = (sample_claim(), sample_feedback());
    let again = || async { read(world.post(CLAIM, claim.clone()).await).await };
    let (a, b, c, d) = tokio::join!(again(), again(), again(), again());
    let answers = [a, b, c, d, again().await];
    assert!(answers.iter().all(|(status, body)| *status == 202 && body["id"] == 1), "{answers:?}");
    assert_eq!(answers.iter().filter(|(_, body)| body["duplicate"] == false).count(), 1, "{answers:?}");
    world.settled().await;
    for duplicate in [false, true] {
        let expected = json!({"status": "accepted", "id": 2, "duplicate": duplicate});
        assert_eq!(read(world.post(FEEDBACK, feedback.clone()).await).await, (StatusCode::ACCEPTED, expected));
    }
    world.settled().await;
    assert_eq!(read(world.post(CLAIM, claim.clone()).await).await.1["duplicate"], true, "also after its delivery");
    assert_eq!(read(world.post(FEEDBACK, feedback.clone()).await).await.1["duplicate"], true);
    assert_eq!(world.settled().await.len(), 2);
    assert_eq!((world.sandbox.cht.records().len(), world.sandbox.openimis.communications().len()), (1, 1));
}

pub async fn what_is_not_json_is_refused_with_400_and_not_stored(on: On) {
    let world = World::start(on, &[]).await;
    for path in [CLAIM, FEEDBACK] {
        for body in [b"".as_slice(), b"{\"resourceType\": ", b"claim", b"{} {}", b"\xff\xfe{}", b"{\"name\": \"\xff\"}"]
        {
            let (status, outcome) = read(world.post(path, body).await).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{path} {body:?}");
            assert_eq!(issues(&outcome).len(), 1, "{outcome}");
            assert_eq!(issues(&outcome)[0]["severity"], "fatal", "{outcome}");
        }
    }
    let (_, outcome) = read(world.post(CLAIM, "{\n  \"name\": \"Kalpana\",}").await).await;
    let told = issues(&outcome)[0]["diagnostics"].as_str().expect("text");
    assert!(told.contains("line 2") && !told.contains("Kalpana"), "where, not what: {told}");
    assert!(world.messages().await.is_empty());
}

pub async fn only_json_content_types_are_taken(on: On) {
    let world = World::start(on, &[]).await;
    let send = |path: &str, content_type: Option<&str>| {
        let request = world.client.post(format!("{}{path}", world.url)).basic_auth(CREDENTIALS.0, Some(CREDENTIALS.1));
        let body = if path == CLAIM { sample_claim() } else { sample_feedback() };
        let request = content_type.into_iter().fold(request, |request, value| request.header("content-type", value));
        async move { read(request.body(body).send().await.expect("an answer")).await }
    };
    for path in [CLAIM, FEEDBACK] {
        let wrong =
            ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/jsonx", "json", ""];
        for content_type in wrong.map(Some).into_iter().chain([None]) {
            let (status, outcome) = send(path, content_type).await;
            assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path} {content_type:?}");
            assert_eq!(issues(&outcome)[0]["code"], "not-supported");
        }
    }
    assert!(world.messages().await.is_empty());
    for path in [CLAIM, FEEDBACK] {
        for content_type in [
            "application/json",
            "application/json; charset=utf-8",
            "application/fhir+json",
            "application/fhir+json;charset=UTF-8;fhirVersion=4.0",
            "Application/JSON",
        ] {
            assert_eq!(send(path, Some(content_type)).await.0, StatusCode::ACCEPTED, "{path} {content_type}");
        }
    }
}

/// Sends a request as it is and reads what comes back until the connection ends.
async fn raw(world: &World, head: &str, body: &[u8]) -> String {
    let address = world.url.trim_start_matches("http://");
    let credentials = "aW50ZXJvcC1jbGllbnQ6aW50ZXJvcC1wYXNzd29yZA==";
    let head = format!(
        "{head} HTTP/1.1\r\nhost: {address}\r\nauthorization: Basic {credentials}\r\ncontent-type: application/json\r\nconnection: close\r\n"
    );
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let (mut incoming, mut outgoing) = stream.split();
    let mut answer = Vec::new();
    let send = async {
        // The server may stop reading in the middle: what it answers is what counts.
        drop(outgoing.write_all(head.as_bytes()).await);
        drop(outgoing.write_all(body).await);
    };
    let (_, received) = tokio::join!(send, incoming.read_to_end(&mut answer));
    let answer = String::from_utf8(answer).expect("text");
    assert!(received.is_ok() || !answer.is_empty(), "no answer: {received:?}");
    answer
}

fn chunked(body: &str) -> Vec<u8> {
    let mut sent = b"transfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.as_bytes().chunks(64 << 10) {
        sent.extend(format!("{:x}\r\n", chunk.len()).bytes());
        sent.extend(chunk);
        sent.extend(b"\r\n");
    }
    sent.extend(b"0\r\n\r\n");
    sent
}

fn with_length(body: &str) -> Vec<u8> {
    format!("content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub async fn a_body_over_one_mebibyte_is_refused_with_413(on: On) {
    let world = World::start(on, &[]).await;
    let sample = sample_claim();
    let padded = |length: usize| format!("{}{}", " ".repeat(length - sample.len()), sample);
    for path in [CLAIM, FEEDBACK] {
        for length in [LIMIT + 1, 16 * LIMIT] {
            for body in [with_length(&padded(length)), chunked(&padded(length))] {
                let answer = raw(&world, &format!("POST {path}"), &body).await;
                assert!(answer.starts_with("HTTP/1.1 413 "), "{path}, {length} bytes: {answer}");
                assert!(answer.contains("\r\ncontent-type: application/json\r\n"), "{answer}");
                assert!(answer.contains("\"code\":\"too-long\""), "{answer}");
            }
        }
    }
    assert!(world.messages().await.is_empty());
    for body in [with_length(&padded(LIMIT)), chunked(&padded(LIMIT))] {
        let answer = raw(&world, &format!("POST {CLAIM}"), &body).await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "exactly {LIMIT} bytes are taken: {answer}");
    }
}

pub async fn without_the_right_credentials_nothing_is_stored(on: On) {
    let world = World::start(on, &[]).await;
    let send = |path: &str, authorization: Option<&str>| {
        let request = world.client.post(format!("{}{path}", world.url)).header("content-type", "application/json");
        let request = authorization.into_iter().fold(request, |request, value| request.header("authorization", value));
        request.body(sample_claim()).send()
    };
    // interop-client:interop-password is right.
    let wrong = [
        None,
        Some(""),
        Some("Basic"),
        Some("Basic "),
        Some("Basic !"),
        Some("Basic aW50ZXJvcC1jbGllbnQ6d3Jvbmc="), // the password is another
        Some("Basic aW50ZXJvcC1jbGllbnQ6"),         // no password
        Some("Basic b3RoZXI6aW50ZXJvcC1wYXNzd29yZA=="), // the user is another
        Some("Basic aW50ZXJvcC1jbGllbnQ6aW50ZXJvcC1wYXNzd29yZDE="), // one more letter
        Some("Bearer aW50ZXJvcC1jbGllbnQ6aW50ZXJvcC1wYXNzd29yZA=="),
        Some("Digest username=\"interop-client\""),
        Some("interop-client:interop-password"),
    ];
    for path in [CLAIM, FEEDBACK] {
        for authorization in wrong {
            let answer = send(path, authorization).await.expect("an answer");
            let challenge =
                answer.headers().get("www-authenticate").expect("a challenge").to_str().expect("text").to_owned();
            assert!(challenge.starts_with("Basic realm="), "{challenge}");
            let (status, outcome) = read(answer).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{authorization:?}");
            assert_eq!(issues(&outcome)[0]["code"], "login");
        }
    }
    assert!(world.messages().await.is_empty());
    let scheme_in_lower_case = Some("basic aW50ZXJvcC1jbGllbnQ6aW50ZXJvcC1wYXNzd29yZA==");
    assert_eq!(send(CLAIM, scheme_in_lower_case).await.expect("an answer").status(), StatusCode::ACCEPTED);
}

pub async fn credentials_are_asked_for_before_anything_is_said_of_the_body(on: On) {
    let world = World::start(on, &[]).await;
    let bodies =
        [("text/plain", "x".to_owned()), ("application/json", "{".to_owned()), ("application/json", " ".repeat(LIMIT))];
    for (content_type, body) in bodies {
        // Several times: that an answer is lost while a body is sent is a matter of luck.
        for _ in 0..8 {
            let request = world.client.post(format!("{}{CLAIM}", world.url)).header("content-type", content_type);
            assert_eq!(request.body(body.clone()).send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
        }
    }
}

pub async fn a_claim_that_cannot_be_mapped_is_answered_422_with_every_issue_and_kept(on: On) {
    let world = World::start(on, &[]).await;
    let (status, outcome) = read(world.post(CLAIM, unmappable_claim()).await).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let told: Vec<&str> =
        issues(&outcome).iter().map(|issue| issue["expression"][0].as_str().expect("a path")).collect();
    let expected = [
        "ClaimResponse.identifier.where(type.coding.code = 'Code').value",
        "ClaimResponse.patient",
        "ClaimResponse.created",
    ];
    assert!(expected.iter().all(|path| told.iter().any(|told| told.starts_with(path))), "{told:?}");

    let [kept] = &world.messages().await[..] else { panic!("one message") };
    assert_eq!((kept.state.as_str(), kept.attempts), ("dead", 0));
    assert_eq!(kept.received.as_deref(), Some(unmappable_claim().as_bytes()));
    assert_eq!(kept.issues, told.len());
    assert!(kept.reason.starts_with("cannot be mapped"), "{kept:?}");

    let (status, again) = read(world.post(CLAIM, unmappable_claim()).await).await;
    assert_eq!((status, &again), (StatusCode::UNPROCESSABLE_ENTITY, &outcome), "the same again");
    assert_eq!(world.messages().await.len(), 1);
    assert!(world.sandbox.cht.requests().is_empty() && world.sandbox.openimis.requests().is_empty());
}

pub async fn a_dead_letter_comes_to_life_when_the_claim_comes_in_order(on: On) {
    let world = World::start(on, &[]).await;
    let broken = claim_with(json!({"patient": null}));
    assert_eq!(world.post(CLAIM, broken).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let (status, body) = read(world.post(CLAIM, sample_claim()).await).await;
    assert_eq!((status, body), (StatusCode::ACCEPTED, json!({"status": "accepted", "id": 1, "duplicate": false})));
    let [message] = &world.settled().await[..] else { panic!("one message") };
    assert_eq!(message.state, "delivered", "{message:?}");
    assert!(message.issues == 0);
    assert_eq!(world.sandbox.cht.records().len(), 1);
}

pub async fn other_json_is_kept_as_a_dead_letter_too(on: On) {
    let world = World::start(on, &[]).await;
    let bodies = ["[]", "null", "1", "{}", r#"{"resourceType": "Patient"}"#, r#"{"id": 1, "id": 2}"#];
    for body in bodies {
        assert_eq!(read(world.post(CLAIM, body).await).await.0, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(read(world.post(FEEDBACK, body).await).await.0, StatusCode::ACCEPTED, "{body}");
    }
    let messages = world.messages().await;
    assert!(messages.iter().all(|message| message.state == "dead"), "{messages:?}");
    assert_eq!(messages.len(), 2 * bodies.len());
}

pub async fn another_document_with_the_same_key_is_no_duplicate(on: On) {
    let world = World::start(on, &[]).await;
    assert_eq!(world.post(FEEDBACK, sample_feedback()).await.status(), 202);
    let other = sample_feedback().replacen("\"yes\"", "\"no\"", 1);
    assert_ne!(other, sample_feedback());
    let other_claim =
        sample_feedback().replace("d3256498-ad16-4482-a2d2-4a6d9c78ba81", "d3256498-ad16-4482-a2d2-4a6d9c78ba82");
    for (id, body, differs) in [(2, other, "answers"), (3, other_claim, "claim")] {
        for _ in 0..2 {
            let (status, answer) = read(world.post(FEEDBACK, body.clone()).await).await;
            assert_eq!(status, StatusCode::ACCEPTED, "CHT would push it for ever: {answer}");
            assert_eq!(answer["id"], id, "{answer}");
            assert_eq!(answer["conflict"], json!({"with": 1, "differs": [differs]}), "{answer}");
        }
    }
    assert_eq!(world.post(CLAIM, sample_claim()).await.status(), 202);
    let patient = json!({"reference": "Patient/00000000-0000-4000-8000-000000000077"});
    let (status, answer) = read(world.post(CLAIM, claim_with(json!({"patient": patient}))).await).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    let text = issues(&answer)[0].to_string();
    assert!(["message 4", "message 5", "patient"].iter().all(|told| text.contains(told)), "{text}");
    assert_eq!(world.messages().await.len(), 5);
}

pub async fn a_feedback_that_cannot_be_mapped_is_answered_202_and_kept(on: On) {
    let world = World::start(on, &[]).await;
    let broken = json!({"doc": {"_id": "report-2"}, "care_rendered": "perhaps", "assessment_rating": 9}).to_string();
    for _ in 0..2 {
        let (status, body) = read(world.post(FEEDBACK, broken.clone()).await).await;
        assert_eq!(status, StatusCode::ACCEPTED, "CHT would repeat a refused one for ever");
        assert_eq!(body["id"], 1);
        let told: Vec<&str> =
            body["issue"].as_array().expect("issues").iter().filter_map(|issue| issue["expression"].as_str()).collect();
        for key in [
            "care_rendered",
            "payment_asked",
            "drug_prescribed",
            "drug_received",
            "assessment_rating",
            "claimuuid",
            "insureeuuid",
        ] {
            assert!(told.contains(&key), "{key} is not among {told:?}");
        }
    }
    let [kept] = &world.messages().await[..] else { panic!("one message") };
    assert_eq!(kept.state, "dead");
    assert_eq!(kept.received.as_deref(), Some(broken.as_bytes()));
    assert!(world.sandbox.openimis.requests().is_empty());
}

pub async fn other_routes_and_methods_are_refused_in_json(on: On) {
    let world = World::start(on, &[]).await;
    for path in ["/", "/mediator", "/mediator/claim-response/", "/mediator/Claim-Response", "/health", "/metrics"] {
        let answer = world.client.get(format!("{}{path}", world.url)).send().await.expect("an answer");
        let (status, outcome) = read(answer).await;
        assert_eq!((status, &issues(&outcome)[0]["code"]), (StatusCode::NOT_FOUND, &json!("not-found")), "{path}");
    }
    for (method, path) in [
        (Method::GET, CLAIM),
        (Method::PUT, CLAIM),
        (Method::DELETE, FEEDBACK),
        (Method::PATCH, FEEDBACK),
        (Method::POST, "/health/live"),
        (Method::POST, "/health/ready"),
    ] {
        let answer =
            world.client.request(method.clone(), format!("{}{path}", world.url)).send().await.expect("an answer");
        assert!(answer.headers().contains_key("allow"), "{method} {path} says what is allowed");
        let (status, outcome) = read(answer).await;
        assert_eq!(
            (status, &issues(&outcome)[0]["code"]),
            (StatusCode::METHOD_NOT_ALLOWED, &json!("not-supported")),
            "{method} {path}"
        );
    }
}

pub async fn the_health_routes_ask_for_no_credentials(on: On) {
    let world = World::start(on, &[]).await;
    for (path, expected) in [("/health/live", "live"), ("/health/ready", "ready")] {
        let answer = world.client.get(format!("{}{path}", world.url)).send().await.expect("an answer");
        assert_eq!(read(answer).await, (StatusCode::OK, json!({"status": expected})));
    }
    assert!(
        world.sandbox.openimis.requests().is_empty() && world.sandbox.cht.requests().is_empty(),
        "peers do not matter for it"
    );
}

pub async fn while_another_process_holds_the_store_nothing_is_acknowledged(on: On) {
    let world = World::start(on, &[]).await;
    if on != On::Host {
        assert_eq!(world.get("/health/ready").await.status(), StatusCode::OK, "and its file is there");
    }
    let mut other =
        SqliteConnection::connect(world.database().to_str().expect("a path")).await.expect("the store's file");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("the write lock");

    let ready = || async { read(world.get("/health/ready").await).await };
    let claim = async { read(world.post(CLAIM, sample_claim()).await).await };
    let feedback = async { read(world.post(FEEDBACK, sample_feedback()).await).await };
    // A proof of a moment ago counts a quarter of a second.
    let told = eventually("it says so", || async { Some(ready().await).filter(|answer| answer.0 != StatusCode::OK) });
    let (told, claim, feedback) = tokio::join!(told, claim, feedback);
    assert_eq!(told, (StatusCode::SERVICE_UNAVAILABLE, json!({"status": "the store cannot be written"})));
    for (status, outcome) in [claim, feedback] {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(issues(&outcome)[0]["code"], "transient");
    }
    let live = world.client.get(format!("{}/health/live", world.url)).send().await.expect("an answer");
    assert_eq!(live.status(), StatusCode::OK);

    sqlx::query("ROLLBACK").execute(&mut other).await.expect("the lock given back");
    assert!(world.messages().await.is_empty());
    eventually("it is ready again", || async { (ready().await.0 == StatusCode::OK).then_some(()) }).await;
    assert_eq!(world.post(CLAIM, sample_claim()).await.status(), StatusCode::ACCEPTED);
    assert_eq!(world.settled().await[0].state, "delivered");
}
