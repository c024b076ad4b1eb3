//! How things are told to the reader: language, times, ages.

use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::texts::Texts;
use crate::settings::Language;

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::En, Self::Fr, Self::Ne];

    /// As HTML and browsers call it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
            Self::Ne => "ne",
        }
    }

    /// In its own words.
    pub fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Fr => "Français",
            Self::Ne => "नेपाली",
        }
    }

    /// Reads a tag; what comes after the language is left aside.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let language = tag.trim().split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|known| known.tag().eq_ignore_ascii_case(language))
    }

    /// The first that a browser prefers and we have.
    pub fn accepted(headers: &HeaderMap) -> Option<Self> {
        let wanted = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
        let mut ranked: Vec<(f32, Self)> = Vec::new();
        for range in wanted.split(',').take(20) {
            let (tag, weight) = range.split_once(";q=").unwrap_or((range, "1"));
            let weight = weight.trim().parse().unwrap_or(0.0);
            if let Some(language) = Self::from_tag(tag).filter(|_| weight > 0.0) {
                ranked.push((weight, language));
            }
        }
        // Of equal ones the first that was named: max_by takes the last.
        ranked.into_iter().rev().max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, language)| language)
    }
}

/// Who reads, and when.
#[derive(Clone)]
pub struct Reader {
    /// Their language.
    pub language: Language,
    /// What there is to say in it.
    pub texts: &'static Texts,
    /// The zone of the times.
    pub zone: TimeZone,
    /// Now.
    pub now: Timestamp,
}

impl Reader {
    /// Reads in a language.
    pub fn new(language: Language, zone: TimeZone, now: Timestamp) -> Self {
        Self { language, texts: Texts::of(language), zone, now }
    }

    /// A moment to the second.
    pub fn moment(&self, at: Timestamp) -> Markup {
        html! { time datetime=(at.to_string()) title=(self.precise(at)) { (self.written(at)) } }
    }

    /// How long ago, with the moment itself behind it.
    pub fn ago(&self, at: Timestamp) -> Markup {
        let age = fill(self.texts.ago, &[&self.span(self.now.duration_since(at).as_secs())]);
        html! { time datetime=(at.to_string()) title=(self.precise(at)) { (age) } }
    }

    /// How long since.
    pub fn age(&self, at: Timestamp) -> Markup {
        let age = self.span(self.now.duration_since(at).as_secs());
        html! { time datetime=(at.to_string()) title=(self.precise(at)) { (age) } }
    }

    /// How long until.
    pub fn ahead(&self, at: Timestamp) -> Markup {
        let span = fill(self.texts.ahead, &[&self.span(at.duration_since(self.now).as_secs())]);
        html! { time datetime=(at.to_string()) title=(self.precise(at)) { (span) } }
    }

    /// As text.
    pub fn written(&self, at: Timestamp) -> String {
        let local = at.to_zoned(self.zone.clone());
        let month = self.texts.months[usize::try_from(local.month() - 1).unwrap_or_default()];
        let (day, year, time) = (local.day(), local.year(), local.strftime("%H:%M:%S"));
        format!("{day} {month} {year}, {time}")
    }

    fn precise(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f %:z").to_string()
    }

    /// The zone's name and where it is now.
    pub fn zone_name(&self) -> String {
        let local = self.now.to_zoned(self.zone.clone());
        let name = self.zone.iana_name().unwrap_or("UTC");
        if name == "UTC" { name.to_owned() } else { format!("{name} (UTC{})", local.strftime("%:z")) }
    }

    fn span(&self, seconds: i64) -> String {
        let seconds = seconds.max(0);
        let (count, [one, many]) = match seconds {
            0..60 => (seconds, self.texts.seconds),
            60..3600 => (seconds / 60, self.texts.minutes),
            3600..172_800 => (seconds / 3600, self.texts.hours),
            _ => (seconds / 86_400, self.texts.days),
        };
        // French counts nothing as one.
        let is_one = count == 1 || (count == 0 && self.language == Language::Fr);
        fill(if is_one { one } else { many }, &[&count.to_string()])
    }
}

/// Puts values into a text, one for each `{}`.
pub fn fill(text: &str, values: &[&str]) -> String {
    let mut parts = text.split("{}");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for (at, part) in parts.enumerate() {
        filled.push_str(values.get(at).copied().unwrap_or_default());
        filled.push_str(part);
    }
    filled
}

/// A count with its thousands apart.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push('\u{202F}'); // a narrow space that does not break
        }
        grouped.push(digit);
    }
    grouped
}
