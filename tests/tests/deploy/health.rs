//! `health`: what supervisors of containers ask.

use std::collections::BTreeMap;
use std::process::Output;

use mediator_tests::running::{Process, environment, program, sandbox};
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use tokio::process::Command;

type Env = BTreeMap<String, String>;

async fn health(arguments: &[&str], env: &Env, dir: &TempDir) -> (Option<i32>, String) {
    let ran =
        Command::new(program()).arg("health").args(arguments).env_clear().envs(env).current_dir(dir).output().await;
    let Output { status, stdout, stderr } = ran.expect("the program runs");
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

/// The environment of a mediator, with the port that it got.
fn at(url: &str, env: &Env) -> Env {
    let mut env = env.clone();
    env.insert("OPENIMIS_MEDIATOR__LISTEN".to_owned(), format!("0.0.0.0:{}", url.rsplit(':').next().expect("a port")));
    env
}

#[tokio::test]
async fn a_mediator_that_serves_is_healthy_and_one_that_is_gone_is_not() {
    let dir = TempDir::new().expect("a folder");
    let sandbox = sandbox().await;
    let env = environment(&sandbox, &dir, &[]);
    let mediator = Process::serve(&env, &dir).await;
    let env = at(&mediator.url, &env);
    assert_eq!(health(&[], &env, &dir).await, (Some(0), "{\"status\":\"ready\"}\n".to_owned()));
    assert_eq!(health(&["--live"], &env, &dir).await, (Some(0), "{\"status\":\"live\"}\n".to_owned()));
    mediator.terminate().await;
    let (code, told) = health(&[], &env, &dir).await;
    assert!(code == Some(1) && told.contains("nobody listens on 127.0.0.1:"), "{code:?} {told}");
}

#[tokio::test]
async fn a_mediator_with_tls_is_known_by_its_certificate_and_no_other_is_taken_for_it() {
    let dir = TempDir::new().expect("a folder");
    let sandbox = sandbox().await;
    let files = |name: &str| (dir.path().join(format!("{name}.crt")), dir.path().join(format!("{name}.key")));
    for name in ["own", "other"] {
        let key = KeyPair::generate().expect("a key");
        // For a name that is not this machine's: what is in the file counts.
        let params = CertificateParams::new(["mediator.example.org".to_owned()]).expect("a name");
        let (certificate_file, key_file) = files(name);
        std::fs::write(certificate_file, params.self_signed(&key).expect("a certificate").pem()).expect("a file");
        std::fs::write(key_file, key.serialize_pem()).expect("a file");
    }
    let with = |name: &str| {
        let (certificate, key) = files(name);
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        environment(&sandbox, &dir, &[("server.tls.cert_file", &certificate), ("server.tls.key_file", &key)])
    };
    let mediator = Process::serve(&with("own"), &dir).await;
    assert_eq!(health(&[], &at(&mediator.url, &with("own")), &dir).await.0, Some(0));
    let (code, told) = health(&[], &at(&mediator.url, &with("other")), &dir).await;
    assert!(code == Some(1) && told.contains("another certificate"), "{code:?} {told}");
}

#[tokio::test]
async fn a_mediator_that_cannot_store_is_live_and_not_ready() {
    let dir = TempDir::new().expect("a folder");
    let sandbox = sandbox().await;
    let env = environment(&sandbox, &dir, &[]);
    let mediator = Process::serve(&env, &dir).await;
    let env = at(&mediator.url, &env);
    // Somebody else holds the file: nothing can be written until he lets go.
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", mediator_tests::running::store_path(&dir).display());
    let mut other = <sqlx::AnyConnection as sqlx::Connection>::connect(&url).await.expect("a connection");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("a lock");
    let ((ready, told), (live, _)) = tokio::join!(health(&[], &env, &dir), health(&["--live"], &env, &dir));
    assert_eq!((ready, live), (Some(1), Some(0)), "{told}");
}
