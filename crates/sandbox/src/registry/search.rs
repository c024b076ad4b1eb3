//! Searching for Locations, a page at a time.

use super::{Core, Memory, outcome};
use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A search that is paged through.
pub(super) struct Paged {
    hits: Vec<String>,
    include: Vec<String>,
    further: Vec<String>,
    count: usize,
    pub forgotten: bool,
}

type Pairs = Query<Vec<(String, String)>>;

/// The first page of a search.
pub(super) async fn first(State(core): State<Core>, Query(pairs): Pairs) -> Response {
    let mut search = Paged { hits: Vec::new(), include: Vec::new(), further: Vec::new(), count: 20, forgotten: false };
    let mut since = None;
    for (name, value) in pairs {
        match name.as_str() {
            "_lastUpdated" => match value.strip_prefix("ge").and_then(|value| value.parse::<Timestamp>().ok()) {
                Some(at) => since = Some(at),
                None => return outcome(StatusCode::BAD_REQUEST, "Invalid date/time: _lastUpdated"),
            },
            "_count" => search.count = value.parse().unwrap_or(20).clamp(1, 1000),
            "_include" => search.include.push(value),
            "_include:iterate" => search.further.push(value),
            "type" | "status" => {}
            other => return outcome(StatusCode::BAD_REQUEST, &format!("Unknown search parameter \"{other}\"")),
        }
    }
    let mut state = core.state();
    let is_new = |resource: &Value| {
        let updated = resource["meta"]["lastUpdated"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        since.is_none_or(|since| updated.is_some_and(|updated| updated >= since))
    };
    let locations = state.resources.iter().filter(|(key, resource)| key.starts_with("Location/") && is_new(resource));
    search.hits = locations.map(|(key, _)| key.clone()).collect();
    state.searches.push(search);
    let number = state.searches.len() - 1;
    bundle(&core, &state, number, 0)
}

/// A further page: `?_getpages=<search>&_getpagesoffset=<first hit>`.
pub(super) async fn page(State(core): State<Core>, Query(pairs): Pairs) -> Response {
    let number = |name: &str| -> Option<usize> {
        pairs.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.parse().ok())
    };
    let (Some(search), Some(offset)) = (number("_getpages"), number("_getpagesoffset")) else {
        return outcome(StatusCode::BAD_REQUEST, "Invalid request: no search is named");
    };
    let state = core.state();
    match state.searches.get(search) {
        Some(known) if !known.forgotten => bundle(&core, &state, search, offset.saturating_sub(state.overlap)),
        _ => outcome(StatusCode::GONE, &format!("Search ID \"{search}\" does not exist and may have expired")),
    }
}

fn bundle(core: &Core, state: &Memory, number: usize, offset: usize) -> Response {
    let search = &state.searches[number];
    let base = core.base();
    let entry = |key: &String, mode: &str| {
        let resource = state.resources.get(key)?;
        Some(json!({"fullUrl": format!("{base}/{key}"), "resource": resource, "search": {"mode": mode}}))
    };
    let to = (offset + search.count).min(search.hits.len());
    let hits = &search.hits[offset.min(to)..to];
    let mut entries: Vec<Value> = hits.iter().filter_map(|key| entry(key, "match")).collect();
    entries.extend(along(state, search, hits).iter().filter_map(|key| entry(key, "include")));
    let mut links = vec![json!({"relation": "self", "url": format!("{base}/Location")})];
    if to < search.hits.len() {
        let base = state.links_to.as_deref().unwrap_or(&base);
        links.push(json!({"relation": "next", "url": format!("{base}?_getpages={number}&_getpagesoffset={to}")}));
    }
    let total = search.hits.len();
    Json(json!({"resourceType": "Bundle", "type": "searchset", "total": total, "link": links, "entry": entries}))
        .into_response()
}

/// What comes along with the hits.
fn along(state: &Memory, search: &Paged, hits: &[String]) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = BTreeSet::new();
    let mut from: Vec<String> = hits.to_vec();
    let mut include = &search.include;
    for _ in 0..8 {
        let named = from.iter().flat_map(|key| include.iter().filter_map(|include| referred(state, key, include)));
        let new: BTreeSet<String> = named.filter(|key| !hits.contains(key) && !found.contains(key)).collect();
        if new.is_empty() {
            break;
        }
        from = new.iter().cloned().collect();
        found.extend(new);
        include = &search.further;
    }
    found
}

/// What a resource refers to by a search parameter, for example `Location:partof`.
fn referred(state: &Memory, key: &str, include: &str) -> Option<String> {
    let (kind, parameter) = include.split_once(':')?;
    if !key.starts_with(&format!("{kind}/")) {
        return None;
    }
    let resource = state.resources.get(key)?;
    let reference = match parameter {
        "organization" => &resource["managingOrganization"]["reference"],
        "partof" => &resource["partOf"]["reference"],
        "endpoint" => &resource["endpoint"][0]["reference"],
        _ => return None,
    };
    reference.as_str().map(str::to_owned)
}
