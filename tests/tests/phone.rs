//! `mapping::phone` reads the numbers of all regions as libphonenumber does. `tests/fixtures/phone/SOURCE.md` tells where the
//! answers come from.

use std::fs;

use mapping::phone::{Unusable, e164, read};

/// The rows of a table.
fn rows<const COLUMNS: usize>(name: &str, head: &str) -> Vec<[String; COLUMNS]> {
    let path = format!("{}/fixtures/phone/{name}", env!("CARGO_MANIFEST_DIR"));
    let csv = fs::read_to_string(path).expect("the table is readable");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some(head));
    let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    lines.map(|line| cells(line).try_into().unwrap_or_else(|_| panic!("not {COLUMNS} columns: {line}"))).collect()
}

fn numbers() -> Vec<[String; 5]> {
    let rows = rows("numbers.csv", "region,prefix,e164,national,from_france");
    assert!(rows.len() > 1100, "{}", rows.len());
    rows
}

/// Fails with all differences.
fn check(cases: impl Iterator<Item = (String, String, Option<String>)>) {
    let mut checked = 0;
    let wrong: Vec<String> = cases
        .filter_map(|(number, prefix, expected)| {
            checked += 1;
            let ours = e164(&number, &prefix);
            (ours != expected).then(|| format!("{number} with {prefix:?}: expected {expected:?}, found {ours:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {checked} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn an_international_number_of_every_region_is_read_with_any_setting() {
    check(numbers().into_iter().flat_map(|[_, prefix, number, _, from_france]| {
        let zeros = number.replacen('+', "00", 1);
        let grouped = from_france.replacen("00 ", "+", 1);
        let forms = [number.clone(), grouped.clone(), grouped.replacen('+', "(+", 1).replacen(' ', ") ", 1)];
        let of_forms = forms.into_iter().flat_map({
            let prefix = prefix.clone();
            move |form| ["", "+33", "+229", &prefix].map(|prefix| (form.clone(), prefix.to_owned()))
        });
        let of_zeros = [(zeros.clone(), String::new()), (zeros, "+33".to_owned()), (from_france, "+33".to_owned())];
        let all: Vec<_> = of_forms.chain(of_zeros).map(|(form, prefix)| (form, prefix, Some(number.clone()))).collect();
        all
    }));
}

#[test]
fn a_national_number_of_every_region_is_read_with_its_prefix() {
    check(numbers().into_iter().filter(|[_, _, _, national, _]| !national.is_empty()).flat_map(
        |[_, prefix, number, national, _]| {
            let digits: String = national.chars().filter(char::is_ascii_digit).collect();
            [national.clone(), digits].map(|form| (form, prefix.clone(), Some(number.clone())))
        },
    ));
}

#[test]
fn a_national_prefix_behind_the_calling_code_is_not_dialled_from_abroad() {
    check(numbers().into_iter().filter(|[_, _, _, national, _]| !national.is_empty()).flat_map(
        |[_, prefix, number, national, _]| {
            let bracketed = national.strip_prefix('0').map(|rest| format!("{prefix} (0){rest}"));
            let plain = Some(format!("{prefix} {national}"));
            let form = |form: String| (form, String::new(), Some(number.clone()));
            bracketed.into_iter().chain(plain).map(form).collect::<Vec<_>>()
        },
    ));
}

#[test]
fn a_number_that_cannot_exist_is_none() {
    let rows: Vec<[String; 2]> = rows("impossible.csv", "prefix,number");
    assert!(rows.len() > 1000, "{}", rows.len());
    check(rows.into_iter().map(|[prefix, number]| (number, prefix, None)));
}

#[test]
fn the_zero_is_kept_where_it_belongs_to_the_number() {
    let some = |number: &str, prefix: &str, e164: &str| (number.to_owned(), prefix.to_owned(), Some(e164.to_owned()));
    check(
        [
            some("0140123456", "+229", "+2290140123456"),
            some("01 40 12 34 56", "+229", "+2290140123456"),
            some("2290140123456", "+229", "+2290140123456"),
            some("0707070707", "+225", "+2250707070707"),
            some("+225 07 07 07 07 07", "+225", "+2250707070707"),
            some("06 612 3456", "+242", "+242066123456"),
            some("06 6982 1234", "+39", "+390669821234"),
            some("+39 (0)6 6982 1234", "", "+390669821234"),
            some("011 73 91 23", "+241", "+24111739123"),
            some("06 03 12 34", "+241", "+24106031234"),
        ]
        .into_iter(),
    );
}

#[test]
fn the_national_prefix_is_what_the_country_dials() {
    let some = |number: &str, prefix: &str, e164: &str| (number.to_owned(), prefix.to_owned(), Some(e164.to_owned()));
    check(
        [
            some("+977-01-4412345", "+977", "+97714412345"),
            some("+977 01 441 2345", "", "+97714412345"),
            some("00977 01 441 2345", "", "+97714412345"),
            some("977 01 441 2345", "+977", "+97714412345"),
            some("+977 (01) 441-2345", "+977", "+97714412345"),
            some("8 (912) 345-67-89", "+7", "+79123456789"),
            some("8 701 234 5678", "+7", "+77012345678"),
            some("701 234 5678", "+77", "+77012345678"),
            some("06 20 123 4567", "+36", "+36201234567"),
            some("+36 06 20 123 4567", "+36", "+36201234567"),
            some("011 15-2345-6789", "+54", "+5491123456789"),
            some("1 876 234 5678", "+1", "+18762345678"),
            some("876 234 5678", "+1", "+18762345678"),
            some("234-5678", "+1876", "+18762345678"),
            some("1 876 234 5678", "+1876", "+18762345678"),
            some("07797 712345", "+44", "+447797712345"),
            some("01534 712345", "+44", "+441534712345"),
            some("+221 (0) 77 123 45 67", "", "+221771234567"),
            some("000 44 20 7031 3000", "+254", "+442070313000"),
            some("011 254 712 345678", "+1", "+254712345678"),
        ]
        .into_iter(),
    );
}

#[test]
fn a_national_number_that_begins_with_the_calling_code_is_one() {
    let some = |number: &str, prefix: &str, e164: &str| (number.to_owned(), prefix.to_owned(), Some(e164.to_owned()));
    check(
        [
            some("9112345678", "+91", "+919112345678"),
            some("09112345678", "+91", "+919112345678"),
            some("919112345678", "+91", "+919112345678"),
            some("919 112 345 678", "+91", "+919112345678"),
            some("2250101234", "+225", "+2252250101234"),
            some("2252250101234", "+225", "+2252250101234"),
            some("39 06 1234 5678", "+39", "+390612345678"),
            some("390 1234567", "+39", "+393901234567"),
        ]
        .into_iter(),
    );
}

#[test]
fn a_number_is_read_however_it_is_written() {
    for written in [
        "tel:+977-984-1234567",
        "＋９７７９８４１２３４５６７",
        "+٩٧٧ ٩٨٤١٢٣٤٥٦٧",
        "+৯৭৭ ৯৮৪১২৩৪৫৬৭",
        "(+977) 984‑123–4567",
        "+977\u{a0}984\u{202f}123\u{2009}4567",
    ] {
        assert_eq!(e164(written, ""), Some("+9779841234567".to_owned()), "{written}");
    }
}

#[test]
fn what_is_no_number_is_told() {
    for (number, prefix, why) in [
        ("", "+977", Unusable::NoNumber),
        ("ask her brother", "+977", Unusable::NoNumber),
        ("4412345/6", "+977", Unusable::NoNumber),
        ("++9779841234567", "+977", Unusable::NoNumber),
        ("9841234567 9851234567", "+977", Unusable::Impossible),
        ("01-4412345 ext. 12", "+977", Unusable::Extension),
        ("01-4412345 x12", "+977", Unusable::Extension),
        ("+97714412345;ext=12", "+977", Unusable::Extension),
        ("9841234567", "", Unusable::NoCountry),
        ("9841234567", "+999", Unusable::NoCountry),
        ("00999123456789", "", Unusable::Impossible),
        ("+999123456789", "", Unusable::Impossible),
        ("+9770144123456", "", Unusable::Impossible),
        ("40123456", "+229", Unusable::Impossible),
        ("4412345", "+977", Unusable::Impossible), // without its area code
        ("234-5678", "+1", Unusable::Impossible),
        ("103", "+977", Unusable::Impossible),
        ("+0779841234567", "+977", Unusable::Impossible),
        ("+1 123 456 7890", "", Unusable::Impossible),
    ] {
        assert_eq!(read(number, prefix), Err(why), "{number} with {prefix:?}");
    }
}
