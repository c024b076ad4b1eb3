//! What works, and what somebody else on the machine could misuse or the next version refuses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};
use url::Url;

use super::load::former_names;
use super::{Config, NAMED};

/// Where Docker puts secrets; nobody else is in the container.
const OF_DOCKER: &str = "/run/secrets";

impl Config {
    /// Former names of settings, files with keys and passwords that anybody may read, and components that others may exchange. `file` and `env`: where the
    /// configuration comes from.
    pub fn warnings(&self, file: Option<&Path>, env: &BTreeMap<String, String>) -> Vec<String> {
        let mut secrets = Vec::new();
        secrets.extend(self.store.key_file.clone().map(|path| ("store.key_file".to_owned(), path)));
        secrets.extend(self.server.tls.key_file.clone().map(|path| ("server.tls.key_file".to_owned(), path)));
        for (name, key) in NAMED.iter().filter(|(_, key)| key.ends_with("password") || *key == "store.url") {
            let name = format!("{name}_FILE");
            secrets.extend(env.get(&name).map(|path| (format!("{name} ({key})"), PathBuf::from(path))));
        }
        let holds_secrets = |path: &&Path| {
            let text = files::text(path).unwrap_or_default();
            text.parse::<Table>().is_ok_and(|table| table.iter().any(|(key, value)| is_secret(key, value)))
        };
        secrets.extend(file.filter(holds_secrets).map(|path| ("the configuration".to_owned(), path.to_owned())));
        let table = file.and_then(|file| files::text(file).ok()?.parse::<Table>().ok()).unwrap_or_default();
        let mut warnings = former_names(table, env);
        for (what, path) in secrets.iter().filter(|(_, path)| !path.starts_with(OF_DOCKER)) {
            if files::is_public(path) {
                warnings.push(format!("{what}: anybody may read {} (chmod o-r)", path.display()));
            }
            if files::is_shared(path) {
                warnings.push(format!("{what}: others may write to {} (chmod go-w)", path.display()));
            }
        }
        let shared = self.sources().shared().into_iter();
        warnings.extend(shared.map(|path| {
            format!("components.dir: others may exchange mappings: they may write to {} (chmod go-w)", path.display())
        }));
        warnings
    }
}

/// A password as it is, or an address with one.
fn is_secret(key: &str, value: &Value) -> bool {
    match value {
        Value::Table(table) => table.iter().any(|(key, value)| is_secret(key, value)),
        Value::Array(values) => values.iter().any(|value| is_secret(key, value)),
        Value::String(text) if key == "password" => !text.is_empty(),
        Value::String(text) if key.ends_with("url") => Url::parse(text).is_ok_and(|url| url.password().is_some()),
        _ => false,
    }
}
