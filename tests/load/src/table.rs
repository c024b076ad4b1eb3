//! `table`: what the parts of the bench left in their files as one Markdown table, and into docs/benchmarks.md.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde::Deserialize;

/// Which files, and what is written.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Directory of the parts' files
    #[arg(long, default_value = "target/bench")]
    pub dir: PathBuf,
    /// The parts, in the order of the table
    #[arg(long = "part", required = true)]
    pub parts: Vec<String>,
    /// What measured all of it, as it is to be typed
    #[arg(long)]
    pub how: String,
    /// A page whose generated section is written anew
    #[arg(long)]
    pub page: Option<PathBuf>,
}

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// A line of a part's file.
#[derive(Default, Deserialize)]
struct Row {
    group: String,
    name: String,
    /// Why it could not be measured.
    skipped: Option<String>,
    #[serde(default)]
    value: f64,
    #[serde(default)]
    unit: String,
    goal: Option<f64>,
    better: Option<Better>,
    beside: Option<String>,
    #[serde(default)]
    note: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Better {
    Lower,
    Higher,
}

impl Row {
    /// Its goal with a sign before it, and whether it is met.
    fn goal(&self) -> Option<(&'static str, f64, bool)> {
        let goal = self.goal?;
        Some(match self.better? {
            Better::Lower => ("≤", goal, self.value <= goal),
            Better::Higher => ("≥", goal, self.value >= goal),
        })
    }
}

/// Prints the table, and writes it into the page.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    let mut parts = Vec::new();
    for part in &options.parts {
        parts.push((part.as_str(), read(&options.dir.join(format!("{part}.json")))?));
    }
    let section = format!("{} {}\n\n{}", head(&options.how), goals(&parts), table(&parts));
    println!("{section}");
    std::fs::write(options.dir.join("table.md"), &section)?;
    if let Some(page) = &options.page {
        let text = std::fs::read_to_string(page).with_context(|| page.display().to_string())?;
        std::fs::write(page, replaced(&text, &section).with_context(|| page.display().to_string())?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A part that left no file is a part that failed, and a line that cannot be read one that was not measured: both are said in their place.
fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().map(row).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).context(path.display().to_string()),
    }
}

fn row(line: &str) -> Row {
    serde_json::from_str(line).unwrap_or_else(|error| Row {
        group: "Unreadable".to_owned(),
        name: format!("`{}`", line.replace('|', "/")),
        skipped: Some(error.to_string()),
        ..Row::default()
    })
}

fn head(how: &str) -> String {
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("unknown");
        line.trim_start_matches([':', '\t', ' ']).to_owned()
    };
    let memory = field("/proc/meminfo", "MemTotal");
    let gigabytes = memory
        .trim_end_matches(" kB")
        .parse::<f64>()
        .map_or(memory.clone(), |kb| format!("{:.0} GB", kb / 1024.0 / 1024.0));
    let said = |program: &str| {
        let said = std::process::Command::new(program).arg("--version").output().ok();
        let said = said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default();
        let words: Vec<&str> = said.split_whitespace().take(2).collect();
        words.join(" ")
    };
    format!(
        "Measured on {}: {} cores ({}), {gigabytes} of memory, Linux {}, {}, Node {}; release builds. All with one command: `{how}`; a \
         part of it with `cargo xtask bench <part>`.",
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
        std::thread::available_parallelism().map_or(0, usize::from),
        field("/proc/cpuinfo", "model name"),
        std::fs::read_to_string("/proc/sys/kernel/osrelease")
            .unwrap_or_default()
            .split('-')
            .next()
            .unwrap_or_default()
            .trim(),
        said("rustc"),
        said("node").trim_start_matches('v'),
    )
}

/// How many goals there are, and by name those that are missed.
fn goals(parts: &[(&str, Vec<Row>)]) -> String {
    let measured = parts.iter().flat_map(|(_, rows)| rows).filter(|row| row.skipped.is_none());
    let goals: Vec<(&Row, bool)> = measured.filter_map(|row| Some((row, row.goal()?.2))).collect();
    let missed: Vec<String> = goals
        .iter()
        .filter(|(_, is_met)| !is_met)
        .map(|(row, _)| format!("{} ({})", row.name, quantity(row.value, &row.unit)))
        .collect();
    let met = goals.len() - missed.len();
    match missed.as_slice() {
        [] => format!("All {met} goals are met."),
        missed => format!("Of {} goals {met} are met; missed: {}.", goals.len(), missed.join("; ")),
    }
}

fn table(parts: &[(&str, Vec<Row>)]) -> String {
    let known: Vec<&Row> = parts.iter().flat_map(|(_, rows)| rows).filter(|row| row.skipped.is_none()).collect();
    let mut lines = vec![
        "| What | Measured | Goal | Ratio to the goal | Beside it | |".to_owned(),
        "| --- | ---: | ---: | --- | --- | --- |".to_owned(),
    ];
    for (part, rows) in parts {
        let mut group = "";
        if rows.is_empty() {
            lines.push(format!("| **{part}** | | | | | NOT MEASURED: this part failed |"));
        }
        for row in rows {
            if row.group != group {
                lines.push(format!("| **{}** (`{part}`) | | | | | |", row.group));
                group = &row.group;
            }
            lines.push(match &row.skipped {
                Some(why) => format!("| {} | – | | | | SKIPPED: {why} |", row.name),
                None => line(row, &known),
            });
        }
    }
    lines.join("\n") + "\n"
}

fn line(row: &Row, known: &[&Row]) -> String {
    let measured = quantity(row.value, &row.unit);
    let (goal, ratio) = row.goal().map_or_else(Default::default, |(sign, goal, is_met)| {
        let told = if is_met { "met" } else { "**missed**" };
        (format!("{sign} {}", quantity(goal, &row.unit)), format!("{}, {told}", number(row.value / goal)))
    });
    // Two groups may have a name in common: then the row's own group is meant.
    let named = |name: &str| {
        let mut found = known.iter().filter(|other| other.name == name);
        found.clone().find(|other| other.group == row.group).or_else(|| found.next())
    };
    let beside = row.beside.as_deref().map_or(String::new(), |name| match named(name) {
        Some(other) => {
            // "with X: accepted" beside "without: accepted": what was measured is told once.
            let (_, measure) = row.name.rsplit_once(": ").unwrap_or_default();
            let name = name.strip_suffix(measure).and_then(|name| name.strip_suffix(": ")).unwrap_or(name);
            format!("{} of {} ({name})", number(row.value / other.value), quantity(other.value, &other.unit))
        }
        None => format!("{name}: not measured"),
    });
    format!("| {} | {measured} | {goal} | {ratio} | {beside} | {} |", row.name, row.note)
}

fn quantity(value: f64, unit: &str) -> String {
    match unit {
        "x" => format!("{} ×", number(value)),
        unit => format!("{} {unit}", number(value)),
    }
}

/// Three digits that count, thousands apart.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => crate::bench::number(value.round()),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The page with the section between its marks.
fn replaced(page: &str, section: &str) -> anyhow::Result<String> {
    let (before, rest) = page.split_once(BEGIN).with_context(|| format!("no {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no {END}"))?;
    Ok(format!("{before}{BEGIN}\n{section}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(lines: &str) -> Vec<Row> {
        lines.lines().map(row).collect()
    }

    #[test]
    fn a_row_tells_its_ratio_to_the_goal_and_to_what_ran_beside_it() {
        let first = rows(
            r#"{"group": "Calls", "name": "fast", "value": 3.3, "unit": "µs", "goal": 3, "better": "lower", "beside": "slow"}
{"group": "Rates", "name": "many", "value": 6200, "unit": "a second", "goal": 5300, "better": "higher", "note": "p99 3 ms"}"#,
        );
        let second = rows(r#"{"group": "Others", "name": "slow", "value": 6.6, "unit": "µs"}"#);
        let parts = [("one", first), ("two", second), ("three", Vec::new())];
        assert_eq!(goals(&parts), "Of 2 goals 1 are met; missed: fast (3.30 µs).");
        assert_eq!(goals(&parts[1..]), "All 0 goals are met.");
        let table = table(&parts);
        let expected = [
            "| **Calls** (`one`) | | | | | |",
            "| fast | 3.30 µs | ≤ 3.00 µs | 1.10, **missed** | 0.50 of 6.60 µs (slow) |  |",
            "| **Rates** (`one`) | | | | | |",
            "| many | 6,200 a second | ≥ 5,300 a second | 1.17, met |  | p99 3 ms |",
            "| **Others** (`two`) | | | | | |",
            "| slow | 6.60 µs |  |  |  |  |",
            "| **three** | | | | | NOT MEASURED: this part failed |",
        ];
        assert_eq!(table.lines().skip(2).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_two_rows_measure_alike_is_told_once() {
        let both = rows(
            r#"{"group": "A", "name": "Empty: rate", "value": 2, "unit": "/s"}
{"group": "A", "name": "Full: rate", "value": 1, "unit": "/s", "beside": "Empty: rate"}"#,
        );
        let table = table(&[("one", both)]);
        assert!(table.contains("| Full: rate | 1.00 /s |  |  | 0.50 of 2.00 /s (Empty) |  |"), "{table}");
    }

    #[test]
    fn what_could_not_be_measured_is_told_and_is_no_figure() {
        let skipped = rows(r#"{"group": "Edge", "name": "hello", "skipped": "no Spin"}"#);
        let beside = rows(r#"{"group": "A", "name": "a", "value": 1, "unit": "x", "beside": "hello"}"#);
        let table = table(&[("edge", skipped), ("a", beside)]);
        assert!(table.contains("| hello | – | | | | SKIPPED: no Spin |"), "{table}");
        assert!(table.contains("| a | 1.00 × |  |  | hello: not measured |  |"), "{table}");
    }

    #[test]
    fn a_line_that_cannot_be_read_does_not_cost_the_others() {
        let table = table(&[(
            "one",
            rows("{\"group\": \"A\"\n{\"group\": \"A\", \"name\": \"a\", \"value\": 1, \"unit\": \"s\"}"),
        )]);
        assert!(table.contains("SKIPPED: EOF") && table.contains("| a | 1.00 s |"), "{table}");
    }

    #[test]
    fn of_two_rows_of_one_name_the_one_of_the_same_group_is_meant() {
        let one = |group: &str, name: &str, value: u8| {
            rows(&format!(
                r#"{{"group": "{group}", "name": "{name}", "value": {value}, "unit": "s", "beside": "slow"}}"#
            ))
        };
        let parts = [
            ("one", one("A", "slow", 8)),
            ("two", [one("B", "slow", 4), one("B", "fast", 2)].into_iter().flatten().collect()),
        ];
        let table = table(&parts);
        assert!(table.contains("| fast | 2.00 s |  |  | 0.50 of 4.00 s (slow) |  |"), "{table}");
    }

    #[test]
    fn only_the_section_between_the_marks_changes() {
        let page = format!("# Title\n{BEGIN}\nold\n{END}\n\nrest");
        let new = replaced(&page, "new\n").expect("both marks");
        assert_eq!(new, format!("# Title\n{BEGIN}\nnew\n{END}\n\nrest"));
        assert_eq!(replaced(&new, "new\n").expect("both marks"), new);
        assert!(replaced("no marks", "new").is_err());
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        for (value, text) in
            [(0.123, "0.12"), (9.99, "9.99"), (9.996, "10.0"), (99.94, "99.9"), (99.96, "100"), (1234.5, "1,235")]
        {
            assert_eq!(number(value), text);
        }
    }
}
