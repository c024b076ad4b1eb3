//! openIMIS' locations: an insuree's address names one by its uuid, the table of CHT places goes by codes.

use std::collections::{HashMap, HashSet};

use http::Method;
use jiff::{SignedDuration, Timestamp};
use mapping::in_use::{Repetition, Standing};
use mapping::text;
use serde::Deserialize;

use super::openimis::{PAGES, unused_search_time};
use super::{Peer, PeerError};
use crate::message::Trail;
use crate::ports::{Clock, Http, Mapper, Store};
use crate::{Flow, held};

/// openIMIS' locations: uuid to code and parent.
#[derive(Default)]
pub(crate) struct Directory {
    loaded_at: Option<Timestamp>,
    locations: HashMap<String, (String, Option<String>)>,
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Codes of a patient's location and of what it is part of, nearest first. Empty where openIMIS does not say.
    pub(crate) async fn location_codes(&self, patient: &str, trail: &mut Trail) -> Result<Vec<String>, PeerError> {
        let Some(location) = mapping::patient::location(patient) else { return Ok(Vec::new()) };
        let location = location.to_string();
        let look_up = || {
            let directory = held(&self.directory);
            let age = directory.loaded_at.map(|at| self.clock.now().duration_since(at));
            let fresh = age.is_some_and(|age| age <= SignedDuration::from_mins(10));
            let known = directory.chain(&location);
            (!known.is_empty() || fresh).then_some(known)
        };
        if let Some(known) = look_up() {
            return Ok(known);
        }
        let _turn = self.directory_turn.lock().await;
        if let Some(known) = look_up() {
            return Ok(known); // another message has read the list
        }
        self.read_locations(trail).await?;
        Ok(held(&self.directory).chain(&location))
    }

    /// Codes of all locations and health facilities that openIMIS has, read anew.
    pub async fn known_location_codes(&self) -> Result<HashSet<String>, PeerError> {
        let _turn = self.directory_turn.lock().await;
        self.read_locations(&mut Trail::default()).await?;
        let facilities = self.location_list("physicalType=si&", &mut Trail::default()).await?;
        let directory = held(&self.directory);
        let all = directory.locations.values().chain(facilities.values());
        Ok(all.map(|(code, _)| code.clone()).collect())
    }

    async fn read_locations(&self, trail: &mut Trail) -> Result<(), PeerError> {
        let locations = self.location_list("", trail).await?;
        *held(&self.directory) = Directory { loaded_at: Some(self.clock.now()), locations };
        Ok(())
    }

    /// uuid to code and parent. Areas; with a filter for sites the health facilities.
    async fn location_list(
        &self,
        filter: &str,
        trail: &mut Trail,
    ) -> Result<HashMap<String, (String, Option<String>)>, PeerError> {
        let now = self.clock.now();
        // A single location cannot be read (500 in 1.10.0); the list can. Its cached total is avoided by a query that is new.
        let since = unused_search_time(now);
        let page_size = 500;
        let mut locations = HashMap::new();
        for page in 1..=PAGES {
            let path = format!("Location/?{filter}_lastUpdated=ge{since}&_count={page_size}&page-offset={page}");
            let answer = self.openimis(Method::GET, &path, None, trail).await?;
            let bundle: LocationBundle = answer.json(Peer::OpenImis, "a Bundle of Location")?;
            let count = bundle.entry.len();
            for LocationEntry { resource } in bundle.entry {
                let codes = resource.identifier.iter().filter(|identifier| identifier.is("Code"));
                let code =
                    codes.filter_map(|code| Some((code.standing()?, code))).min_by_key(|(standing, _)| *standing);
                let parent = resource.part_of.and_then(|parent| parent.reference).map(|text| last_segment(&text));
                if let Some(code) = code.and_then(|(_, identifier)| identifier.value.clone()) {
                    locations.insert(resource.id.to_lowercase(), (text::owned(code), parent));
                }
            }
            if count < page_size || locations.len() as u64 >= bundle.total.unwrap_or(u64::MAX) {
                break;
            }
        }
        Ok(locations)
    }
}

impl Directory {
    fn chain(&self, location: &str) -> Vec<String> {
        let mut codes = Vec::new();
        let mut next = Some(location.to_owned());
        while let Some((code, parent)) = next.and_then(|uuid| self.locations.get(&uuid)) {
            if codes.contains(code) {
                break;
            }
            codes.push(code.clone());
            next = parent.clone();
        }
        codes
    }
}

#[derive(Deserialize)]
struct LocationBundle {
    total: Option<u64>,
    #[serde(default)]
    entry: Vec<LocationEntry>,
}

#[derive(Deserialize)]
struct LocationEntry {
    resource: Location,
}

#[derive(Deserialize)]
struct Location {
    id: String,
    #[serde(default)]
    identifier: Vec<LocationIdentifier>,
    #[serde(rename = "partOf")]
    part_of: Option<Pointer>,
}

#[derive(Deserialize)]
struct LocationIdentifier {
    #[serde(rename = "use")]
    usage: Option<String>,
    #[serde(rename = "type")]
    kind: Option<Concept>,
    value: Option<String>,
    period: Option<Period>,
}

#[derive(Deserialize)]
struct Period {
    start: Option<String>,
    end: Option<String>,
}

#[derive(Deserialize)]
struct Concept {
    #[serde(default)]
    coding: Vec<Code>,
}

#[derive(Deserialize)]
struct Code {
    code: Option<String>,
}

impl LocationIdentifier {
    fn is(&self, code: &str) -> bool {
        let coding = self.kind.iter().flat_map(|kind| &kind.coding);
        coding.into_iter().any(|coding| coding.code.as_deref() == Some(code))
    }

    fn standing(&self) -> Option<Standing> {
        let period = self.period.as_ref();
        let (start, end) =
            (period.and_then(|period| period.start.as_deref()), period.and_then(|period| period.end.as_deref()));
        Repetition { usage: self.usage.as_deref(), start, end, rank: None }.standing(None)
    }
}

#[derive(Deserialize)]
struct Pointer {
    reference: Option<String>,
}

fn last_segment(reference: &str) -> String {
    reference.rsplit('/').next().unwrap_or(reference).to_lowercase()
}
