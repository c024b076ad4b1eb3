//! What can be seen of the looks without a browser: contrast, and that all languages say the same.

use std::collections::BTreeMap;

use console::format::{Reader, fill, grouped};
use console::texts::Texts;
use openimis_mediator::config::Language;

const STYLE: &str = include_str!("../../../crates/console/src/static/style.css");

/// The colours of `:root`, light and dark.
fn colours() -> BTreeMap<&'static str, [[f64; 3]; 2]> {
    let root = STYLE.split('}').next().expect("the first rule");
    let variables = root.lines().filter_map(|line| line.trim().strip_prefix("--")?.split_once(": light-dark("));
    variables
        .map(|(name, rest)| {
            let (light, dark) = rest.trim_end_matches(");").split_once(", ").expect("two colours");
            (name, [light, dark].map(channels))
        })
        .collect()
}

/// Relative luminance wants linear light.
fn channels(hex: &str) -> [f64; 3] {
    let digits = hex.trim_start_matches('#');
    let value = u32::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{hex} is no colour"));
    assert_eq!(digits.len(), 6, "{hex}");
    [16, 8, 0].map(|shift| {
        let channel = f64::from(value >> shift & 0xff) / 255.0;
        if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
    })
}

/// As WCAG 2.2 counts it.
fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let [one, other] = [one, other].map(|[red, green, blue]| 0.2126 * red + 0.7152 * green + 0.0722 * blue);
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn everything_can_be_read_in_light_and_in_dark() {
    let colours = colours();
    let pairs = [
        ("text", &["ground", "panel", "field", "mark", "calm-ground", "open-ground", "bad-ground"][..], 4.5),
        ("quiet", &["ground", "panel", "field"], 4.5),
        ("accent", &["ground", "panel", "calm-ground", "open-ground"], 4.5),
        ("on-top", &["top"], 4.5),
        ("on-button", &["button"], 4.5),
        ("good", &["panel", "ground", "good-ground"], 4.5),
        ("open", &["panel", "ground", "open-ground"], 4.5),
        ("bad", &["panel", "ground", "bad-ground"], 4.5),
        // What has to be seen and not read: borders of fields.
        ("edge", &["panel", "ground", "field"], 3.0),
    ];
    for (front, grounds, least) in pairs {
        for ground in grounds {
            for (at, mode) in ["light", "dark"].into_iter().enumerate() {
                let contrast = contrast(colours[front][at], colours[*ground][at]);
                assert!(contrast >= least, "{front} on {ground}, {mode}: {contrast:.2}");
            }
        }
    }
}

#[test]
fn the_style_asks_nobody_for_anything() {
    for asking in ["url(", "@import", "http:", "https:"] {
        assert!(!STYLE.contains(asking), "{asking}");
    }
}

#[test]
fn htmx_is_the_file_that_the_readme_names() {
    use sha2::{Digest, Sha256};
    let file = include_bytes!("../../../crates/console/src/static/htmx.min.js");
    let sum: String = Sha256::digest(file).iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(include_str!("../../../crates/console/src/static/README.md").contains(&sum), "{sum}");
}

/// Every text of a language, a line each, by the name of its field.
fn texts(language: Language) -> Vec<String> {
    format!("{:#?}", Texts::of(language)).lines().map(str::to_owned).collect()
}

#[test]
fn all_languages_have_room_for_the_same_values() {
    let english = texts(Language::En);
    assert!(english.len() > 150);
    for language in Language::ALL {
        for (english, other) in english.iter().zip(texts(language)) {
            assert_eq!(english.matches("{}").count(), other.matches("{}").count(), "{english} | {other}");
            assert!(!other.ends_with(": \"\","), "{english} | {other}");
        }
    }
}

#[test]
fn french_and_nepali_are_not_english() {
    let english = texts(Language::En);
    for language in [Language::Fr, Language::Ne] {
        let other = texts(language);
        let same: Vec<_> =
            english.iter().zip(&other).filter(|(one, other)| one == other && one.contains(": \"")).collect();
        // Words that both languages have: Message, Version, Type …
        assert!(same.len() < 20, "{language:?}: {same:#?}");
        if language == Language::Ne {
            let is_words = |line: &&String| line.contains(": \"") && !line.trim().starts_with("colon");
            let latin = other.iter().filter(is_words).filter(|line| line.is_ascii()).collect::<Vec<_>>();
            assert!(latin.is_empty(), "{latin:#?}");
        }
    }
}

#[test]
fn times_are_told_in_the_readers_words_and_zone() {
    let zone = jiff::tz::TimeZone::get("Asia/Kathmandu").expect("a zone");
    let now = "2026-11-21T18:30:00Z".parse().expect("a time");
    let reader = |language| Reader::new(language, zone.clone(), now);
    for (language, expected) in [
        (Language::En, "22 Nov 2026, 00:15:00"),
        (Language::Fr, "22 nov. 2026, 00:15:00"),
        (Language::Ne, "22 नोभेम्बर 2026, 00:15:00"),
    ] {
        assert_eq!(reader(language).written(now), expected);
        assert_eq!(reader(language).zone_name(), "Asia/Kathmandu (UTC+05:45)");
    }
    for (seconds, english, french, nepali) in [
        (0, "0 seconds ago", "il y a 0 seconde", "0 सेकेन्ड अघि"),
        (1, "1 second ago", "il y a 1 seconde", "1 सेकेन्ड अघि"),
        (119, "1 minute ago", "il y a 1 minute", "1 मिनेट अघि"),
        (7200, "2 hours ago", "il y a 2 heures", "2 घण्टा अघि"),
        (172_800, "2 days ago", "il y a 2 jours", "2 दिन अघि"),
    ] {
        let then = now - jiff::SignedDuration::from_secs(seconds);
        for (language, expected) in [(Language::En, english), (Language::Fr, french), (Language::Ne, nepali)] {
            let told = reader(language).ago(then).into_string();
            assert!(told.contains(&format!(">{expected}<")), "{told}");
            assert!(told.contains("datetime=\"2026-11-"), "{told}");
        }
    }
}

#[test]
fn values_and_thousands_are_put_in() {
    assert_eq!(fill("{} of {}", &["1", "{}"]), "1 of {}");
    assert_eq!(fill("none", &["1"]), "none");
    let narrow = '\u{202F}';
    for (count, expected) in [
        (0, "0".to_owned()),
        (999, "999".into()),
        (1000, format!("1{narrow}000")),
        (1_234_567, format!("1{narrow}234{narrow}567")),
    ] {
        assert_eq!(grouped(count), expected);
    }
}
