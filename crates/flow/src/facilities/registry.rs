//! How the registry is asked: FHIR search with paging. Its links are followed to itself only, since credentials travel along.

use http::header::{ACCEPT, AUTHORIZATION, DATE, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use mapping::encoding;
use secrecy::ExposeSecret;
use serde::Deserialize;
use url::Url;

use super::Registry;
use crate::peers::shortened;
use crate::ports::{Http, HttpError};
use crate::settings::std_duration;

/// A page of the registry's answer.
pub(super) struct RegistryPage {
    pub text: String,
    /// The registry's clock.
    pub date: Option<Timestamp>,
    /// How many facilities there are in all.
    pub total: Option<u64>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
#[error("the registry {reason}")]
pub(super) struct RegistryError {
    pub reason: String,
    /// The same without the registry's own words, which may name people.
    pub unquoted: String,
    /// It asked to be left alone for so long.
    pub wait: Option<SignedDuration>,
    /// It does not know the page, or no longer.
    pub unknown_page: bool,
}

impl RegistryError {
    pub fn new(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { unquoted: format!("the registry {reason}"), reason, wait: None, unknown_page: false }
    }

    /// With what it said, for the ledger.
    fn said(self, reason: String) -> Self {
        Self { reason, ..self }
    }
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "resourceType")]
    kind: String,
    total: Option<u64>,
}

#[derive(Deserialize)]
struct OperationOutcome {
    #[serde(default)]
    issue: Vec<OutcomeIssue>,
}

#[derive(Deserialize)]
struct OutcomeIssue {
    diagnostics: Option<String>,
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    text: Option<String>,
}

impl Registry {
    /// Address of the first page.
    pub(super) fn first_page(&self, since: Option<Timestamp>) -> Url {
        let mut url = self.url.clone();
        let path = format!("{}/Location", url.path().trim_end_matches('/'));
        url.set_path(&path);
        {
            let mut query = url.query_pairs_mut();
            for (name, value) in self.search.iter().filter_map(|search| search.split_once('=')) {
                query.append_pair(name, value);
            }
            if let Some(since) = since {
                // To the second, rounded down: not every registry reads fractions.
                let since = Timestamp::from_second(since.as_second()).unwrap_or(since);
                query.append_pair("_lastUpdated", &format!("ge{since}"));
            }
            query.extend_pairs(self.include.iter().map(|include| ("_include", include)));
            query.extend_pairs(self.include_further.iter().map(|include| ("_include:iterate", include)));
            query.append_pair("_count", &self.page_size.to_string());
        }
        url
    }

    /// The address that a page's link names. Nothing is sent to another server: it would get the credentials.
    pub(super) fn follow(&self, from: &Url, link: &str) -> Result<Url, RegistryError> {
        let next = from.join(link).map_err(|_| RegistryError::new("names a next page that is no address"))?;
        if next.origin() != self.url.origin() {
            let (there, here) = (next.origin().ascii_serialization(), self.url.origin().ascii_serialization());
            return Err(RegistryError::new(format!(
                "says that its next page is at {there}, which is not followed: it is configured as {here} (facilities.url); correct the \
                 address that it gives out, or that one"
            )));
        }
        Ok(next)
    }

    /// Asks for a page.
    pub(super) async fn page(&self, http: &impl Http, url: &Url) -> Result<RegistryPage, RegistryError> {
        let mut request = Request::get(url.as_str()).header(ACCEPT, "application/fhir+json, application/json;q=0.9");
        if let Some(authorization) = &self.authorization {
            let mut value = HeaderValue::from_str(authorization.expose_secret())
                .map_err(|_| RegistryError::new("has credentials that cannot be sent as a header"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Vec::new()).map_err(|error| RegistryError::new(error.to_string()))?;
        match http.send(request, std_duration(self.timeout)).await {
            Ok(response) => judge(&response),
            Err(HttpError::NotSent(why) | HttpError::NoAnswer(why)) => {
                Err(RegistryError::new(format!("did not answer: {why}")))
            }
        }
    }
}

fn judge(response: &Response<Vec<u8>>) -> Result<RegistryPage, RegistryError> {
    let status = response.status();
    let text = String::from_utf8_lossy(response.body());
    if status.is_redirection() {
        return Err(RegistryError::new(format!("answered {status}: redirects are not followed, check facilities.url")));
    }
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        let refused = |said: &str| format!("refused the credentials with {status}{said}: check [facilities]");
        let said = outcome(&text).map(|text| format!(" ({text})")).unwrap_or_default();
        return Err(RegistryError::new(refused("")).said(refused(&said)));
    }
    if !status.is_success() {
        let told = outcome(&text).unwrap_or_else(|| "no OperationOutcome".to_owned());
        return Err(RegistryError {
            reason: format!("answered {status}: {told}"),
            wait: retry_after(response),
            unknown_page: status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS,
            ..RegistryError::new(format!("answered {status}"))
        });
    }
    let text = encoding::text(response.body()).map_err(|issue| {
        let found = issue.diagnostics;
        RegistryError::new(format!("answered {status} with something that is no Bundle: {found}"))
    })?;
    let head = serde_json::from_str::<Head>(text).ok().filter(|head| head.kind == "Bundle");
    let Some(head) = head else {
        return Err(RegistryError::new(format!(
            "answered {status} with something that is no Bundle: check facilities.url"
        )));
    };
    let date = response.headers().get(DATE).and_then(|value| value.to_str().ok());
    let date = date.and_then(|text| Some(rfc2822::parse(text).ok()?.timestamp()));
    Ok(RegistryPage { total: head.total, date, text: text.to_owned() })
}

/// What the registry says is wrong.
fn outcome(text: &str) -> Option<String> {
    let outcome: OperationOutcome = serde_json::from_str(text).ok()?;
    let told = |issue: OutcomeIssue| issue.diagnostics.or_else(|| issue.details?.text);
    let told: Vec<String> = outcome.issue.into_iter().filter_map(told).collect();
    (!told.is_empty()).then(|| shortened(&told.join("; ")))
}

/// Seconds; of a date, as some send it, a minute is made.
fn retry_after(response: &Response<Vec<u8>>) -> Option<SignedDuration> {
    let asked = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    Some(SignedDuration::from_secs(asked.trim().parse().unwrap_or(60).clamp(1, 24 * 3600)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(url: &str) -> Registry {
        Registry {
            url: Url::parse(url).expect("an address"),
            authorization: None,
            page_size: 50,
            include: vec!["Location:organization".to_owned()],
            include_further: vec!["Location:partof".to_owned()],
            search: vec!["type=facility".to_owned()],
            overlap: SignedDuration::ZERO,
            timeout: SignedDuration::from_secs(1),
            retry: SignedDuration::from_secs(1),
        }
    }

    #[test]
    fn the_first_page_asks_for_what_changed_and_what_belongs_to_it() {
        let since = "2026-11-21T08:00:00.25Z".parse().expect("a time");
        let url = registry("https://registry.example.org/fhir/").first_page(Some(since));
        assert_eq!(
            url.as_str(),
            "https://registry.example.org/fhir/Location?type=facility&_lastUpdated=ge2026-11-21T08%3A00%3A00Z\
             &_include=Location%3Aorganization&_include%3Aiterate=Location%3Apartof&_count=50"
        );
        assert!(!registry("https://r.example.org").first_page(None).as_str().contains("_lastUpdated"));
    }

    #[test]
    fn links_are_followed_to_the_same_server_only() {
        let registry = registry("https://registry.example.org/fhir");
        let from = registry.first_page(None);
        let next = |link| registry.follow(&from, link).map(String::from).map_err(|error| error.to_string());
        assert_eq!(next("?page=2"), Ok("https://registry.example.org/fhir/Location?page=2".to_owned()));
        assert_eq!(
            next("https://registry.example.org/fhir?p=3"),
            Ok("https://registry.example.org/fhir?p=3".to_owned())
        );
        for elsewhere in
            ["http://registry.example.org/fhir?p=3", "https://evil.example.org/", "https://registry.example.org:8443/"]
        {
            let refused = next(elsewhere).expect_err("another server");
            assert!(refused.contains("which is not followed"), "{refused}");
        }
    }
}
