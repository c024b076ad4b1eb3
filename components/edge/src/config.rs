//! What the operator decided, from Spin's variables. Every problem is told at once, each with its variable and never with a value.

use flow::Settings;
use flow::settings::Policy;
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use spin_sdk::variables;
use std::time::Duration;
use subtle::ConstantTimeEq;
use url::Url;

/// Longest body that is taken, as on the native host by default.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// How long documents are kept after they were settled, as on the native host by default.
pub const KEEP_DOCUMENTS: SignedDuration = SignedDuration::from_hours(30 * 24);

/// All of it.
pub struct Config {
    /// Of peers, tasks, retries and mappings.
    pub settings: Settings,
    /// How long a request may work on deliveries before it is answered.
    pub budget: Duration,
    /// The same for `POST /mediator/drain`.
    pub drain_budget: Duration,
    username: String,
    password: SecretString,
}

impl Config {
    /// Reads all variables.
    pub fn read() -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut settings: Settings = match value("settings", &mut problems).as_str() {
            "" => Settings::default(),
            json => serde_json::from_str(json.trim_start_matches('\u{feff}')).unwrap_or_else(|error| {
                // The error's own text may quote a value.
                problems.push(format!(
                    "settings: {} (line {}, column {})",
                    if error.is_data() { "not as docs/edge.md lists them" } else { "not JSON" },
                    error.line(),
                    error.column()
                ));
                Settings::default()
            }),
        };
        settings.openimis.url = url("openimis_url", &mut problems);
        settings.openimis.username = value("openimis_username", &mut problems);
        settings.openimis.password = Some(value("openimis_password", &mut problems).into());
        settings.cht.url = url("cht_url", &mut problems);
        settings.cht.username = value("cht_username", &mut problems);
        settings.cht.password = Some(value("cht_password", &mut problems).into());
        let config = Self {
            budget: budget("budget", &mut problems),
            drain_budget: budget("drain_budget", &mut problems),
            username: value("inbound_username", &mut problems),
            password: value("inbound_password", &mut problems).into(),
            settings,
        };
        if config.username.is_empty() {
            problems.push("inbound_username: is missing".to_owned());
        }
        if config.password.expose_secret().is_empty() {
            problems.push("inbound_password: is missing".to_owned());
        }
        if config.settings.tasks.policy == Policy::Selected {
            let why = "the edge does not poll openIMIS and would never hear of a selection; expected all or submitted";
            problems.push(format!("settings: tasks.policy: {why}"));
        }
        if !config.settings.mapping.patient.places.is_empty() {
            let why = "each request would have to read openIMIS' whole list of locations; expected default_place alone";
            problems.push(format!("settings: mapping.patient.places: {why}"));
        }
        for problem in config.settings.problems() {
            let told = as_variable(&problem);
            // An address that cannot be read is told already, and better.
            if !problems.iter().any(|known| told.split(':').next() == known.split(':').next())
                || told.starts_with("settings")
            {
                problems.push(told);
            }
        }
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// Whether these are the credentials of the one who may post. Compared in constant time: how long a refusal takes says nothing of
    /// how much was right.
    pub fn lets_in(&self, username: &str, password: &SecretString) -> bool {
        let user = self.username.as_bytes().ct_eq(username.as_bytes());
        let password = self.password.expose_secret().as_bytes().ct_eq(password.expose_secret().as_bytes());
        (user & password).into()
    }
}

/// A problem of the settings in the words of the edge: `openimis.url` is the variable `openimis_url` here.
fn as_variable(problem: &str) -> String {
    let own = ["openimis.url", "openimis.username", "openimis.password", "cht.url", "cht.username", "cht.password"];
    match own.iter().find(|key| problem.starts_with(**key)) {
        Some(key) => {
            let what = problem[key.len()..].split(" (").next().unwrap_or_default();
            format!("{}{what}", key.replace('.', "_"))
        }
        None => format!("settings: {problem}"),
    }
}

/// Empty where it is not set.
fn value(name: &str, problems: &mut Vec<String>) -> String {
    match variables::get(name) {
        Ok(value) => value,
        Err(variables::Error::Undefined(_)) => String::new(),
        Err(error) => {
            let what = match error {
                variables::Error::InvalidName(_) => "the runtime does not know this name",
                _ => "the runtime's provider of variables failed",
            };
            problems.push(format!("{name}: {what}"));
            String::new()
        }
    }
}

fn url(name: &str, problems: &mut Vec<String>) -> Option<Url> {
    let value = value(name, problems);
    if value.is_empty() {
        return None;
    }
    let url = Url::parse(&value).inspect_err(|error| problems.push(format!("{name}: {error}"))).ok()?;
    if url.path() != "/" || url.query().is_some() {
        let why = "spin.toml makes allowed_outbound_hosts of it";
        problems.push(format!("{name}: expected no path, for example https://imis.example.org ({why})"));
    }
    Some(url)
}

fn budget(name: &str, problems: &mut Vec<String>) -> Duration {
    let budget = value(name, problems).parse::<SignedDuration>().ok();
    let budget = budget.filter(|time| (SignedDuration::from_millis(100)..SignedDuration::from_mins(10)).contains(time));
    budget.and_then(|time| Duration::try_from(time).ok()).unwrap_or_else(|| {
        problems.push(format!("{name}: expected a time from 100ms to 10m, for example 5s"));
        Duration::ZERO
    })
}
