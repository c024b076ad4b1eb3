//! The wire fails after the peer did what it was asked for, and the peer closes connections that we keep: nothing is done twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flow::ports::{Http, HttpError};
use mediator_tests::raw_peer::{Gateway, Spoil, http, listener, read_request};
use mediator_tests::running::{
    Mediator, PATIENCE, config, notification, sample_claim, sample_feedback, sandbox, states, story,
};
use openimis_mediator::http::ReqwestHttp;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::{CLAIM, COMMUNICATION, FEEDBACK, LOGIN, PATIENT, PEOPLE, RECORDS, SHORT_TIMEOUTS, reports};

/// All that can happen to an answer of which the work is done.
fn spoils() -> Vec<Spoil> {
    let (html, page) = ("content-type: text/html", "<html><body><h1>Gateway Time-out</h1></body></html>");
    vec![
        Spoil::Close,
        Spoil::BreakOff,
        Spoil::Reset,
        Spoil::DripHeaders,
        Spoil::DripBody,
        Spoil::Instead(http("200 OK", html, page)),
        Spoil::Instead(http("502 Bad Gateway", html, page)),
        Spoil::Instead(http("504 Gateway Timeout", html, page)),
    ]
}

/// Every request of a claim and its feedback gets its first answer spoilt, from the login to the Communication.
async fn one_effect_in_spite_of(spoil: Spoil, turn: Arc<tokio::sync::Mutex<()>>) {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let spoiling = |spoil: &Spoil| {
        let spoil = spoil.clone();
        move |_: &_, first| if first { spoil.clone() } else { Spoil::Pass }
    };
    let cht = Gateway::before(&sandbox.cht.url(), spoiling(&spoil)).await;
    let openimis = Gateway::before(&sandbox.openimis.url(), spoiling(&spoil)).await;
    let mut changes = vec![("cht.url", cht.url.as_str()), ("openimis.url", &openimis.url), ("retry.longest", "50ms")];
    changes.extend(SHORT_TIMEOUTS);
    let mediator = {
        let _turn = turn.lock().await;
        Mediator::start(config(&sandbox, &dir, &changes)).await
    };
    mediator.post(CLAIM, sample_claim()).await;
    mediator.post(FEEDBACK, sample_feedback()).await;
    let messages = mediator.settled().await;
    let story = format!("{spoil:?}{}", story(&messages));
    assert_eq!(states(&messages), ["delivered", "delivered"], "{story}");
    assert_eq!((sandbox.cht.people().len(), reports(&sandbox, "CHT979")), (1, 1), "{story}");
    assert_eq!(sandbox.openimis.communications().len(), 1, "{story}");
    // The record is never sent again, only looked up; the others are safe to repeat, and are repeated by nobody but us.
    assert_eq!((cht.count(RECORDS), cht.count("GET /medic/_design/")), (1, 2), "{story}");
    let repeated = [openimis.count(LOGIN), openimis.count(PATIENT), cht.count(PEOPLE), openimis.count(COMMUNICATION)];
    // The patient is read once more after the person's answer was spoilt, and again after that of whether the person is there.
    assert_eq!(repeated, [2, 4, 3, 2], "{story}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_an_answer_on_its_way_there_is_one_effect() {
    // One starts at a time: compiling the components keeps a small machine busy.
    let turn = Arc::new(tokio::sync::Mutex::new(()));
    let start = |spoil| tokio::spawn(one_effect_in_spite_of(spoil, turn.clone()));
    let running: Vec<_> = spoils().into_iter().map(start).collect();
    for spoil in running {
        spoil.await.expect("one effect");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_closes_every_connection_after_its_answer_gets_each_record_once() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let cht = Gateway::before(&sandbox.cht.url(), |_, _| Spoil::PassAndClose).await;
    let openimis = Gateway::before(&sandbox.openimis.url(), |_, _| Spoil::PassAndClose).await;
    let changes = [("cht.url", cht.url.as_str()), ("openimis.url", &openimis.url)];
    let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
    for number in 0..20 {
        let claim = sandbox.openimis.enter_claim(&format!("CLOSED{number}"));
        mediator.post(CLAIM, notification(&sandbox, claim).await).await;
    }
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered"; 20], "{}", story(&messages));
    assert_eq!((sandbox.cht.people().len(), sandbox.cht.records().len()), (1, 20), "{}", story(&messages));
    let mut sent = BTreeMap::<Vec<u8>, usize>::new();
    for request in cht.seen().into_iter().filter(|request| request.line() == RECORDS) {
        *sent.entry(request.body).or_default() += 1;
    }
    assert!(sent.len() == 20 && sent.values().all(|times| *times == 1), "{:?}", sent.values());
}

/// A server that keeps connections, and what reached it, by the number in each request's body.
#[derive(Clone, Default)]
struct Counted {
    reached: Arc<Mutex<BTreeMap<usize, usize>>>,
    connections: Arc<Mutex<usize>>,
}

impl Counted {
    /// Reads one request, counts it.
    async fn read(&self, stream: &mut TcpStream) -> Option<()> {
        let number = String::from_utf8(read_request(stream).await?.body).expect("text").parse().expect("a number");
        *self.reached.lock().expect("the counts").entry(number).or_default() += 1;
        Some(())
    }

    async fn read_and_answer(&self, stream: &mut TcpStream) -> Option<()> {
        self.read(stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.ok()
    }

    fn times(&self, number: usize) -> usize {
        self.reached.lock().expect("the counts").get(&number).copied().unwrap_or_default()
    }

    fn connected(&self) -> usize {
        let mut connections = self.connections.lock().expect("the count");
        *connections += 1;
        *connections
    }
}

async fn post(client: &ReqwestHttp, url: &str, number: usize) -> Result<(), HttpError> {
    let request = ::http::Request::post(format!("{url}/")).body(number.to_string().into_bytes()).expect("a request");
    client.send(request, PATIENCE).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_a_kept_connection_swallowed_is_not_sent_again_behind_our_back() {
    let (listener, url) = listener().await;
    let counted = Counted::default();
    let counting = counted.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counting = counting.clone();
            tokio::spawn(async move {
                counting.connected();
                // The second request on each connection is read, and perhaps done; then the connection is closed.
                counting.read_and_answer(&mut stream).await?;
                counting.read(&mut stream).await
            });
        }
    });
    let client = ReqwestHttp::new(None, 8).expect("a client");
    let mut swallowed = 0;
    for number in 0..40 {
        match post(&client, &url, number).await {
            Ok(()) => {} // the first one on a connection
            Err(HttpError::NoAnswer(_)) => swallowed += 1,
            Err(error) => panic!("request {number}: {error:?}"),
        }
        assert_eq!(counted.times(number), 1, "request {number}");
    }
    // Now and then a connection is not back yet when the next request comes, which then gets a new one.
    assert!(swallowed > 0, "no connection was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_closes_as_the_next_post_goes_out_never_doubles_it() {
    let (listener, url) = listener().await;
    let counted = Counted::default();
    let counting = counted.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counting = counting.clone();
            tokio::spawn(async move {
                // Idle connections are closed after 0 to 1.4 ms, which is about when the next request comes; some stay.
                let patience = match counting.connected() % 16 {
                    15 => PATIENCE,
                    number => Duration::from_micros(100 * number as u64),
                };
                counting.read_and_answer(&mut stream).await?;
                tokio::time::timeout(patience, stream.readable()).await.ok()?.ok()?;
                counting.read_and_answer(&mut stream).await
            });
        }
    });
    let client = ReqwestHttp::new(None, 8).expect("a client");
    let mut told = [0; 2];
    for number in 0..500 {
        let answer = post(&client, &url, number).await;
        let times = counted.times(number);
        match answer {
            Ok(()) => assert_eq!(times, 1, "request {number} was answered"),
            Err(HttpError::NoAnswer(why)) => assert!(times <= 1, "request {number} got no answer: {why}"),
            Err(HttpError::NotSent(why)) => assert_eq!(times, 0, "request {number} was not sent: {why}"),
        }
        told[usize::from(times == 0)] += 1;
    }
    let connections = *counted.connections.lock().expect("the count");
    assert!(connections < 500, "some connections were used again: {connections} for 500 requests, {told:?}");
}
