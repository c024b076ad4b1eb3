//! One file a command. Each prints for people, and says what to do next when something is wrong.

pub mod config;
pub mod map;
pub mod messages;
pub mod sandbox;
pub mod serve;
pub mod subscription;

use std::collections::BTreeMap;
use std::path::PathBuf;

use openimis_mediator::config::{Config, ConfigError};

/// Where the configuration comes from.
pub struct Source {
    file: Option<PathBuf>,
    env: BTreeMap<String, String>,
}

impl Source {
    /// The file named on the command line, else by `OPENIMIS_MEDIATOR_CONFIG`, else `mediator.toml` if it is there.
    pub fn new(argument: Option<PathBuf>) -> Self {
        let env: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let standard = PathBuf::from("mediator.toml");
        let file = argument
            .or_else(|| env.get("OPENIMIS_MEDIATOR_CONFIG").map(PathBuf::from))
            .or_else(|| standard.is_file().then_some(standard));
        Self { file, env }
    }

    /// All that `serve` needs.
    fn config(&self) -> Result<Config, ConfigError> {
        Config::load(self.file.as_deref(), &self.env)
    }

    /// What is there; enough for work on stored messages and for mapping.
    fn partial_config(&self) -> Result<Config, ConfigError> {
        Config::load_partial(self.file.as_deref(), &self.env)
    }
}
