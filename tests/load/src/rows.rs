//! What a part of the bench found, for the one table in docs/benchmarks.md: a JSON object a line. `xtask/src/bench` reads them.

use std::path::Path;

use anyhow::Context;
use serde::Serialize;

/// One figure.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// What was measured; no other row is called so.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// Of the figure.
    pub unit: &'static str,
    /// What it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<f64>,
    /// `lower` or `higher`, where there is a goal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub better: Option<&'static str>,
    /// Name of the row that ran beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
    /// A few words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// The rows of a part.
pub struct Rows {
    group: &'static str,
    lines: String,
}

impl Rows {
    /// `group` is the heading in the table.
    pub fn new(group: &'static str) -> Self {
        Self { group, lines: String::new() }
    }

    /// One more.
    pub fn add(&mut self, row: &Row) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            group: &'a str,
            #[serde(flatten)]
            row: &'a Row,
        }
        eprintln!("bench: {}: {:.1} {}", row.name, row.value, row.unit);
        self.lines += &serde_json::to_string(&Line { group: self.group, row })?;
        self.lines.push('\n');
        Ok(())
    }

    /// Something that could not be measured here, and why.
    pub fn skipped(&mut self, name: &str, why: &str) {
        eprintln!("bench: SKIPPED {name}: {why}");
        let line = serde_json::json!({ "group": self.group, "name": name, "skipped": why });
        self.lines += &format!("{line}\n");
    }

    /// Writes `<part>.json` in the folder.
    pub fn write(&self, dir: &Path, part: &str) -> anyhow::Result<()> {
        let path = dir.join(format!("{part}.json"));
        std::fs::write(&path, &self.lines).with_context(|| path.display().to_string())
    }
}
