//! Peers that are down, slow, confused or closed to us: nothing is lost, nothing is done twice, nobody is hammered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flow::peers::Peer;
use jiff::{SignedDuration, Timestamp};
use mediator_tests::running::{
    INBOUND_PASSWORD, INBOUND_USER, Mediator, config, count, eventually, notification, reason, sample_claim,
    sample_feedback, sandbox, states, story,
};
use openimis_mediator::sandbox::{Fault, Sandbox};
use openimis_mediator::store::View;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";
const RECORDS: &str = "POST /api/v2/records";
const PEOPLE: &str = "POST /api/v1/people";
const LOGIN: &str = "POST /api/api_fhir_r4/login/";
const PATIENT: &str = "GET /api/api_fhir_r4/Patient/";
const COMMUNICATION: &str = "POST /api/api_fhir_r4/Communication/";
const DOWN: usize = usize::MAX;
/// The insuree of openIMIS' demo data; the sample claim is another one's.
const OTHER_INSUREE: &str = "00000000-0000-4000-8000-000000000006";

async fn started(changes: &[(&str, &str)]) -> (Mediator, Sandbox, TempDir) {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let mediator = Mediator::start(config(&sandbox, &dir, changes)).await;
    (mediator, sandbox, dir)
}

/// Failures after which the same request works: down, broken, behind something else.
const PASSING: [Fault; 6] = [
    Fault::Reset,
    Fault::Status(500),
    Fault::Status(502),
    Fault::Status(503),
    Fault::Html,
    Fault::Hang(Duration::from_millis(700)), // longer than the time-out below
];
const SHORT_TIMEOUTS: [(&str, &str); 2] = [("cht.timeout", "500ms"), ("openimis.timeout", "500ms")];

/// Brings a claim of a patient that is linked already into the mediator: its next request goes to CHT's records.
async fn linked(mediator: &Mediator, sandbox: &Sandbox) {
    let claim = sandbox.openimis.enter_claim("LINKED");
    mediator.post(CLAIM, notification(sandbox, claim).await).await;
    mediator.settled().await;
    assert_eq!(sandbox.cht.records().len(), 1);
}

/// How many reports CHT has of a claim.
fn reports(sandbox: &Sandbox, code: &str) -> usize {
    sandbox.cht.records().iter().filter(|record| record["fields"]["op_claim_id"] == code).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_waits_while_cht_is_down_and_is_delivered_once_it_is_up() {
    let (mediator, sandbox, _dir) = started(&[]).await;
    sandbox.cht.fail_next(DOWN, Fault::Reset);
    assert_eq!(mediator.post(CLAIM, sample_claim()).await.status(), 202);
    let waiting = eventually("it was tried three times", || async {
        let message = mediator.messages().await.remove(0);
        (message.summary.attempts >= 3).then_some(message)
    })
    .await;
    assert_eq!(waiting.summary.settled_at, None);
    assert!(sandbox.cht.records().is_empty());
    sandbox.cht.fail_next(0, Fault::Reset);
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered"], "{}", story(&messages));
    assert_eq!((sandbox.cht.records().len(), sandbox.cht.people().len()), (1, 1));
}

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

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_chts_records_there_is_one_report() {
    let (mediator, sandbox, _dir) = started(&SHORT_TIMEOUTS).await;
    linked(&mediator, &sandbox).await;
    for (number, fault) in PASSING.into_iter().enumerate() {
        let code = format!("FAULT{number}");
        let claim = notification(&sandbox, sandbox.openimis.enter_claim(&code)).await;
        sandbox.cht.fail_next(1, fault);
        mediator.post(CLAIM, claim).await;
        let message = mediator.settled().await.pop().expect("messages");
        assert_eq!(message.summary.state, "delivered", "{fault:?}{}", story([&message]));
        assert_eq!(message.summary.attempts, 2, "{fault:?}{}", story([&message]));
        assert_eq!(reports(&sandbox, &code), 1, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_chts_people_there_is_one_person() {
    let faults: Vec<Fault> = PASSING.into_iter().chain([Fault::ProcessThenHang(Duration::from_millis(700))]).collect();
    // The stand-in knows two insurees.
    for faults in faults.chunks(2) {
        let (mediator, sandbox, _dir) = started(&SHORT_TIMEOUTS).await;
        let others = sandbox.openimis.enter_claim_of("OTHER", OTHER_INSUREE.parse().expect("a uuid"));
        let claims = [sample_claim(), notification(&sandbox, others).await];
        for (number, (claim, fault)) in claims.into_iter().zip(faults).enumerate() {
            sandbox.cht.fail_next(1, *fault);
            mediator.post(CLAIM, claim).await;
            let message = mediator.settled().await.pop().expect("messages");
            assert_eq!(message.summary.state, "delivered", "{fault:?}{}", story([&message]));
            assert_eq!(
                (sandbox.cht.people().len(), sandbox.cht.records().len()),
                (number + 1, number + 1),
                "{fault:?}"
            );
            assert_eq!(count(&sandbox.cht.requests(), PEOPLE), 2 * (number + 1), "{fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cht_took_without_an_answer_is_looked_up_and_not_sent_again() {
    let (mediator, sandbox, _dir) = started(&SHORT_TIMEOUTS).await;
    linked(&mediator, &sandbox).await;
    sandbox.cht.fail_next(1, Fault::ProcessThenHang(Duration::from_millis(700)));
    mediator.post(CLAIM, sample_claim()).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered", "delivered"], "{}", story(&messages));
    assert_eq!(reports(&sandbox, "CHT979"), 1);
    assert_eq!(count(&sandbox.cht.requests(), RECORDS), 2, "one for each claim: {:#?}", sandbox.cht.requests());
    assert!(reason(&messages[1]).contains("from an earlier attempt"), "{}", story(&messages));
}

/// The look-up itself fails, too: without its answer nothing may be sent.
#[tokio::test(flavor = "multi_thread")]
async fn an_uncertain_record_is_not_sent_before_cht_said_whether_it_has_it() {
    let (mediator, sandbox, _dir) = started(&SHORT_TIMEOUTS).await;
    linked(&mediator, &sandbox).await;
    for (number, lookup) in PASSING.into_iter().enumerate() {
        let code = format!("FAULT{number}");
        let claim = notification(&sandbox, sandbox.openimis.enter_claim(&code)).await;
        let sent = count(&sandbox.cht.requests(), RECORDS);
        sandbox.cht.fail_next(1, Fault::ProcessThenHang(Duration::from_millis(700)));
        sandbox.cht.fail_next(2, lookup);
        mediator.post(CLAIM, claim).await;
        let message = mediator.settled().await.pop().expect("messages");
        assert_eq!(message.summary.state, "delivered", "{lookup:?}{}", story([&message]));
        assert_eq!((reports(&sandbox, &code), count(&sandbox.cht.requests(), RECORDS)), (1, sent + 1), "{lookup:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_openimis_login_or_patient_the_claim_is_delivered() {
    for fault in PASSING {
        let (mediator, sandbox, _dir) = started(&SHORT_TIMEOUTS).await;
        sandbox.openimis.fail_next(1, fault);
        mediator.post(CLAIM, sample_claim()).await;
        let messages = mediator.settled().await;
        assert_eq!(states(&messages), ["delivered"], "login {fault:?}{}", story(&messages));
        assert_eq!(count(&sandbox.openimis.requests(), LOGIN), 2, "{fault:?}");

        let claim = sandbox.openimis.enter_claim_of("OTHER", OTHER_INSUREE.parse().expect("a uuid"));
        let claim = notification(&sandbox, claim).await;
        sandbox.openimis.fail_next(1, fault);
        mediator.post(CLAIM, claim).await;
        let messages = mediator.settled().await;
        assert_eq!(states(&messages), ["delivered", "delivered"], "Patient {fault:?}{}", story(&messages));
        assert_eq!((count(&sandbox.openimis.requests(), PATIENT), sandbox.openimis.logins()), (3, 1), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_openimis_communication_there_is_one_feedback() {
    let (mediator, sandbox, _dir) = started(&SHORT_TIMEOUTS).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.settled().await;
    for fault in PASSING.into_iter().chain([Fault::ProcessThenHang(Duration::from_millis(700))]) {
        let claim = sandbox.openimis.enter_claim(&format!("{fault:?}")).to_string();
        let feedback = sample_feedback().replace("d3256498-ad16-4482-a2d2-4a6d9c78ba81", &claim);
        let sent = count(&sandbox.openimis.requests(), COMMUNICATION);
        sandbox.openimis.fail_next(1, fault);
        mediator.post(FEEDBACK, feedback.replace("report-1", &claim)).await;
        let message = mediator.settled().await.pop().expect("messages");
        assert_eq!(message.summary.state, "delivered", "{fault:?}{}", story([&message]));
        let about = format!("Claim/{claim}");
        let kept = sandbox.openimis.communications();
        assert_eq!(kept.iter().filter(|kept| kept["about"][0]["reference"] == about).count(), 1, "{fault:?}");
        assert_eq!(count(&sandbox.openimis.requests(), COMMUNICATION), sent + 2, "{fault:?}");
    }
}

/// With its database down openIMIS answers 401 to a good login, with the database's words.
#[tokio::test(flavor = "multi_thread")]
async fn a_401_that_is_not_about_credentials_is_only_tried_again() {
    let (mediator, sandbox, _dir) = started(&[("retry.pause", "1h")]).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.settled().await;
    sandbox.openimis.fail_next(2, Fault::Status(401));
    mediator.post(FEEDBACK, sample_feedback()).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered", "delivered"], "{}", story(&messages));
    assert_eq!(sandbox.openimis.logins(), 1);
    assert_eq!(mediator.host.flow.paused(Peer::OpenImis), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_that_openimis_has_is_delivered() {
    let (mediator, sandbox, _dir) = started(&[]).await;
    mediator.post(FEEDBACK, sample_feedback()).await;
    mediator.post(FEEDBACK, sample_feedback().replace("report-1", "report-2")).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered", "delivered"], "{}", story(&messages));
    assert_eq!(reason(&messages[1]), "openIMIS had feedback for this claim before and keeps that one");
    assert_eq!(messages[1].summary.attempts, 1);
    assert_eq!(sandbox.openimis.communications().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_on_a_claim_that_openimis_does_not_know_is_a_dead_letter_at_once() {
    let (mediator, sandbox, _dir) = started(&[]).await;
    mediator.post(FEEDBACK, sample_feedback().replace("ba81", "ba82")).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["dead"], "{}", story(&messages));
    assert_eq!(messages[0].summary.attempts, 1);
    assert!(reason(&messages[0]).contains("Claim does not exist"), "{}", story(&messages));
    assert_eq!(count(&sandbox.openimis.requests(), COMMUNICATION), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_cht_does_not_know_is_a_dead_letter_until_it_is_repaired() {
    let (mediator, sandbox, dir) = started(&[("mapping.claim_response.form", "OPD")]).await;
    mediator.post(CLAIM, sample_claim()).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["dead"], "{}", story(&messages));
    assert!(reason(&messages[0]).contains("Form not found: OPD"), "{}", story(&messages));
    mediator.stop().await;

    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    assert!(mediator.store().retry(messages[0].summary.id, Timestamp::now()).await.expect("the store"));
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered"], "{}", story(&messages));
    assert_eq!(sandbox.cht.records().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_for_long_is_given_up_and_kept() {
    let (mediator, sandbox, _dir) = started(&[("retry.give_up_after", "300ms"), ("retry.longest", "100ms")]).await;
    sandbox.cht.fail_next(DOWN, Fault::Status(503));
    mediator.post(CLAIM, sample_claim()).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["dead"], "{}", story(&messages));
    assert!(reason(&messages[0]).starts_with("given up after "), "{}", story(&messages));
    assert!(messages[0].summary.attempts > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_login_is_renewed_once_for_all_who_found_it_expired() {
    let (mediator, sandbox, _dir) = started(&[("retry.pause", "2s")]).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.settled().await;
    // A redirect makes all wait for the same moment.
    sandbox.openimis.fail_next(1, Fault::Status(302));
    mediator.post(FEEDBACK, sample_feedback()).await;
    eventually("openIMIS is left alone", || async { mediator.host.flow.paused(Peer::OpenImis) }).await;
    for number in 1..8 {
        let claim = sandbox.openimis.enter_claim(&format!("EXPIRED{number}")).to_string();
        let feedback = sample_feedback().replace("d3256498-ad16-4482-a2d2-4a6d9c78ba81", &claim);
        mediator.post(FEEDBACK, feedback.replace("report-1", &claim)).await;
    }
    assert_eq!(sandbox.openimis.communications().len(), 0, "none was delivered before the last had come");
    sandbox.openimis.expire_tokens();
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered"; 9], "{}", story(&messages));
    assert_eq!(sandbox.openimis.communications().len(), 8);
    assert_eq!(sandbox.openimis.logins(), 2);
    assert!(messages.iter().all(|message| message.summary.attempts == 1), "{}", story(&messages));
}

/// How often a peer may be asked in the time since `begun`: once, and once for each pause that has passed.
fn allowed(begun: Instant, pause: Duration) -> usize {
    1 + (begun.elapsed().as_millis() / pause.as_millis()) as usize
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_cht_credentials_pause_cht_and_do_not_hammer_it() {
    let pause = Duration::from_millis(700);
    let (mediator, sandbox, dir) = started(&[("cht.password", "wrong"), ("retry.pause", "700ms")]).await;
    let begun = Instant::now();
    for number in 0..10 {
        let claim = sandbox.openimis.enter_claim(&format!("WRONG{number}"));
        mediator.post(CLAIM, notification(&sandbox, claim).await).await;
    }
    eventually("CHT was asked in a third pause", || async { (sandbox.cht.requests().len() > 2).then_some(()) }).await;
    let asked = sandbox.cht.requests().len();
    assert!(asked <= allowed(begun, pause), "{asked} requests in {:?}: {:#?}", begun.elapsed(), sandbox.cht.requests());
    let (until, why) = mediator.host.flow.paused(Peer::Cht).expect("a pause");
    assert!(
        until > Timestamp::now() - SignedDuration::from_secs(1) && why.contains("cht.username and password"),
        "{why}"
    );
    let messages = mediator.messages().await;
    assert!(messages.iter().all(|message| message.summary.settled_at.is_none()), "{}", story(&messages));
    assert!(reason(&messages[0]).contains("cht.username and password"), "{}", story(&messages));
    mediator.stop().await;

    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    assert_eq!(states(&mediator.settled().await), ["delivered"; 10]);
    assert_eq!((sandbox.cht.records().len(), sandbox.cht.people().len()), (10, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_openimis_credentials_pause_openimis_and_do_not_hammer_it() {
    let pause = Duration::from_millis(700);
    let (mediator, sandbox, dir) = started(&[("openimis.password", "wrong"), ("retry.pause", "700ms")]).await;
    let begun = Instant::now();
    for number in 0..10 {
        let claim = sandbox.openimis.enter_claim(&format!("WRONG{number}")).to_string();
        mediator.post(CLAIM, sample_claim().replace("d3256498-ad16-4482-a2d2-4a6d9c78ba81", &claim)).await;
    }
    let asked = || count(&sandbox.openimis.requests(), LOGIN);
    eventually("openIMIS was asked in a third pause", || async { (asked() > 2).then_some(()) }).await;
    assert!(
        asked() <= allowed(begun, pause),
        "{} logins in {:?}: {:#?}",
        asked(),
        begun.elapsed(),
        sandbox.openimis.requests()
    );
    assert_eq!(asked(), sandbox.openimis.requests().len(), "nothing is sent without a login");
    let (_, why) = mediator.host.flow.paused(Peer::OpenImis).expect("a pause");
    assert!(why.contains("openimis.username and password"), "{why}");
    mediator.stop().await;

    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    assert_eq!(states(&mediator.settled().await), ["delivered"; 10]);
    assert_eq!(sandbox.openimis.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_is_heeded_for_a_minute() {
    let (mediator, sandbox, _dir) = started(&[]).await;
    sandbox.cht.fail_next(1, Fault::Status(429));
    sandbox.openimis.fail_next(1, Fault::Status(429));
    mediator.post(CLAIM, sample_claim()).await;
    let minute = |due: Timestamp| due.duration_since(Timestamp::now());
    let waiting = |what: &'static str| {
        let mediator = &mediator;
        eventually(what, move || async move {
            let message = mediator.messages().await.remove(0);
            let due = message.summary.due_at.filter(|due| minute(*due) > SignedDuration::from_secs(50))?;
            (message.summary.state == "pending" && due > Timestamp::now()).then_some(message)
        })
    };
    let message = waiting("the claim waits for openIMIS").await;
    assert!(reason(&message).contains("slower pace"), "{}", story([&message]));
    assert_eq!((message.summary.state.as_str(), message.summary.attempts), ("pending", 0), "waiting is no attempt");
    mediator.post(FEEDBACK, sample_feedback().replace("ba81", "ba80")).await;
    eventually("the feedback waits as well", || async {
        let feedback = mediator.messages().await.remove(1);
        (reason(&feedback).contains("slower pace")).then_some(())
    })
    .await;
    assert_eq!(sandbox.openimis.requests().len(), 1, "nothing more is sent: {:#?}", sandbox.openimis.requests());
    assert!(minute(mediator.host.flow.paused(Peer::OpenImis).expect("a pause").0) <= SignedDuration::from_mins(1));
    assert_eq!(mediator.host.flow.paused(Peer::Cht), None, "CHT is another peer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_hangs_does_not_hold_up_the_other_ones_messages() {
    let (mediator, sandbox, _dir) = started(&[("cht.timeout", "20s")]).await;
    linked(&mediator, &sandbox).await;
    sandbox.cht.fail_next(DOWN, Fault::Hang(Duration::from_secs(30)));
    for number in 0..4 {
        let claim = sandbox.openimis.enter_claim(&format!("HANGS{number}"));
        mediator.post(CLAIM, notification(&sandbox, claim).await).await;
    }
    mediator.post(FEEDBACK, sample_feedback()).await;
    eventually("the feedback arrived", || async { (sandbox.openimis.communications().len() == 1).then_some(()) }).await;
    assert_eq!(states(&mediator.messages().await), ["delivered", "leased", "leased", "leased", "leased", "delivered"]);
}

/// A proxy in front of CHT: it passes everything on, and answers the first record with 504 although CHT took it.
async fn gateway_that_times_out_once(cht: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let timed_out = Arc::new(AtomicBool::new(false));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (cht, timed_out) = (cht.clone(), timed_out.clone());
            tokio::spawn(async move {
                let Some((head, body)) = read_request(&mut stream).await else { return };
                let mut words = head.split_whitespace();
                let (method, path) = (words.next().expect("a method"), words.next().expect("a path"));
                let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
                let mut request =
                    reqwest::Client::new().request(method, format!("{}{path}", cht.trim_end_matches('/')));
                for line in head.lines().skip(1).filter(|line| !line.is_empty()) {
                    let (name, value) = line.split_once(": ").expect("a header");
                    if matches!(name, "accept" | "authorization" | "content-type") {
                        request = request.header(name, value);
                    }
                }
                let answer = request.body(body).send().await.expect("CHT's answer");
                let status = answer.status().as_u16();
                let mut told = format!("{status} X\r\ncontent-type: application/json");
                let mut text = answer.text().await.expect("CHT's answer");
                if path.ends_with("/records") && !timed_out.swap(true, Ordering::SeqCst) {
                    told = "504 Gateway Timeout\r\ncontent-type: text/html".into();
                    text = "<h1>504 Gateway Time-out</h1>".into();
                }
                let answer =
                    format!("HTTP/1.1 {told}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
                drop(stream.write_all(answer.as_bytes()).await);
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_a_gateway_gave_up_on_is_looked_up_and_not_sent_again() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let gateway = gateway_that_times_out_once(sandbox.cht.url()).await;
    let mediator = Mediator::start(config(&sandbox, &dir, &[("cht.url", &gateway)])).await;
    mediator.post(CLAIM, sample_claim()).await;
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), ["delivered"], "{}", story(&messages));
    assert!(messages[0].trail.iter().any(|line| line.status == Some(504)), "{}", story(&messages));
    assert_eq!(reports(&sandbox, "CHT979"), 1, "{}", story(&messages));
}

/// A server that gives its answers in order, the last one for ever, and keeps what it was sent.
struct Scripted {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    async fn answering(answers: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answers) = (seen.clone(), answers.to_vec());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some((head, _)) = read_request(&mut stream).await else { continue };
                let number = {
                    let mut log = log.lock().expect("the log");
                    log.push(head);
                    log.len() - 1
                };
                let answer = &answers[number.min(answers.len() - 1)];
                drop(stream.write_all(answer.as_bytes()).await);
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("the log").clone()
    }
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// Head and body of one HTTP request.
async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut received = Vec::new();
    loop {
        if let Some(end) = received.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            let body = &received[end + 4..];
            if body.len() >= length {
                return Some((head, body[..length].to_vec()));
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => received.extend_from_slice(&buffer[..count]),
        }
    }
}

/// The newest message, once it waits for a reason with these words.
async fn waits_with(mediator: &Mediator, words: &str) -> View {
    eventually(words, || async {
        let message = mediator.messages().await.pop()?;
        reason(&message).contains(words).then_some(message)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_do_not_follow_a_redirect() {
    let elsewhere = Scripted::answering(&[http("200 OK", "content-type: application/json", "{}")]).await;
    for (peer, status) in [("cht.url", "302 Found"), ("openimis.url", "308 Permanent Redirect")] {
        let redirecting =
            Scripted::answering(&[http(status, &format!("location: {}/medic/login", elsewhere.url), "")]).await;
        let (mediator, _sandbox, _dir) = started(&[(peer, &redirecting.url), ("retry.pause", "1h")]).await;
        mediator.post(CLAIM, sample_claim()).await;
        let message = waits_with(&mediator, "redirected").await;
        assert_eq!(message.summary.state, "pending", "{}", story([&message]));
        let seen = redirecting.seen();
        assert_eq!(seen.len(), 1, "asked once: {seen:#?}");
        assert_eq!(seen[0].to_lowercase().contains("authorization: basic"), peer == "cht.url", "{seen:#?}");
    }
    assert!(elsewhere.seen().is_empty(), "{:#?}", elsewhere.seen());
}

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
    let (mediator, sandbox, _dir) = started(&[("cht.url", &strange.url), ("retry.first", "1h")]).await;
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
        let (mediator, sandbox, _dir) = started(&[(peer, &strange.url), ("retry.first", "1h")]).await;
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
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Some(_) = read_request(&mut stream).await else { return };
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n\"").await);
                while stream.write_all(&[b'x'; 1 << 16]).await.is_ok() {}
            });
        }
    });
    let (mediator, _sandbox, _dir) = started(&[("cht.url", &url), ("cht.timeout", "20s"), ("retry.first", "1h")]).await;
    mediator.post(CLAIM, sample_claim()).await;
    let message = waits_with(&mediator, "longer than").await;
    assert_eq!(message.summary.state, "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_cht_that_timed_out_and_comes_again_has_one_effect() {
    let (mediator, sandbox, _dir) = started(&[]).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.settled().await;
    sandbox.cht.set_outbound(format!("{}{FEEDBACK}", mediator.url), INBOUND_USER.into(), INBOUND_PASSWORD.into());
    let form = json!({"claim": "CHT979", "_id": "form-1"});
    for duplicate in [false, true, true] {
        let pushed: Value = sandbox.cht.submit_feedback(&form).await.expect("a push");
        assert_eq!((&pushed["status"], &pushed["body"]["duplicate"]), (&json!(202), &json!(duplicate)));
    }
    assert_eq!(states(&mediator.settled().await), ["delivered", "delivered"]);
    assert_eq!(count(&sandbox.openimis.requests(), COMMUNICATION), 1);
}
