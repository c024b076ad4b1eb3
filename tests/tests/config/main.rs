//! The configuration: every mistake is told, all at once, and no secret with it.

mod environment;

use std::collections::{BTreeMap, BTreeSet};

use flow::settings::{MatchBy, Policy};
use jiff::SignedDuration;
use mediator_tests::running::workspace;
use openimis_mediator::config::{Config, ConfigError, Scope};
use secrecy::ExposeSecret;

const SECRET: &str = "tops3cret";

/// What nobody can do without, as a file says it.
const MINIMAL: &str = r#"
inbound = { username = "in", password = "tops3cret-in" }
openimis = { url = "https://imis.example.org", username = "imis", password = "tops3cret-imis" }
cht = { url = "https://cht.example.org", username = "cht", password = "tops3cret-cht" }
"#;

fn env<const N: usize>(values: [(&str, &str); N]) -> BTreeMap<String, String> {
    values.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn shown(value: Option<impl ToString>) -> String {
    value.expect("a value").to_string()
}

fn minimal_and(more: &str) -> Result<Config, ConfigError> {
    Config::from_toml(&format!("{more}\n{MINIMAL}"), &env([]))
}

fn problems(read: Result<Config, ConfigError>) -> Vec<String> {
    read.expect_err("problems").0
}

/// The keys of problems: each begins with the key that it is about.
fn keys(problems: &[String]) -> BTreeSet<&str> {
    problems.iter().map(|problem| problem.split(':').next().expect("a key")).collect()
}

#[test]
fn the_least_that_must_be_said_is_enough() {
    let config = minimal_and("").expect("a configuration");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(shown(config.openimis.url), "https://imis.example.org/");
    assert_eq!(config.inbound.password.as_ref().map(|password| password.expose_secret()), Some("tops3cret-in"));
    assert_eq!(config.tasks.policy, Policy::All);
    assert!(config.poll.enabled && !config.tasks.include_rejected);
}

#[test]
fn a_former_name_works_and_warns_and_both_names_at_once_are_a_mistake() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("mediator.toml");
    let read = |text: &str, env: &BTreeMap<String, String>| {
        std::fs::write(&file, format!("{MINIMAL}\n{text}")).expect("a file");
        Config::load(Some(&file), env).map(|config| {
            let mut warnings = config.warnings(Some(&file), env);
            warnings.retain(|warning| warning.contains("is called"));
            (config, warnings)
        })
    };
    let current = "[eclaim]\nfollow_first = \"2m\"\n[mapping.eclaim]\ncode_prefix = \"H\"\n";
    let former = current.replace("[eclaim]", "[claims]").replace("mapping.eclaim", "mapping.claim");
    let of_environment = env([
        ("OPENIMIS_MEDIATOR__CLAIMS__FOLLOW_FIRST", "2m"),
        ("OPENIMIS_MEDIATOR__MAPPING__CLAIM__CODE_PREFIX", "H"),
    ]);
    let warned = [
        "claims: is called eclaim now; the next version refuses the former name",
        "mapping.claim: is called mapping.eclaim now; the next version refuses the former name",
    ];
    for (text, env, expected) in
        [(current, env([]), &[][..]), (former.as_str(), env([]), &warned[..]), ("", of_environment, &warned[..])]
    {
        let (config, warnings) = read(text, &env).expect("a configuration");
        assert_eq!(config.eclaim.follow_first, SignedDuration::from_mins(2), "{text}");
        assert_eq!(config.mapping.eclaim.code_prefix, "H", "{text}");
        assert_eq!(warnings, expected, "{text}");
    }
    let by_environment = env([("OPENIMIS_MEDIATOR__CLAIMS__FOLLOW_FIRST", "3m")]);
    for (problems, expected) in [
        (problems(read(&format!("{current}{former}"), &env([])).map(|(config, _)| config)), 2),
        (problems(read(current, &by_environment).map(|(config, _)| config)), 1),
    ] {
        assert_eq!(problems.len(), expected, "{problems:#?}");
        assert!(problems[0].starts_with("claims: ") && problems[0].contains("eclaim"), "{problems:#?}");
    }
}

#[test]
fn the_former_name_of_a_scope_works_and_warns() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("mediator.toml");
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$RVepKn9AGguD6Nt999aRzg$jerzTCuK8Tu4OBy62LnyNa1BCntutNYqmJDpxTlQkR8";
    for (word, warned) in [("eclaim", 0), ("claim", 1)] {
        let client = format!("name = \"bahmni\"\nusername = \"bahmni\"\npassword_hash = \"{hash}\"");
        let clients = format!("[[clients]]\n{client}\nscopes = [\"{word}\"]\n");
        std::fs::write(&file, format!("{MINIMAL}\n{clients}")).expect("a file");
        let config = Config::load(Some(&file), &env([])).expect("a configuration");
        assert_eq!(config.clients[0].scopes, [Scope::Eclaim], "{word}");
        let warnings = config.warnings(Some(&file), &env([]));
        let told =
            warnings.iter().filter(|warning| warning.starts_with("clients.scopes: \"claim\" is called \"eclaim\""));
        assert_eq!(told.count(), warned, "{warnings:#?}");
    }
}

#[test]
fn with_nothing_said_all_that_is_missing_is_told_with_the_variable_that_sets_it() {
    let problems = problems(Config::load(None, &env([])));
    for (key, variable) in [
        ("openimis.url", "OPENIMIS_API_URL"),
        ("openimis.username", "OPENIMIS_USERNAME"),
        ("openimis.password", "OPENIMIS_PASSWORD_FILE"),
        ("cht.url", "CHT_URL"),
        ("cht.username", "CHT_USERNAME"),
        ("cht.password", "CHT_PASSWORD_FILE"),
        ("inbound.username", "MEDIATOR_USERNAME"),
        ("inbound.password", "MEDIATOR_PASSWORD_FILE"),
    ] {
        let told = problems
            .iter()
            .find(|problem| problem.starts_with(&format!("{key}: ")))
            .unwrap_or_else(|| panic!("{key}: {problems:#?}"));
        assert!(told.contains("is missing") && told.contains(variable), "{told}");
    }
    assert_eq!(problems.len(), 8, "{problems:#?}");
}

#[test]
fn every_mistake_is_told_at_once() {
    let problems = problems(Config::from_toml(
        r#"
        listne = "127.0.0.1:8080"
        listen = "8080"
        inbound = { username = "a:b", password = 12345 }
        store.path = ["mediator.db"]
        components = { memory_limit_bytes = 1000, time_limit = "0s", instances = 0 }
        worker = { concurrency = "many", drain = "soon" }
        log = { format = "xml", level = "loud" }
        openimis = { url = "imis.example.org", user = "mediator", timeout = 30, utc_offset_minutes = 5000 }
        cht = { url = "ftp://cht.example.org", username = true, match_by = ["phone", "face"], timeout = "-1s" }
        tasks = { policy = "some", include_rejected = "perhaps" }
        poll = { enabled = 1, interval = "1 fortnight", page_size = 0, colour = "red" }
        subscription = { callback = "http://mediator/", lifetime = "0s" }
        retry = { lease = "1m", first = 5 }
        [mapping.claim_response]
        calendar = "julian"
        form = ""
        fields = { year = "", month = "op_day", hour = "op_hour" }
        [mapping.feedback]
        rating_max = 500
        [mapping.patient]
        phone_prefix = "977"
        places = [{ location_code = "R1" }]
        "#,
        &env([]),
    ));
    let expected = [
        "listne",
        "listen",
        "inbound.username",
        "inbound.password",
        "store.path",
        "components.memory_limit_bytes",
        "components.time_limit",
        "components.instances",
        "worker.concurrency",
        "worker.drain",
        "log.format",
        "log.level",
        "openimis.url",
        "openimis.user",
        "openimis.username",
        "openimis.password",
        "openimis.timeout",
        "openimis.utc_offset_minutes",
        "cht.url",
        "cht.username",
        "cht.password",
        "cht.match_by",
        "cht.timeout",
        "tasks.policy",
        "tasks.include_rejected",
        "poll.enabled",
        "poll.interval",
        "poll.page_size",
        "poll.colour",
        "subscription.callback",
        "subscription.lifetime",
        "retry.lease",
        "retry.first",
        "mapping.claim_response.calendar",
        "mapping.claim_response.form",
        "mapping.claim_response.fields.year",
        "mapping.claim_response.fields.day",
        "mapping.claim_response.fields.hour",
        "mapping.feedback.rating_max",
        "mapping.patient.phone_prefix",
        "mapping.patient.places",
    ];
    let told = keys(&problems);
    let missed: Vec<_> = expected.iter().filter(|key| !told.iter().any(|told| told.starts_with(*key))).collect();
    assert!(missed.is_empty(), "nothing was said of {missed:#?} in {problems:#?}");
    let beside: Vec<_> = told.iter().filter(|told| !expected.iter().any(|key| told.starts_with(key))).collect();
    assert!(beside.is_empty(), "nothing is wrong with {beside:#?}");
    let text = ConfigError(problems.clone()).to_string();
    assert!(
        problems.iter().all(|problem| text.contains(problem.as_str()))
            && text.starts_with(&format!("{} problem", problems.len()))
    );
}

#[test]
fn a_mistake_says_what_was_expected() {
    for (key, value, expected) in [
        ("TASKS__POLICY", "some", "`all`, `submitted`, `selected`"),
        ("TASKS__POLICI", "all", "`policy`"),
        ("WORKER__CONCURRENCY", "many", "number"),
        ("WORKER__CONCURRENCY", "1000", "1 to 256"),
        ("POLL__INTERVAL", "often", "30s"),
        ("POLL__INTERVAL", "60", "30s"),
        ("POLL__ENABLED", "maybe", "boolean"),
        ("CHT__MATCH_BY", "phone", "sequence"),
        ("CHT__MATCH_BY", "[\"face\"]", "`openimis-id`, `insurance-number`, `phone`"),
        ("CHT__URL", "cht.example.org", "https://"),
        ("LISTEN", "8080", "socket address"),
    ] {
        let problems = problems(Config::from_toml(MINIMAL, &env([(&format!("OPENIMIS_MEDIATOR__{key}"), value)])));
        assert!(problems.len() == 1 && problems[0].contains(expected), "{key} = {value}: {problems:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let missing = dir.path().join("none.toml");
    let told = problems(Config::load(Some(&missing), &env([])));
    assert!(told.iter().any(|problem| problem.starts_with(&missing.display().to_string())), "{told:?}");
    let broken = dir.path().join("broken.toml");
    std::fs::write(&broken, "[cht]\npassword = \"tops3cret").expect("a file");
    for read in [Config::load(Some(&broken), &env([])), Config::load_partial(Some(&broken), &env([]))] {
        let told = problems(read);
        assert!(told.iter().any(|problem| problem.starts_with(&broken.display().to_string())), "{told:?}");
        assert!(!told.concat().contains(SECRET), "{told:?}");
    }
}

#[test]
fn no_secret_is_shown_by_the_configuration_or_by_what_is_said_of_mistakes() {
    let config = minimal_and("subscription = { username = 'x', password = 'tops3cret-x' }").expect("a configuration");
    for shown in [format!("{config:?}"), format!("{config:#?}"), format!("{:?}", config.settings())] {
        assert!(shown.contains("imis.example.org") && !shown.contains(SECRET), "{shown}");
    }
    for text in [
        "cht.password = ['tops3cret']",
        "cht.password = { value = 'tops3cret' }",
        "cht = 'tops3cret'",
        "inbound.password = tops3cret",
        "inbound.pasword = 'tops3cret'",
        "cht.url = 'https://user:tops3cret@'",
        "cht.url = 'https://user:tops3cret@cht.example.org'",
        "openimis.url = 'https://tops3cret@imis.example.org'",
        "subscription.callback = 'https://user:tops3cret@mediator.example.org'",
        "subscription.callback = 'https://user:tops3cret@mediator'",
        "log.level = 'tops3cret",
        "retry.first = 'tops3cret'",
        "worker.concurrency = 'tops3cret'",
        "listen = 'tops3cret'",
        "cht.match_by = 'tops3cret'",
    ] {
        let told = problems(Config::from_toml(
            text,
            &env([("OPENIMIS_PASSWORD", "tops3cret"), ("CHT_USERNAME", "tops3cret:")]),
        ));
        assert!(!told.is_empty() && !told.concat().contains(SECRET), "{text}: {told:#?}");
    }
}

/// The keys that serde knows in a section; none if it is no section. It names them all where it meets an unknown one.
fn known_keys(section: &str) -> Option<Vec<String>> {
    let told = problems(Config::from_toml(&section.replace("{}", "zzz = 1"), &env([])));
    let told = told.iter().find(|problem| problem.contains("unknown field `zzz`"))?;
    let (_, expected) = told.split_once("expected ")?;
    Some(expected.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

/// All keys, those of sections and of lists of sections with their path. `section` is TOML with a place to write into.
fn all_keys(path: &str, section: &str) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    for key in known_keys(section)? {
        let inner_path = format!("{path}{key}");
        let inner = [format!("{key} = {{ {{}} }}"), format!("{key} = [{{ {{}} }}]")];
        let inner = inner.iter().find_map(|inner| all_keys(&format!("{inner_path}."), &section.replace("{}", inner)));
        keys.extend(inner.unwrap_or_else(|| vec![inner_path]));
    }
    Some(keys)
}

/// The same of a document.
fn shown_keys(path: &str, table: &toml::Table) -> Vec<String> {
    let of = |(key, value): (&String, &toml::Value)| match value {
        toml::Value::Table(inner) => shown_keys(&format!("{path}{key}."), inner),
        toml::Value::Array(list) if list.iter().any(toml::Value::is_table) => list
            .iter()
            .filter_map(toml::Value::as_table)
            .flat_map(|inner| shown_keys(&format!("{path}{key}."), inner))
            .collect(),
        _ => vec![format!("{path}{key}")],
    };
    table.iter().flat_map(of).collect()
}

#[test]
fn the_example_can_be_used_and_shows_every_key_and_no_other() {
    let path = workspace().join("config.example.toml");
    Config::load(Some(&path), &env([])).unwrap_or_else(|error| panic!("{error}"));
    let text = std::fs::read_to_string(&path).expect("the example");
    // Defaults and what is optional stand behind a `#` without a space.
    let uncommented = |line: &str| {
        line.strip_prefix('#')
            .filter(|rest| rest.starts_with(|first: char| first == '[' || first.is_lowercase()))
            .unwrap_or(line)
            .to_owned()
    };
    let text: String = text.lines().map(|line| uncommented(line) + "\n").collect();
    // All that is optional at once: but for files that are not here, and a token beside a password.
    let problems = Config::from_toml(&text, &env([])).map_or_else(|error| error.0, |_| Vec::new());
    let of_all_at_once = |problem: &String| problem.starts_with("tables.") || problem.contains(".token: ");
    assert!(problems.iter().all(of_all_at_once), "with all that is optional: {problems:#?}");
    let shown: BTreeSet<String> = shown_keys("", &text.parse().expect("TOML")).into_iter().collect();
    let known: BTreeSet<String> = all_keys("", "{}").expect("keys").into_iter().collect();
    assert!(
        known.contains("mapping.claim_response.fields.year") && known.contains("mapping.patient.places.place_id"),
        "{known:#?}"
    );
    assert_eq!(shown, known);
}
