//! Maps that ask for look-ups: they are run as the mediator runs them, with the section `known.json` as openIMIS.

use mapping::lookup::{Answer, By, Lookup, Outcome, Resource};
use mapping::{Issue, IssueType, MapResult};
use serde::Deserialize;

use crate::fixtures::Case;

/// More rounds than any map needs.
const ROUNDS: usize = 6;

/// One line of `known.json`: what openIMIS has.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    resource: Resource,
    by: By,
    value: String,
    found: Vec<serde_json::Value>,
}

/// What openIMIS says in a case.
pub fn known(case: &Case) -> Vec<Answer> {
    let known: Option<Vec<Known>> = case.read("known.json");
    known
        .unwrap_or_else(|| panic!("{} has no known.json", case.name))
        .into_iter()
        .map(|known| Answer {
            lookup: Lookup { resource: known.resource, by: known.by, value: known.value },
            found: known.found.iter().map(ToString::to_string).collect(),
        })
        .collect()
}

/// Asks for what the map needs until it has it. What `known.json` does not know is told as issues.
pub fn drive(case: &Case, map: impl Fn(&[Answer]) -> Outcome) -> MapResult {
    let all = known(case);
    let mut answers: Vec<Answer> = Vec::new();
    for _ in 0..ROUNDS {
        let wanted = match map(&answers) {
            Outcome::Mapped(mapped) => return Ok(mapped),
            Outcome::Issues(issues) => return Err(issues),
            Outcome::Needs(wanted) => wanted,
        };
        assert!(!wanted.is_empty(), "{}: needs nothing", case.name);
        let mut unknown = Vec::new();
        for lookup in wanted {
            assert!(answers.iter().all(|answer| answer.lookup != lookup), "{}: {lookup:?} is asked again", case.name);
            match all.iter().find(|answer| answer.lookup == lookup) {
                Some(answer) => answers.push(answer.clone()),
                None => unknown.push(lookup),
            }
        }
        if !unknown.is_empty() {
            let told = |lookup: &Lookup| {
                let Lookup { resource, by, value } = lookup;
                Issue::error(IssueType::NotFound, "", format!("looks up {resource:?} by {by:?}: {value}"))
            };
            return Err(unknown.iter().map(told).collect());
        }
    }
    panic!("{}: {ROUNDS} rounds of look-ups were not enough", case.name);
}
