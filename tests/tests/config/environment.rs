//! What the environment sets, and what files that it names hold.

use super::*;

#[test]
fn the_environment_wins_over_the_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("mediator.toml");
    std::fs::write(&file, format!("listen = '127.0.0.1:1'\npoll.interval = '7m'\n{MINIMAL}")).expect("a file");
    let env = env([
        ("OPENIMIS_MEDIATOR__LISTEN", "127.0.0.1:2"),
        ("OPENIMIS_API_URL", "https://other.example.org/imis"),
        ("CHT_PASSWORD", "from the environment"),
        ("UNRELATED", "x"),
        ("OPENIMIS_MEDIATOR_CONFIG", "elsewhere.toml"),
    ]);
    let config = Config::load(Some(&file), &env).expect("a configuration");
    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.openimis.url.expect("a url").as_str(), "https://other.example.org/imis");
    assert_eq!(config.cht.password.expect("a password").expose_secret(), "from the environment");
    assert_eq!(
        (config.openimis.username.as_str(), config.poll.interval),
        ("imis", SignedDuration::from_mins(7)),
        "as in the file"
    );
}

#[test]
fn the_environment_alone_is_enough_and_speaks_the_documented_names() {
    let config = Config::load(
        None,
        &env([
            ("OPENIMIS_API_URL", "http://localhost:8000/api/api_fhir_r4"),
            ("OPENIMIS_USERNAME", "imis"),
            ("OPENIMIS_PASSWORD", "tops3cret-imis"),
            ("CHT_OPENIMIS_CALLBACK_ENDPOINT", "http://mediator.example.org/mediator/claim-response"),
            ("CHT_URL", "http://localhost:5988"),
            ("CHT_USERNAME", "cht"),
            ("CHT_PASSWORD", "tops3cret-cht"),
            ("MEDIATOR_USERNAME", "in"),
            ("MEDIATOR_PASSWORD", "tops3cret-in"),
        ]),
    )
    .expect("a configuration");
    assert_eq!(shown(config.openimis.url), "http://localhost:8000/api/api_fhir_r4");
    assert_eq!(
        (config.openimis.username, config.cht.username, config.inbound.username),
        ("imis".into(), "cht".into(), "in".into())
    );
    let password = |password: Option<secrecy::SecretString>| password.expect("a password").expose_secret().to_owned();
    assert_eq!(password(config.openimis.password), "tops3cret-imis");
    assert_eq!(
        (password(config.cht.password), password(config.inbound.password)),
        ("tops3cret-cht".into(), "tops3cret-in".into())
    );
    assert_eq!(shown(config.cht.url), "http://localhost:5988/");
    assert_eq!(shown(config.subscription.callback), "http://mediator.example.org/mediator/claim-response");
}

#[test]
fn secrets_come_from_files_as_well() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("password");
    for (text, expected) in [
        ("tops3cret", "tops3cret"),
        ("tops3cret\n", "tops3cret"),
        ("tops3cret\r\n", "tops3cret"),
        (" two words ", " two words "),
        ("\u{feff}tops3cret\r\n", "tops3cret"),
    ] {
        std::fs::write(&file, text).expect("a file");
        let path = file.display().to_string();
        let config =
            Config::from_toml(MINIMAL, &env([("CHT_PASSWORD_FILE", &path), ("OPENIMIS_USERNAME_FILE", &path)]))
                .expect("a configuration");
        assert_eq!(config.cht.password.expect("a password").expose_secret(), expected);
        assert_eq!(config.openimis.username, expected);
    }
    let problems = problems(Config::from_toml(MINIMAL, &env([("CHT_PASSWORD_FILE", "/no/such/file")])));
    assert!(problems.len() == 1 && problems[0].starts_with("CHT_PASSWORD_FILE: /no/such/file: "), "{problems:?}");
}

/// As editors of Windows save them.
#[test]
fn files_with_a_byte_order_mark_are_read_and_other_encodings_are_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("mediator.toml");
    std::fs::write(&path, format!("\u{feff}{}", MINIMAL.trim_start())).expect("a file");
    assert_eq!(Config::load(Some(&path), &env([])).expect("a configuration").inbound.username, "in");
    for (mark, unit) in
        [("\u{feff}", u16::to_le_bytes as fn(u16) -> [u8; 2]), ("", u16::to_be_bytes as fn(u16) -> [u8; 2])]
    {
        let bytes: Vec<u8> = format!("{mark}{}", MINIMAL.trim_start()).encode_utf16().flat_map(unit).collect();
        std::fs::write(&path, bytes).expect("a file");
        let problems = problems(Config::load(Some(&path), &env([])));
        assert!(problems[0].contains("mediator.toml: expected text in UTF-8; found UTF-16 ("), "{problems:?}");
        let shown = path.display().to_string();
        let problems = super::problems(Config::from_toml(MINIMAL, &env([("CHT_PASSWORD_FILE", &shown)])));
        assert!(problems.len() == 1 && problems[0].contains("found UTF-16 ("), "{problems:?}");
    }
    let problems = problems(Config::load(Some(dir.path()), &env([])));
    assert!(problems[0].contains("is a folder, not a file"), "{problems:?}");
}

#[test]
fn a_value_and_a_file_for_it_are_one_too_many() {
    let both = env([("CHT_PASSWORD", "tops3cret-1"), ("CHT_PASSWORD_FILE", "/run/tops3cret-2")]);
    let problems = problems(Config::from_toml(MINIMAL, &both));
    assert_eq!(problems, ["CHT_PASSWORD and CHT_PASSWORD_FILE are both set: keep one"]);
}

#[test]
fn values_of_the_environment_are_typed_as_their_key_wants() {
    let set = env([
        ("OPENIMIS_MEDIATOR__WORKER__CONCURRENCY", "3"),
        ("OPENIMIS_MEDIATOR__OPENIMIS__UTC_OFFSET_MINUTES", "-345"),
        ("OPENIMIS_MEDIATOR__POLL__ENABLED", "false"),
        ("OPENIMIS_MEDIATOR__POLL__INTERVAL", "90s"),
        ("OPENIMIS_MEDIATOR__TASKS__POLICY", "selected"),
        ("OPENIMIS_MEDIATOR__CHT__MATCH_BY", r#"["insurance-number", "phone"]"#),
        ("OPENIMIS_MEDIATOR__MAPPING__PATIENT__PLACES", r#"[{location_code = "R1", place_id = "p1"}]"#),
        ("OPENIMIS_MEDIATOR__MAPPING__CLAIM_RESPONSE__FIELDS__DATE", ""),
        ("OPENIMIS_MEDIATOR__TLS__CA_FILE", "/etc/ca.pem"),
        // Text stays text, whatever it looks like.
        ("OPENIMIS_MEDIATOR__MAPPING__PATIENT__DEFAULT_PLACE", "12345"),
        ("CHT_USERNAME", "007"),
        ("CHT_PASSWORD", "12345"),
        ("OPENIMIS_PASSWORD", "true"),
        ("MEDIATOR_PASSWORD", "[\"x\"]"),
        ("MEDIATOR_USERNAME", "1979-05-27"),
    ]);
    let config = Config::from_toml(MINIMAL, &set).expect("a configuration");
    assert_eq!((config.worker.concurrency, config.openimis.utc_offset_minutes), (3, -345));
    assert_eq!((config.poll.enabled, config.poll.interval), (false, SignedDuration::from_secs(90)));
    assert_eq!(config.tasks.policy, Policy::Selected);
    assert_eq!(config.cht.match_by, [MatchBy::InsuranceNumber, MatchBy::Phone]);
    assert_eq!(config.mapping.patient.places[0].place_id, "p1");
    assert_eq!(
        (config.mapping.patient.default_place.as_str(), config.mapping.claim_response.fields.date.as_str()),
        ("12345", "")
    );
    assert_eq!(config.tls.ca_file, Some("/etc/ca.pem".into()));
    let secret = |secret: Option<secrecy::SecretString>| secret.expect("a secret").expose_secret().to_owned();
    assert_eq!((config.cht.username.as_str(), secret(config.cht.password).as_str()), ("007", "12345"));
    assert_eq!(
        (secret(config.openimis.password).as_str(), secret(config.inbound.password).as_str()),
        ("true", "[\"x\"]")
    );
    assert_eq!(config.inbound.username, "1979-05-27");
}

#[test]
fn mistakes_of_the_environment_are_told_with_those_of_the_file() {
    let set = env([
        ("OPENIMIS_MEDIATOR__WORKER__CONCURRENCY", "many"),
        ("OPENIMIS_MEDIATOR__POLL__PAGE_SIZE", "-1"),
        ("OPENIMIS_MEDIATOR__CHT__PASWORD", "tops3cret-3"),
        ("OPENIMIS_MEDIATOR__CHAT__URL", "http://localhost"),
    ]);
    let problems = problems(Config::from_toml(&format!("tasks.policy = 'some'\n{MINIMAL}"), &set));
    let expected = ["chat", "cht.pasword", "poll.page_size", "tasks.policy", "worker.concurrency"];
    assert_eq!(keys(&problems), expected.into(), "{problems:#?}");
}
