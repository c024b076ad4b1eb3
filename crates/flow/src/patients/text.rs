//! Names, numbers and dates as they are compared. What is stored anywhere stays as it was written.

use std::cmp::Ordering;

use mapping::phone::e164;
use mapping::text::{cannot_be_seen, plain};
use unicode_normalization::UnicodeNormalization;

/// A name without what people write in different ways: case, accents of Latin letters, blanks, dots and hyphens.
pub fn name(name: &str) -> String {
    let letters = |letter: char| match letter {
        // Accents on Latin letters. The vowel signs of Devanagari and others are marks as well, and those tell names apart.
        '\u{300}'..='\u{36f}' => None,
        // Keyboards for Devanagari leave joiners, and who reads a name does not see them.
        letter if cannot_be_seen(letter) => None,
        '.' | ',' | '-' | '\'' | '`' | '\u{2018}' | '\u{2019}' | '\u{2bc}' | '_' => Some(' '),
        letter => Some(letter),
    };
    let plain: String = name.nfkd().filter_map(letters).flat_map(char::to_lowercase).nfc().collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether two names are one in two spellings: "Ram Bahadur" and "RAMBAHADUR". Parts in another order are another name.
pub fn is_same_name(one: &str, other: &str) -> bool {
    let letters = |written: &str| name(written).replace(' ', "");
    letters(one) == letters(other)
}

/// What is written for who has no name yet. Twins of one day, one house and one phone are both called so.
const NOBODY: [&str; 16] = [
    "baby",
    "newborn",
    "infant",
    "child",
    "twin",
    "unknown",
    "unnamed",
    "test",
    "bebe",
    "nouveau",
    "jumeau",
    "inconnu",
    "बेबी",
    "बच्चा",
    "शिशु",
    "नवजात",
];

/// Whether a name tells its bearer from others: no dash, no single letter, no "Baby of Sita".
pub fn is_telling(written: &str) -> bool {
    let plain = name(written);
    let nobody = |part: &str| NOBODY.iter().any(|nobody| name(nobody) == part);
    plain.chars().filter(|letter| letter.is_alphabetic()).count() > 1 && !plain.split(' ').any(nobody)
}

/// A telephone number as E.164; what cannot be read as one, or stands for "none", equals nothing.
pub fn phone(number: &str, prefix: &str) -> Option<String> {
    e164(&plain(number), prefix).filter(|number| !is_placeholder(number, prefix))
}

/// What is typed where there is no telephone: one digit again and again, or digits in a row.
fn is_placeholder(number: &str, prefix: &str) -> bool {
    const ROWS: [&str; 2] = ["01234567890", "9876543210"];
    let digits = number.trim_start_matches('+');
    let country = prefix.trim_start_matches('+');
    let national = digits.strip_prefix(country).filter(|national| national.len() >= 7).unwrap_or(digits);
    let last = &national[national.len().saturating_sub(9)..];
    let is_one_digit = last.bytes().all(|digit| last.as_bytes().first() == Some(&digit));
    is_one_digit || ROWS.iter().any(|row| row.contains(last))
}

/// An insurance number without what people write in different ways: blanks and case.
pub fn number(number: &str) -> String {
    number.split_whitespace().flat_map(str::chars).flat_map(char::to_lowercase).collect()
}

/// A date as `YYYY-MM-DD`: CHT's forms write it so, or with a time behind it.
pub fn date(date: &str) -> Option<jiff::civil::Date> {
    let date = plain(date);
    date.get(..10).filter(|_| date.is_ascii())?.parse().ok()
}

/// How alike two names are, 0 to 1, both as [`name`] writes them. Parts may be swapped, shortened to an initial or left out.
pub fn likeness(one: &str, other: &str) -> f64 {
    if one == other {
        return 1.0;
    }
    if one.is_empty() || other.is_empty() {
        return 0.0;
    }
    let (few, many): (Vec<&str>, Vec<&str>) = (one.split(' ').collect(), other.split(' ').collect());
    let paired = match few.len().cmp(&many.len()) {
        Ordering::Less => paired(&few, &many),
        Ordering::Equal => paired(&few, &many).max(paired(&many, &few)), // it must not matter which name comes first
        Ordering::Greater => paired(&many, &few),
    };
    // "Ram Bahadur" and "Rambahadur".
    let (one, other) = (one.replace(' ', ""), other.replace(' ', ""));
    paired.max(strsim::normalized_damerau_levenshtein(&one, &other)).clamp(0.0, 1.0)
}

/// Each part of the shorter name with the part of the longer one that is most like it.
fn paired(few: &[&str], many: &[&str]) -> f64 {
    let left_out = many.len() - few.len();
    let mut many = many.to_vec();
    let (mut sum, mut letters) = (0.0, 0.0);
    for part in few {
        let best = many.iter().enumerate().map(|(at, whole)| (at, part_likeness(part, whole)));
        let Some((at, likeness)) = best.max_by(|one, other| one.1.total_cmp(&other.1)) else { break };
        many.swap_remove(at);
        let weight = part.chars().count() as f64;
        (sum, letters) = (sum + likeness * weight, letters + weight);
    }
    sum / letters * (1.0 - 0.04 * left_out as f64)
}

fn part_likeness(part: &str, whole: &str) -> f64 {
    let mut letters = part.chars();
    match (letters.next(), letters.next()) {
        (Some(initial), None) if whole.starts_with(initial) => 0.9,
        _ => strsim::jaro_winkler(part, whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_compared_without_case_accents_and_punctuation() {
        for (one, other) in [
            ("Kalpana Udaharan", "  kalpana   UDAHARAN "),
            ("Élise N'Diaye-Kaboré", "elise n diaye kabore"),
            ("Ngũgĩ", "ngugi"),
            ("J. Doe", "J Doe"),
            ("कल्पना उदाहरण", "कल्पना  उदाहरण"),
        ] {
            assert_eq!(name(one), name(other));
        }
        assert_ne!(name("कल्पना"), name("कल्पन"), "a vowel sign is no accent");
        assert_ne!(name("राम"), name("रमा"));
        assert_eq!(name("र\u{94d}\u{200d}याली"), name("र\u{94d}याली"), "a joiner is not to be seen");
        assert_eq!(name("Kal\u{200b}pana\u{a0}\u{202e}Udaharan\u{7}\u{fe0f}"), name("Kalpana Udaharan"));
    }

    #[test]
    fn one_name_may_be_written_in_one_word_or_two_but_not_turned_around() {
        assert!(is_same_name("Ram Bahadur", "RAMBAHADUR") && is_same_name("N'Diaye", "ndiaye"));
        assert!(!is_same_name("Krishna Hari", "Hari Krishna"));
        for (written, telling) in [
            ("Ram Thapa", true),
            ("राम", true),
            ("-", false),
            ("...", false),
            ("K.", false),
            ("Baby of Sita", false),
            ("BABY-Thapa", false),
            ("Bébé Kaboré", false),
            ("बच्चा थापा", false),
            ("Babita Thapa", true),
        ] {
            assert_eq!(is_telling(written), telling, "{written}");
        }
    }

    #[test]
    fn a_number_that_stands_for_none_equals_nothing() {
        for none in ["0000000000", "9999999999", "1111111", "+977 1234567890", "0123456789", "१११११११११"]
        {
            assert_eq!(phone(none, "+977"), None, "{none}");
        }
        assert_eq!(phone("+9779999999999", ""), None);
        for some in ["9841234567", "9800000000", "+9779812345678", "014412345"] {
            assert!(phone(some, "+977").is_some(), "{some}");
        }
    }

    #[test]
    fn alike_names_are_told_from_others() {
        for (one, other) in [
            ("kalpana udaharan", "kalpna udaharan"),
            ("kalpana udaharan", "udaharan kalpana"),
            ("kalpana devi udaharan", "kalpana udaharan"),
            ("k udaharan", "kalpana udaharan"),
            ("ram bahadur thapa", "rambahadur thapa"),
            ("mohammed ali", "muhamed ali"),
        ] {
            assert!(likeness(one, other) >= 0.85, "{one} and {other}: {}", likeness(one, other));
            assert_eq!(likeness(one, other), likeness(other, one));
        }
        for (one, other) in
            [("kalpana udaharan", "bishnu thapa"), ("kalpana udaharan", "hari udaharan"), ("jane doe", "john smith")]
        {
            assert!(likeness(one, other) < 0.85, "{one} and {other}: {}", likeness(one, other));
        }
        assert_eq!(likeness("", "kalpana"), 0.0);
    }

    #[test]
    fn numbers_and_dates_are_compared_by_what_they_say() {
        assert_eq!(phone("984-123 4567", "+977"), phone("+977 9841234567", ""));
        assert_eq!(phone("\u{202a}+977\u{a0}984123\u{200b}4567\u{202c}", ""), phone("9841234567", "+977"));
        assert_eq!(date("\u{200e}1985-04-14\u{feff}"), date("1985-04-14"));
        assert_eq!(phone("call the neighbour", "+977"), None);
        assert_eq!(date("1985-04-14T00:00:00.000Z"), date("1985-04-14"));
        assert_eq!((date("14/04/1985"), date("1985"), date("१९८५-०४-१४")), (None, None, None));
    }
}
