//! What the manifests set is what the program reads: each of them is loaded as the program would.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mediator_tests::running::workspace;
use openimis_mediator::config::{Config, NAMED};
use serde_json::Value;
use tempfile::TempDir;

use super::{deploy, image_environment, list, text, word, yaml};

type Env = BTreeMap<String, String>;

const PREFIX: &str = "OPENIMIS_MEDIATOR__";

/// Loads a configuration as the program does; files of secrets are `secrets`, by their path in the container.
fn load(env: &Env, file: Option<&Path>, secrets: &BTreeMap<String, String>) -> Config {
    let dir = tempfile::tempdir().expect("a folder");
    let mut real = Env::new();
    for (name, value) in env {
        let known = name.starts_with(PREFIX)
            || name == "OPENIMIS_MEDIATOR_CONFIG"
            || NAMED.iter().any(|(known, _)| known == name || format!("{known}_FILE") == *name);
        assert!(known, "the program knows no variable {name}");
        let is_secret = name.ends_with("_FILE") && !name.starts_with(PREFIX);
        let value = if is_secret { written(value, secrets, &dir) } else { value.clone() };
        real.insert(name.clone(), value);
    }
    real.remove("OPENIMIS_MEDIATOR_CONFIG");
    Config::load(file, &real).unwrap_or_else(|error| panic!("{error}"))
}

fn written(path: &str, secrets: &BTreeMap<String, String>, dir: &TempDir) -> String {
    let secret = secrets.get(path).unwrap_or_else(|| panic!("{path} is not among the secrets {:?}", secrets.keys()));
    let file = dir.path().join(path.replace('/', "_"));
    std::fs::write(&file, secret).expect("a file");
    file.display().to_string()
}

/// `NAME=value` lines.
fn pairs(text: &str) -> Env {
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Puts in what Compose would for `${NAME:?…}` and `${NAME:-…}`; notes the names.
fn interpolated(text: &str, values: &Env, names: &mut BTreeSet<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (inside, after) = after.split_once('}').expect("a closing brace");
        let (name, otherwise) =
            inside.split_once(":-").unwrap_or_else(|| (inside.split(":?").next().expect("a name"), "sample"));
        names.insert(name.to_owned());
        let value = values.get(name).map(String::as_str).filter(|value| !value.is_empty()).unwrap_or(otherwise);
        out.push_str(before);
        out.push_str(value);
        rest = after;
    }
    out + rest
}

/// A mediator of a Compose file with the image's environment below its own.
fn compose(name: &str, variables: &str) -> (Config, Value) {
    let values = pairs(&text(variables));
    let mut names = BTreeSet::new();
    let read = interpolated(&text(name), &values, &mut names);
    let project: Value = serde_saphyr::from_str(&read).unwrap_or_else(|error| panic!("deploy/{name}: {error}"));
    let unknown: Vec<_> = names.iter().filter(|name| !values.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "deploy/{variables} does not show {unknown:?} of {name}");
    let mediator = &project["services"]["mediator"];
    let mut env = image_environment();
    let set = mediator["environment"].as_object().expect("an environment");
    env.extend(set.iter().map(|(name, value)| (name.clone(), word(value).to_owned())));
    let secrets = list(&mediator["secrets"]).map(|secret| {
        let name = word(secret);
        let file = word(&project["secrets"][name]["file"]);
        assert_eq!(file, format!("./secrets/{name}"));
        let value =
            if name == "database-url" { "postgres://mediator:x@database.interop.internal/mediator" } else { "secret" };
        (format!("/run/secrets/{name}"), value.to_owned())
    });
    let file = list(&mediator["configs"]).find(|config| config["source"] == "mediator").expect("its settings");
    assert_eq!(file["target"], "/etc/openimis-mediator/mediator.toml");
    assert_eq!(project["configs"]["mediator"]["file"], "./mediator.toml");
    (load(&env, Some(&deploy("mediator.toml")), &secrets.collect()), project)
}

/// The port within the container of `127.0.0.1:8080:8080`.
fn inner_port(published: &Value) -> u16 {
    word(published).rsplit(':').next().expect("a port").parse().expect("a number")
}

#[test]
fn compose_alone_sets_what_the_program_reads() {
    let (config, project) = compose("compose.yaml", ".env.example");
    let ports: Vec<u16> = list(&project["services"]["mediator"]["ports"]).map(inner_port).collect();
    assert_eq!(ports, [config.listen.port(), config.admin.listen.port()]);
    let volume = word(&project["services"]["mediator"]["volumes"][0]).split_once(':').expect("a place").1.to_owned();
    assert!(config.store.path.starts_with(volume));
    assert!(config.listen.ip().is_unspecified(), "others could not reach it");
}

#[test]
fn compose_with_postgresql_sets_what_the_program_reads() {
    let (config, project) = compose("compose.postgres.yaml", ".env.example");
    assert!(config.store.url.is_some());
    let balancer = text("haproxy.cfg");
    let mediators = word(&project["services"]["mediator"]["networks"]["interop"]["aliases"][0]);
    assert!(balancer.contains(&format!("{mediators}:{}", config.listen.port())), "{mediators}");
    assert!(balancer.contains(&format!("httpchk GET {}", flow::http_api::Route::Ready.path())));
    assert!(balancer.contains(&format!("bind :{}", inner_port(&project["services"]["balancer"]["ports"][0]))));
}

#[test]
fn compose_beside_all_systems_sets_what_the_program_reads_and_names_them_with_dots() {
    let (config, project) = compose("compose.full.yaml", ".env.full.example");
    let mut names = BTreeSet::new();
    for (_, service) in project["services"].as_object().expect("services") {
        names.extend(list(&service["networks"]["interop"]["aliases"]).map(|alias| word(alias).to_owned()));
    }
    let hosts = [
        &config.openimis.url,
        &config.cht.url,
        &config.openhim.url,
        &config.openhim.endpoint,
        &config.subscription.callback,
    ];
    for url in hosts {
        let host = url.as_ref().expect("an address").host_str().expect("a host").to_owned();
        assert!(names.contains(&host) && host.contains('.'), "{host} is none of {names:?}");
    }
    // What openIMIS would silently ignore is refused by the program as well: the callback above was taken.
    let callback = config.subscription.callback.expect("a callback");
    assert_eq!(callback.path(), "/mediator/claim-response");
}

/// What a Deployment's container is set to.
pub fn kubernetes() -> Config {
    let deployment = &yaml("kubernetes/deployment.yaml")[0];
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let mut env = image_environment();
    let pairs = list(&container["env"]).map(|pair| (word(&pair["name"]).to_owned(), word(&pair["value"]).to_owned()));
    env.extend(pairs);
    let mount = |name: &str| {
        let mount = list(&container["volumeMounts"]).find(|mount| mount["name"] == name).expect("a mount");
        word(&mount["mountPath"]).to_owned()
    };
    assert_eq!(env["OPENIMIS_MEDIATOR_CONFIG"], format!("{}/mediator.toml", mount("config")));
    let secret = &yaml("kubernetes/secret.example.yaml")[0];
    let keys = secret["stringData"].as_object().expect("secrets");
    let secrets = keys.iter().map(|(name, value)| (format!("{}/{name}", mount("secrets")), word(value).to_owned()));
    load(&env, Some(&deploy("kubernetes/mediator.toml")), &secrets.collect())
}

#[test]
fn kubernetes_sets_what_the_program_reads() {
    let config = kubernetes();
    assert!(config.store.url.is_some(), "two pods cannot share a file");
    assert!(config.listen.ip().is_unspecified() && config.admin.listen.ip().is_unspecified());
}

#[test]
fn systemd_sets_what_the_program_reads() {
    let unit = text("systemd/openimis-mediator.service");
    let all = |name: &str| {
        let name = format!("{name}=");
        unit.lines().filter_map(|line| line.strip_prefix(&name)).map(str::to_owned).collect::<Vec<_>>()
    };
    let env: Env = all("Environment")
        .iter()
        .map(|pair| pair.replace("%d", "/credentials").replace("%S", "/var/lib"))
        .map(|pair| {
            let (name, value) = pair.split_once('=').expect("a name and a value");
            (name.to_owned(), value.to_owned())
        })
        .collect();
    let secrets = all("LoadCredential").into_iter().map(|credential| {
        let (name, file) = credential.split_once(':').expect("a name and a file");
        assert!(file.ends_with(name), "{credential}");
        (format!("/credentials/{name}"), "secret".to_owned())
    });
    let config = load(&env, Some(&workspace().join("config.example.toml")), &secrets.collect());
    let state = all("StateDirectory").concat();
    assert!(config.store.path.starts_with(format!("/var/lib/{state}")), "{}", config.store.path.display());
    let seconds = |name: &str| all(name).concat().trim_end_matches('s').parse::<i64>().expect("seconds");
    assert!(seconds("TimeoutStopSec") > config.worker.drain.as_secs(), "it would be killed in the middle of its work");
    assert!(!unit.lines().any(|line| line.starts_with("MemoryDenyWriteExecute")), "no mapping could be compiled");
}

#[test]
fn spinkube_sets_every_variable_that_the_app_needs_and_no_other() {
    let manifest: toml::Table =
        std::fs::read_to_string(workspace().join("spin.toml")).expect("spin.toml").parse().expect("TOML");
    let app = &yaml("spinkube/spinapp.yaml")[0]["spec"];
    let set: BTreeMap<&str, &Value> =
        list(&app["variables"]).map(|variable| (word(&variable["name"]), variable)).collect();
    let known = manifest["variables"].as_table().expect("variables");
    for (name, variable) in known {
        let flag = |flag: &str| variable.get(flag).and_then(toml::Value::as_bool).unwrap_or_default();
        assert!(!flag("required") || set.contains_key(name.as_str()), "{name} is required");
        if let Some(set) = set.get(name.as_str()) {
            assert_eq!(
                flag("secret"),
                set.get("valueFrom").is_some(),
                "{name}: secrets come from a Secret, others do not"
            );
        }
    }
    assert!(set.keys().all(|name| known.contains_key(*name)), "{:?}", set.keys());
    let databases: Vec<&Value> =
        list(&app["runtimeConfig"]["sqliteDatabases"]).map(|database| &database["name"]).collect();
    let wanted = manifest["component"]["edge"]["sqlite_databases"].as_array().expect("databases");
    assert_eq!(serde_json::json!(databases), serde_json::to_value(wanted).expect("JSON"));
}
