//! A table of places as CSV. All that is wrong with it is told at once, each with its line.

use std::collections::HashMap;

use mapping::encoding;
use mapping::patient::PlaceLink;
use mapping::text::plain;

/// Names of the columns that are read; there may be others.
pub const COLUMNS: [&str; 2] = ["location_code", "place_id"];

/// Reads a table: separated by commas, semicolons or tabs, whichever stands in its first line.
pub fn read(bytes: &[u8]) -> Result<Vec<PlaceLink>, Vec<String>> {
    if let Some(other) = encoding::other_than_utf8(bytes) {
        return Err(vec![format!("it is {other}; save the table as \"CSV UTF-8\"")]);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        vec![format!("line {line}: not UTF-8; save the table as \"CSV UTF-8\"")]
    })?;
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().next().unwrap_or_default();
    let delimiter = [b';', b'\t'].into_iter().find(|delimiter| first.contains(char::from(*delimiter))).unwrap_or(b',');
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| vec![error.to_string()])?.clone();
    let column = |name: &str| headers.iter().position(|header| header.eq_ignore_ascii_case(name));
    let [Some(code), Some(place)] = COLUMNS.map(column) else {
        let text = format!("line 1: expected a line with the columns {}", COLUMNS.join(" and "));
        return Err(vec![text]);
    };
    let mut problems = Vec::new();
    let mut rows: Vec<PlaceLink> = Vec::new();
    let mut lines: HashMap<String, u64> = HashMap::new();
    // Of a record after empty lines the reader tells where those begin.
    let (mut seen, mut newlines) = (0, 0);
    let mut line_of = |begin: usize| {
        let blank = text.as_bytes()[begin..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let begin = begin + blank;
        newlines += text.as_bytes()[seen..begin].iter().filter(|byte| **byte == b'\n').count() as u64;
        seen = begin;
        newlines + 1
    };
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(error.to_string());
                continue;
            }
        };
        let begin = record.position().map_or(0, |position| position.byte() as usize);
        let line = line_of(begin.min(text.len()));
        if record.iter().all(str::is_empty) {
            continue;
        }
        if record.len() != headers.len() {
            problems.push(format!("line {line}: {} values, but {} columns", record.len(), headers.len()));
            continue;
        }
        let [location_code, place_id] = [&record[code], &record[place]].map(|value| plain(value).into_owned());
        let told = problems.len();
        for (name, value) in COLUMNS.iter().zip([&location_code, &place_id]) {
            if value.is_empty() {
                problems.push(format!("line {line}: {name} is empty"));
            } else if value.len() > 200 || value.contains(char::is_whitespace) {
                problems.push(format!("line {line}: {name} holds blanks or is too long"));
            }
        }
        if let Some(earlier) = lines.get(&location_code)
            && !location_code.is_empty()
        {
            problems.push(format!("line {line}: {location_code} is there already, in line {earlier}"));
        }
        lines.entry(location_code.clone()).or_insert(line);
        if problems.len() == told {
            rows.push(PlaceLink { location_code, place_id });
        }
    }
    if rows.is_empty() && problems.is_empty() {
        problems.push("there is no row below the columns".to_owned());
    }
    if problems.is_empty() { Ok(rows) } else { Err(problems) }
}
