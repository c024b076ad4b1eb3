//! A filter as an address or a form says it. What is not understood is told: a slip must not mean "all".

use flow::mapping::ids::InsureeUuid;
use flow::mapping::text::plain;
use flow::{Kind, MessageId, State};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use maud::{Markup, html};
use url::form_urlencoded;

use super::format::Reader;
use super::page;
use super::texts::Texts;
use super::visit::Visit;
use store::Filter;

/// Messages a page.
pub(super) const PAGE: u32 = 50;

/// The fields as they were filled in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Asked {
    pub state: String,
    pub kind: String,
    pub claim: String,
    pub insuree: String,
    pub from: String,
    pub to: String,
    pub before: String,
}

impl Asked {
    /// From an address. Fields that nobody knows are left aside, values that nobody understands are told by `filter`.
    pub fn from_query(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if let Some(field) = asked.field(&name) {
                *field = plain(&value).into_owned();
            }
        }
        asked
    }

    /// From a form.
    pub fn from_form(form: &super::visit::Form) -> Self {
        let mut asked = Self::default();
        for name in ["state", "kind", "claim", "insuree", "from", "to"] {
            if let Some(field) = asked.field(name) {
                *field = plain(form.get(name)).into_owned();
            }
        }
        asked
    }

    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "state" => &mut self.state,
            "kind" => &mut self.kind,
            "claim" => &mut self.claim,
            "insuree" => &mut self.insuree,
            "from" => &mut self.from,
            "to" => &mut self.to,
            "before" => &mut self.before,
            _ => return None,
        })
    }

    /// As the rest of an address, with its question mark; empty if nothing is asked for.
    pub fn query(&self, before: Option<MessageId>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.named() {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        if let Some(before) = before {
            query.append_pair("before", &before.to_string());
        }
        let query = query.finish();
        if query.is_empty() { query } else { format!("?{query}") }
    }

    fn named(&self) -> [(&'static str, &str); 6] {
        [
            ("state", &self.state),
            ("kind", &self.kind),
            ("claim", &self.claim),
            ("insuree", &self.insuree),
            ("from", &self.from),
            ("to", &self.to),
        ]
    }

    /// The fields as hidden ones of another form.
    pub fn hidden(&self) -> Markup {
        html! {
            @for (name, value) in self.named() {
                @if !value.is_empty() { input type="hidden" name=(name) value=(value); }
            }
        }
    }

    /// What is meant, or which fields say nothing that is understood.
    pub fn filter(&self, reader: &Reader) -> Result<Filter, Vec<String>> {
        let (t, zone) = (reader.texts, &reader.zone);
        let mut wrong = Vec::new();
        let mut note = |field: &str, expected: &str| wrong.push(format!("{field}{}{expected}", t.colon));
        let state = understood(&self.state, State::from_word);
        let kind = understood(&self.kind, kind_of);
        let insuree = understood(&self.insuree, |text| InsureeUuid::parse(text).map(|uuid| uuid.to_string()));
        let from = understood(&self.from, |text| moment(text, zone, false));
        let to = understood(&self.to, |text| moment(text, zone, true));
        let before = understood(&self.before, |text| text.parse().ok().map(MessageId));
        for (is_wrong, field, expected) in [
            (state.is_err(), t.state, t.expected_state),
            (kind.is_err(), t.kind, t.expected_kind),
            (insuree.is_err(), t.insuree, t.expected_uuid),
            (from.is_err(), t.from, t.expected_time),
            (to.is_err(), t.to, t.expected_time),
            (before.is_err(), t.older, t.expected_number),
        ] {
            if is_wrong {
                note(field, expected);
            }
        }
        match (state, kind, insuree, from, to, before) {
            (Ok(state), Ok(kind), Ok(insuree), Ok(from), Ok(to), Ok(before)) => {
                let claim = (!self.claim.is_empty()).then(|| self.claim.clone());
                Ok(Filter { state, kind, claim, insuree, from, to, before, limit: PAGE })
            }
            _ => Err(wrong),
        }
    }

    /// The form. It is posted, for an insurance number is nothing for an address.
    pub fn form(&self, visit: &Visit) -> Markup {
        let t = visit.reader.texts;
        html! {
            form.filter method="post" action="/console/messages/find" role="search" aria-label=(t.filter) {
                (page::token(visit))
                (choice("state", t.state, &self.state, State::ALL.iter().map(|state| state.word()), t, page::state_word))
                (choice("kind", t.kind, &self.kind, Kind::ALL.iter().map(|kind| kind.word()), t, page::kind_word))
                (field("claim", "text", t.claim, t.claim_hint, &self.claim))
                (field("insuree", "text", t.insuree, t.insuree_hint, &self.insuree))
                (field("from", "datetime-local", t.from, "", &minute(&self.from, false)))
                (field("to", "datetime-local", t.to, "", &minute(&self.to, true)))
                div.actions {
                    button.main type="submit" { (t.find) }
                    a href="/console/messages" { (t.clear) }
                }
            }
        }
    }
}

fn field(name: &str, kind: &str, label: &str, hint: &str, value: &str) -> Markup {
    let hint = (!hint.is_empty()).then_some(hint);
    html! {
        div {
            label for={ "f-" (name) } { (label) }
            input id={ "f-" (name) } name=(name) type=(kind) value=(value) placeholder=[hint] maxlength="200" autocomplete="off"
                spellcheck="false";
        }
    }
}

fn choice<'w>(
    name: &str,
    label: &str,
    chosen: &str,
    words: impl Iterator<Item = &'w str>,
    t: &'w Texts,
    told: fn(&'w Texts, &'w str) -> &'w str,
) -> Markup {
    html! {
        div {
            label for={ "f-" (name) } { (label) }
            select id={ "f-" (name) } name=(name) {
                option value="" { (t.all) }
                @for word in words { option value=(word) selected[word == chosen] { (told(t, word)) } }
            }
        }
    }
}

/// Reads a kind. A word of the version before is accepted: it may stand in a bookmark.
fn kind_of(word: &str) -> Option<Kind> {
    Kind::from_word(word).or_else(|| {
        let kind = Kind::from_former(word)?;
        tracing::warn!(word, %kind, "an address of the console has the former word of a kind, which the next version refuses");
        Some(kind)
    })
}

/// Nothing is fine, and so is what can be read.
fn understood<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    read(text).map(Some).ok_or(())
}

/// A time as a field for times takes it: given a day alone, the field would be empty and the next search another one.
fn minute(text: &str, is_end: bool) -> String {
    match text.parse::<Date>() {
        Ok(day) if text.len() == 10 => {
            let day = if is_end { day.saturating_add(1.day()) } else { day };
            format!("{day}T00:00")
        }
        _ => text.to_owned(),
    }
}

/// A local time as browsers write it, or a day; as an end, a day is over at midnight.
fn moment(text: &str, zone: &TimeZone, is_end: bool) -> Option<Timestamp> {
    let local = match text.parse::<Date>() {
        Ok(day) if text.len() == 10 => (if is_end { day.checked_add(1.day()).ok()? } else { day }).at(0, 0, 0, 0),
        _ => text.parse::<DateTime>().ok()?,
    };
    Some(local.to_zoned(zone.clone()).ok()?.timestamp())
}
