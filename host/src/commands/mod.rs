//! One file a command. Each prints for people, and says what to do next when something is wrong.

/// One line on standard output, with what is hidden in it escaped. Ends quietly when nobody reads on, as in `messages list | head`.
macro_rules! out {
    ($($what:tt)*) => { crate::commands::print(&openimis_mediator::shown::line(&format!($($what)*))) };
}

/// One line on standard error, with what is hidden in it escaped.
macro_rules! note {
    ($($what:tt)*) => { eprintln!("{}", openimis_mediator::shown::line(&format!($($what)*))) };
}

pub mod cht;
pub mod config;
pub mod facilities;
pub mod health;
pub mod log;
pub mod map;
pub mod mapping;
pub mod messages;
pub mod openhim;
pub mod patients;
pub mod places;
pub mod run;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod serve;
pub mod store;
pub mod subscription;

use std::collections::BTreeMap;
use std::path::PathBuf;

use openimis_mediator::config::{Config, ConfigError};
use openimis_mediator::shown;
use serde::Serialize;

/// What was escaped already.
fn print(text: &str) {
    use std::io::Write;
    if let Err(error) = writeln!(std::io::stdout().lock(), "{text}") {
        let quiet = error.kind() == std::io::ErrorKind::BrokenPipe;
        std::process::exit(if quiet { 0 } else { 1 });
    }
}

/// A JSON object in a line.
fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&shown::json(&serde_json::to_string(value)?));
    Ok(())
}

/// The same in many lines.
fn print_pretty(value: &impl Serialize) -> anyhow::Result<()> {
    print(&shown::json(&serde_json::to_string_pretty(value)?));
    Ok(())
}

/// A document of several lines, for people to read: exact is what `--json` shows.
fn print_document(document: &str) {
    print(&shown::text(document));
}

/// Why a command failed. What follows the first line is set off, so that nothing in it looks like a line of ours.
pub fn failure(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let own_lines = error.is::<ConfigError>();
    let text = shown::text(&text);
    if own_lines { text.into_owned() } else { text.trim_end().replace('\n', "\n    ") }
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

    /// What somebody else on the machine could misuse.
    fn warnings(&self, config: &Config) -> Vec<String> {
        config.warnings(self.file.as_deref(), &self.env)
    }

    /// What is there; enough for work on stored messages and for mapping.
    fn partial_config(&self) -> Result<Config, ConfigError> {
        Config::load_partial(self.file.as_deref(), &self.env)
    }
}
