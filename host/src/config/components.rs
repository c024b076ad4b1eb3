//! Which components are used.

use std::path::PathBuf;

use jiff::SignedDuration;
use serde::Deserialize;

use component_host::{Country, Interface, Limits, Sources};

use super::Config;

/// The mapping components.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Components {
    /// Directory whose `.wasm` files are the mappings; `cargo xtask build` puts them into `target/components`.
    ///
    /// Optional, for example `"target/components"`. Without it: a directory `components` beside the program or up to
    /// two directories above it, else in the working directory.
    pub dir: Option<PathBuf>,
    /// Mappings of a country go before those of dir, one by one: the `.wasm` files in `<dir>/<system>/<country>`, for
    /// example `target/components/cht/np` (docs/mappings.md). Letters, digits, - and _.
    ///
    /// Default: `""`: none.
    pub country: String,
    /// The system that openIMIS is connected with.
    ///
    /// Default: `"cht"`.
    pub system: String,
    /// Version of the mapping interfaces. If `<dir>/<system>/<country>/<interface>` is there, it goes before the
    /// country's folder, so that one tree can hold the components of two versions of this program. This one speaks
    /// "0.1".
    ///
    /// Default: `"0.1"`.
    pub interface: String,
    /// Directory for compiled components, so that a start does not compile them again: `serve` makes it; it must be
    /// this user's, and nobody else may write into it.
    ///
    /// Optional, for example `"component-cache"`. Without it: nothing is kept.
    pub cache_dir: Option<PathBuf>,
    /// How often the files are looked at; those that changed are checked and taken over while messages go on. "0s":
    /// only after SIGHUP and `POST /admin/mappings/reload`.
    ///
    /// Default: `"2s"`.
    pub watch: SignedDuration,
    /// Whether a component must keep the contract of the mappings (`openimis-mediator mapping test`) before it is used,
    /// at the start and later.
    ///
    /// Default: `true`.
    pub check: bool,
    /// Memory that one mapping call may use, in bytes. At least 4194304 (4 MiB).
    ///
    /// Default: `67108864` (64 MiB).
    pub memory_limit_bytes: usize,
    /// Time that one mapping call may take.
    ///
    /// Default: `"1s"`.
    pub time_limit: SignedDuration,
    /// Mapping calls at the same time, 1 to 1000. With fewer than the machine has processor cores, a message may find
    /// all at work; it is tried again.
    ///
    /// Default: `32`.
    pub instances: u32,
    /// Time that compiling one component may take; one that takes longer is refused.
    ///
    /// Default: `"2m"`.
    pub compile_limit: SignedDuration,
}

impl Default for Components {
    fn default() -> Self {
        let Limits { memory_bytes, time, instances, compile } = Limits::default();
        let time_limit = SignedDuration::try_from(time).unwrap_or(SignedDuration::from_secs(1));
        Self {
            dir: None,
            country: String::new(),
            system: "cht".to_owned(),
            interface: Interface::VERSION.to_owned(),
            cache_dir: None,
            watch: SignedDuration::from_secs(2),
            check: true,
            memory_limit_bytes: memory_bytes,
            time_limit,
            instances,
            compile_limit: SignedDuration::try_from(compile).unwrap_or(SignedDuration::from_secs(120)),
        }
    }
}

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
            compile: self.components.compile_limit.try_into().unwrap_or_default(),
        }
    }
}
