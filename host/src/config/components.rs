//! Which components are used.

use crate::mapper::{Country, Interface, Limits, Sources};

use super::{Components, Config};

/// What does not fit in it. Limits are looked at with the others.
pub(super) fn problems(components: &Components) -> Vec<String> {
    let mut problems = Vec::new();
    let fits = |name: &str| name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_');
    for (key, value) in [("system", &components.system), ("country", &components.country)] {
        if !fits(value) || (key == "system" && value.is_empty()) {
            problems.push(format!("components.{key}: expected letters, digits, - and _: it names a folder"));
        }
    }
    let version = components.interface.strip_prefix(Interface::VERSION);
    let patch = |rest: &str| rest.strip_prefix('.').is_some_and(|number| number.parse::<u32>().is_ok());
    if !version.is_some_and(|rest| rest.is_empty() || patch(rest)) {
        problems.push(format!("components.interface: this program speaks {} only", Interface::VERSION));
    }
    if components.watch.is_negative() {
        problems.push("components.watch: expected a time of 0s or longer".to_owned());
    }
    problems
}

impl Config {
    /// Where the components come from.
    pub fn sources(&self) -> Sources {
        let Components { country, system, interface, cache_dir, check, .. } = &self.components;
        let country = (!country.is_empty()).then(|| Country {
            system: system.clone(),
            country: country.clone(),
            interface: interface.clone(),
        });
        Sources { dir: self.components_dir(), country, cache_dir: cache_dir.clone(), check: *check }
    }

    /// What a mapping may use.
    pub fn limits(&self) -> Limits {
        Limits {
            memory_bytes: self.components.memory_limit_bytes,
            time: self.components.time_limit.try_into().unwrap_or_default(),
            instances: self.components.instances,
        }
    }
}
