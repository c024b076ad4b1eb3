//! The requests of the check. They do not pause the peer as deliveries do: a refusal is what is looked for.

use http::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::deployment::{AtCht, PlaceAtCht, place_at_cht};
use super::{Expected, Findings, account, deployment, form, outbound, text};
use crate::Flow;
use crate::peers::{Answer, basic, request};
use crate::ports::{Clock, Http, HttpError, Mapper, Store};
use crate::settings::std_duration;

/// An id that nothing has.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
/// Ids in one address.
const IDS: usize = 50;

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Looks at everything that the mediator needs of CHT.
    pub async fn check_cht(&self, expected: &Expected) -> Findings {
        let mut findings = Findings::default();
        deployment::address(self.settings.cht.url.as_ref(), &mut findings);
        let answer = match self.asked(Method::GET, "api/v1/settings", &[], None).await {
            Ok(answer) => answer,
            Err(why) => {
                let todo = "check cht.url, the network and TLS (tls.ca_file)";
                findings.error("connection", format!("CHT cannot be asked: {why}"), todo);
                return findings;
            }
        };
        let settings = match account::signed_in(&answer, &mut findings) {
            Some(settings) => settings,
            None => return findings,
        };
        deployment::clock(answer.date, self.clock.now(), &mut findings);
        self.check_version(&mut findings).await;
        self.check_account(&settings, &mut findings).await;
        form::check(&settings, &self.settings.mapping.claim_response, &mut findings);
        let forms = self.app_forms(&settings).await;
        outbound::check(&settings, &forms, &self.settings, expected, &mut findings);
        deployment::tasks(&settings, &self.settings.mapping.claim_response.form, &mut findings);
        deployment::locale(&settings, &self.settings.mapping.claim_response.locale, &mut findings);
        deployment::person_type(&settings, &self.settings.mapping.patient.person_type, &mut findings);
        self.check_places(&settings, expected, &mut findings).await;
        findings
    }

    async fn check_version(&self, findings: &mut Findings) {
        let calendar = self.settings.mapping.claim_response.calendar;
        // `/api/info` tells the version of CHT's own package, which stands still.
        for (path, pointer) in [("api/v2/monitoring", "/version/app"), ("api/deploy-info", "/version")] {
            let answer = self.asked_json(Method::GET, path, &[], None).await;
            let version = answer.and_then(|(_, body)| body.pointer(pointer)?.as_str().map(str::to_owned));
            if let Some(version) = version.filter(|version| !version.is_empty()) {
                deployment::version(Some(&version), findings);
                return deployment::calendar(Some(&version), calendar, findings);
            }
        }
        deployment::version(None, findings);
        deployment::calendar(None, calendar, findings);
    }

    async fn check_account(&self, settings: &Value, findings: &mut Findings) {
        let session = self.asked_json(Method::GET, "_session", &[], None).await.map(|(_, body)| body);
        account::roles(settings, &session.unwrap_or_default(), findings);
        let match_by = &self.settings.cht.match_by;
        for (need, path, query) in
            account::needs(match_by.is_empty(), &self.settings.mapping.patient.person_type, NOBODY)
        {
            let (method, body) = match query {
                Some(_) => (Method::GET, None),
                // Empty: refused for its content by who may write, for want of the permission by who may not.
                None => (Method::POST, Some("{}".to_owned())),
            };
            let query: Vec<(&str, &str)> =
                query.iter().flatten().map(|(name, value)| (*name, value.as_str())).collect();
            let status = self.asked(method, path, &query, body).await.map(|answer| answer.status);
            account::tried(&need, path, status, settings, findings);
        }
    }

    /// The app forms that are named in the outbound configuration: name, and its XML where it is installed.
    async fn app_forms(&self, settings: &Value) -> Vec<(String, Option<String>)> {
        let mut forms = Vec::new();
        for name in outbound::forms(settings) {
            let path = format!("api/v1/forms/{name}.xml");
            let answer = self.asked(Method::GET, &path, &[], None).await.ok();
            let xml = answer.filter(|answer| answer.status.is_success()).map(|answer| answer.text);
            forms.push((name, xml));
        }
        forms
    }

    async fn check_places(&self, settings: &Value, expected: &Expected, findings: &mut Findings) {
        let patient = &self.settings.mapping.patient;
        let own = patient.places.iter().map(|row| row.place_id.clone());
        let mut ids: Vec<String> = own.chain(expected.places.iter().cloned()).collect();
        ids.extend(Some(patient.default_place.clone()).filter(|place| !place.is_empty()));
        ids.sort();
        ids.dedup();
        let found = self.places_at_cht(&ids, |_| {}).await;
        deployment::places(settings, patient, &found, findings);
    }

    /// What these ids are at CHT. `progress` hears how many were asked for so far.
    pub async fn places_at_cht(
        &self,
        ids: &[String],
        mut progress: impl FnMut(u64),
    ) -> Result<Vec<PlaceAtCht>, String> {
        let mut found = Vec::with_capacity(ids.len());
        for some in ids.chunks(IDS) {
            let keys = json!(some).to_string();
            let query = [("include_docs", "true"), ("keys", keys.as_str())];
            let asked = self.asked_json(Method::GET, "medic/_all_docs", &query, None).await;
            let rows = asked
                .and_then(|(status, body)| status.is_success().then(|| body["rows"].as_array().cloned()).flatten());
            let rows = rows.ok_or("CHT does not give documents to this user (GET /medic/_all_docs)")?;
            found.extend(some.iter().map(|id| {
                let row = rows.iter().find(|row| text(row, "key") == Some(id));
                place_at_cht(id, row.map_or(&Value::Null, |row| &row["doc"]))
            }));
            progress(found.len() as u64);
        }
        Ok(found)
    }

    async fn asked_json(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<String>,
    ) -> Option<(StatusCode, Value)> {
        let answer = self.asked(method, path, query, body).await.ok()?;
        Some((answer.status, serde_json::from_str(&answer.text).ok()?))
    }

    async fn asked(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Answer, String> {
        let settings = &self.settings.cht;
        let mut url = self.cht_address(path).map_err(|error| error.to_string())?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let password = settings.password.as_ref().map_or("", |password| password.expose_secret());
        let request = request(method, &url, &basic(&settings.username, password), body)?;
        let sent = self.http.send(request, std_duration(settings.timeout)).await;
        let response = sent.map_err(|(HttpError::NotSent(why) | HttpError::NoAnswer(why))| why)?;
        Ok(Answer::read(response))
    }
}

impl PlaceAtCht {
    /// Whether a person can come to it.
    pub fn is_place(&self) -> bool {
        matches!(self.at_cht, AtCht::Place { .. })
    }
}
