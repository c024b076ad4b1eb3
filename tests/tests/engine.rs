//! The delivery engine in a running mediator: a peer that is down is probed and not hammered, what is bounded stays bounded, one
//! message's trouble is its own, and a stop leaves nothing half-done. The peers count; nobody guesses.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flow::breaker::Gate;
use flow::{Kind, State};
use futures_util::future::join_all;
use jiff::Timestamp;
use mediator_tests::raw_peer::{Gateway, Request, Spoil, http};
use mediator_tests::running::{
    Mediator, Process, config, environment, eventually, notification, post, sample_feedback, sandbox, settled, states,
    store_path, story,
};
use openimis_mediator::config::StoreSettings;
use sandbox::Sandbox;
use sqlx::AnyPool;
use store::SqlStore;
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::sync::Notify;

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";
const RECORDS: &str = "POST /api/v2/records";
/// The claim of CHT's documentation.
const SAMPLE_CLAIM: &str = "d3256498-ad16-4482-a2d2-4a6d9c78ba81";

/// The breaker of these tests.
const FIRST: Duration = Duration::from_millis(200);
const PROBE_LONGEST: Duration = Duration::from_millis(400);
const TRIP_AFTER: usize = 5;
const CONCURRENCY: usize = 3;
const BREAKER: [(&str, &str); 4] = [
    ("retry.first", "200ms"),
    ("retry.probe_longest", "400ms"),
    ("retry.trip_after", "5"),
    ("worker.concurrency", "3"),
];
/// Requests that may have been on their way when the breaker opened.
const BURST: usize = TRIP_AFTER + CONCURRENCY - 1;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Claims that openIMIS notifies of, one for each code, all of one insuree.
async fn claims(sandbox: &Sandbox, codes: impl IntoIterator<Item = String>) -> Vec<String> {
    join_all(codes.into_iter().map(|code| notification(sandbox, sandbox.openimis.enter_claim(&code)))).await
}

async fn post_all(mediator: &Mediator, bodies: Vec<String>) {
    for answer in join_all(bodies.into_iter().map(|body| mediator.post(CLAIM, body))).await {
        assert_eq!(answer.status(), 202);
    }
}

/// A claim of the insuree, delivered: from now on each claim is one request to CHT.
async fn linked(mediator: &Mediator, sandbox: &Sandbox) {
    post_all(mediator, claims(sandbox, ["LINKED".to_owned()]).await).await;
    assert_eq!(states(&mediator.settled().await), ["delivered"]);
}

/// The answers of a report on a claim.
fn feedback(report: &str, claim: &str) -> String {
    sample_feedback().replace("report-1", report).replace(SAMPLE_CLAIM, claim)
}

/// Waits until so many messages are delivered, and nothing else is there.
async fn all_delivered(mediator: &Mediator, count: i64) {
    eventually(&format!("{count} are delivered"), || async {
        let counts = mediator.store().counts().await.expect("counts");
        let counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        (counts == [(State::Delivered, count)]).then_some(())
    })
    .await;
}

/// How many reports CHT has of each claim.
fn reports(sandbox: &Sandbox) -> BTreeMap<String, usize> {
    let mut reports = BTreeMap::new();
    for record in sandbox.cht.records() {
        *reports.entry(record["fields"]["op_claim_id"].as_str().expect("a code").to_owned()).or_default() += 1;
    }
    reports
}

/// After the burst that opens the breaker each request comes alone, and later and later: the n-th probe at least as long after the one
/// before it as the breaker waits then, and the first one after the failure that opened the breaker. What was on its way at that moment may
/// arrive at any time before the first probe.
fn assert_probed(arrivals: &[Duration], burst: usize) {
    for (number, arrival) in arrivals.iter().enumerate().skip(burst) {
        let probe = u32::try_from(number - burst).expect("a few");
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(probe)).min(PROBE_LONGEST);
        let before = arrivals[if probe == 0 { TRIP_AFTER - 1 } else { number - 1 }];
        // The clocks that measure differ by microseconds.
        assert!(*arrival - before + Duration::from_millis(2) >= wait, "request {number} came early: {arrivals:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_down_is_probed_alone_and_seldom_while_two_hundred_messages_wait() {
    let (sandbox, dir) = (sandbox().await, folder());
    let (begun, down) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let cht = Gateway::before(&sandbox.cht.url(), {
        let (down, arrivals) = (down.clone(), arrivals.clone());
        move |_, _| match down.load(Ordering::SeqCst) {
            false => Spoil::Pass,
            true => {
                arrivals.lock().expect("arrivals").push(begun.elapsed());
                Spoil::Refuse(http("503 Service Unavailable", "content-type: text/plain", "down"))
            }
        }
    })
    .await;
    let changes = [&BREAKER[..], &[("cht.url", &cht.url)]].concat();
    let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
    linked(&mediator, &sandbox).await;
    let waiting = claims(&sandbox, (0..200).map(|number| format!("WAITS{number}"))).await;
    down.store(true, Ordering::SeqCst);
    post_all(&mediator, waiting).await;
    // The other peer's messages go on meanwhile.
    mediator.post(FEEDBACK, sample_feedback()).await;
    eventually("the feedback arrived", || async { (sandbox.openimis.communications().len() == 1).then_some(()) }).await;
    let seen = || arrivals.lock().expect("arrivals").clone();
    eventually("CHT was probed four times", || async { (seen().len() >= BURST + 4).then_some(()) }).await;
    assert!(matches!(mediator.host.flow.gate(Kind::Feedback), Gate::Open));
    assert_eq!(sandbox.cht.records().len(), 1);

    down.store(false, Ordering::SeqCst);
    let back = Instant::now();
    all_delivered(&mediator, 202).await;
    let took = back.elapsed();
    assert_probed(&seen(), BURST);
    let reports = reports(&sandbox);
    assert!(reports.len() == 201 && reports.values().all(|times| *times == 1), "each once: {reports:?}");
    let down_for = back - begun - seen()[0];
    println!("{} requests in {down_for:?} while it was down; all delivered {took:?} after it was back", seen().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_refuses_is_knocked_at_seldom_and_used_as_soon_as_it_opens() {
    let (sandbox, dir) = (sandbox().await, folder());
    // Bound, but not listening: whoever connects is refused, and nobody else can take the port.
    let closed = TcpSocket::new_v4().expect("a socket");
    closed.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let url = format!("http://{}/", closed.local_addr().expect("an address"));
    let changes = [&BREAKER[..], &[("cht.url", &url)]].concat();
    let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
    post_all(&mediator, claims(&sandbox, (0..40).map(|number| format!("WAITS{number}"))).await).await;
    // Nobody is there to count: the trails tell who knocked, and when.
    let knocks = async || -> Vec<Duration> {
        let messages = mediator.messages().await;
        let lines = messages.iter().flat_map(|message| &message.trail);
        let mut knocks: Vec<Timestamp> =
            lines.filter(|line| line.event == "POST /api/v1/people").map(|line| line.at).collect();
        knocks.sort_unstable();
        knocks.iter().map(|at| at.duration_since(Timestamp::UNIX_EPOCH).unsigned_abs()).collect()
    };
    let knocked = eventually("CHT was probed four times", || async {
        let knocks = knocks().await;
        (knocks.len() >= TRIP_AFTER + 4).then_some(knocks)
    })
    .await;
    // One at a time until it has taken our credentials, so none is on its way when the breaker opens.
    assert_probed(&knocked, TRIP_AFTER);
    let _cht = Gateway::on(closed.listen(64).expect("a listener"), &sandbox.cht.url(), |_, _| Spoil::Pass);
    all_delivered(&mediator, 40).await;
    let reports = reports(&sandbox);
    assert!(reports.len() == 40 && reports.values().all(|times| *times == 1), "each once: {reports:?}");
    assert_eq!(sandbox.cht.people().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_a_peer_always_fails_at_stops_no_other() {
    let (sandbox, dir) = (sandbox().await, folder());
    let poison = sandbox.openimis.enter_claim("POISON");
    // As CHT and openIMIS fail at something of their own; what names the claim reaches neither.
    let failing = move |error: &'static str| {
        move |request: &Request, _: bool| {
            let body = String::from_utf8_lossy(&request.body);
            if body.contains("POISON") || body.contains(&poison.to_string()) {
                return Spoil::Refuse(http("500 Internal Server Error", "content-type: application/json", error));
            }
            Spoil::Pass
        }
    };
    let cht = Gateway::before(&sandbox.cht.url(), failing(r#"{"code":500,"error":"Server error"}"#)).await;
    let openimis = Gateway::before(&sandbox.openimis.url(), failing(r#"{"detail":"boom"}"#)).await;
    let changes = [
        ("cht.url", cht.url.as_str()),
        ("openimis.url", &openimis.url),
        ("retry.longest", "50ms"),
        ("retry.probe_longest", "400ms"),
        ("retry.trip_after", "3"),
    ];
    let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
    linked(&mediator, &sandbox).await;
    // Feedback of a claim waits for that claim: the one that fails at openIMIS is of a claim which never came in.
    mediator.post(FEEDBACK, feedback("poison", &poison.to_string())).await;
    let failed = async |number: usize, times: u32| {
        eventually(&format!("message {number} failed {times} times"), || async {
            let message = mediator.messages().await.remove(number);
            assert!(message.summary.settled_at.is_none(), "{}", story([&message]));
            (message.summary.attempts >= times).then_some(())
        })
        .await;
    };
    // Often enough, and alone, to open the breaker of openIMIS: others still get their turn.
    failed(1, 8).await;
    let others: Vec<_> = (0..20).map(|number| sandbox.openimis.enter_claim(&format!("OTHER{number}"))).collect();
    for (number, claim) in others.iter().take(5).enumerate() {
        mediator.post(FEEDBACK, feedback(&format!("report-{number}"), &claim.to_string())).await;
    }
    eventually("the other feedback arrived", || async { (sandbox.openimis.communications().len() == 5).then_some(()) })
        .await;
    failed(1, 10).await;

    let claim = notification(&sandbox, sandbox.openimis.enter_claim("POISON")).await;
    mediator.post(CLAIM, claim).await;
    failed(7, 8).await;
    post_all(&mediator, join_all(others.iter().map(|claim| notification(&sandbox, *claim))).await).await;
    eventually("the others are delivered", || async { (sandbox.cht.records().len() == 21).then_some(()) }).await;
    let reports = reports(&sandbox);
    assert!(reports.len() == 21 && !reports.contains_key("POISON"), "{reports:?}");
}

/// Holds the answers of a peer back, and counts who waits for one.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<HeldInner>>);

#[derive(Default)]
struct HeldInner {
    waiting: VecDeque<Arc<Notify>>,
    arrived: usize,
    most: usize,
}

impl Held {
    fn spoil(&self) -> Spoil {
        let mut held = self.0.lock().expect("the count");
        let release = Arc::new(Notify::new());
        held.waiting.push_back(release.clone());
        held.arrived += 1;
        held.most = held.most.max(held.waiting.len());
        Spoil::Hold(release)
    }

    /// Lets the oldest answer go.
    fn release(&self) {
        let release = self.0.lock().expect("the count").waiting.pop_front();
        release.expect("somebody waits").notify_one();
    }

    /// Waits until so many requests have come.
    async fn arrived(&self, count: usize) {
        let arrived = || self.0.lock().expect("the count").arrived;
        eventually(&format!("{count} requests came"), || async { (arrived() >= count).then_some(()) }).await;
    }

    fn most(&self) -> usize {
        self.0.lock().expect("the count").most
    }
}

/// A gateway before CHT that holds the answers to records back, but for the first one's.
async fn holding(sandbox: &Sandbox, held: &Held) -> Gateway {
    let held = held.clone();
    Gateway::before(&sandbox.cht.url(), move |request, first| match request.line() == RECORDS && !first {
        true => held.spoil(),
        false => Spoil::Pass,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_than_the_settings_allow_are_on_their_way_and_no_fewer() {
    for (bounds, bound) in [(["3", "16"], 3), (["8", "2"], 2)] {
        let (sandbox, dir, held) = (sandbox().await, folder(), Held::default());
        let cht = holding(&sandbox, &held).await;
        let changes = [
            ("cht.url", cht.url.as_str()),
            ("cht.timeout", "50s"),
            ("worker.concurrency", bounds[0]),
            ("worker.requests_per_peer", bounds[1]),
        ];
        let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
        linked(&mediator, &sandbox).await;
        let total = 20;
        post_all(&mediator, claims(&sandbox, (0..total).map(|number| format!("COUNTED{number}"))).await).await;
        for released in 0..total {
            held.arrived(total.min(bound + released)).await;
            held.release();
        }
        all_delivered(&mediator, 21).await;
        assert_eq!(held.most(), bound, "at the same time, with {bounds:?}");
        assert_eq!((cht.count(RECORDS), sandbox.cht.records().len()), (21, 21));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_goes_out_after_its_claim_and_others_pass_it_meanwhile() {
    let (sandbox, dir, held) = (sandbox().await, folder(), Held::default());
    let cht = holding(&sandbox, &held).await;
    let changes = [("cht.url", cht.url.as_str()), ("cht.timeout", "50s")];
    let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
    linked(&mediator, &sandbox).await;
    let (slow, other) = (sandbox.openimis.enter_claim("SLOW"), sandbox.openimis.enter_claim("OTHER"));
    mediator.post(CLAIM, notification(&sandbox, slow).await).await;
    held.arrived(1).await;
    mediator.post(FEEDBACK, feedback("report-1", &slow.to_string())).await;
    for number in 0..3 {
        // Each came later than the one that waits.
        let claim = if number == 0 { other } else { sandbox.openimis.enter_claim(&format!("OTHER{number}")) };
        mediator.post(FEEDBACK, feedback(&format!("other-{number}"), &claim.to_string())).await;
    }
    eventually("the others arrived", || async { (sandbox.openimis.communications().len() >= 3).then_some(()) }).await;
    let about = |claim| format!("Claim/{claim}");
    let arrived = || sandbox.openimis.feedback_arrivals().into_iter().map(|(about, _)| about).collect::<Vec<_>>();
    assert!(!arrived().contains(&about(slow)), "its claim is not delivered: {:?}", arrived());
    let messages = mediator.messages().await;
    assert_eq!(states(&messages)[1..3], ["leased", "pending"], "{}", story(&messages));
    held.release();
    all_delivered(&mediator, 6).await;
    assert_eq!(arrived().last(), Some(&about(slow)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_what_is_on_its_way_and_the_next_start_takes_up_the_rest_as_if_nothing_was() {
    let (sandbox, dir, held) = (sandbox().await, folder(), Held::default());
    let cht = holding(&sandbox, &held).await;
    let changes = [("cht.url", cht.url.as_str()), ("cht.timeout", "50s"), ("worker.concurrency", "3")];
    let env = environment(&sandbox, &dir, &changes);
    let process = Process::serve(&env, &dir).await;
    let (client, store) = (reqwest::Client::new(), SqlStore::open(&StoreSettings::file(store_path(&dir))).await);
    let store = store.expect("the store");
    let total = 12;
    let mut bodies = claims(&sandbox, (0..=total).map(|number| format!("STOPPED{number}"))).await.into_iter();
    let url = format!("{}{CLAIM}", process.url);
    post(&client, &url, bodies.next().expect("a claim")).await;
    settled(&store).await;
    for body in bodies {
        assert_eq!(post(&client, &url, body).await.status(), 202);
    }
    held.arrived(3).await;
    let log = process.log_file().to_owned();
    let stopping = tokio::spawn(process.terminate());
    eventually("it waits for its deliveries", || async {
        let log = std::fs::read_to_string(&log).expect("the log");
        log.contains("waiting for deliveries on their way").then_some(())
    })
    .await;
    (0..3).for_each(|_| held.release());
    let (status, log) = stopping.await.expect("an end");
    assert!(status.success() && log.contains("stopped"), "{status} {log}");
    let counted = |state: State, counts: &[(State, i64)]| {
        counts.iter().find(|(counted, _)| *counted == state).map_or(0, |(_, count)| *count)
    };
    let counts = store.counts().await.expect("counts");
    let left = [State::Delivered, State::Pending, State::Leased].map(|state| counted(state, &counts));
    assert_eq!(left, [4, 9, 0], "what was on its way arrived, nothing was begun after the word");
    let raw = AnyPool::connect(&format!("sqlite://{}", store_path(&dir).display())).await.expect("the database");
    let touched = "SELECT count(*) FROM message WHERE state = 'pending' AND (uncertain <> 0 OR attempts <> 0)";
    let touched: i64 = sqlx::query_scalar(touched).fetch_one(&raw).await.expect("a count");
    assert_eq!(touched, 0, "the rest is as if nobody had touched it");

    let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
    for released in 3..total {
        held.arrived(released + 1).await;
        held.release();
    }
    all_delivered(&mediator, 13).await;
    assert_eq!((cht.count(RECORDS), sandbox.cht.records().len()), (13, 13), "each was sent once");
    assert_eq!(cht.count("GET /medic/_design/"), 0, "none was looked up");
}
