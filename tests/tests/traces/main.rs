//! Traces, from a notification to its delivery: a stand-in collector reads what it gets, and the peers see the W3C header.

mod collector;

use std::collections::BTreeSet;
use std::sync::Arc;

use mediator_tests::raw_peer::{Gateway, Request, Spoil, http, listener, read_request};
use mediator_tests::running::{
    INBOUND_PASSWORD, INBOUND_USER, Mediator, Process, config, environment, eventually, notification, post,
    sample_claim, sample_feedback, sandbox, settled, states, store_path,
};
use openimis_mediator::config::StoreSettings;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use sandbox::Sandbox;
use store::SqlStore;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::unbounded_channel;
use tokio_rustls::TlsAcceptor;

use collector::{Span, SpanKind, collector, named, names, only, spans};

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

/// Stand-ins whose requests are kept with their headers.
struct World {
    sandbox: Sandbox,
    openimis: Gateway,
    cht: Gateway,
    dir: TempDir,
}

impl World {
    async fn new() -> Self {
        let sandbox = sandbox().await;
        let openimis = Gateway::before(&sandbox.openimis.url(), |_, _| Spoil::Pass).await;
        let cht = Gateway::before(&sandbox.cht.url(), |_, _| Spoil::Pass).await;
        Self { openimis, cht, sandbox, dir: tempfile::tempdir().expect("a folder") }
    }

    fn changes<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let peers =
            [("openimis.url", self.openimis.url.as_str()), ("cht.url", self.cht.url.as_str()), ("cht.match_by", "[]")];
        peers.into_iter().chain(more.iter().copied()).collect()
    }

    async fn mediator(&self, more: &[(&str, &str)]) -> Mediator {
        Mediator::start(config(&self.sandbox, &self.dir, &self.changes(more))).await
    }
}

async fn post_traced(mediator: &Mediator, path: &str, body: String, traceparent: &str) -> u16 {
    let request = mediator.client.post(format!("{}{path}", mediator.url)).header("traceparent", traceparent);
    let request = request.basic_auth(INBOUND_USER, Some(INBOUND_PASSWORD)).header("content-type", "application/json");
    request.body(body).send().await.expect("an answer").status().as_u16()
}

/// Trace and span that a request to a peer names.
fn carried(request: &Request) -> Option<(String, String)> {
    let header = request.head.lines().find_map(|line| line.strip_prefix("traceparent: "))?;
    let parts: Vec<&str> = header.split('-').collect();
    assert_eq!((parts.len(), parts[0]), (4, "00"), "{header}");
    Some((parts[1].to_owned(), parts[2].to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_one_trace_until_the_peer_has_it() {
    let (world, collector) = (World::new().await, collector().await);
    let mediator =
        world.mediator(&[("telemetry.otlp_endpoint", &collector.url), ("telemetry.service_name", "np")]).await;
    assert_eq!(post_traced(&mediator, CLAIM, sample_claim(), &traceparent("01")).await, 202);
    assert_eq!(states(&mediator.settled().await), ["delivered"]);
    assert_eq!(post(&mediator.client, &format!("{}{FEEDBACK}", mediator.url), sample_feedback()).await.status(), 202);
    assert_eq!(states(&mediator.settled().await), ["delivered", "delivered"]);
    mediator.stop().await; // hands over what is left
    let all = spans(&collector.seen());
    assert!(all.iter().all(|span| span.service == "np"), "{all:#?}");

    // The claim: in its caller's trace, the delivery below the request.
    let claim: Vec<Span> = all.iter().filter(|span| span.trace == TRACE).cloned().collect();
    let request = only(&claim, CLAIM);
    assert_eq!((request.parent.as_str(), request.kind), (CALLER, SpanKind::Server));
    assert_eq!(request.attributes["http.response.status_code"], "202");
    let accept = only(&claim, "store.accept");
    assert_eq!((&accept.parent, accept.attributes["openimis_mediator.message.id"].as_str()), (&request.id, "1"));
    let delivery = only(&claim, "deliver claim-response");
    assert_eq!((&delivery.parent, delivery.kind, delivery.failed), (&request.id, SpanKind::Consumer, false));
    let told = |name: &str| delivery.attributes[&format!("openimis_mediator.{name}")].as_str();
    assert_eq!((told("message.id"), told("attempt"), told("outcome")), ("1", "1", "delivered"));
    for name in ["POST login", "GET Patient", "POST people", "POST records", "store.settle"] {
        assert_eq!(only(&claim, name).parent, delivery.id, "{name}");
    }
    let mappings: Vec<(&str, &str)> = named(&claim, "map")
        .iter()
        .map(|span| (span.parent.as_str(), span.attributes["openimis_mediator.mapping"].as_str()))
        .collect();
    let expected = [
        (request.id.as_str(), "claim-response"), // tried before it is taken in
        (delivery.id.as_str(), "patient"),
        (delivery.id.as_str(), "claim-response"),
    ];
    assert_eq!(mappings, expected);

    // Each peer saw the span of its own request.
    let record = only(&claim, "POST records");
    assert_eq!((record.kind, record.attributes["openimis_mediator.peer"].as_str()), (SpanKind::Client, "cht"));
    assert_eq!(record.attributes["http.response.status_code"], "200");
    for (gateway, path, name) in [
        (&world.cht, "POST /api/v2/records", "POST records"),
        (&world.openimis, "GET /api/api_fhir_r4/Patient", "GET Patient"),
    ] {
        let seen = gateway.seen();
        let sent = seen.iter().find(|request| request.line().starts_with(path)).expect("a request");
        assert_eq!(carried(sent), Some((TRACE.to_owned(), only(&claim, name).id.clone())), "{path}");
    }

    // The feedback named no trace: it began one.
    let feedback: Vec<Span> = all.iter().filter(|span| span.trace != TRACE).cloned().collect();
    let request = only(&feedback, FEEDBACK);
    assert_eq!((request.parent.as_str(), only(&feedback, "deliver feedback").parent.as_str()), ("", &*request.id));
    assert!(feedback.iter().all(|span| span.trace == request.trace), "{feedback:#?}");
}

/// Days may lie between a message and its delivery, and a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_after_a_restart_goes_on_in_the_trace_of_its_notification() {
    let (world, collector) = (World::new().await, collector().await);
    let changes =
        [("telemetry.otlp_endpoint", collector.url.as_str()), ("cht.url", "http://127.0.0.1:9"), ("retry.first", "1h")];
    let mediator = world.mediator(&changes).await;
    assert_eq!(post_traced(&mediator, CLAIM, sample_claim(), &traceparent("01")).await, 202);
    eventually("the first attempt failed", || async {
        let messages = mediator.messages().await;
        messages.iter().any(|message| message.summary.attempts == 1 && message.summary.state == "pending").then_some(())
    })
    .await;
    mediator.stop().await;
    let failed = spans(&collector.seen());
    assert!(only(&failed, "deliver claim-response").failed && only(&failed, "POST people").failed, "{failed:#?}");

    let mediator = world.mediator(&[("telemetry.otlp_endpoint", &collector.url)]).await;
    let id = mediator.messages().await[0].summary.id;
    assert!(mediator.store().retry(id, "test", jiff::Timestamp::now()).await.expect("the store"));
    mediator.host.wake.notify_one();
    assert_eq!(states(&mediator.settled().await), ["delivered"]);
    mediator.stop().await;
    let all = spans(&collector.seen());
    let deliveries = named(&all, "deliver claim-response");
    let attempts: Vec<_> =
        deliveries.iter().map(|span| (span.trace.as_str(), span.parent.as_str(), span.failed)).collect();
    let request = only(&all, CLAIM);
    assert_eq!(attempts, [(TRACE, request.id.as_str(), true), (TRACE, &request.id, false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_the_callers_trace_is_handed_on_as_it_came() {
    let world = World::new().await;
    let mediator = world.mediator(&[]).await;
    assert_eq!(post_traced(&mediator, CLAIM, sample_claim(), &traceparent("01")).await, 202);
    mediator.settled().await;
    let seen = || world.cht.seen().into_iter().chain(world.openimis.seen());
    let handed_on: BTreeSet<_> = seen().map(|request| carried(&request)).collect();
    assert_eq!(handed_on, BTreeSet::from([Some((TRACE.to_owned(), CALLER.to_owned()))]));
    assert!(seen().all(|request| !request.head.contains("tracestate")), "nothing is said with it");
    assert_eq!(mediator.messages().await[0].trace_id.as_deref(), Some(TRACE));
    mediator.stop().await;

    let world = World::new().await;
    let mediator = world.mediator(&[]).await;
    let wrong = [
        "".to_owned(),
        format!("00-{TRACE}"),
        format!("00-{}-{CALLER}-01", "0".repeat(32)),
        format!("00-{}-{CALLER}-01", TRACE.to_uppercase()),
        format!("00-abc-{CALLER}-01"),
        format!("00-{TRACE}-+{}-01", &CALLER[1..]),
        format!("00-{TRACE}-{CALLER}-1"),
        format!("00-{TRACE}-{CALLER}-01-"),
        format!("ff-{TRACE}-{CALLER}-01"),
    ];
    for wrong in wrong {
        // Each is another claim, so that each is delivered.
        let claim = notification(&world.sandbox, world.sandbox.openimis.enter_claim("WRONG")).await;
        assert_eq!(post_traced(&mediator, CLAIM, claim, &wrong).await, 202, "{wrong:?}");
    }
    let twice = mediator.client.post(format!("{}{CLAIM}", mediator.url)).body(sample_claim());
    let twice = twice.header("traceparent", traceparent("01")).header("traceparent", traceparent("00"));
    let twice = twice.basic_auth(INBOUND_USER, Some(INBOUND_PASSWORD)).header("content-type", "application/json");
    assert_eq!(twice.send().await.expect("an answer").status(), 202);
    mediator.settled().await;
    let handed_on: BTreeSet<_> = world.cht.seen().iter().chain(&world.openimis.seen()).map(carried).collect();
    assert_eq!(handed_on, BTreeSet::from([None]), "nobody is told of a trace that is none");
    mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_decision_not_to_sample_and_the_own_ratio_are_kept() {
    let (world, collector) = (World::new().await, collector().await);
    let changes = [("telemetry.otlp_endpoint", collector.url.as_str()), ("telemetry.sample_ratio", "0.0")];
    let mediator = world.mediator(&changes).await;
    assert_eq!(post_traced(&mediator, CLAIM, sample_claim(), &traceparent("00")).await, 202);
    mediator.settled().await;
    assert_eq!(post(&mediator.client, &format!("{}{FEEDBACK}", mediator.url), sample_feedback()).await.status(), 202);
    mediator.settled().await;
    mediator.stop().await;
    assert_eq!(names(&spans(&collector.seen())), Vec::<&str>::new(), "neither was to be kept");
    let seen = world.cht.seen();
    let record = seen.iter().find(|request| request.line() == "POST /api/v2/records").expect("a record");
    assert!(record.head.contains(&format!("traceparent: 00-{TRACE}-")), "{}", record.head);
    let flags = record.head.lines().find_map(|line| line.strip_prefix("traceparent: ")?.rsplit('-').next());
    assert_eq!(flags, Some("00"), "those behind us learn of the decision");

    // A caller that samples counts more than the own ratio.
    let world = World::new().await;
    let mediator = world.mediator(&changes).await;
    assert_eq!(post_traced(&mediator, CLAIM, sample_claim(), &traceparent("01")).await, 202);
    mediator.settled().await;
    mediator.stop().await;
    assert_eq!(only(&spans(&collector.seen()), "deliver claim-response").trace, TRACE);
}

/// Only who may call decides on a trace.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_makes_no_spans() {
    let (world, collector) = (World::new().await, collector().await);
    let mediator = world.mediator(&[("telemetry.otlp_endpoint", &collector.url)]).await;
    let stranger = mediator.client.post(format!("{}{CLAIM}", mediator.url)).header("traceparent", traceparent("01"));
    let answer = stranger.basic_auth(INBOUND_USER, Some("a guess")).body("{}").send().await.expect("an answer");
    assert_eq!(answer.status(), 401);
    mediator.stop().await;
    assert_eq!(collector.seen().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_patient_is_in_a_trace() {
    let (world, collector) = (World::new().await, collector().await);
    let changes =
        [("telemetry.otlp_endpoint", collector.url.as_str()), ("cht.match_by", r#"["insurance-number", "phone"]"#)];
    let mediator = world.mediator(&changes).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.post(CLAIM, r#"{"resourceType": "ClaimResponse", "patient": {"display": "Kalpana"}}"#).await;
    mediator.settled().await;
    mediator.post(FEEDBACK, sample_feedback()).await;
    mediator.settled().await;
    let uuids: Vec<String> =
        mediator.messages().await.iter().filter_map(|view| view.summary.claim_uuid.clone()).collect();
    mediator.stop().await;
    let all = format!("{:?}", spans(&collector.seen()));
    assert!(all.contains("deliver feedback") && uuids.iter().any(|uuid| !uuid.is_empty()), "{all}");
    let private = ["Kalpana", "Udaharan", "9800000000", "119000001", "CHT979", "password"];
    for secret in private.into_iter().map(str::to_owned).chain(uuids) {
        assert!(!all.contains(&secret), "{secret} is in {all}");
    }
}

/// A collector that is away, or that refuses, costs a line in the log and no message.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_traces_only() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let mut env = environment(&sandbox, &dir, &[("log.format", "json")]);
    env.insert("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), "http://127.0.0.1:9".to_owned());
    env.insert("OTEL_SERVICE_NAME".to_owned(), "np".to_owned());
    env.insert("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "50".to_owned());
    let process = Process::serve(&env, &dir).await;
    let (client, store) = (reqwest::Client::new(), SqlStore::open(&StoreSettings::file(store_path(&dir))).await);
    let store = store.expect("the store");
    for number in 0..5 {
        let claim = notification(&sandbox, sandbox.openimis.enter_claim(&format!("AWAY{number}"))).await;
        assert_eq!(post(&client, &format!("{}{CLAIM}", process.url), claim).await.status(), 202);
        settled(&store).await;
    }
    eventually("the log says so", || async { process.log().contains("no traces reach the collector").then_some(()) })
        .await;
    let (status, log) = process.terminate().await;
    assert!(status.success(), "{log}");
    assert_eq!(log.matches("no traces reach the collector").count(), 1, "once, not for every try:\n{log}");
    assert_eq!(states(&settled(&store).await), ["delivered"; 5]);
}

/// The lines of the log say to which message and trace they belong.
#[tokio::test(flavor = "multi_thread")]
async fn lines_of_the_log_carry_the_number_of_the_message_and_of_its_trace() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let process = Process::serve(&environment(&sandbox, &dir, &[("log.format", "json")]), &dir).await;
    let client = reqwest::Client::new();
    let request = client.post(format!("{}{CLAIM}", process.url)).header("traceparent", traceparent("01"));
    let request = request.basic_auth(INBOUND_USER, Some(INBOUND_PASSWORD)).header("content-type", "application/json");
    assert_eq!(request.body(sample_claim()).send().await.expect("an answer").status(), 202);
    let line = eventually("it is delivered", || async {
        process.log().lines().find(|line| line.contains("\"delivered\"")).map(str::to_owned)
    })
    .await;
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let fields = &line["fields"];
    assert_eq!((fields["id"].as_str(), fields["kind"].as_str()), (Some("1"), Some("claim-response")), "{line}");
    assert_eq!((fields["trace_id"].as_str(), fields["attempt"].as_i64()), (Some(TRACE), Some(1)), "{line}");
    process.terminate().await;
}

/// The ministry's own authority counts for the collector as it does for the peers.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_behind_an_own_authority_is_reached() {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["localhost".to_owned()]).expect("a host name");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    drop(rustls::crypto::ring::default_provider().install_default());
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
    let acceptor = TlsAcceptor::from(Arc::new(tls.expect("a server's settings")));
    let (listener, url) = listener().await;
    let (seen, mut got) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let Some(request) = read_request(&mut stream).await else { continue };
            seen.send(request).expect("somebody listens");
            drop(stream.write_all(http("200 OK", "content-type: application/x-protobuf", "").as_bytes()).await);
        }
    });
    let url = url.replace("http://127.0.0.1", "https://localhost");
    let world = World::new().await;
    let ca_file = world.dir.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).expect("a file");
    let ca_file = ca_file.display().to_string();
    let mediator = world.mediator(&[("telemetry.otlp_endpoint", &url), ("tls.ca_file", &ca_file)]).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.settled().await;
    mediator.stop().await;
    let request = got.try_recv().expect("traces");
    assert_eq!(named(&spans(&[request]), "deliver claim-response").len(), 1);
}
