//! Settings that are changed in OpenHIM's console while messages go on.

use std::time::Duration;

use flow::settings::Policy;
use mediator_tests::running::{Mediator, config, eventually, sample_claim};
use openimis_mediator::openhim::Status;
use sandbox::{Fault, OPENHIM_PASSWORD, OPENHIM_USER};
use serde_json::{Value, json};

use crate::{CLAIM, URN, World, shown_to_admins, with_admin};

/// The setting with this key.
fn setting(status: &Status, key: &str) -> Value {
    let found = status.settings.iter().find(|setting| setting.key == key);
    found.unwrap_or_else(|| panic!("{key} is offered")).value.clone()
}

async fn in_force(world: &World, key: &str, value: Value) {
    eventually(&format!("{key} is {value}"), || async { (setting(&world.status(), key) == value).then_some(()) }).await;
}

/// A person saves settings in the console.
fn save(world: &World, config: Value) {
    world.openhim.configure(URN, config).expect("they fit their definitions");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_is_offered_settings_with_their_values_and_no_address_or_secret() {
    let world = World::start(&[("tasks.policy", "submitted"), ("poll.interval", "90s")]).await;
    world.known().await;
    let mediator = world.openhim.mediator(URN).expect("it is registered");
    assert_eq!(mediator["config"]["tasks"]["policy"], "submitted");
    assert_eq!(mediator["config"]["poll"]["interval"], "1m 30s");
    let definitions = mediator["configDefs"].as_array().expect("definitions");
    let fields: Vec<&Value> =
        definitions.iter().flat_map(|group| group["template"].as_array().expect("fields")).collect();
    assert!(fields.len() > 15, "{} settings", fields.len());
    for field in &fields {
        assert!(field["description"].as_str().is_some_and(|text| text.len() > 10), "{field}");
        let key = field["displayName"].as_str().expect("a key");
        let forbidden = ["url", "username", "password", "listen", "callback", "ca_file"];
        assert!(!forbidden.iter().any(|word| key.ends_with(word)), "{key} is not for OpenHIM's console");
    }
    // Each value that is shown can be saved as it is: reading and writing agree.
    save(&world, mediator["config"].clone());
    let beats = world.openhim.heartbeats(URN);
    eventually("it is looked at", || async { (world.openhim.heartbeats(URN) > beats + 1).then_some(()) }).await;
    let status = world.status();
    assert!(status.refused.is_empty(), "{:?}", status.refused);
    assert!(status.settings.iter().all(|setting| setting.file.is_none()), "{:?}", status.settings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_of_the_console_counts_for_the_next_message() {
    let world = World::start(&[]).await;
    world.known().await;
    assert_eq!(setting(&world.status(), "mapping.claim_response.locale"), "");
    save(&world, json!({"record": {"locale": "ne", "calendar": "gregorian"}}));
    in_force(&world, "mapping.claim_response.locale", json!("ne")).await;
    in_force(&world, "mapping.claim_response.calendar", json!("gregorian")).await;
    world.mediator.post(CLAIM, sample_claim()).await;
    let messages = world.mediator.settled().await;
    let sent: Value = serde_json::from_str(messages[0].mapped.as_deref().expect("what was sent")).expect("JSON");
    assert_eq!((&sent["_meta"]["locale"], &sent["op_year"]), (&json!("ne"), &json!("2025")), "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_value_is_refused_told_and_leaves_what_was_in_force() {
    let admin = with_admin();
    let admin: Vec<(&str, &str)> = admin.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let world = World::start(&admin).await;
    world.known().await;
    save(&world, json!({"poll": {"interval": "7m"}, "tasks": {"policy": "submitted"}}));
    in_force(&world, "poll.interval", json!("7m")).await;

    // The console checks little in a group: these come through.
    save(
        &world,
        json!({
            "poll": {"interval": "often", "selected_interval": "10ms"},
            "tasks": {"policy": "some", "include_rejected": true},
            "retry": {"trip_after": 100_000, "first": 5},
            "timeouts": {"cht": "10h"},
            "persons": {"phone_prefix": "977"},
        }),
    );
    in_force(&world, "tasks.include_rejected", json!(true)).await;
    let status = world.status();
    let refused: Vec<&str> = status.refused.iter().map(|refused| refused.param.as_str()).collect();
    let expected = [
        "persons.phone_prefix",
        "poll.interval",
        "poll.selected_interval",
        "retry.first",
        "retry.trip_after",
        "tasks.policy",
        "timeouts.cht",
    ];
    let mut sorted = refused.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected, "{:?}", status.refused);
    assert!(status.refused.iter().all(|refused| !refused.reason.contains("often")), "no values: {:?}", status.refused);
    for (key, kept) in [("poll.interval", "7m"), ("tasks.policy", "submitted"), ("cht.timeout", "20s")] {
        assert_eq!(setting(&status, key), kept, "{key} stays as it was");
    }
    let shown = shown_to_admins(&world.mediator).await;
    assert_eq!(shown["refused"].as_array().map(Vec::len), Some(expected.len()), "{shown}");
    let interval = shown["settings"].as_array().expect("a list").iter().find(|one| one["key"] == "poll.interval");
    let interval = interval.expect("it is there");
    assert_eq!((&interval["value"], &interval["file"]), (&json!("7m"), &json!("1m")), "and what the file says");

    // What belongs together is judged together; what is left empty is as in the file.
    save(&world, json!({"feedback": {"rating_min": 7, "rating_max": 9}, "tasks": {"policy": ""}}));
    in_force(&world, "mapping.feedback.rating_min", json!(7)).await;
    in_force(&world, "tasks.policy", json!("all")).await;
    assert!(world.status().refused.is_empty(), "{:?}", world.status().refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_console_says_outlives_a_restart_of_the_mediator() {
    let world = World::start(&[]).await;
    world.known().await;
    save(&world, json!({"tasks": {"policy": "selected"}}));
    in_force(&world, "tasks.policy", json!("selected")).await;
    let World { mediator, openhim, sandbox, dir } = world;
    mediator.stop().await;
    let again = World::on(openhim, sandbox, dir, &[]).await;
    in_force(&again, "tasks.policy", json!("selected")).await;
    // A core whose database is lost is told what is in force, not what the file says.
    again.openhim.forget();
    let config = eventually("it is registered again", || async { again.openhim.mediator(URN) }).await["config"].clone();
    assert_eq!(config["tasks"]["policy"], "selected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_the_core_goes_on_with_what_the_console_said_last() {
    let world = World::start(&[]).await;
    world.known().await;
    save(&world, json!({"poll": {"interval": "7m"}}));
    in_force(&world, "poll.interval", json!("7m")).await;
    save(&world, json!({"poll": {"interval": "often"}, "tasks": {"policy": "selected"}}));
    in_force(&world, "tasks.policy", json!("selected")).await;
    let World { mediator, openhim, sandbox, dir } = world;
    mediator.stop().await;

    openhim.fail_next(usize::MAX, Fault::Reset);
    let alone = World::on(openhim, sandbox, dir, &[]).await;
    let status = alone.status();
    assert_eq!(setting(&status, "tasks.policy"), "selected");
    assert_eq!(setting(&status, "poll.interval"), "7m", "the bad value left it, and so does the start");
    assert_eq!(status.refused.iter().map(|one| one.param.as_str()).collect::<Vec<_>>(), ["poll.interval"]);
    let World { mediator, openhim, sandbox, dir } = alone;
    mediator.stop().await;

    let file = World::on(openhim, sandbox, dir, &[("openhim.configure", "false")]).await;
    assert_eq!(file.mediator.host.flow.fresh().settings.tasks.policy, Policy::All, "the file alone decides");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_reaches_every_replica_also_when_an_answer_is_lost() {
    let world = World::start(&[]).await;
    world.known().await;
    let dir = tempfile::tempdir().expect("a folder");
    let api = world.openhim.api();
    let settings = [
        ("openhim.url", api.as_str()),
        ("openhim.username", OPENHIM_USER),
        ("openhim.password", OPENHIM_PASSWORD),
        ("openhim.endpoint", "http://127.0.0.1:1"),
        ("openhim.heartbeat", "50ms"),
    ];
    let replica = Mediator::start(config(&world.sandbox, &dir, &settings)).await;
    // The core tells of a change once: whoever asks first hears it, and this one does not.
    world.openhim.fail_next(1, Fault::ProcessThenHang(Duration::ZERO));
    save(&world, json!({"poll": {"interval": "3m"}}));
    in_force(&world, "poll.interval", json!("3m")).await;
    eventually("the replica has it, too", || async {
        let status = replica.host.openhim.status(&replica.host).expect("OpenHIM is configured");
        (setting(&status, "poll.interval") == "3m").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_file_alone_decides_the_console_is_offered_nothing() {
    let world = World::start(&[("openhim.configure", "false")]).await;
    world.known().await;
    let mediator = world.openhim.mediator(URN).expect("it is registered");
    assert!(mediator["configDefs"].is_null() && mediator["config"].is_null(), "{mediator}");

    // The core keeps that until there is a higher version, and has nothing to say when it is asked for settings.
    let World { mediator, openhim, sandbox, dir } = world;
    mediator.stop().await;
    let asking = World::on(openhim, sandbox, dir, &[]).await;
    eventually("its heartbeat is answered", || async { asking.status().last_heartbeat }).await;
    assert_eq!(asking.status().problem, None);
}

/// With the console in between, an edit of the file has no effect by itself: that is said, and either side can be made to count.
#[tokio::test(flavor = "multi_thread")]
async fn where_file_and_console_differ_it_is_said_and_either_can_be_adopted() {
    use openimis_mediator::openhim::adopt::{adopt_file, as_toml, differences};

    let world = World::start(&[]).await;
    world.known().await;
    save(&world, json!({"poll": {"interval": "7m"}}));
    in_force(&world, "poll.interval", json!("7m")).await;
    let World { mediator, openhim, sandbox, dir } = world;
    mediator.stop().await;

    let edited = [("poll.interval", "9m"), ("retry.trip_after", "7")];
    let again = World::on(openhim, sandbox, dir, &edited).await;
    again.known().await;
    let config = again.mediator.host.config.clone();
    let different = differences(&config).await.expect("the store");
    let keys: Vec<_> = different.iter().map(|one| (one.key, one.value.clone(), one.file.clone())).collect();
    let expected = [("poll.interval", json!("7m"), Some(json!("9m")))];
    assert!(keys.contains(&expected[0]), "{keys:?}");
    assert!(as_toml(&different).contains("[poll]\ninterval = \"7m\"\n"), "{}", as_toml(&different));

    adopt_file(&config).await.expect("the core takes it");
    assert_eq!(again.openhim.mediator(URN).expect("it is registered")["config"]["poll"]["interval"], "9m");
    in_force(&again, "poll.interval", json!("9m")).await;
    in_force(&again, "retry.trip_after", json!(7)).await;
    assert!(differences(&config).await.expect("the store").is_empty());
    assert!(again.status().settings.iter().all(|setting| setting.file.is_none()), "{:?}", again.status().settings);
}
