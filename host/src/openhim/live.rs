//! Settings that OpenHIM's console changes while messages go on. They are read and judged by the same code as the file; one that cannot be
//! used is refused, and what was in force before stays. Addresses, credentials and limits are not among them: whoever administers OpenHIM
//! must not be able to send health data elsewhere.

use std::collections::BTreeMap;

use flow::Settings;
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::{Map, Value, json};
use toml::Table;

use crate::Host;
use crate::config::settings_of;

/// How the console lets it be typed.
#[derive(Clone, Copy, Debug)]
enum Typed {
    Text,
    Time,
    Number,
    Bool,
    OneOf(&'static [&'static str]),
}

/// One setting.
struct Setting {
    group: &'static str,
    param: &'static str,
    /// Its key in the file.
    key: &'static str,
    typed: Typed,
    help: &'static str,
    show: fn(&Settings) -> Value,
    copy: fn(&mut Settings, &Settings),
}

/// `group.param = key (type): help; field`.
macro_rules! settings {
    ($($group:literal . $param:literal = $key:literal ($typed:expr, $show:expr): $help:literal, $($field:ident).+;)+) => {
        &[$(Setting {
            group: $group,
            param: $param,
            key: $key,
            typed: $typed,
            help: $help,
            show: |settings| $show(&settings.$($field).+),
            copy: |to, from| to.$($field).+.clone_from(&from.$($field).+),
        }),+]
    };
}

/// A time as the file writes it.
fn time(time: &SignedDuration) -> Value {
    format!("{time:#}").into()
}

/// A word as the file writes it.
fn word(word: &impl std::fmt::Debug) -> Value {
    let mut written = String::new();
    for letter in format!("{word:?}").chars() {
        if letter.is_uppercase() && !written.is_empty() {
            written.push('-');
        }
        written.extend(letter.to_lowercase());
    }
    written.into()
}

fn plain<T: Clone + Into<Value>>(value: &T) -> Value {
    value.clone().into()
}

/// Shortest time that the console may set.
const SHORTEST: SignedDuration = SignedDuration::from_secs(1);

const TEXT: Typed = Typed::Text;
const POLICIES: Typed = Typed::OneOf(&["all", "submitted", "selected"]);
const CALENDARS: Typed = Typed::OneOf(&["bikram-sambat", "gregorian"]);

const SETTINGS: &[Setting] = settings! {
    "tasks"."policy" = "tasks.policy" (POLICIES, word):
        "Which claims become a task: all, submitted ones, or those that an officer selected for feedback", tasks.policy;
    "tasks"."include_rejected" = "tasks.include_rejected" (Typed::Bool, plain):
        "Also claims that openIMIS rejected", tasks.include_rejected;
    "poll"."interval" = "poll.interval" (Typed::Time, time):
        "Time between two polls for new claims, such as 1m", poll.interval;
    "poll"."selected_interval" = "poll.selected_interval" (Typed::Time, time):
        "Time between two looks at the claims that were selected for feedback, such as 5m", poll.selected_interval;
    "retry"."first" = "retry.first" (Typed::Time, time):
        "Wait after the first failure, such as 5s; it doubles each time", retry.first;
    "retry"."longest" = "retry.longest" (Typed::Time, time):
        "Longest wait between two tries, such as 1h", retry.longest;
    "retry"."give_up_after" = "retry.give_up_after" (Typed::Time, time):
        "After this time a message becomes a dead letter, such as 336h", retry.give_up_after;
    "retry"."pause" = "retry.pause" (Typed::Time, time):
        "How long a peer is left alone that refused the credentials, such as 5m", retry.pause;
    "retry"."trip_after" = "retry.trip_after" (Typed::Number, plain):
        "Failed requests in a row after which a peer is left alone for a while, 1 to 1000", retry.trip_after;
    "timeouts"."openimis" = "openimis.timeout" (Typed::Time, time):
        "Longest wait for an answer of openIMIS, such as 30s", openimis.timeout;
    "timeouts"."cht" = "cht.timeout" (Typed::Time, time):
        "Longest wait for an answer of CHT, such as 30s", cht.timeout;
    "record"."form" = "mapping.claim_response.form" (TEXT, plain):
        "Code of the CHT form, such as OP", mapping.claim_response.form;
    "record"."calendar" = "mapping.claim_response.calendar" (CALENDARS, word):
        "Calendar of the record's year, month and day", mapping.claim_response.calendar;
    "record"."utc_offset_minutes" = "mapping.claim_response.utc_offset_minutes" (Typed::Number, plain):
        "Minutes east of UTC of the clock that decides on which day a claim was made, -1080 to 1080",
        mapping.claim_response.utc_offset_minutes;
    "record"."locale" = "mapping.claim_response.locale" (TEXT, plain):
        "Locale of the record, such as ne", mapping.claim_response.locale;
    "feedback"."rating_min" = "mapping.feedback.rating_min" (Typed::Number, plain):
        "Lowest rating that the form offers", mapping.feedback.rating_min;
    "feedback"."rating_max" = "mapping.feedback.rating_max" (Typed::Number, plain):
        "Highest rating that the form offers", mapping.feedback.rating_max;
    "persons"."default_place" = "mapping.patient.default_place" (TEXT, plain):
        "_id of the CHT place of insurees whose location is not in the table of places", mapping.patient.default_place;
    "persons"."phone_prefix" = "mapping.patient.phone_prefix" (TEXT, plain):
        "Country calling code of phone numbers without one, such as +977", mapping.patient.phone_prefix;
};

/// A setting that the console offers, and who decided on it.
#[derive(Clone, Debug, Serialize)]
pub struct InForce {
    /// As the file calls it.
    pub key: &'static str,
    /// As the console calls it.
    pub param: String,
    /// In force.
    pub value: Value,
    /// What the file says, where that is something else.
    pub file: Option<Value>,
}

/// A value of the console that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RefusedSetting {
    /// As the console calls it.
    pub param: String,
    /// Why, without the value.
    pub reason: String,
}

/// What was taken over last.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    config: Option<Value>,
    pub refused: Vec<RefusedSetting>,
}

/// What the console has to know to show a form.
pub(super) fn definitions() -> Vec<Value> {
    let field = |setting: &Setting| {
        let (kind, values) = match setting.typed {
            Typed::Text | Typed::Time => ("string", None),
            Typed::Number => ("number", None),
            Typed::Bool => ("bool", None),
            Typed::OneOf(values) => ("option", Some(values)),
        };
        let mut field = json!({
            "param": setting.param, "displayName": setting.key, "description": setting.help, "type": kind,
        });
        if let Some(values) = values {
            field["values"] = values.into();
        }
        field
    };
    let group = |(group, fields): (&&str, &Vec<&Setting>)| {
        let template: Vec<Value> = fields.iter().map(|setting| field(setting)).collect();
        json!({
            "param": group, "displayName": group, "type": "struct", "template": template,
            "description": "What is left empty is as the mediator's own configuration says",
        })
    };
    groups().iter().map(group).collect()
}

/// The values as they are.
pub(super) fn values(settings: &Settings) -> Value {
    let of = |fields: &Vec<&Setting>| -> Map<String, Value> {
        fields.iter().map(|setting| (setting.param.to_owned(), (setting.show)(settings))).collect()
    };
    groups().iter().map(|(group, fields)| ((*group).to_owned(), of(fields).into())).collect::<Map<_, _>>().into()
}

fn groups() -> BTreeMap<&'static str, Vec<&'static Setting>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for setting in SETTINGS {
        groups.entry(setting.group).or_default().push(setting);
    }
    groups
}

pub(super) fn in_force(host: &Host) -> Vec<InForce> {
    compared(&host.flow.fresh().settings, &host.flow.settings)
}

fn compared(now: &Settings, file: &Settings) -> Vec<InForce> {
    let shown = |setting: &Setting| {
        let (value, of_file) = ((setting.show)(now), (setting.show)(file));
        let param = format!("{}.{}", setting.group, setting.param);
        InForce { key: setting.key, param, file: (of_file != value).then_some(of_file), value }
    };
    SETTINGS.iter().map(shown).collect()
}

/// What the console said last is in force from the start on, whether the core is there or not.
pub(crate) async fn recall(host: &Host) {
    let openhim = &host.config.openhim;
    if openhim.url.is_none() || !openhim.configure {
        return;
    }
    let saved = match host.flow.store.openhim_settings(&openhim.urn).await {
        Ok(Some(saved)) => serde_json::from_str(&saved).unwrap_or(Value::Null),
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(%error, "what OpenHIM's console said last is not known: the file counts until it is asked");
            return;
        }
    };
    let file = &host.flow.settings;
    let (settings, refused) = recalled(file, &saved);
    for one in differing(&settings, file) {
        let (key, console, file) = (one.key, plainly(&one.value), one.file.as_ref().map(plainly));
        let what = "OpenHIM's console decides on this setting, and the file says something else: `openimis-mediator openhim adopt`";
        tracing::warn!(key, console, file, "{what}");
    }
    host.flow.change(settings);
    host.openhim.state().taken = Taken { config: Some(saved["config"].clone()), refused };
}

/// What is in force by what was kept of the console.
fn recalled(file: &Settings, saved: &Value) -> (Settings, Vec<RefusedSetting>) {
    // A bad value left what was in force then.
    let (before, _) = judged(file, file, &saved["in_force"]);
    judged(file, &before, &saved["config"])
}

/// Settings in force that are not as the file has them.
fn differing(now: &Settings, file: &Settings) -> Vec<InForce> {
    compared(now, file).into_iter().filter(|setting| setting.file.is_some()).collect()
}

/// The same by what was kept of the console (`SqlStore::openhim_settings`).
pub(super) fn differences(file: &Settings, saved: &str) -> Vec<InForce> {
    let saved = serde_json::from_str(saved).unwrap_or(Value::Null);
    differing(&recalled(file, &saved).0, file)
}

/// What is kept of the console once it has these settings.
pub(super) fn kept(settings: &Settings) -> (Value, String) {
    let values = values(settings);
    let kept = json!({"config": values, "in_force": values}).to_string();
    (values, kept)
}

/// A value as a person reads it.
pub fn plainly(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Takes over what the console says, if it says something new.
pub(super) async fn take(host: &Host, config: &Value) {
    if host.openhim.state().taken.config.as_ref() == Some(config) {
        return;
    }
    let before = host.flow.fresh().settings;
    let (settings, refused) = judged(&host.flow.settings, &before, config);
    for setting in SETTINGS {
        let (old, new) = ((setting.show)(&before), (setting.show)(&settings));
        if old != new {
            let (key, from, to) = (setting.key, plainly(&old), plainly(&new));
            tracing::info!(key, from, to, "a setting was changed in OpenHIM's console");
        }
    }
    for RefusedSetting { param, reason } in &refused {
        tracing::error!(param, reason, "a setting of OpenHIM's console cannot be used; what was in force stays");
    }
    let saved = json!({"config": config, "in_force": values(&settings)}).to_string();
    // First: what is seen to be in force is in force after a stop, too.
    if let Err(error) = host.flow.store.save_openhim_settings(&host.config.openhim.urn, &saved).await {
        tracing::warn!(%error, "what OpenHIM's console said could not be kept: the next start asks for it again");
    }
    host.flow.change(settings);
    host.openhim.state().taken = Taken { config: Some(config.clone()), refused };
}

/// What is in force with the console's values, and which of them are not: `file` says what an empty one is, `before` what a bad one leaves.
fn judged(file: &Settings, before: &Settings, config: &Value) -> (Settings, Vec<RefusedSetting>) {
    let mut refused = unknown(config);
    let mut wanted: Vec<(&Setting, Settings)> = Vec::new();
    for setting in SETTINGS {
        match read(setting, &config[setting.group][setting.param]) {
            Ok(Some(settings)) if is_hasty(setting, &settings, file) => {
                refused.push(refusal(setting, format!("{}: expected 1s or longer", setting.key)));
            }
            Ok(Some(settings)) => wanted.push((setting, settings)),
            Ok(None) => wanted.push((setting, file.clone())),
            Err(reason) => refused.push(refusal(setting, reason)),
        }
    }
    // All at once first: two that belong together may each be wrong without the other.
    let mut settings = before.clone();
    for (setting, from) in &wanted {
        (setting.copy)(&mut settings, from);
    }
    if settings.problems().is_empty() {
        return (settings, refused);
    }
    settings = before.clone();
    loop {
        let left = wanted.len();
        wanted.retain(|(setting, from)| {
            let mut tried = settings.clone();
            (setting.copy)(&mut tried, from);
            let fits = tried.problems().is_empty();
            if fits {
                settings = tried;
            }
            !fits
        });
        if wanted.len() == left {
            break;
        }
    }
    for (setting, from) in wanted {
        let mut tried = settings.clone();
        (setting.copy)(&mut tried, &from);
        refused.push(refusal(setting, tried.problems().join("; ")));
    }
    (settings, refused)
}

/// Shorter than the console may set: it is not meant to make the mediator overrun its peers. What the file says is another matter.
fn is_hasty(setting: &Setting, wanted: &Settings, file: &Settings) -> bool {
    let time = |settings| (setting.show)(settings).as_str().and_then(|time| time.parse::<SignedDuration>().ok());
    matches!(setting.typed, Typed::Time) && time(wanted) < time(file).min(Some(SHORTEST))
}

fn refusal(setting: &Setting, reason: String) -> RefusedSetting {
    RefusedSetting { param: format!("{}.{}", setting.group, setting.param), reason }
}

/// What the console offers in a registration of another version, perhaps.
fn unknown(config: &Value) -> Vec<RefusedSetting> {
    let mut unknown = Vec::new();
    let is_known = |group: &str, param: &str| SETTINGS.iter().any(|one| one.group == group && one.param == param);
    for (group, params) in config.as_object().into_iter().flatten() {
        for (param, _) in params.as_object().into_iter().flatten().filter(|(param, _)| !is_known(group, param)) {
            let reason = "this version of the mediator has no such setting".to_owned();
            unknown.push(RefusedSetting { param: format!("{group}.{param}"), reason });
        }
    }
    unknown
}

/// Settings that hold this value, read as the file is. None: the console leaves it to the file.
fn read(setting: &Setting, value: &Value) -> Result<Option<Settings>, String> {
    let value = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => toml::Value::String(text.trim().to_owned()),
        Value::Bool(bool) => toml::Value::Boolean(*bool),
        Value::Number(number) if number.is_i64() => toml::Value::Integer(number.as_i64().unwrap_or_default()),
        _ => return Err(format!("{}: expected one value: a text, a whole number, or yes or no", setting.key)),
    };
    let mut keys = setting.key.rsplit('.');
    let innermost = keys.next().unwrap_or_default();
    let mut table = Table::from_iter([(innermost.to_owned(), value)]);
    for key in keys {
        table = Table::from_iter([(key.to_owned(), toml::Value::Table(table))]);
    }
    let (settings, problems) = settings_of(table);
    if problems.is_empty() { Ok(Some(settings)) } else { Err(problems.join("; ")) }
}
