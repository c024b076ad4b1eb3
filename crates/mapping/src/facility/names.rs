//! Names of facilities as they are compared: the same place is written in many ways.

use unicode_normalization::UnicodeNormalization;

use crate::text::cannot_be_seen;

/// Words in one spelling.
const SPELLINGS: [(&str, &[&str]); 22] = [
    ("center", &["centre"]),
    ("cntr", &["centre"]),
    ("ctr", &["centre"]),
    ("clin", &["clinic"]),
    ("disp", &["dispensary"]),
    ("dist", &["district"]),
    ("gen", &["general"]),
    ("gov", &["government"]),
    ("govt", &["government"]),
    ("hc", &["health", "centre"]),
    ("hlth", &["health"]),
    ("hop", &["hopital"]),
    ("hosp", &["hospital"]),
    ("hp", &["health", "post"]),
    ("mem", &["memorial"]),
    ("phc", &["primary", "health", "centre"]),
    ("prov", &["provincial"]),
    ("pvt", &["private"]),
    ("reg", &["regional"]),
    ("st", &["saint"]),
    ("ste", &["sainte"]),
    ("univ", &["university"]),
];
/// Words that tell no facility from another.
const SILENT: [&str; 7] = ["the", "of", "and", "de", "du", "et", "la"];

/// A name as it is compared.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Name {
    /// Its words in the order of the alphabet: "Hospital, Jumla" is "Jumla Hospital".
    sorted: Vec<String>,
    /// Its letters in a row: "Healthpost" is "Health Post".
    joined: String,
}

impl Name {
    /// Whatever the case, accents, punctuation, common abbreviations and joiners that cannot be seen.
    pub fn of(name: &str) -> Self {
        let words = words(name);
        let joined = words.concat();
        let mut sorted = words;
        sorted.sort_unstable();
        Self { sorted, joined }
    }

    /// Whether both may be one place. A name without letters is nobody's.
    pub fn is_like(&self, other: &Self) -> bool {
        !self.joined.is_empty() && (self.sorted == other.sorted || self.joined == other.joined)
    }
}

fn words(name: &str) -> Vec<String> {
    let plain = |letter: char| match letter {
        // Accents on Latin letters. Vowel signs of Devanagari and others are marks as well, and those tell names apart.
        '\u{300}'..='\u{36f}' => None,
        letter if cannot_be_seen(letter) => None,
        '\u{966}'..='\u{96f}' => char::from_digit(u32::from(letter) - 0x966, 10),
        '\'' | '\u{2018}' | '\u{2019}' | '\u{2bc}' => None,
        '\u{964}' | '\u{965}' | '\u{2010}'..='\u{205e}' => Some(' '),
        letter if letter.is_ascii_punctuation() => Some(' '),
        letter => Some(letter),
    };
    let plain: String = name.nfkd().filter_map(plain).flat_map(char::to_lowercase).collect();
    let mut words: Vec<String> = Vec::new();
    let mut after_initial = false;
    for word in plain.split_whitespace() {
        let is_initial = word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
        match words.last_mut() {
            Some(initials) if is_initial && after_initial => initials.push_str(word), // "P. H. C."
            _ => words.push(word.to_owned()),
        }
        after_initial = is_initial;
    }
    let spelled = words.iter().flat_map(|word| match SPELLINGS.iter().find(|(short, _)| short == word) {
        Some((_, long)) => long.iter().map(|word| (*word).to_owned()).collect(),
        None => vec![word.clone()],
    });
    spelled.filter(|word| !SILENT.contains(&word.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_in_many_spellings_is_one_place() {
        for (one, other) in [
            ("Lake Road Health Center", "LAKE ROAD  health-centre"),
            ("Lake Road H.C.", "Lake Road Health Centre"),
            ("Hospital, Jumla", "Jumla Hosp."),
            ("St. Mary's Hospital", "Saint Marys Hospital"),
            ("Jumla Healthpost", "Jumla HP"),
            ("H\u{f4}pital de la Paix", "Hopital Paix"),
            ("Ho\u{302}pital", "h\u{f4}pital"),
            (
                "\u{938}\u{94d}\u{200d}\u{935}\u{93e}\u{938}\u{94d}\u{925}\u{94d}\u{92f} \u{91a}\u{94c}\u{915}\u{940} \u{967}",
                "\u{938}\u{94d}\u{935}\u{93e}\u{938}\u{94d}\u{925}\u{94d}\u{92f} \u{91a}\u{94c}\u{915}\u{940} 1",
            ),
        ] {
            assert!(Name::of(one).is_like(&Name::of(other)), "{one}, {other}");
        }
    }

    #[test]
    fn two_places_stay_two() {
        for (one, other) in [
            ("Lake Road Health Centre", "Hill Road Health Centre"),
            ("Jumla Health Post 1", "Jumla Health Post 2"),
            ("Jumla Health Post", "Jumla Hospital"),
            // Rani and Rana: only a vowel sign differs.
            ("\u{930}\u{93e}\u{928}\u{940}", "\u{930}\u{93e}\u{928}\u{93e}"),
            ("---", "..."),
        ] {
            assert!(!Name::of(one).is_like(&Name::of(other)), "{one}, {other}");
        }
    }
}
