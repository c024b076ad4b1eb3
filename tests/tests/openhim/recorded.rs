//! The stand-in answers as core 8.5 was recorded to answer: without that, what is tried on it would prove nothing.

use std::sync::{Arc, Mutex};

use mediator_tests::raw_peer::listener;
use reqwest::{Client, Method, Response};
use sandbox::{OPENHIM_PASSWORD, OPENHIM_USER, OpenHimAuth};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::core;

fn recorded(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("a list of exchanges")
}

/// Status, content type and body.
async fn read(answer: Response) -> Value {
    let kind = answer.headers().get("content-type").map(|value| value.to_str().expect("text").to_owned());
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a body");
    let is_text = kind.as_deref().is_some_and(|kind| kind.starts_with("text/"));
    let body = if is_text { json!(text) } else { serde_json::from_str(&text).unwrap_or(json!(text)) };
    json!([status, kind, body])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_as_recorded() {
    let openhim = core(OpenHimAuth::Basic).await;
    let exchanges = recorded(include_str!("recorded/api.json"));
    assert!(exchanges.len() > 20, "{} exchanges", exchanges.len());
    for exchange in exchanges {
        let method: Method = exchange["method"].as_str().expect("a method").parse().expect("a method");
        let path = exchange["path"].as_str().expect("a path").trim_start_matches('/');
        let case = exchange["case"].as_str().expect("a name");
        let password = if case.contains("wrong-password") { "wrong" } else { OPENHIM_PASSWORD };
        let request = Client::new().request(method, format!("{}{path}", openhim.api()));
        let request = request.basic_auth(OPENHIM_USER, Some(password)).header("content-type", "application/json");
        let answer = request.body(exchange["body"].to_string()).send().await.expect("an answer");
        let expected = json!([exchange["status"], exchange["content_type"], exchange["answer"]]);
        assert_eq!(read(answer).await, expected, "{case}");
    }
}

/// A mediator that answers what is laid out for it.
async fn scripted(next: Arc<Mutex<Value>>) -> u16 {
    let (listener, url) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 << 10];
            let mut length = 0;
            // The head, and the few bytes of a body that come with it or right behind.
            while !String::from_utf8_lossy(&request[..length]).contains("\r\n\r\n") {
                match stream.read(&mut request[length..]).await {
                    Ok(0) | Err(_) => break,
                    Ok(more) => length += more,
                }
            }
            let answer = next.lock().expect("an answer").clone();
            let body = answer["body"].as_str().map_or_else(|| answer["body"].to_string(), str::to_owned);
            let (status, kind) = (&answer["status"], answer["content_type"].as_str().unwrap_or_default());
            let head = format!("HTTP/1.1 {status} OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n", body.len());
            let sent = format!("{head}connection: close\r\n\r\n{body}");
            drop(stream.write_all(sent.as_bytes()).await);
        }
    });
    url.rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse().ok()).expect("a port")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_router_answers_and_keeps_transactions_as_recorded() {
    let openhim = core(OpenHimAuth::Basic).await;
    let next = Arc::new(Mutex::new(Value::Null));
    let port = scripted(next.clone()).await;
    let mediator = recorded(include_str!("recorded/api.json"))[0]["body"].clone();
    let routed = |port: u16| {
        let mut mediator = mediator.clone();
        mediator["defaultChannelConfig"][0]["routes"][0]["port"] = port.into();
        mediator
    };
    for exchange in recorded(include_str!("recorded/route.json")) {
        let case = exchange["case"].as_str().expect("a name");
        *next.lock().expect("an answer") = exchange["mediator"].clone();
        openhim.forget();
        let registration = routed(if case.contains("mediator-down") { 9 } else { port }).to_string();
        let request = Client::new().post(format!("{}mediators", openhim.api())).body(registration);
        let answer = request.basic_auth(OPENHIM_USER, Some(OPENHIM_PASSWORD)).send().await.expect("an answer");
        assert_eq!(answer.status(), 201, "{case}");
        openhim.install_channels("urn:mediator:proto");

        let method: Method = exchange["method"].as_str().expect("a method").parse().expect("a method");
        let path = exchange["path"].as_str().expect("a path");
        let mut request = Client::new().request(method, format!("{}{path}", openhim.router())).body(r#"{"a":1}"#);
        if exchange["authorized"] == true {
            request = request.basic_auth(if case.contains("wrong-auth") { "nobody" } else { "cht" }, Some("x"));
        }
        let answer = request.send().await.expect("an answer");
        let headers = exchange["headers"].as_array().expect("a list").iter().filter_map(Value::as_str);
        for header in headers {
            assert!(answer.headers().contains_key(header), "{case}: {header}");
        }
        assert_eq!(
            read(answer).await,
            json!([exchange["status"], exchange["content_type"], exchange["answer"]]),
            "{case}"
        );
        if let Some(expected) = exchange["transaction"].as_object() {
            let kept = openhim.transactions().pop().expect("a transaction");
            for (name, value) in expected {
                assert_eq!(&kept[name], value, "{case}: {name}");
            }
        }
    }
}
