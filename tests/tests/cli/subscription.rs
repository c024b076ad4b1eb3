//! `subscription`.

use mediator_tests::running::{environment, sandbox};
use sandbox::Fault;

use crate::{folder, run};

#[tokio::test(flavor = "multi_thread")]
async fn the_subscription_is_listed_created_and_deleted() {
    let (sandbox, dir) = (sandbox().await, folder());
    let callback = "http://mediator.example.org/mediator/claim-response";
    let env = environment(&sandbox, &dir, &[("subscription.callback", callback)]);
    let subscription = async |command: &str| run(&["subscription", command], "", &env, &dir).await;
    let empty = subscription("list").await;
    assert!(empty.code == Some(0) && empty.out.contains("0 subscription(s)"), "{empty}");
    let created = subscription("create").await;
    assert!(created.code == Some(0) && created.out.starts_with("created "), "{created}");
    let id = sandbox.openimis.subscriptions()[0]["id"].as_str().expect("an id").to_owned();
    assert!(created.out.contains(&id), "{created}");
    let again = subscription("create").await;
    assert!(again.code == Some(0) && again.out.contains("was in place"), "{again}");
    let listed = subscription("list").await;
    for told in [id.as_str(), callback, "active", "Claim", "1 subscription(s)"] {
        assert!(listed.out.contains(told), "{told}: {listed}");
    }
    assert!(!listed.out.contains("Basic"), "credentials are not shown: {listed}");
    let deleted = subscription("delete").await;
    assert!(deleted.code == Some(0) && deleted.out.starts_with("deleted 1 "), "{deleted}");
    assert!(sandbox.openimis.subscriptions().is_empty());
    let none = subscription("delete").await;
    assert!(none.code == Some(0) && none.out.starts_with("deleted 0 "), "{none}");

    sandbox.openimis.fail_next(usize::MAX, Fault::Reset);
    for command in ["list", "create", "delete"] {
        let down = subscription(command).await;
        assert!(down.code == Some(1) && down.err.contains("openIMIS"), "{command} {down}");
    }
    let env = environment(&sandbox, &dir, &[]);
    for command in ["create", "delete"] {
        let ran = run(&["subscription", command], "", &env, &dir).await;
        assert!(ran.code == Some(1) && ran.err.contains("subscription.callback"), "{command} {ran}");
    }
}
