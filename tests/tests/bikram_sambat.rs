//! `mapping::bikram_sambat` gives the BS day of the npm package `bikram-sambat` on every day of
//! its range, and nothing outside it. The fixture's `SOURCE.md` tells where the answers come from.

use std::fs;

use jiff::ToSpan;
use jiff::civil::{Date, date};
use mapping::bikram_sambat::{BsDate, FIRST, LAST, from_gregorian};

const MONTHS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/bikram-sambat/months.csv");

/// Every day of `months.csv`, in file order: the Gregorian day and the BS day npm gives for it.
fn expected_days() -> Vec<(Date, BsDate)> {
    let csv = fs::read_to_string(MONTHS).expect("months.csv is readable");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("bs_year,bs_month,first_day_ad,days"));
    let mut expected = Vec::new();
    for line in lines {
        let [year, month, first, length] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("not four columns: {line}");
        };
        let year = year.parse().expect("bs_year");
        let month = month.parse().expect("bs_month");
        let first: Date = first.parse().expect("first_day_ad");
        for day in 1..=length.parse().expect("days") {
            let gregorian = first + (i64::from(day) - 1).days();
            expected.push((gregorian, BsDate { year, month, day }));
        }
    }
    expected
}

#[test]
fn agrees_with_npm_on_every_day() {
    let expected = expected_days();

    // The fixture itself: all days, each once, in order, from FIRST to LAST.
    assert_eq!(expected.len(), 44_196);
    assert_eq!(expected.first().map(|(gregorian, _)| *gregorian), Some(FIRST));
    assert_eq!(expected.last().map(|(gregorian, _)| *gregorian), Some(LAST));
    assert!(expected.windows(2).all(|pair| pair[0].0 + 1.day() == pair[1].0));
    assert!(expected.windows(2).all(|pair| pair[0].1 < pair[1].1));

    let wrong: Vec<String> = expected
        .iter()
        .filter_map(|(gregorian, npm)| {
            let ours = from_gregorian(*gregorian);
            (ours != Some(*npm)).then(|| format!("{gregorian}: npm {npm:?}, ours {ours:?}"))
        })
        .collect();
    println!("{} days checked, {} wrong", expected.len(), wrong.len());
    assert!(wrong.is_empty(), "{} days differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn knows_the_example_and_both_ends() {
    let bs = |year, month, day| Some(BsDate { year, month, day });
    assert_eq!(from_gregorian(date(2025, 8, 25)), bs(2082, 5, 9));
    assert_eq!(from_gregorian(FIRST), bs(1970, 1, 1));
    assert_eq!(from_gregorian(LAST), bs(2090, 12, 30));
}

#[test]
fn has_no_answer_outside_the_range() {
    for outside in [date(1913, 4, 12), date(2034, 4, 14), date(2099, 12, 31), Date::MIN, Date::ZERO, Date::MAX] {
        assert_eq!(from_gregorian(outside), None, "{outside}");
    }
}
