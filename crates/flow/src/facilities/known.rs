//! What openIMIS has, read in bulk once a run: ten thousand look-ups would be ten thousand requests.

use std::collections::HashMap;

use mapping::lookup::{Answer, By, Lookup, Resource};
use serde_json::{Value, json};

use super::RunObserver;
use super::write::NO_SUCH_TYPE;
use crate::Flow;
use crate::message::Trail;
use crate::peers::graphql::{next_page, nodes};
use crate::peers::openimis::PAGES;
use crate::peers::{Peer, PeerError};
use crate::ports::{Clock, Http, Mapper, Store};

/// Districts, a page at a time; openIMIS gives 100 at most.
const DISTRICTS: &str = "query Districts($after: String) { \
    locations(type: \"D\", first: 100, after: $after, orderBy: [\"id\"]) { \
    pageInfo { hasNextPage endCursor } edges { node { id uuid code } } } }";
/// Facilities with all that an update has to repeat. The catchments need a right of their own.
const FACILITIES: &str = "query HealthFacilities($after: String) { \
    healthFacilities(first: 100, after: $after, orderBy: [\"id\"]) { \
    pageInfo { hasNextPage endCursor } edges { node { id uuid code name accCode level subLevel { code } legalForm { code } careType \
    location { id code } address phone fax email status servicesPricelist { id } itemsPricelist { id } contractStartDate \
    contractEndDate catchments { id location { id } catchment } } } } }";
/// Which elements a facility has in this openIMIS.
const INPUT: &str =
    "query FacilityInput { __type(name: \"CreateHealthFacilityMutationInput\") { inputFields { name } } }";

/// What openIMIS has.
#[derive(Default)]
pub(super) struct KnownFacilities {
    /// Code to nodes; a code may be there twice.
    districts: HashMap<String, Vec<String>>,
    /// Code to nodes.
    facilities: HashMap<String, Vec<String>>,
    /// District's code to the facilities in it: code and name.
    names: HashMap<String, HashMap<String, String>>,
    /// Where a facility is: code to district's code.
    places: HashMap<String, String>,
    /// The elements that openIMIS takes; empty where it does not say.
    pub elements: Vec<String>,
}

impl KnownFacilities {
    /// Answers a mapping's question from memory.
    pub fn answer(&self, lookup: Lookup) -> Answer {
        let of = |nodes: &HashMap<String, Vec<String>>| nodes.get(&lookup.value).cloned().unwrap_or_default();
        let found = match (lookup.resource, lookup.by) {
            (Resource::Location, By::Code) => of(&self.districts),
            (Resource::HealthFacility, By::Code) => of(&self.facilities),
            (Resource::HealthFacility, By::District) => {
                let there = self.names.get(&lookup.value).into_iter().flatten();
                there.map(|(code, name)| json!({"code": code, "name": name}).to_string()).collect()
            }
            _ => Vec::new(),
        };
        Answer { lookup, found }
    }

    /// A facility is there from now on, or elsewhere: what comes after it in the same run must see it.
    pub fn put(&mut self, code: &str, name: &str, district: &str) {
        self.take_away(code);
        self.names.entry(district.to_owned()).or_default().insert(code.to_owned(), name.to_owned());
        self.places.insert(code.to_owned(), district.to_owned());
    }

    /// It was not written after all.
    pub fn take_away(&mut self, code: &str) {
        if let Some(district) = self.places.remove(code)
            && let Some(there) = self.names.get_mut(&district)
        {
            there.remove(code);
        }
    }

    /// What openIMIS has of a code by now.
    fn replace(&mut self, code: &str, nodes: Vec<String>) {
        self.take_away(code);
        self.facilities.remove(code);
        for node in nodes.iter().filter_map(|node| serde_json::from_str(node).ok()) {
            self.keep_facility(&node);
        }
    }

    fn keep_district(&mut self, node: &Value) {
        if let Some(code) = node["code"].as_str() {
            self.districts.entry(code.to_owned()).or_default().push(node.to_string());
        }
    }

    fn keep_facility(&mut self, node: &Value) {
        let Some(code) = node["code"].as_str() else { return };
        self.facilities.entry(code.to_owned()).or_default().push(node.to_string());
        if let (Some(name), Some(district)) = (node["name"].as_str(), node["location"]["code"].as_str()) {
            self.put(code, name, district);
        }
    }
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Reads what openIMIS has.
    pub(super) async fn known_facilities(&self, tell: RunObserver<'_>) -> Result<KnownFacilities, PeerError> {
        let mut known = KnownFacilities { elements: self.facility_elements(tell).await?, ..KnownFacilities::default() };
        self.all_nodes(DISTRICTS, "locations", tell, |node| known.keep_district(node)).await?;
        self.all_nodes(FACILITIES, "healthFacilities", tell, |node| known.keep_facility(node)).await?;
        Ok(known)
    }

    /// Reads one facility again that was written in this run: only openIMIS knows the uuid that an update needs.
    pub(super) async fn know_again(&self, code: &str, known: &mut KnownFacilities) -> Result<(), PeerError> {
        let lookup = Lookup { resource: Resource::HealthFacility, by: By::Code, value: code.to_owned() };
        let told = self.look_up_nodes(&[&lookup], &mut Trail::default()).await?;
        known.replace(code, told.into_iter().flat_map(|answer| answer.found).collect());
        Ok(())
    }

    /// What this openIMIS takes: older ones have no status, for example. One that does not tell of itself takes all.
    async fn facility_elements(&self, tell: RunObserver<'_>) -> Result<Vec<String>, PeerError> {
        let told = match self.ask_patiently(INPUT, &json!({}), tell).await {
            Ok(told) => told,
            Err(PeerError::Refused(..) | PeerError::Failed(..)) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let Some(fields) = told["__type"]["inputFields"].as_array() else {
            return Err(PeerError::Refused(Peer::OpenImis, http::StatusCode::OK, NO_SUCH_TYPE.to_owned()));
        };
        Ok(fields.iter().filter_map(|field| field["name"].as_str()).map(str::to_owned).collect())
    }

    async fn all_nodes(
        &self,
        document: &'static str,
        field: &str,
        tell: RunObserver<'_>,
        mut keep: impl FnMut(&Value),
    ) -> Result<(), PeerError> {
        let mut after = Value::Null;
        for _ in 0..PAGES {
            let data = self.ask_patiently(document, &json!({"after": after}), tell).await?;
            let list = &data[field];
            nodes(list).for_each(&mut keep);
            match next_page(list, &after) {
                Some(cursor) => after = cursor,
                None => break,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(known: &KnownFacilities, resource: Resource, by: By, value: &str) -> usize {
        known.answer(Lookup { resource, by, value: value.to_owned() }).found.len()
    }

    #[test]
    fn what_is_written_in_a_run_is_seen_by_what_comes_after_it() {
        let mut known = KnownFacilities::default();
        known.keep_district(&json!({"id": "1", "code": "R1D1"}));
        known.keep_facility(&json!({"code": "HF1", "name": "One", "location": {"code": "R1D1"}}));
        assert_eq!(asked(&known, Resource::Location, By::Code, "R1D1"), 1);
        assert_eq!(asked(&known, Resource::HealthFacility, By::Code, "HF1"), 1);
        known.put("HF2", "Two", "R1D1");
        assert_eq!(asked(&known, Resource::HealthFacility, By::District, "R1D1"), 2);
        known.put("HF2", "Two", "R1D2"); // it moved
        known.take_away("HF3"); // never was there
        assert_eq!(asked(&known, Resource::HealthFacility, By::District, "R1D1"), 1);
        known.take_away("HF2");
        assert_eq!(asked(&known, Resource::HealthFacility, By::District, "R1D2"), 0);
    }
}
