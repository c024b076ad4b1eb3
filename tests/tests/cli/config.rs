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

/// What is no regular file would hang a start, or fill the memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_or_a_device_in_a_files_place_is_told_and_nothing_waits_for_it() {
    let (sandbox, dir) = (sandbox().await, folder());
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let endless = std::path::PathBuf::from("/dev/zero");
    let mappings = dir.path().join("mappings");
    std::fs::create_dir(&mappings).expect("a folder");
    for place in [&pipe, &endless] {
        let shown = place.display().to_string();
        let map = mappings.join("zz.wasm");
        drop(std::fs::remove_file(&map));
        std::os::unix::fs::symlink(place, &map).expect("a link");
        let changes = [
            ("server.tls.cert_file", shown.as_str()),
            ("server.tls.key_file", &shown),
            ("store.key_file", &shown),
            ("tls.ca_file", &shown),
            ("tables.items", &shown),
            ("components.dir", mappings.to_str().expect("a path")),
        ];
        let mut env = environment(&sandbox, &dir, &changes);
        env.remove("OPENIMIS_MEDIATOR__CHT__PASSWORD");
        env.insert("CHT_PASSWORD_FILE".to_owned(), shown.clone());
        let ran = run(&["config", "check"], "", &env, &dir).await;
        assert_eq!(ran.code, Some(1), "{ran}");
        for told in ["CHT_PASSWORD_FILE", "tables.items"] {
            let line = ran.out.lines().find(|line| line.contains(told)).unwrap_or_else(|| panic!("{told}: {ran}"));
            assert!(line.contains("is a pipe, a socket or a device"), "{ran}");
        }
        env.remove("CHT_PASSWORD_FILE");
        env.insert("OPENIMIS_MEDIATOR__CHT__PASSWORD".to_owned(), "p".to_owned());
        env.remove("OPENIMIS_MEDIATOR__TABLES__ITEMS");
        let ran = run(&["config", "check"], "", &env, &dir).await;
        for told in ["server.tls.cert_file", "store.key_file", "tls.ca_file", "zz.wasm"] {
            let line = ran.out.lines().find(|line| line.contains(told)).unwrap_or_else(|| panic!("{told}: {ran}"));
            assert!(line.contains("is a pipe, a socket or a device"), "{ran}");
        }
        for args in [&["--config", &shown, "config", "check"][..], &["places", "import", &shown]] {
            let ran = run(args, "", &Env::new(), &dir).await;
            assert!(ran.code == Some(1) && format!("{ran}").contains("is a pipe, a socket or a device"), "{ran}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_anybody_may_read_and_mappings_that_others_may_exchange_are_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let (sandbox, dir) = (sandbox().await, folder());
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("its mode");
    };
    let (key, password, mappings) =
        (dir.path().join("store.key"), dir.path().join("cht-password"), dir.path().join("mappings"));
    std::fs::write(&key, format!("{}=\n", "A".repeat(43))).expect("a key");
    std::fs::write(&password, sandbox::CHT_PASSWORD).expect("a password");
    std::fs::write(dir.path().join("mediator.toml"), "inbound.password = 'secret'").expect("a file");
    std::fs::create_dir(&mappings).expect("a folder");
    for file in std::fs::read_dir(mediator_tests::running::components_dir()).expect("a folder").flatten() {
        if file.path().extension().is_some_and(|extension| extension == "wasm") {
            std::fs::copy(file.path(), mappings.join(file.file_name())).expect("a component");
            mode(&mappings.join(file.file_name()), 0o644);
        }
    }
    let changes =
        [("store.key_file", key.to_str().expect("a path")), ("components.dir", mappings.to_str().expect("a path"))];
    let mut env = environment(&sandbox, &dir, &changes);
    env.remove("OPENIMIS_MEDIATOR__CHT__PASSWORD");
    env.insert("CHT_PASSWORD_FILE".to_owned(), password.display().to_string());
    let warnings = async |folder, file, components| {
        mode(dir.path(), folder);
        [&key, &password, &dir.path().join("mediator.toml")].into_iter().for_each(|path| mode(path, file));
        mode(&mappings, components);
        let ran = run(&["config", "check"], "", &env, &dir).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        ran.out.lines().filter(|line| line.starts_with("  warning ")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(warnings(0o755, 0o640, 0o755).await, Vec::<String>::new());
    assert_eq!(warnings(0o700, 0o644, 0o777).await, Vec::<String>::new(), "nobody gets as far as that");
    let told = warnings(0o755, 0o644, 0o777).await;
    for what in
        ["store.key_file: anybody may read", "CHT_PASSWORD_FILE", "the configuration: anybody", "mappings (chmod"]
    {
        assert!(told.iter().any(|line| line.contains(what)), "{what}: {told:#?}");
    }
    assert_eq!(told.len(), 4, "{told:#?}");
    let process = mediator_tests::running::Process::serve(&env, &dir).await;
    assert!(process.log().contains("store.key_file: anybody may read"), "{}", process.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn config_check_lists_every_server_and_whether_it_answers() {
    let (sandbox, dir) = (sandbox().await, folder());
    let env = environment(&sandbox, &dir, &[]);
    let ran = run(&["config", "check"], "", &env, &dir).await;
    for line in [
        format!("openIMIS      {} as mediator: it answers", sandbox.openimis.url()),
        "OpenHIM       none (openhim.url)".to_owned(),
        "facilities    none (facilities.url)".to_owned(),
        "callback      none (eclaim.callback.url)".to_owned(),
    ] {
        assert!(ran.out.contains(&line), "{line}: {ran}");
    }
    let changes = [
        ("openhim.url", "http://127.0.0.1:9/"),
        ("openhim.username", "root"),
        ("openhim.password", "a-password"),
        ("openhim.endpoint", "http://127.0.0.1:1"),
        ("facilities.url", "http://127.0.0.1:9/fhir"),
        ("facilities.token", "a-token"),
        ("eclaim.callback.url", "http://127.0.0.1:9/callback"),
    ];
    let env = environment(&sandbox, &dir, &changes);
    let ran = run(&["config", "check"], "", &env, &dir).await;
    assert_eq!(ran.code, Some(0), "a server that is down is no fault of the configuration: {ran}");
    for line in [
        "OpenHIM       http://127.0.0.1:9/ as root: not reachable now (",
        "facilities    http://127.0.0.1:9/fhir as a token: not reachable now (",
        "callback      http://127.0.0.1:9/callback as nobody: not reachable now (",
    ] {
        assert!(ran.out.contains(line), "{line}: {ran}");
    }
    assert!(!ran.out.contains("a-password") && !ran.out.contains("a-token\n") && !store_path(&dir).exists(), "{ran}");
    let ran = run(&["config", "check", "--offline"], "", &env, &dir).await;
    assert!(ran.out.contains("as root\n") && !ran.out.contains("reachable"), "{ran}");
}
