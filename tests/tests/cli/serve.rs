//! `serve`: how it starts, what it refuses, how it ends.

use std::time::{Duration, Instant};

use mediator_tests::running::{
    Process, environment, messages, notification, post, sample_claim, sample_feedback, sandbox, settled, states,
    store_path,
};
use openimis_mediator::config::StoreSettings;
use sandbox::Fault;
use sqlx::{Connection, SqliteConnection};
use store::SqlStore;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::{CLAIM, Env, FEEDBACK, folder, run};

#[tokio::test(flavor = "multi_thread")]
async fn serve_with_a_wrong_configuration_tells_every_problem_and_makes_no_file() {
    let dir = folder();
    let env = Env::from([("CHT_URL".to_owned(), "ftp://x".to_owned())]);
    let ran = run(&["serve"], "", &env, &dir).await;
    assert!(ran.code == Some(1) && ran.out.is_empty(), "{ran}");
    for told in ["cht.url", "openimis.url", "inbound.password"] {
        assert!(ran.err.contains(&format!("- {told}: ")), "{told}: {ran}");
    }
    assert_eq!(std::fs::read_dir(&dir).expect("a folder").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_mediator_on_the_same_store_is_refused() {
    let (sandbox, dir) = (sandbox().await, folder());
    let env = environment(&sandbox, &dir, &[]);
    let process = Process::serve(&env, &dir).await;
    let second = run(&["serve"], "", &env, &dir).await;
    assert_eq!(second.code, Some(1), "{second}");
    assert!(second.err.contains("in use by another mediator") && second.err.contains("mediator.db"), "{second}");
    let answer = post(&reqwest::Client::new(), &format!("{}{CLAIM}", process.url), sample_claim()).await;
    assert_eq!(answer.status(), 202, "the first one goes on");
    let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("the store");
    assert_eq!(states(&settled(&store).await), ["delivered"]);
    process.kill().await;
    let process = Process::serve(&env, &dir).await; // a killed one leaves no lock behind
    assert!(process.terminate().await.0.success());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_second_mediator_is_refused_though_the_lock_file_was_deleted() {
    let (sandbox, dir) = (sandbox().await, folder());
    let env = environment(&sandbox, &dir, &[]);
    let process = Process::serve(&env, &dir).await;
    std::fs::remove_file(store_path(&dir).with_extension("lock")).expect("the lock file");
    let second = run(&["serve"], "", &env, &dir).await;
    assert!(second.code == Some(1) && second.err.contains("in use by another mediator"), "{second}");
    // Who only reads, or makes a copy, is let in.
    let copy = dir.path().join("copy.db").display().to_string();
    for args in [&["messages", "list"][..], &["store", "backup", &copy]] {
        let ran = run(args, "", &env, &dir).await;
        assert_eq!(ran.code, Some(0), "{args:?} {ran}");
    }
    assert!(process.terminate().await.0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_not_ready_and_says_so() {
    let (sandbox, dir) = (sandbox().await, folder());
    let env = environment(&sandbox, &dir, &[]);
    let process = Process::serve(&env, &dir).await;
    let client = reqwest::Client::new();
    let answer = post(&client, &format!("{}{CLAIM}", process.url), sample_claim()).await;
    assert_eq!(answer.status(), 202);
    let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("the store");
    settled(&store).await;
    drop(store);
    assert!(process.terminate().await.0.success());
    let path = store_path(&dir);
    let mut database = SqliteConnection::connect(path.to_str().expect("a path")).await.expect("the store");
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut database).await.expect("all of it in one file");
    drop(database.close().await);
    let length = std::fs::metadata(&path).expect("the file").len();
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("the file");
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xA5; (length / 2) as usize], length / 2).expect("written");
    let mut command = tokio::process::Command::new(mediator_tests::running::program());
    let log = dir.path().join("damaged.log");
    command.arg("serve").env_clear().envs(&env).stderr(std::fs::File::create(&log).expect("a file"));
    let mut damaged = command.kill_on_drop(true).spawn().expect("a process");
    let told = || std::fs::read_to_string(&log).unwrap_or_default();
    // It does not start, or it starts and is not ready.
    mediator_tests::running::eventually("the damage is told", || async {
        (told().contains("damaged") && told().contains("docs/operations.md")).then_some(())
    })
    .await;
    if damaged.try_wait().expect("its end").is_none() {
        let address = told();
        let address =
            address.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next().map(str::to_owned));
        if let Some(address) = address {
            let ready = client.get(format!("http://{address}/health/ready")).send().await.expect("an answer");
            assert_eq!(ready.status(), 503);
            assert!(ready.text().await.expect("text").contains("damaged"));
        }
    }
    drop(damaged.kill().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_told() {
    let (sandbox, dir) = (sandbox().await, folder());
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let ran = run(&["serve"], "", &environment(&sandbox, &dir, &[("listen", &address)]), &dir).await;
    assert!(ran.code == Some(1) && ran.err.contains(&format!("cannot listen on {address}")), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_it_in_order_though_clients_and_peers_keep_it_waiting() {
    let (sandbox, dir) = (sandbox().await, folder());
    let changes = [("worker.drain", "1s"), ("poll.enabled", "true"), ("openimis.timeout", "50s")];
    let process = Process::serve(&environment(&sandbox, &dir, &changes), &dir).await;
    let address = process.url.trim_start_matches("http://").to_owned();
    let silent = TcpStream::connect(&address).await.expect("a connection");
    let mut halfway = TcpStream::connect(&address).await.expect("a connection");
    halfway
        .write_all(b"POST /mediator/claim-response HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n")
        .await
        .expect("a beginning");
    let client = reqwest::Client::new();
    let claim = notification(&sandbox, sandbox.openimis.enter_claim("BEFORE")).await;
    assert_eq!(post(&client, &format!("{}{CLAIM}", process.url), claim).await.status(), 202);
    // Its polls and its delivery wait for openIMIS.
    sandbox.openimis.fail_next(usize::MAX, Fault::Hang(Duration::from_secs(300)));
    assert_eq!(post(&client, &format!("{}{FEEDBACK}", process.url), sample_feedback()).await.status(), 202);
    let begun = Instant::now();
    let (status, log) = process.terminate().await;
    assert!(status.success() && log.contains("stopped"), "{status} {log}");
    assert!(begun.elapsed().as_secs() < 45, "they ended by themselves: {:?}", begun.elapsed());
    drop((silent, halfway));
    let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("the store");
    assert_eq!(messages(&store).await.len(), 2);
}
