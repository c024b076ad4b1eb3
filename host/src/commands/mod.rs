//! One file a command. Each prints for people, and says what to do next when something is wrong.

/// `println!` that ends quietly when nobody reads on, as in `messages list | head`.
macro_rules! out {
    ($($what:tt)*) => { crate::commands::print_line(format_args!($($what)*)) };
}

pub mod cht;
pub mod config;
pub mod facilities;
pub mod health;
pub mod map;
pub mod mapping;
pub mod messages;
pub mod patients;
pub mod places;
pub mod sandbox;
pub mod serve;
pub mod store;
pub mod subscription;

use std::collections::BTreeMap;
use std::path::PathBuf;

use openimis_mediator::config::{Config, ConfigError};

/// See `out!`.
fn print_line(line: std::fmt::Arguments) {
    use std::io::Write;
    if let Err(error) = writeln!(std::io::stdout().lock(), "{line}") {
        let quiet = error.kind() == std::io::ErrorKind::BrokenPipe;
        std::process::exit(if quiet { 0 } else { 1 });
    }
}

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
