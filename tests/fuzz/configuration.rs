//! The configuration: any text and any environment can be used or is refused, and no message tells a password.

use std::collections::BTreeMap;

use openimis_mediator::config::Config;
use toml::{Table, Value};
use url::Url;

use crate::input::Parts;

/// What stands for a password in the seeds and the dictionary.
const SECRET: &str = "hunter2";

/// Parts: the file; then variables of the environment, each as `NAME=value`.
pub fn any(data: &[u8]) {
    let mut parts = Parts::of(data);
    let text = parts.text().unwrap_or_default();
    let mut env = BTreeMap::new();
    while let Some(variable) = parts.text() {
        // What names a file would be read: not here.
        if let Some((name, value)) = variable.split_once('=').filter(|(name, _)| !name.ends_with("_FILE")) {
            env.insert(name.to_owned(), value.to_owned());
        }
    }
    let mut places = Places::default();
    match text.parse::<Table>() {
        Ok(table) => table.iter().for_each(|(key, value)| places.look(key, value)),
        Err(_) if text.contains(SECRET) => places.unread = true,
        Err(_) => {}
    }
    env.iter().for_each(|(name, value)| places.look(name, &Value::String(value.clone())));

    match Config::from_toml(&text, &env) {
        Ok(config) => {
            assert_eq!(config.settings().problems(), [""; 0], "taken, and of no use");
            let shown = format!("{config:?}");
            assert!(places.other || places.address || places.unread || !shown.contains(SECRET), "{shown}");
        }
        Err(error) => {
            assert!(!error.0.is_empty());
            let told = error.to_string();
            assert!(places.other || !told.contains(SECRET), "{told}");
        }
    }
}

/// Where the secret stands.
#[derive(Default)]
struct Places {
    /// As the password in an address.
    address: bool,
    /// Where no secret belongs, as in a name: it may be told.
    other: bool,
    /// In a text that is no TOML.
    unread: bool,
}

impl Places {
    fn look(&mut self, key: &str, value: &Value) {
        let key = key.to_lowercase(); // as a variable's name becomes a key
        self.other |= key.contains(SECRET);
        match value {
            Value::String(text) if text.contains(SECRET) => self.found(&key, text),
            Value::Array(items) => items.iter().for_each(|item| self.look(&key, item)),
            Value::Table(table) => table.iter().for_each(|(key, value)| self.look(key, value)),
            _ => {}
        }
    }

    fn found(&mut self, key: &str, text: &str) {
        let in_password = |url: &Url| {
            let whole = url.as_str().matches(SECRET).count();
            whole > 0 && whole == url.password().map_or(0, |password| password.matches(SECRET).count())
        };
        let address = key.ends_with("url") || key.ends_with("callback");
        match Url::parse(text) {
            _ if key.contains("password") => {}
            Ok(url) if address && in_password(&url) => self.address = true,
            _ => self.other = true,
        }
    }
}
