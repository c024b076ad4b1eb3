//! What the manifest and the environment say: the component, its variables, its hosts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use compose::Manifest;
use http::Uri;
use wasmtime::error::Context;
use wasmtime::{Error, Result};

/// A loaded app.
pub struct App {
    /// Where its database is, as Spin names it. None: in memory, a new one for each connection, as in Spin.
    pub database: Option<PathBuf>,
    /// What the component's variables are.
    pub variables: BTreeMap<String, String>,
    hosts: Vec<Uri>,
    manifest: Manifest,
    dir: PathBuf,
}

impl App {
    /// Reads a manifest; its variables come from the environment, as `SPIN_VARIABLE_<NAME>`, or are its defaults.
    pub fn read(from: &Path, state_dir: &Path) -> Result<Self> {
        let manifest = Manifest::read(from).map_err(Error::msg)?;
        let edge = manifest.edge().map_err(Error::msg)?;
        let mut values = BTreeMap::new();
        for (name, variable) in &manifest.variables {
            let set = std::env::var(format!("SPIN_VARIABLE_{}", name.to_uppercase())).ok();
            values.extend(set.or(variable.default.clone()).map(|value| (name.as_str(), value)));
        }
        // One that is not set is one that the component does not see.
        let filled = |template: &str| {
            values
                .iter()
                .fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{{ {name} }}}}"), value))
        };
        let variables = edge.variables.iter().map(|(name, template)| (name.clone(), filled(template)));
        let variables = variables.filter(|(_, value)| !value.contains("{{")).collect();
        let hosts = edge.allowed_outbound_hosts.iter().map(|template| filled(template).parse::<Uri>());
        let is_kept = !state_dir.as_os_str().is_empty();
        if is_kept {
            std::fs::create_dir_all(state_dir)?;
        }
        Ok(Self {
            database: is_kept.then(|| state_dir.join("sqlite_db.db")),
            variables,
            // As in Spin: what names a path allows nothing.
            hosts: hosts.filter_map(std::result::Result::ok).filter(|host| host.path() == "/").collect(),
            dir: from.parent().context("the manifest is in a folder")?.to_owned(),
            manifest,
        })
    }

    /// The component with its dependencies plugged in.
    pub fn component(&self) -> Result<Vec<u8>> {
        self.manifest.edge().and_then(|edge| edge.composed(&self.dir)).map_err(Error::msg)
    }

    /// Whether the component may ask this host.
    pub fn allows(&self, uri: &Uri) -> bool {
        let place = |uri: &Uri| Some((uri.scheme()?.clone(), uri.host()?.to_owned(), uri.port_u16()));
        place(uri).is_some_and(|asked| self.hosts.iter().any(|host| place(host).as_ref() == Some(&asked)))
    }
}
