//! How openIMIS lists: the `_lastUpdated` filter, pages, and its trap of totals that stay as they were for an hour.

use super::refusal::Refusal;
use axum::{
    extract::{FromRequestParts, Query},
    http::{header, request::Parts},
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    convert::Infallible,
    time::{Duration, Instant},
};

const PAGE_SIZE: usize = 10;
const TOTAL_KEPT: Duration = Duration::from_secs(60 * 60);

/// What a list request asks for.
pub(super) struct Ask {
    /// Absolute address without the query; also the fullUrl of entries, with their id appended.
    address: String,
    path: String,
    query: String,
    parameters: Vec<(String, String)>,
}

impl<S: Sync> FromRequestParts<S> for Ask {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let parameters = Query::try_from_uri(&parts.uri).map(|Query(parameters)| parameters).unwrap_or_default();
        Ok(Self {
            address: format!("http://{host}{}", parts.uri.path()),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default(),
            parameters,
        })
    }
}

impl Ask {
    /// The parameter's value; the last one counts.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn page_size(&self) -> usize {
        let asked = self.parameter("_count").and_then(|count| count.parse().ok());
        asked.filter(|count| *count > 0).unwrap_or(PAGE_SIZE)
    }

    /// The number of the page asked for, of so many.
    fn page(&self, pages: usize) -> Result<usize, Refusal> {
        let page = match self.parameter("page-offset") {
            None | Some("") => Some(1),
            Some("last") => Some(pages),
            Some(number) => number.parse().ok(),
        };
        page.filter(|page| (1..=pages).contains(page)).ok_or_else(|| Refusal::fatal(404, "Invalid page."))
    }

    fn link(&self, relation: &str, page: usize) -> Value {
        let mut parameters: Vec<_> = self.parameters.iter().filter(|(key, _)| key != "page-offset").cloned().collect();
        if page > 1 {
            parameters.push(("page-offset".into(), page.to_string()));
        }
        parameters.sort();
        let query: Vec<_> =
            parameters.iter().map(|(key, value)| format!("{}={}", percent(key), percent(value))).collect();
        let separator = if query.is_empty() { "" } else { "?" };
        json!({"relation": relation, "url": format!("{}{separator}{}", self.address, query.join("&"))})
    }
}

/// As Python's `urlencode` writes a name or value.
pub(super) fn percent(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'.' | b'-' | b'~' => char::from(byte).to_string(),
        b' ' => "+".into(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// Totals as first counted: per resource and per distinct `_lastUpdated`, for an hour.
#[derive(Default)]
pub(super) struct Totals(HashMap<(String, Option<Bound>), (usize, Instant)>);

impl Totals {
    fn total(&mut self, path: &str, bound: Option<Bound>, counted: usize) -> usize {
        let now = Instant::now();
        self.0.retain(|_, (_, at)| now.duration_since(*at) < TOTAL_KEPT);
        self.0.entry((path.to_owned(), bound)).or_insert((counted, now)).0
    }
}

/// The `searchset` Bundle of one page. `rows` are in openIMIS's order, each with the time `_lastUpdated` looks at.
pub(super) fn bundle<T>(
    totals: &mut Totals,
    ask: &Ask,
    rows: impl Iterator<Item = (Timestamp, T)>,
    render: impl Fn(T) -> Value,
) -> Result<Value, Refusal> {
    let bound = ask.parameter("_lastUpdated").map(Bound::read).transpose()?;
    let rows: Vec<T> = rows.filter(|(at, _)| bound.is_none_or(|bound| bound.admits(*at))).map(|(_, row)| row).collect();
    let total = totals.total(&ask.path, bound, rows.len());
    let size = ask.page_size();
    let pages = total.div_ceil(size).max(1);
    let page = ask.page(pages)?;
    let mut links = vec![json!({"relation": "self", "url": format!("{}{}", ask.address, ask.query)})];
    links.extend((page < pages).then(|| ask.link("next", page + 1)));
    links.extend((page > 1).then(|| ask.link("previous", page - 1)));
    let skipped = (page - 1) * size;
    let entries: Vec<_> = rows
        .into_iter()
        .skip(skipped)
        .take(size.min(total - skipped))
        .map(|row| entry(&ask.address, render(row)))
        .collect();
    let mut bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": total, "link": links});
    if !entries.is_empty() {
        bundle["entry"] = json!(entries);
    }
    Ok(bundle)
}

fn entry(address: &str, resource: Value) -> Value {
    match resource["id"].as_str() {
        Some(id) => json!({"fullUrl": format!("{address}{id}"), "resource": resource}),
        None => json!({"resource": resource}),
    }
}

/// A parsed `_lastUpdated`: naive, taken as UTC.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Bound {
    is: Comparison,
    to: DateTime,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Comparison {
    Equal,
    NotEqual,
    After,
    Before,
    NotBefore,
    NotAfter,
    Near,
}

impl Bound {
    const PREFIXES: [(&str, Comparison); 9] = [
        ("eq", Comparison::Equal),
        ("ne", Comparison::NotEqual),
        ("gt", Comparison::After),
        ("lt", Comparison::Before),
        ("ge", Comparison::NotBefore),
        ("le", Comparison::NotAfter),
        ("sa", Comparison::NotBefore),
        ("eb", Comparison::NotAfter),
        ("ap", Comparison::Near),
    ];

    /// No zone, no fraction, no date alone: openIMIS refuses those.
    fn read(parameter: &str) -> Result<Self, Refusal> {
        let prefixed = Self::PREFIXES.iter().find_map(|(prefix, is)| Some((*is, parameter.strip_prefix(prefix)?)));
        let (is, moment) = prefixed.unwrap_or((Comparison::Equal, parameter));
        let to = DateTime::strptime("%Y-%m-%dT%H:%M:%S", moment)
            .map_err(|_| Refusal::exception("_lastUpdated value is not a valid datetime"))?;
        Ok(Self { is, to })
    }

    fn admits(self, at: Timestamp) -> bool {
        let at = TimeZone::UTC.to_datetime(at);
        match self.is {
            Comparison::Equal => at == self.to,
            Comparison::NotEqual => at != self.to,
            Comparison::After => at > self.to,
            Comparison::Before => at < self.to,
            Comparison::NotBefore => at >= self.to,
            Comparison::NotAfter => at <= self.to,
            Comparison::Near => at.duration_since(self.to).abs() < self.age() / 10,
        }
    }

    fn age(self) -> jiff::SignedDuration {
        TimeZone::UTC.to_datetime(Timestamp::now()).duration_since(self.to).abs()
    }
}
