//! One subscription however often the mediator starts, renewed before it ends, gone when it is switched off: with the program itself.

use std::collections::BTreeMap;
use std::process::Output;

use flow::subscription::SubscriptionChange;
use mediator_tests::running::{Process, program, store_path};
use openimis_mediator::Host;
use openimis_mediator::config::StoreSettings;
use serde_json::json;
use store::SqlStore;
use tokio::process::Command;

use crate::world::{World, settled};

const YEAR: &str = "8760h";

async fn subscription(command: &str, env: &BTreeMap<String, String>) -> String {
    let mut program = Command::new(program());
    program.args(["subscription", command]).env_clear().envs(env);
    let Output { status, stdout, stderr } = program.output().await.expect("the program runs");
    assert!(status.success(), "subscription {command}: {status}\n{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn what_was_created_just_now_is_found_at_once() {
    // openIMIS tells for an hour how many subscriptions there were, unless it is asked in other words.
    let world = World::new().await;
    let callback = "http://127.0.0.1:9/mediator/claim-response"; // nobody listens there, and no claim comes in
    let host =
        Host::build(world.config(&[("subscription.callback", callback)])).await.expect("a mediator that does not run");
    let flow = &host.flow;
    for _ in 0..3 {
        let SubscriptionChange::Created(id) = flow.keep_subscription().await.expect("an answer") else {
            panic!("there was none")
        };
        assert_eq!(flow.keep_subscription().await.expect("an answer"), SubscriptionChange::Unchanged(id));
        assert_eq!(flow.delete_subscriptions().await.expect("an answer"), 1);
    }
    assert_eq!(world.openimis.subscriptions_at(callback).await, [] as [serde_json::Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn there_is_one_subscription_until_it_is_deleted() {
    let world = World::new().await;
    let listen = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").to_string()
    };
    let callback = format!("http://{listen}/mediator/claim-response");
    let with = |lifetime: &str, password: &str| {
        world.environment(&[
            ("listen", &listen),
            ("subscription.callback", &callback),
            ("subscription.lifetime", lifetime),
            ("inbound.password", password),
        ])
    };
    let env = with(YEAR, mediator_tests::running::INBOUND_PASSWORD);

    let created = subscription("create", &env).await;
    let id = created.trim().strip_prefix("created ").expect("an id").to_owned();
    assert_eq!(subscription("create", &env).await.trim(), format!("{id} was in place"));
    assert!(subscription("list", &env).await.contains(&id));
    assert_eq!(world.openimis.subscriptions_at(&callback).await.len(), 1);

    // Starts, one of them after a crash; and it works.
    let store = SqlStore::open(&StoreSettings::file(store_path(&world.dir))).await.expect("the store");
    for crash in [true, false] {
        let mediator = Process::serve(&env, &world.dir).await;
        world.openimis.subscribed(&callback).await;
        let (claim, _) = world.openimis.post_claim(json!({})).await;
        world.report(&claim).await;
        settled(&store, &claim, 1).await;
        assert_eq!(world.openimis.subscriptions_at(&callback).await.len(), 1);
        if crash {
            mediator.kill().await;
        } else {
            let (status, log) = mediator.terminate().await;
            assert!(status.success(), "{status}: {log}");
        }
    }

    // Near its end, or with another password, it is renewed in place.
    let end = |subscription: &serde_json::Value| -> jiff::Timestamp {
        subscription["end"].as_str().expect("an end").parse().expect("a time with a zone")
    };
    // openIMIS keeps whole seconds.
    let this_second = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).expect("a time");
    let a_year_hence = this_second + jiff::SignedDuration::from_hours(8760);
    for (lifetime, password) in [("1h", "other"), (YEAR, "other")] {
        let renewed = subscription("create", &with(lifetime, password)).await;
        assert_eq!(renewed.trim(), format!("renewed {id}"), "{lifetime}, {password}");
        let ours = world.openimis.subscriptions_at(&callback).await;
        assert_eq!(ours.len(), 1, "{ours:#?}");
        let left = end(&ours[0]).duration_since(jiff::Timestamp::now()).as_hours();
        assert_eq!(left, if lifetime == "1h" { 0 } else { 8759 }, "{ours:#?}");
    }
    assert!(end(&world.openimis.subscriptions_at(&callback).await[0]) >= a_year_hence);
    assert_eq!(subscription("create", &with(YEAR, "other")).await.trim(), format!("{id} was in place"));

    // Another's stays.
    let others = json!({
        "resourceType": "Subscription", "status": "active", "end": "2099-12-31T23:59:59Z", "reason": "Claim", "criteria": "Claim",
        "channel": {"type": "rest-hook", "endpoint": format!("{callback}/of-another"), "header": ["{}"]},
    });
    let (status, others) = world.openimis.fhir(reqwest::Method::POST, "Subscription/", Some(&others)).await;
    assert_eq!(status, 201, "{others}");
    let deleted = subscription("delete", &env).await;
    assert!(deleted.starts_with("deleted 1 subscription"), "{deleted}");
    assert_eq!(world.openimis.subscriptions_at(&callback).await.len(), 0);
    assert!(subscription("delete", &env).await.starts_with("deleted 0 subscription"));
    assert_eq!(world.openimis.subscriptions_at(&format!("{callback}/of-another")).await.len(), 1);
    let path = format!("Subscription/{}/", others["id"].as_str().expect("an id"));
    assert_eq!(world.openimis.fhir(reqwest::Method::DELETE, &path, None).await.0, 204);
}
