//! `config`.

use mediator_tests::running::{environment, sandbox, store_path};

use crate::{Env, folder, run};

#[tokio::test(flavor = "multi_thread")]
async fn config_check_tells_every_problem_or_what_was_understood() {
    let (sandbox, dir) = (sandbox().await, folder());
    let env = environment(&sandbox, &dir, &[("tasks.policy", "selected")]);
    let ran = run(&["config", "check"], "", &env, &dir).await;
    assert_eq!(ran.code, Some(0), "{ran}");
    for told in [sandbox.cht.url(), sandbox.openimis.url(), store_path(&dir).display().to_string(), "Selected".into()] {
        assert!(ran.out.contains(&told), "{told}: {ran}");
    }
    assert!(!ran.out.contains("password") && !store_path(&dir).exists(), "{ran}");

    std::fs::write(dir.path().join("mediator.toml"), "listne = 1\ncht.url = 'ftp://x'\ncht.password = ['tops3cret']")
        .expect("a file");
    let env = Env::from([("OPENIMIS_MEDIATOR__COMPONENTS__DIR".to_owned(), "/no/such/place".to_owned())]);
    let ran = run(&["config", "check"], "", &env, &dir).await;
    assert_eq!(ran.code, Some(1), "{ran}");
    for told in ["listne", "cht.url", "cht.password", "inbound.username", "openimis.url"] {
        assert!(ran.out.contains(&format!("- {told}: ")), "{told}: {ran}");
    }
    assert!(!ran.out.contains("tops3cret") && !ran.err.contains("tops3cret"), "{ran}");

    std::fs::write(dir.path().join("mediator.toml"), "").expect("a file");
    let env = environment(&sandbox, &dir, &[("components.dir", "/no/such/place")]);
    let ran = run(&["config", "check"], "", &env, &dir).await;
    assert!(ran.code == Some(1) && ran.out.contains("components: /no/such/place"), "{ran}");
    let missing = run(&["--config", "no.toml", "config", "check"], "", &env, &dir).await;
    assert!(missing.code == Some(1) && missing.out.contains("no.toml"), "{missing}");
}
