//! The text of a case file: sections, each of which begins with a line `-- name --` and ends where the next one begins. This is the format
//! *txtar* of Go's tools, with the names of [`SECTIONS`] only.

use crate::SECTIONS;

/// The sections by their places in [`SECTIONS`].
pub(crate) fn parse(text: &str) -> Result<Vec<(usize, &str)>, String> {
    let mut sections: Vec<(usize, &str)> = Vec::new();
    for (name, line, content) in pieces(text) {
        let Some(name) = name else {
            if !content.is_empty() {
                return Err(format!("line {line}: expected a line `-- {} --` first", SECTIONS[0]));
            }
            continue;
        };
        let Some(index) = crate::index(name) else {
            return Err(format!("line {line}: `{name}` is not a section; expected one of {}", SECTIONS.join(", ")));
        };
        if sections.iter().any(|(other, _)| *other == index) {
            return Err(format!("line {line}: {name} is there twice"));
        }
        sections.push((index, content));
    }
    Ok(sections)
}

/// The text of one section.
pub fn section<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    pieces(text).into_iter().find(|(found, ..)| *found == Some(name)).map(|(_, _, content)| content)
}

/// The same text with another content of a section. It takes the place of the section itself or of the first of `instead_of`, which are
/// removed, or else comes last. All other sections stay as they are, byte for byte.
pub fn with_section(text: &str, name: &str, content: &str, instead_of: &[&str]) -> String {
    let mut out = String::new();
    let mut is_written = false;
    let mut write = |out: &mut String| {
        if !std::mem::replace(&mut is_written, true) {
            let end = if content.is_empty() || content.ends_with('\n') { "" } else { "\n" };
            out.push_str(&format!("-- {name} --\n{content}{end}"));
        }
    };
    for (found, _, old) in pieces(text) {
        match found {
            Some(found) if found == name || instead_of.contains(&found) => write(&mut out),
            Some(found) => out.push_str(&format!("-- {found} --\n{old}")),
            None => out.push_str(old),
        }
    }
    write(&mut out);
    out
}

/// Names, numbers of the lines, and contents. The first piece has no name: it is what comes before the first section.
fn pieces(text: &str) -> Vec<(Option<&str>, usize, &str)> {
    let mut pieces = Vec::new();
    let (mut name, mut first, mut start, mut end) = (None, 1, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marked = line.strip_suffix('\n').and_then(|line| line.strip_prefix("-- ")?.strip_suffix(" --"));
        if let Some(marked) = marked.filter(|name| !name.is_empty()) {
            pieces.push((name, first, &text[start..end]));
            (name, first, start) = (Some(marked), number + 1, end + line.len());
        }
        end += line.len();
    }
    pieces.push((name, first, &text[start..]));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "-- input.json --\n{}\n\n--  --\n -- x --\n-- error.txt --\n-- settings.json --\n1\n";

    #[test]
    fn sections_begin_with_their_names_and_end_with_the_next_one() {
        let names: Vec<_> =
            parse(TEXT).expect("sections").into_iter().map(|(index, text)| (SECTIONS[index], text)).collect();
        assert_eq!(
            names,
            [("input.json", "{}\n\n--  --\n -- x --\n"), ("error.txt", ""), ("settings.json", "1\n")],
            "a line that only resembles a marker is text"
        );
        assert_eq!(section(TEXT, "settings.json"), Some("1\n"));
        assert_eq!(section(TEXT, "contact.json"), None);
        assert_eq!(parse("").expect("nothing"), []);
    }

    #[test]
    fn a_file_that_is_not_in_the_format_is_an_error() {
        for (text, problem) in [
            ("\n-- input.json --\n", "line 1: expected a line `-- input.json --` first"),
            ("-- input.json --\n-- input.json --\n", "line 2: input.json is there twice"),
            (
                "-- input.json --\n{}\n-- setting.json --\n",
                "line 3: `setting.json` is not a section; expected one of input.json, ",
            ),
        ] {
            let error = parse(text).expect_err("a problem");
            assert!(error.starts_with(problem), "{error}");
        }
    }

    #[test]
    fn a_section_is_replaced_where_it_stands() {
        let replaced = with_section(TEXT, "expected.json", "{}", &["error.txt"]);
        assert_eq!(
            replaced,
            "-- input.json --\n{}\n\n--  --\n -- x --\n-- expected.json --\n{}\n-- settings.json --\n1\n"
        );
        assert_eq!(with_section(TEXT, "settings.json", "1\n", &[]), TEXT);
        assert_eq!(
            with_section("-- input.json --\n", "error.txt", "x\n", &[]),
            "-- input.json --\n-- error.txt --\nx\n"
        );
        let both = "-- error.txt --\nx\n-- input.json --\n-- expected.json --\ny\n";
        assert_eq!(
            with_section(both, "error.txt", "z\n", &["expected.json"]),
            "-- error.txt --\nz\n-- input.json --\n"
        );
    }
}
