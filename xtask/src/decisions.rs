//! The pages of `docs/decisions`: each has a number, a date and its parts, and is in the index and in the book.

use std::path::Path;

use crate::{Done, root};

const FOLDER: &str = "docs/decisions";
/// What every decision has to say, in this order. Further sections may stand in between.
const PARTS: [&str; 3] = ["Decision", "Why", "Look again when"];

/// Fails with all that is wrong with any page.
pub fn check() -> Done {
    let folder = root().join(FOLDER);
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let index = read(&folder.join("README.md"))?;
    let summary = read(&root().join("docs/SUMMARY.md"))?;
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{FOLDER}: {error}"))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "README.md");
    names.sort();
    let mut wrong = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let text = read(&folder.join(name))?;
        let found = problems(at + 1, name, &text, &index, &summary);
        wrong.extend(found.into_iter().map(|problem| format!("{FOLDER}/{name}: {problem}")));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n       ")) }
}

/// What is wrong with the page that should have this number.
fn problems(number: usize, name: &str, text: &str, index: &str, summary: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let number = format!("{number:03}");
    if !name.starts_with(&format!("{number}-")) || !name.ends_with(".md") {
        problems.push(format!("the next number is {number}: {number}-short-name.md"));
    }
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let title = lines.next().and_then(|line| line.strip_prefix(&format!("# {number}. "))).unwrap_or_default();
    if title.is_empty() {
        problems.push(format!("the first line is not `# {number}. <title>`"));
    }
    let date = lines.next().and_then(|line| line.strip_prefix("Date: ")).unwrap_or_default();
    if !is_date(date) {
        problems.push("the second line is not `Date: YYYY-MM-DD`".into());
    }
    let sections: Vec<(&str, &str)> = text
        .split("\n## ")
        .skip(1)
        .map(|section| section.split_once('\n').unwrap_or((section, "")))
        .map(|(heading, body)| (heading.trim(), body.trim()))
        .collect();
    let mut order = sections.iter().filter(|(heading, _)| PARTS.contains(heading));
    for part in PARTS {
        match order.next() {
            Some((heading, body)) if *heading == part && !body.is_empty() => {}
            _ => problems.push(format!("`## {part}` is missing, empty or in another order")),
        }
    }
    if !index.contains(&format!("| [{number}]({name}) | {date} | {title} | ")) {
        problems.push("README.md has no row with this number, date and title".into());
    }
    if !summary.contains(&format!("[{number}. {title}](decisions/{name})")) {
        problems.push("docs/SUMMARY.md has no line with this number and title".into());
    }
    problems
}

/// Whether a text is a day as ISO 8601 writes it.
fn is_date(text: &str) -> bool {
    let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let between = |part: &str, most: u8| part.parse::<u8>().is_ok_and(|number| (1..=most).contains(&number));
    matches!(text.split('-').collect::<Vec<_>>()[..], [year, month, day]
        if digits(year, 4) && digits(month, 2) && digits(day, 2) && between(month, 12) && between(day, 31))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# 007. A title

Date: 2026-11-21

## Decision

This.

## Why

Because.

## Alternatives

That.

## Look again when

Something changes.
";
    const INDEX: &str = "| [007](007-short.md) | 2026-11-21 | A title | In short. |\n";
    const SUMMARY: &str = "  - [007. A title](decisions/007-short.md)\n";

    fn of(text: &str) -> Vec<String> {
        problems(7, "007-short.md", text, INDEX, SUMMARY)
    }

    #[test]
    fn a_whole_page_has_no_problem() {
        assert!(of(PAGE).is_empty(), "{:?}", of(PAGE));
    }

    #[test]
    fn each_missing_part_is_named() {
        for (from, to, says) in [
            ("# 007. ", "# 7. ", "first line"),
            ("2026-11-21", "21.11.2026", "second line"),
            ("2026-11-21", "2026-13-21", "second line"),
            ("This.\n", "", "## Decision"),
            ("## Why", "## Because", "## Why"),
            ("## Look again when\n\nSomething changes.\n", "", "## Look again when"),
            ("A title", "Another title", "README.md"),
            ("A title", "Another title", "SUMMARY.md"),
        ] {
            let found = of(&PAGE.replacen(from, to, 1));
            assert!(found.iter().any(|problem| problem.contains(says)), "{from}: {found:?}");
        }
    }

    #[test]
    fn a_gap_in_the_numbers_is_a_problem() {
        assert!(problems(6, "007-short.md", PAGE, INDEX, SUMMARY)[0].contains("006"));
    }

    #[test]
    fn the_decisions_of_the_project_are_whole() {
        assert_eq!(check(), Ok(()));
    }
}
