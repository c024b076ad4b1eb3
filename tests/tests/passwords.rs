//! Whoever guesses passwords takes neither the mediator's memory nor the place of those who know theirs; and whoever is refused again and
//! again does not fill the disk.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth::clients::queue::Queue;
use auth::credential::hash_password;
use auth::limits::Limits;
use auth::refusal_log::{RefusalLog, Who};
use futures_util::future::join_all;
use mediator_tests::running::{INBOUND_PASSWORD, INBOUND_USER, Process, environment, sample_claim, sandbox};
use openimis_mediator::config::Server;
use reqwest::{Client, StatusCode};
use tokio::time::timeout;

const CLAIM: &str = "/mediator/claim-response";

fn network(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + number).into()
}

/// A queue with one place, which is taken, and who had one after it.
struct Row {
    queue: Arc<Queue>,
    served: Arc<Mutex<Vec<String>>>,
    waiting: Vec<tokio::task::JoinHandle<()>>,
}

impl Row {
    fn new() -> Self {
        Self { queue: Queue::new(1), served: Arc::default(), waiting: Vec::new() }
    }

    /// One more who asks, once all before stand in the queue or wait for their network.
    async fn asks(&mut self, name: &str, from: u32, user: Option<&str>, tried: u32) {
        let (queue, served) = (self.queue.clone(), self.served.clone());
        let (name, user) = (name.to_owned(), user.map(str::to_owned));
        self.waiting.push(tokio::spawn(async move {
            let alone = queue.alone(network(from)).await;
            let place = queue.place(&alone, user.as_deref(), tried).await.expect("a place");
            served.lock().expect("a list").push(name);
            drop((alone, place));
        }));
        tokio::task::yield_now().await;
    }

    /// In which order they were served.
    async fn order(self) -> Vec<String> {
        timeout(Duration::from_secs(20), join_all(self.waiting)).await.expect("everybody is served");
        self.served.lock().expect("a list").clone()
    }
}

fn before(order: &[String], name: &str) -> usize {
    order.iter().position(|served| served == name).expect("it was served")
}

/// How many verifications stand before a right password, whatever a verification takes on this machine.
#[tokio::test]
async fn a_first_sign_in_does_not_wait_behind_a_thousand_guesses() {
    let mut row = Row::new();
    let taken = (row.queue.alone(network(0)).await, row.queue.clone());
    let place = taken.1.place(&taken.0, None, 0).await.expect("a place");
    for guess in 0..1000 {
        // From a hundred networks, for a user that is there and for some that are not.
        let user = (guess % 2 == 0).then_some("openimis");
        row.asks("guess", 1 + guess % 100, user, guess / 100).await;
    }
    assert_eq!(row.queue.waiting(), 100, "one of each network");
    row.asks("hospital", 2000, Some("hospital"), 0).await;
    row.asks("openimis", 2001, Some("openimis"), 0).await;
    drop((taken, place));
    let order = row.order().await;
    assert!(before(&order, "hospital") <= 1, "behind {}", before(&order, "hospital"));
    // For this one 50 networks guess, too, each for the first time.
    assert!(before(&order, "openimis") <= 105, "behind {}", before(&order, "openimis"));
}

#[tokio::test]
async fn who_guessed_before_comes_after_who_did_not() {
    let mut row = Row::new();
    let alone = row.queue.alone(network(0)).await;
    let place = row.queue.place(&alone, None, 0).await.expect("a place");
    for guess in 0..200 {
        row.asks("guess", 1 + guess, Some("openimis"), 1).await;
    }
    row.asks("right", 2000, Some("openimis"), 0).await;
    drop((alone, place));
    let order = row.order().await;
    assert!(before(&order, "right") <= 2, "behind {}", before(&order, "right"));
}

/// Somebody mistyped, and ever new networks come: who waits longest has every second turn.
#[tokio::test]
async fn new_networks_do_not_keep_an_old_one_out() {
    let mut row = Row::new();
    let alone = row.queue.alone(network(0)).await;
    let place = row.queue.place(&alone, None, 0).await.expect("a place");
    row.asks("mistyped", 2000, Some("openimis"), 3).await;
    for guess in 0..200 {
        row.asks("guess", 1 + guess, Some("openimis"), 0).await;
    }
    drop((alone, place));
    let order = row.order().await;
    assert!(before(&order, "mistyped") <= 2, "behind {}", before(&order, "mistyped"));
}

#[tokio::test]
async fn who_goes_away_holds_no_place() {
    let queue = Queue::new(1);
    let alone = queue.alone(network(0)).await;
    let place = queue.place(&alone, None, 0).await.expect("a place");
    for number in 0..50 {
        let gone = async {
            let alone = queue.alone(network(1 + number % 5)).await;
            queue.place(&alone, None, 0).await
        };
        assert!(timeout(Duration::from_millis(1), gone).await.is_err());
    }
    assert_eq!(queue.waiting(), 0);
    drop((alone, place));
    let alone = queue.alone(network(1)).await;
    let place = timeout(Duration::from_secs(20), queue.place(&alone, None, 0)).await;
    assert!(place.expect("a place is free").is_some());
}

/// A site has 2^16 networks of IPv6.
#[test]
fn guesses_of_one_site_count_as_one() {
    let Server { requests_per_second, failed_logins_per_minute, .. } = Server::default();
    let limits = Limits::new(requests_per_second, failed_logins_per_minute);
    let address = |number: u16| format!("2001:db8:1:{number:x}::1").parse().expect("an address");
    let tried = (0..30).map(|number| limits.failed_login(address(number)).expect("30 a minute"));
    assert_eq!(tried.collect::<Vec<_>>(), (0..30).collect::<Vec<_>>(), "each is told how many were before");
    assert!(limits.failed_login(address(9999)).is_err());
    assert!(limits.failed_login("2001:db8:2::1".parse().expect("an address")).is_ok(), "another site");
}

/// The most memory that a process had.
fn peak_kb(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("a status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

async fn posted(client: &Client, url: &str, user: &str, password: &str) -> StatusCode {
    let request = client.post(format!("{url}{CLAIM}")).basic_auth(user, Some(password));
    let request = request.header("content-type", "application/json").body(sample_claim());
    request.send().await.expect("an answer").status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_wrong_passwords_take_no_memory_and_keep_nobody_out() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let hash = hash_password(&"the hospital's".into()).expect("a hash");
    let clients = format!(
        r#"[{{name = "hospital", username = "hospital", password_hash = "{hash}", scopes = ["claim-response"]}}]"#
    );
    // Three of ten from each address are verified: enough to fill the memory ten times over, and not to spend half a minute on it.
    let changes = [("clients", clients.as_str()), ("server.failed_logins_per_minute", "3")];
    let process = Process::serve(&environment(&sandbox, &dir, &changes), &dir).await;
    let before_kb = peak_kb(&process);
    let guesses = (1..=100_u8).map(|number| {
        let url = process.url.clone();
        tokio::spawn(async move {
            let address = IpAddr::from([127, 0, 1, number]);
            let client = Client::builder().local_address(address).build().expect("a client");
            let guesses = (0..10).map(|guess| {
                let user = if guess % 2 == 0 { "hospital" } else { "nobody" };
                let (client, url) = (client.clone(), url.clone());
                async move { posted(&client, &url, user, &format!("guess {guess}")).await }
            });
            join_all(guesses).await
        })
    });
    let guesses: Vec<_> = guesses.collect();
    // Both from an address of its own: one that is known from the beginning, and one that was never seen.
    let client = Client::builder().local_address(IpAddr::from([127, 0, 2, 1])).build().expect("a client");
    for _ in 0..20 {
        assert_eq!(posted(&client, &process.url, INBOUND_USER, INBOUND_PASSWORD).await, StatusCode::ACCEPTED);
    }
    assert_eq!(posted(&client, &process.url, "hospital", "the hospital's").await, StatusCode::ACCEPTED);
    let mut refused = 0;
    for guesses in join_all(guesses).await {
        for status in guesses.expect("answers") {
            assert!(matches!(status.as_u16(), 401 | 408 | 429), "{status}");
            refused += 1;
        }
    }
    assert_eq!(refused, 1000);
    let peak_kb = peak_kb(&process);
    assert!(peak_kb < 150_000, "{before_kb} kB before, {peak_kb} kB at most");
    let (status, log) = process.terminate().await;
    assert!(status.success(), "{log}");
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn of_many_refusals_some_are_told_and_how_many_were_not() {
    let (told, begun) = (RefusalLog::new(60, MINUTE), Instant::now());
    let at = |seconds: u64, number: u32| {
        told.worth_logging_at(begun + Duration::from_secs(seconds), "token", Who::at(network(number)))
    };
    let lines: Vec<_> = (0..1000).filter_map(|_| at(1, 1)).collect();
    assert_eq!(lines, [0, 0, 0], "three a minute of each kind and address");
    assert_eq!(at(2, 2), Some(0), "another address");
    assert_eq!(told.worth_logging_at(begun, "password", Who::at(network(1))), Some(0), "another kind");
    assert_eq!(told.worth_logging_at(begun, "token", Who::Client("1".into())), Some(0), "a client");
    assert_eq!(told.left_out_at(begun + Duration::from_secs(30)), 0, "its next line would tell it");
    assert_eq!(at(62, 1), Some(997));
    assert_eq!((at(63, 1), at(63, 1), at(63, 1)), (Some(0), Some(0), None));
    assert_eq!(told.left_out_at(begun + Duration::from_secs(200)), 1, "no line would tell it any more");
    assert_eq!(told.left_out_at(begun + Duration::from_secs(300)), 0);
}

#[test]
fn refusals_from_ever_new_addresses_fill_neither_the_log_nor_the_memory() {
    let (told, begun) = (RefusalLog::new(60, MINUTE), Instant::now());
    let mut lines = 0;
    for second in 0..120 {
        for number in 0..1000 {
            let who = Who::at(network(second * 1000 + number));
            let at = begun + Duration::from_secs(second.into());
            lines += u32::from(told.worth_logging_at(at, "token", who).is_some());
        }
    }
    assert!((61..=121).contains(&lines), "{lines} lines in two minutes");
    let left_out = told.left_out_at(begun + Duration::from_secs(1000));
    assert_eq!(u64::from(lines) + left_out, 120_000, "none is lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_refused_all_day_does_not_fill_the_log() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let hash = hash_password(&"a password".into()).expect("a hash");
    let clients = format!(r#"[{{name = "cht", username = "cht", password_hash = "{hash}", scopes = ["feedback"]}}]"#);
    let process = Process::serve(&environment(&sandbox, &dir, &[("clients", &clients)]), &dir).await;
    let client = Client::new();
    for _ in 0..100 {
        assert_eq!(posted(&client, &process.url, "cht", "a password").await, StatusCode::FORBIDDEN);
    }
    let (_, log) = process.terminate().await;
    let lines = log.lines().filter(|line| line.contains("has not this scope")).count();
    assert!((1..=6).contains(&lines), "{lines} of 100: {log}"); // three a minute, and a minute may begin in between
}
