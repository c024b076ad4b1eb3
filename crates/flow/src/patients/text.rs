//! Names, numbers and dates as they are compared. What is stored anywhere stays as it was written.

use mapping::ids::InsureeUuid;
use mapping::phone::e164;
use unicode_normalization::UnicodeNormalization;

/// A name without what people write in different ways: case, accents of Latin letters, blanks, dots and hyphens.
pub fn name(name: &str) -> String {
    let plain = |letter: char| match letter {
        // Accents on Latin letters. The vowel signs of Devanagari and others are marks as well, and those tell names apart.
        '\u{300}'..='\u{36f}' => None,
        '.' | ',' | '-' | '\'' | '\u{2019}' | '_' | '\u{200c}' | '\u{200d}' => Some(' '),
        letter => Some(letter),
    };
    let plain: String = name.nfkd().filter_map(plain).flat_map(char::to_lowercase).nfc().collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A telephone number as E.164; what cannot be read as one equals nothing.
pub fn phone(number: &str, prefix: &str) -> Option<String> {
    e164(number.trim(), prefix)
}

/// A date as `YYYY-MM-DD`: CHT's forms write it so, or with a time behind it.
pub fn date(date: &str) -> Option<jiff::civil::Date> {
    let date = date.trim();
    date.get(..10).filter(|_| date.is_ascii())?.parse().ok()
}

/// openIMIS' uuid in any spelling.
pub fn uuid(text: &str) -> Option<InsureeUuid> {
    InsureeUuid::parse(text.trim())
}

/// How alike two names are, 0 to 1, both as [`name`] writes them. Parts may be swapped, shortened to an initial or left out.
pub fn likeness(one: &str, other: &str) -> f64 {
    if one == other {
        return 1.0;
    }
    let (mut few, mut many): (Vec<&str>, Vec<&str>) = (one.split(' ').collect(), other.split(' ').collect());
    if few.len() > many.len() {
        std::mem::swap(&mut few, &mut many);
    }
    if few.iter().all(|part| part.is_empty()) {
        return 0.0;
    }
    let left_out = many.len() - few.len();
    let (mut sum, mut letters) = (0.0, 0.0);
    for part in &few {
        let best = many.iter().enumerate().map(|(at, whole)| (at, part_likeness(part, whole)));
        let Some((at, likeness)) = best.max_by(|one, other| one.1.total_cmp(&other.1)) else { break };
        many.swap_remove(at);
        let weight = part.chars().count() as f64;
        (sum, letters) = (sum + likeness * weight, letters + weight);
    }
    let paired = sum / letters * (1.0 - 0.04 * left_out as f64);
    // "Ram Bahadur" and "Rambahadur".
    let (one, other) = (one.replace(' ', ""), other.replace(' ', ""));
    paired.max(strsim::normalized_damerau_levenshtein(&one, &other)).clamp(0.0, 1.0)
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
        assert_eq!(phone("call the neighbour", "+977"), None);
        assert_eq!(date("1985-04-14T00:00:00.000Z"), date("1985-04-14"));
        assert_eq!((date("14/04/1985"), date("1985"), date("१९८५-०४-१४")), (None, None, None));
    }
}
