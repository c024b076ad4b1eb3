//! The documentation is true: what can be made from the sources is made from them, what is written by hand is tried.

mod commands;
mod errors;
mod pages;
mod quick_start;
mod render;
mod source;
mod told;

use std::collections::BTreeMap;
use std::path::PathBuf;

use mediator_tests::running::workspace;
use openimis_mediator::config::Config;

use source::{Fact, Kind, Section};

/// What a file that is made from the sources should hold; with `BLESS=1`, which `cargo xtask docs` sets, it is written.
fn is_up_to_date(name: &str, expected: &str) {
    let path: PathBuf = workspace().join(name);
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if std::env::var_os("BLESS").is_some() {
        if found != expected {
            std::fs::write(&path, expected).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        return;
    }
    assert!(found == expected, "{name} is not what the sources say: run `cargo xtask docs`");
}

#[test]
fn the_example_configuration_is_made_from_the_types() {
    is_up_to_date("config.example.toml", &render::example(&source::settings()));
}

#[test]
fn the_reference_of_the_configuration_is_made_from_the_types() {
    is_up_to_date("docs/configuration.md", &render::reference(&source::settings()));
}

#[test]
fn the_schema_of_the_configuration_is_made_from_the_types() {
    is_up_to_date("config.schema.json", &render::schema(&source::settings()));
}

/// TOML that sets every key which has a default to what its documentation says.
fn defaults(section: &Section, lines: &mut Vec<String>) {
    for key in &section.keys {
        match (&key.kind, &key.fact) {
            (Kind::Section(inner), _) => defaults(inner, lines),
            (_, Fact::Default(value, _)) => lines.push(format!("{} = {value}", key.path)),
            _ => {}
        }
    }
}

#[test]
fn the_defaults_that_are_told_are_the_real_ones() {
    let needed = [
        r#"inbound.username = "in""#,
        r#"inbound.password = "x""#,
        r#"openimis.url = "https://imis.example.org""#,
        r#"openimis.username = "imis""#,
        r#"openimis.password = "x""#,
        r#"cht.url = "https://cht.example.org""#,
        r#"cht.username = "cht""#,
        r#"cht.password = "x""#,
    ];
    let read = |text: &str| Config::from_toml(text, &BTreeMap::new()).unwrap_or_else(|error| panic!("{error}"));
    let real = format!("{:#?}", read(&needed.join("\n")));
    let mut lines = Vec::new();
    defaults(&source::settings(), &mut lines);
    assert!(lines.len() > 50, "{lines:#?}");
    for line in lines {
        let told = format!("{:#?}", read(&format!("{}\n{line}", needed.join("\n"))));
        let differs: Vec<_> = real.lines().zip(told.lines()).filter(|(real, told)| real != told).collect();
        assert!(differs.is_empty() && real.len() == told.len(), "{line} is not the default: {differs:#?}");
    }
}
