//! From text and environment to the typed configuration, telling every mistake and no value: it may be a secret.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::{Config, tables};

/// Environment variables that the documentation names, and the keys they set. Each is read from a file as well: `<NAME>_FILE`.
pub const NAMED: &[(&str, &str)] = &[
    ("OPENIMIS_API_URL", "openimis.url"),
    ("OPENIMIS_USERNAME", "openimis.username"),
    ("OPENIMIS_PASSWORD", "openimis.password"),
    ("CHT_OPENIMIS_CALLBACK_ENDPOINT", "subscription.callback"),
    ("CHT_URL", "cht.url"),
    ("CHT_USERNAME", "cht.username"),
    ("CHT_PASSWORD", "cht.password"),
    ("OPENHIM_API_URL", "openhim.url"),
    ("OPENHIM_USERNAME", "openhim.username"),
    ("OPENHIM_PASSWORD", "openhim.password"),
    ("DATABASE_URL", "store.url"),
    ("MEDIATOR_USERNAME", "inbound.username"),
    ("MEDIATOR_PASSWORD", "inbound.password"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp_endpoint"),
    ("OTEL_SERVICE_NAME", "telemetry.service_name"),
];
/// `OPENIMIS_MEDIATOR__CHT__URL` sets `cht.url`, and so on for every key.
const PREFIX: &str = "OPENIMIS_MEDIATOR__";
/// Sections with a new name: what they are part of, the former name, the current one. The former name is accepted for one more version, with
/// a warning.
const RENAMED: [(&[&str], &str, &str); 2] = [(&[], "claims", "eclaim"), (&["mapping"], "claim", "eclaim")];
/// The former name of a client's scope, and the current one.
const RENAMED_SCOPE: (&str, &str) = ("claim", "eclaim");

pub(super) fn parsed(text: &str, name: &str, problems: &mut Vec<String>) -> Table {
    text.parse().unwrap_or_else(|error: toml::de::Error| {
        // The message alone: the quoted line may hold a password.
        problems.push(format!("{name}: {}", error.message()));
        Table::new()
    })
}

/// The environment over the file.
pub(super) fn merged(mut table: Table, env: &BTreeMap<String, String>, problems: &mut Vec<String>) -> Config {
    add_env(&mut table, env, problems);
    rename_sections(&mut table, problems);
    let mut config = typed(table, problems);
    problems.extend(tables::read(&mut config));
    config
}

fn add_env(table: &mut Table, env: &BTreeMap<String, String>, problems: &mut Vec<String>) {
    for (key, value) in from_env(env, problems) {
        insert(table, &key, Value::String(value));
    }
}

/// Gives sections their current names.
fn rename_sections(table: &mut Table, problems: &mut Vec<String>) {
    for (path, former, current) in RENAMED {
        let Some(parent) = table_at(table, path) else { continue };
        let Some(section) = parent.remove(former) else { continue };
        if parent.contains_key(current) {
            let (former, current) = (key(path, former), key(path, current));
            problems.push(format!("{former}: is the former name of {current}, and both are set: keep {current}"));
        } else {
            parent.insert(current.to_owned(), section);
        }
    }
}

/// The former names that a configuration uses, each with the current one.
pub(super) fn former_names(mut table: Table, env: &BTreeMap<String, String>) -> Vec<String> {
    add_env(&mut table, env, &mut Vec::new());
    let warning = |former: &str, current: &str| {
        format!("{former} is called {current} now; the next version refuses the former name")
    };
    let mut warnings = Vec::new();
    for (path, former, current) in RENAMED {
        if table_at(&mut table, path).is_some_and(|parent| parent.contains_key(former)) {
            warnings.push(warning(&format!("{}:", key(path, former)), &key(path, current)));
        }
    }
    let clients = match table.get("clients") {
        Some(Value::String(text)) => literal(text),
        clients => clients.cloned(),
    };
    let scopes = |client: &Value| client.get("scopes").and_then(Value::as_array).cloned().unwrap_or_default();
    let (former, current) = RENAMED_SCOPE;
    let mut scopes = clients.iter().filter_map(Value::as_array).flatten().flat_map(scopes);
    if scopes.any(|scope| scope.as_str() == Some(former)) {
        warnings.push(warning(&format!("clients.scopes: \"{former}\""), &format!("\"{current}\"")));
    }
    warnings
}

fn table_at<'t>(table: &'t mut Table, path: &[&str]) -> Option<&'t mut Table> {
    path.iter().try_fold(table, |table, key| table.get_mut(*key)?.as_table_mut())
}

fn key(path: &[&str], name: &str) -> String {
    [path, &[name]].concat().join(".")
}

/// The part that `flow` works with, of a few keys that somebody else sets, and what is wrong with them.
pub(crate) fn settings_of(table: Table) -> (flow::Settings, Vec<String>) {
    let mut problems = Vec::new();
    let config = typed(table, &mut problems);
    (config.settings(), problems)
}

/// Keys and values that the environment sets.
fn from_env(env: &BTreeMap<String, String>, problems: &mut Vec<String>) -> Vec<(String, String)> {
    let mut values = Vec::new();
    for (name, key) in NAMED {
        let file = format!("{name}_FILE");
        match (env.get(*name), env.get(&file)) {
            (Some(_), Some(_)) => problems.push(format!("{name} and {file} are both set: keep one")),
            (Some(value), None) => values.push(((*key).to_owned(), value.clone())),
            (None, Some(path)) => match files::text(Path::new(path)) {
                Ok(text) => values.push(((*key).to_owned(), text.trim_end_matches(['\r', '\n']).to_owned())),
                Err(error) => problems.push(format!("{file}: {path}: {error}")),
            },
            (None, None) => {}
        }
    }
    let prefixed = env.iter().filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value)));
    values.extend(prefixed.map(|(name, value)| (name.to_lowercase().replace("__", "."), value.clone())));
    values
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            match inner {
                Value::Table(inner) => insert(inner, rest, value),
                other => {
                    let mut inner = Table::new();
                    insert(&mut inner, rest, value);
                    *other = Value::Table(inner);
                }
            }
        }
    }
}

/// Types a table. serde stops at the first mistake: each is written down, taken out, and the rest is tried again.
fn typed(mut table: Table, problems: &mut Vec<String>) -> Config {
    let mut as_text = BTreeMap::new();
    loop {
        let error = match serde_path_to_error::deserialize::<_, Config>(Value::Table(table.clone())) {
            Ok(config) => return config,
            Err(error) => error,
        };
        let message = error.inner().message().to_owned();
        let mut path: Vec<String> = error.path().iter().map(ToString::to_string).collect();
        if let Some(key) = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next())
            && path.last().is_none_or(|last| last != key)
        {
            path.push(key.to_owned());
        }
        let key = path.join(".");
        match take_out(&mut table, &path) {
            // The environment knows text only: a number, a boolean or a list is read from it.
            Some(Value::String(text)) if let Some(value) = literal(&text) => {
                insert(&mut table, &key, value);
                as_text.insert(key, message);
            }
            Some(_) => {
                let message = as_text.get(&key).unwrap_or(&message);
                problems.push(format!("{key}: {}", told(&key, message)));
            }
            None => {
                problems.push(format!("{key}: {}", told(&key, &message)));
                return Config::default();
            }
        }
    }
}

/// What a text says as a TOML value other than text.
fn literal(text: &str) -> Option<Value> {
    let value = format!("value = {text}").parse::<Table>().ok()?.remove("value")?;
    (!value.is_str()).then_some(value)
}

/// What was expected, without the value: it may be a secret.
fn told(key: &str, message: &str) -> String {
    if key.ends_with("url") || key.ends_with("callback") || key.ends_with("endpoint") {
        return "expected an address such as https://server.example.org".to_owned();
    }
    if message.contains("duration") {
        return "expected a time such as 30s, 10m or 24h".to_owned();
    }
    match message.split_once("invalid ").and_then(|(_, rest)| rest.rsplit_once("expected ")) {
        Some((_, "u8" | "u16" | "u32" | "u64" | "usize" | "i16" | "a nonzero u32")) => {
            "expected a whole number that fits".to_owned()
        }
        Some((_, expected)) => format!("expected {expected}"),
        None => message.to_owned(),
    }
}

/// Adds what is missing or does not fit, but for keys of which something was said before.
pub(super) fn and_further(problems: &mut Vec<String>, further: Vec<String>) {
    let key = |problem: &str| problem.split(':').next().unwrap_or_default().to_owned();
    let told: Vec<String> = problems.iter().map(|problem| key(problem)).collect();
    problems.extend(further.into_iter().filter(|problem| !told.contains(&key(problem))));
}

/// Removes a key; for an element of a list, the whole list.
fn take_out(table: &mut Table, path: &[String]) -> Option<Value> {
    match path {
        [] => None,
        [key] => table.remove(key),
        [key, rest @ ..] => match table.get_mut(key) {
            Some(Value::Table(inner)) => match take_out(inner, rest) {
                Some(value) => Some(value),
                None => table.remove(key),
            },
            Some(_) => table.remove(key),
            None => None,
        },
    }
}
