//! Settings as JavaScript gives them: every mistake is told, with the setting's name. Settings are no personal data:
//! a value that cannot be used may be quoted.

use mapping::{claim_response, feedback, patient};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::exchange::Part;
use crate::problem::Problem;

/// What a map is set up with.
pub trait Settings: Default + DeserializeOwned + Serialize {
    /// A row of each list, so that its settings are known too.
    fn example() -> Self {
        Self::default()
    }
    /// What is wrong though the types are right: `setting: sentence`. A map's own issues are left to the map.
    fn problems(&self) -> Vec<String>;
}

impl Settings for claim_response::Settings {
    fn problems(&self) -> Vec<String> {
        // The map tells this one as an issue, at every door.
        Self::problems(self).into_iter().filter(|problem| !problem.starts_with("utc_offset_minutes:")).collect()
    }
}

impl Settings for feedback::Settings {
    fn problems(&self) -> Vec<String> {
        let crossed = self.rating_min > self.rating_max;
        crossed.then(|| "rating_max: expected no less than rating_min".to_owned()).into_iter().collect()
    }
}

impl Settings for patient::Settings {
    fn example() -> Self {
        let row = patient::PlaceLink { location_code: String::new(), place_id: String::new() };
        Self { places: vec![row], ..Self::default() }
    }

    fn problems(&self) -> Vec<String> {
        Self::problems(self)
    }
}

/// All settings that are in use, by their numbers.
#[derive(Default)]
pub struct Known<T>(Vec<T>);

impl<T: Settings> Known<T> {
    /// Reads settings and gives them a number. Nothing at all is the defaults.
    pub fn add(&mut self, text: Part) -> Result<i32, Vec<Problem>> {
        let text = text.given().unwrap_or_default();
        self.0.push(if text.is_empty() { T::default() } else { check(text)? });
        Ok(self.0.len() as i32 - 1)
    }

    /// The settings of a number that was given out.
    pub fn at(&self, number: u32) -> &T {
        &self.0[number as usize]
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

fn check<T: Settings>(text: &str) -> Result<T, Vec<Problem>> {
    let mut problems = Vec::new();
    let given = serde_json::from_str(text).unwrap_or(Value::Null);
    let known = serde_json::to_value(T::example()).unwrap_or_default();
    compare(&given, &known, "", &|leaf| with_leaf::<T>(leaf), &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let settings = serde_json::from_value::<T>(given).map_err(|error| vec![Problem::new("", sentence(&error))])?;
    let problems: Vec<Problem> = settings
        .problems()
        .iter()
        .map(|told| {
            told.split_once(": ").map_or_else(|| Problem::new("", told), |(name, text)| Problem::new(name, text))
        })
        .collect();
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

/// What is given against what is known: names, kinds and, through `leaf`, values. `path` is where we are.
fn compare(given: &Value, known: &Value, path: &str, leaf: Leaf, problems: &mut Vec<Problem>) {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            for (name, value) in given {
                let here = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match known.get(name) {
                    None => problems.push(Problem::new(&here, format!("unknown; expected {}", names(known)))),
                    Some(known) => {
                        let wrapped = |value: Value| leaf(Map::from_iter([(name.clone(), value)]).into());
                        compare(value, known, &here, &wrapped, problems);
                    }
                }
            }
        }
        (Value::Array(rows), Value::Array(known)) => {
            let Some(known) = known.first() else { return };
            for (index, row) in rows.iter().enumerate() {
                let here = format!("{path}[{index}]");
                compare(row, known, &here, &|_| None, problems);
                let missing = |name: &&String| row.is_object() && row.get(name.as_str()).is_none();
                for name in known.as_object().into_iter().flat_map(Map::keys).filter(missing) {
                    problems.push(Problem::new(&format!("{here}.{name}"), "missing; expected a text"));
                }
            }
        }
        _ if kind(given) != kind(known) => {
            problems.push(Problem::new(path, format!("expected {}; found {}", kind(known), kind(given))));
        }
        _ => problems.extend(leaf(given.clone()).map(|problem| Problem::new(path, problem))),
    }
}

/// What is wrong with a value, once it has been put into objects up to the root.
type Leaf<'a> = &'a dyn Fn(Value) -> Option<String>;

/// Whether settings that hold nothing else can be read.
fn with_leaf<T: DeserializeOwned>(settings: Value) -> Option<String> {
    serde_json::from_value::<T>(settings).err().map(|error| sentence(&error))
}

/// serde's text, with Rust's types in words.
fn sentence(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.replace("expected u8", "expected a whole number from 0 to 255")
        .replace("expected i16", "expected a whole number from -32768 to 32767")
}

fn names(known: &Map<String, Value>) -> String {
    known.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
