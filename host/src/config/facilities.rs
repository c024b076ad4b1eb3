//! The facilities of a registry (Master Facility List), brought to openIMIS.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cronexpr::Crontab;
use flow::facilities::Registry;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

/// A registry of facilities that speaks mCSD (FHIR R4).
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facilities {
    /// The registry's FHIR base address. Another certificate authority: `tls.ca_file`.
    ///
    /// Optional, for example `"https://registry.example.org/fhir"`. Without it: no facilities are brought to openIMIS.
    pub url: Option<Url>,
    /// The user there (HTTP Basic).
    ///
    /// Optional, for example `"mediator"`. Without it: `token`, or no credentials.
    pub username: Option<String>,
    /// Its password.
    ///
    /// Optional, for example `"change-me"`. Needed with `username`.
    pub password: Option<SecretString>,
    /// A bearer token in place of user and password.
    ///
    /// Optional, for example `"change-me"`. Without it: `username`, or no credentials.
    pub token: Option<SecretString>,
    /// When the registry is asked what changed since the last time: minute, hour, day of month, month, day of week, as
    /// cron writes them. `""`: only by `openimis-mediator facilities sync` and in the console.
    ///
    /// Default: `"30 2 * * *"`: every night.
    pub schedule: String,
    /// When all facilities are read and compared with what openIMIS has: what somebody changed in openIMIS, and areas and
    /// organizations that changed while their facilities did not, are found only so. `""`: never.
    ///
    /// Default: `"30 3 * * SUN"`: every Sunday.
    pub whole_schedule: String,
    /// Time zone of both, as the IANA list names it.
    ///
    /// Default: `"UTC"`; `"Asia/Kathmandu"` for Nepal.
    pub time_zone: String,
    /// Facilities a page, 1 to 1000.
    ///
    /// Default: `200`.
    pub page_size: u32,
    /// What comes along with the facilities (`_include`): their organizations and the areas that they are part of.
    ///
    /// Default: `["Location:organization", "Location:partof", "Location:endpoint"]`.
    pub include: Vec<String>,
    /// What comes along with that (`_include:iterate`): the areas and organizations above.
    ///
    /// Default: `["Location:partof", "Organization:partof"]`; `[]` for a registry that refuses it.
    pub include_further: Vec<String>,
    /// Further search parameters, each `name=value`, for example to leave pharmacies out.
    ///
    /// Default: `[]`.
    pub search: Vec<String>,
    /// How far a run reaches back behind the last one: entries that the registry was still writing then.
    ///
    /// Default: `"10m"`.
    pub overlap: SignedDuration,
    /// Longest wait for a page.
    ///
    /// Default: `"1m"`.
    pub timeout: SignedDuration,
    /// Wait before a run that was interrupted goes on; doubled with each further interruption, up to 1 hour.
    ///
    /// Default: `"1m"`.
    pub retry: SignedDuration,
    /// One run at a time, whoever does it: after a run was killed, another one waits for so long.
    ///
    /// Default: `"2m"`.
    pub lease: SignedDuration,
}

impl Default for Facilities {
    fn default() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            url: None,
            username: None,
            password: None,
            token: None,
            schedule: "30 2 * * *".to_owned(),
            whole_schedule: "30 3 * * SUN".to_owned(),
            time_zone: "UTC".to_owned(),
            page_size: 200,
            include: texts(&["Location:organization", "Location:partof", "Location:endpoint"]),
            include_further: texts(&["Location:partof", "Organization:partof"]),
            search: Vec::new(),
            overlap: SignedDuration::from_mins(10),
            timeout: SignedDuration::from_mins(1),
            retry: SignedDuration::from_mins(1),
            lease: SignedDuration::from_mins(2),
        }
    }
}

impl Facilities {
    /// The registry, if there is one.
    pub fn registry(&self) -> Option<Registry> {
        let shown = |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        let basic = self.username.as_ref().map(|username| {
            let password = shown(&self.password).unwrap_or_default();
            format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
        });
        let authorization = basic.or_else(|| shown(&self.token).map(|token| format!("Bearer {token}")));
        Some(Registry {
            url: self.url.clone()?,
            authorization: authorization.map(SecretString::from),
            page_size: self.page_size,
            include: self.include.clone(),
            include_further: self.include_further.clone(),
            search: self.search.clone(),
            overlap: self.overlap,
            timeout: self.timeout,
            retry: self.retry,
        })
    }

    /// When changed ones are asked for, and when all; none: never.
    pub fn schedules(&self) -> [Option<Crontab>; 2] {
        [&self.schedule, &self.whole_schedule].map(|schedule| crontab(schedule, &self.time_zone).ok().flatten())
    }
}

/// None: never.
fn crontab(schedule: &str, time_zone: &str) -> Result<Option<Crontab>, cronexpr::Error> {
    if schedule.trim().is_empty() {
        return Ok(None);
    }
    cronexpr::parse_crontab(&format!("{} {time_zone}", schedule.trim())).map(Some)
}

/// What is missing or does not fit.
pub(super) fn problems(facilities: &Facilities) -> Vec<String> {
    let mut problems = Vec::new();
    let mut problem = |key: &str, text: &str| problems.push(format!("facilities.{key}: {text}"));
    let given =
        |secret: &Option<SecretString>| secret.as_ref().is_some_and(|secret| !secret.expose_secret().is_empty());
    match &facilities.url {
        Some(url) if !matches!(url.scheme(), "http" | "https") || url.host().is_none() => {
            problem("url", "expected an http or https address");
        }
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            problem("url", "holds a user or password; they have settings of their own");
        }
        Some(url) if url.query().is_some() => problem("url", "holds a query; facilities.search is for that"),
        Some(_) => {}
        None if facilities.username.is_some() || facilities.password.is_some() || facilities.token.is_some() => {
            problem("url", "is missing, but credentials for it are there");
        }
        None => {}
    }
    if facilities.username.is_some() != given(&facilities.password) {
        problem("username and facilities.password", "set both or neither");
    }
    if facilities.username.is_some() && facilities.token.is_some() {
        problem("token", "there is a user, too; expected one of the two");
    }
    if facilities.username.as_ref().is_some_and(|username| username.contains(':')) {
        problem("username", "holds a colon, which HTTP Basic cannot carry");
    }
    match TimeZone::get(&facilities.time_zone) {
        Err(_) => problem("time_zone", "no time zone is called so; expected for example \"Asia/Kathmandu\""),
        Ok(_) => {
            for (key, schedule) in [("schedule", &facilities.schedule), ("whole_schedule", &facilities.whole_schedule)]
            {
                if crontab(schedule, &facilities.time_zone).is_err() {
                    problem(
                        key,
                        "expected minute, hour, day of month, month and day of week, for example \"30 2 * * *\"",
                    );
                }
            }
        }
    }
    if !(1..=1000).contains(&facilities.page_size) {
        problem("page_size", "expected 1 to 1000");
    }
    for search in &facilities.search {
        if search.split_once('=').is_none_or(|(name, _)| name.trim().is_empty()) {
            problem("search", "expected name=value, for example \"type=facility\"");
        }
    }
    for (key, value) in [("timeout", facilities.timeout), ("retry", facilities.retry), ("lease", facilities.lease)] {
        if !value.is_positive() {
            problem(key, "expected a time longer than 0, for example 1m");
        }
    }
    if facilities.overlap.is_negative() {
        problem("overlap", "expected a time, for example 10m");
    }
    problems
}
