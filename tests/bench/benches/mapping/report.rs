//! The medians as rows: a JSON object a line, for the table of `cargo xtask bench`.

use std::fs;
use std::io::{Error, Result};
use std::path::Path;

use component_host::Interface;
use serde_json::{Value, json};

use super::documents::{Document, RECORDED};
use super::{TABLES, place};

const GROUP: &str = "A mapping call";
/// What is measured of a component that does nothing.
const FLOORS: [(&str, &str); 2] = [
    ("nothing batch", "A component that does nothing, its instance stays"),
    ("nothing fresh", "A component that does nothing, a fresh instance"),
];
/// Each way, its words, and how many times slower than the Rust function it may be.
const WAYS: [(&str, &str, Option<f64>); 3] = [
    ("native", "Rust function", None),
    ("batch", "component, its instance stays (a batch)", Some(2.0)),
    ("fresh", "component, a fresh instance", Some(4.0)),
];

pub fn write(folder: &Path, documents: &[Document], components: &Path) -> Result<()> {
    let mut rows = Vec::new();
    for document in documents {
        let native = median(&place(document.mapping, "native"), document.size)?;
        for (way, words, times) in WAYS {
            let value = median(&place(document.mapping, way), document.size)?;
            let name = |words: &str| {
                format!("{}, {}, {:.1} kB: {words}", document.mapping, document.size, document.text.len() as f64 / 1e3)
            };
            let mut row = json!({"group": GROUP, "name": name(words), "value": rounded(value), "unit": "µs"});
            let is_goal = document.mapping == "claim-response" && document.size == RECORDED;
            if is_goal && way == "native" {
                (row["goal"], row["better"]) = (json!(3.0), json!("lower"));
            }
            rows.push(row);
            if let Some(times) = times.filter(|_| document.size == RECORDED) {
                let name = name(&format!("{words} / Rust function"));
                let ratio = rounded(value / native);
                rows.push(json!({"group": GROUP, "name": name, "value": ratio, "unit": "x", "goal": times, "better": "lower"}));
            }
        }
    }
    let with = |size: &str| format!("a hospital's claim, {size}: component, a fresh instance");
    for (at, (_, size)) in TABLES.into_iter().enumerate() {
        let value = rounded(median(&place("claim", "fresh"), size)?);
        let mut row = json!({"group": GROUP, "name": with(size), "value": value, "unit": "µs"});
        if at > 0 {
            row["beside"] = json!(with(TABLES[0].1));
        }
        rows.push(row);
    }
    for (measured, name) in FLOORS {
        rows.push(json!({"group": GROUP, "name": name, "value": rounded(median(measured, "")?), "unit": "µs",
            "note": "no mapping can take less"}));
    }
    for name in Interface::ALL.map(|interface| format!("map_{}", interface.name().replace('-', "_"))) {
        let bytes = fs::metadata(components.join(&name).with_extension("wasm"))?.len();
        rows.push(
            json!({"group": GROUP, "name": format!("{name}.wasm"), "value": rounded(bytes as f64 / 1e3), "unit": "kB",
            "goal": 120, "better": "lower"}),
        );
    }
    fs::create_dir_all(folder)?;
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    fs::write(folder.join("mapping.json"), lines.join("\n") + "\n")
}

/// What Criterion found, in microseconds.
fn median(measured: &str, size: &str) -> Result<f64> {
    let file = super::kept().join(measured).join(size).join("new/estimates.json");
    let text = fs::read_to_string(&file).map_err(|error| Error::other(format!("{}: {error}", file.display())))?;
    let estimates: Value = serde_json::from_str(&text)?;
    estimates["median"]["point_estimate"]
        .as_f64()
        .map(|nanoseconds| nanoseconds / 1e3)
        .ok_or_else(|| Error::other(format!("{}: no median", file.display())))
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
