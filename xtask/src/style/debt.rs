//! The limits of the files: `"path" = number`, a line each.

use std::collections::BTreeMap;

const HEAD: &str = "\
# How many words of style-words.toml each file still has: a limit that only falls. Written by `cargo xtask style --bless`.
";

/// What differs from the limits.
#[derive(Debug, Default, PartialEq)]
pub struct Report {
    /// Files above their limit: path, hits, limit.
    pub more: Vec<(String, usize, usize)>,
    /// Files below their limit, and files that have none any more.
    pub fewer: Vec<String>,
    /// All hits.
    pub found: usize,
    /// The sum of all limits.
    pub allowed: usize,
}

/// Compares hits with limits. A file without a limit may have none.
pub fn compare(limits: &BTreeMap<String, usize>, found: &BTreeMap<String, usize>) -> Report {
    let mut report = Report { found: found.values().sum(), allowed: limits.values().sum(), ..Report::default() };
    for (path, count) in found {
        let limit = limits.get(path).copied().unwrap_or_default();
        if *count > limit {
            report.more.push((path.clone(), *count, limit));
        }
    }
    let fell = limits.iter().filter(|(path, limit)| found.get(*path).copied().unwrap_or_default() < **limit);
    report.fewer = fell.map(|(path, _)| path.clone()).collect();
    report
}

/// Reads the limits.
pub fn read(text: &str) -> Result<BTreeMap<String, usize>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            let (path, count) = line.split_once(" = ").ok_or_else(|| format!("line {}: no limit", number + 1))?;
            let count = count.parse().map_err(|error| format!("line {}: {error}", number + 1))?;
            Ok((path.trim_matches('"').to_owned(), count))
        })
        .collect()
}

/// Writes the limits.
pub fn write(counts: &BTreeMap<String, usize>) -> String {
    let lines = counts.iter().filter(|(_, count)| **count > 0).map(|(path, count)| format!("\"{path}\" = {count}\n"));
    HEAD.to_owned() + &lines.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
        pairs.iter().map(|(path, count)| ((*path).to_owned(), *count)).collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let limits = counts(&[("README.md", 3), ("host/src/main.rs", 1)]);
        assert_eq!(read(&write(&limits)), Ok(limits));
        assert!(read("README.md").is_err());
        assert!(read("\"README.md\" = many").is_err());
    }

    #[test]
    fn a_file_without_hits_has_no_line() {
        assert_eq!(write(&counts(&[("README.md", 0)])), HEAD);
    }

    #[test]
    fn a_new_hit_is_reported_and_a_removed_one_too() {
        let limits = counts(&[("a.md", 2), ("b.md", 1), ("gone.md", 1), ("same.md", 4)]);
        let report = compare(&limits, &counts(&[("a.md", 3), ("new.md", 1), ("same.md", 4)]));
        assert_eq!(report.more, [("a.md".to_owned(), 3, 2), ("new.md".to_owned(), 1, 0)]);
        assert_eq!(report.fewer, ["b.md", "gone.md"]);
        assert_eq!((report.found, report.allowed), (8, 8));
    }
}
