//! Keeping openIMIS telling us about claims: one subscription, found by endpoint and criteria, renewed before it ends.

use http::Method;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::Flow;
use crate::message::Trail;
use crate::peers::openimis::{PAGES, unused_search_time};
use crate::peers::{Peer, PeerError, basic};
use crate::ports::{Clock, Http, Mapper, Store};
use crate::settings::check_callback;

/// Other criteria are refused (`ClaimResponse`), never fire (`claim`), or are not about claims.
const CRITERIA: &str = "Claim";

/// A subscription as openIMIS lists it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ListedSubscription {
    /// Its id.
    pub id: String,
    /// `active` or `off`.
    pub status: String,
    /// When it ends, RFC 3339.
    pub end: String,
    /// What it is about.
    pub criteria: String,
    /// Where openIMIS posts.
    pub channel: Channel,
}

/// Where and how openIMIS posts.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Channel {
    /// Address.
    #[serde(default)]
    pub endpoint: String,
    /// One JSON object in text; holds credentials.
    #[serde(default, skip_serializing)]
    pub header: Vec<Option<String>>,
}

#[derive(Deserialize)]
struct Bundle {
    #[serde(default)]
    link: Vec<Link>,
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Link {
    relation: String,
}

#[derive(Deserialize)]
struct Entry {
    resource: ListedSubscription,
}

/// What [`Flow::keep_subscription`] did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SubscriptionChange {
    /// It was as it should be. Its id.
    Unchanged(String),
    /// Its end, credentials or state were renewed. Its id.
    Renewed(String),
    /// There was none. Its id.
    Created(String),
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// All subscriptions that openIMIS lists, everybody's.
    pub async fn subscriptions(&self) -> Result<Vec<ListedSubscription>, PeerError> {
        let since = unused_search_time(self.clock.now());
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let path = format!("Subscription/?_lastUpdated=ge{since}&_count=100&page-offset={page}");
            let answer = self.openimis(Method::GET, &path, None, &mut Trail::default()).await?;
            let bundle: Bundle = answer.json(Peer::OpenImis, "a Bundle of Subscription")?;
            let last = bundle.entry.is_empty() || !bundle.link.iter().any(|link| link.relation == "next");
            all.extend(bundle.entry.into_iter().map(|entry| entry.resource));
            if last {
                break;
            }
        }
        Ok(all)
    }

    /// Those of them that post claims to our callback.
    pub async fn own_subscriptions(&self) -> Result<Vec<ListedSubscription>, PeerError> {
        let callback = self.callback()?.to_string();
        let mut all = self.subscriptions().await?;
        all.retain(|listed| listed.criteria.eq_ignore_ascii_case(CRITERIA) && listed.channel.endpoint == callback);
        Ok(all)
    }

    /// Leaves exactly one subscription in place, active, with our credentials and far enough from its end.
    pub async fn keep_subscription(&self) -> Result<SubscriptionChange, PeerError> {
        let wanted = self.wanted()?;
        let mut own = self.own_subscriptions().await?.into_iter();
        let Some(first) = own.next() else {
            let answer =
                self.openimis(Method::POST, "Subscription/", Some(wanted.to_string()), &mut Trail::default()).await?;
            let created: ListedSubscription = answer.json(Peer::OpenImis, "the Subscription")?;
            return Ok(SubscriptionChange::Created(created.id));
        };
        // A second one with our endpoint would send each claim twice.
        for extra in own {
            self.remove(&extra.id).await?;
        }
        if self.is_as_wanted(&first, &wanted) {
            return Ok(SubscriptionChange::Unchanged(first.id));
        }
        let mut body = wanted;
        body["id"] = first.id.clone().into();
        let path = format!("Subscription/{}/", first.id);
        self.openimis(Method::PUT, &path, Some(body.to_string()), &mut Trail::default()).await?;
        Ok(SubscriptionChange::Renewed(first.id))
    }

    /// Removes our subscriptions. Returns how many there were.
    pub async fn delete_subscriptions(&self) -> Result<usize, PeerError> {
        let own = self.own_subscriptions().await?;
        for listed in &own {
            self.remove(&listed.id).await?;
        }
        Ok(own.len())
    }

    async fn remove(&self, id: &str) -> Result<(), PeerError> {
        let path = format!("Subscription/{id}/");
        match self.openimis(Method::DELETE, &path, None, &mut Trail::default()).await {
            Err(PeerError::Refused(_, http::StatusCode::NOT_FOUND, _)) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    fn callback(&self) -> Result<&Url, PeerError> {
        let unusable = |why: String| PeerError::NotSent(Peer::OpenImis, format!("subscription.callback: {why}"));
        let callback = self.settings.subscription.callback.as_ref();
        let callback = callback.ok_or_else(|| unusable("is missing (CHT_OPENIMIS_CALLBACK_ENDPOINT)".to_owned()))?;
        check_callback(callback).map_err(unusable)?;
        Ok(callback)
    }

    fn wanted(&self) -> Result<serde_json::Value, PeerError> {
        let settings = &self.settings.subscription;
        let password = settings.password.as_ref().map_or("", |password| password.expose_secret());
        let authorization = basic(settings.username.as_deref().unwrap_or_default(), password);
        // openIMIS never notifies a subscription whose header is not a JSON object in text.
        let header = serde_json::json!({
            "Content-Type": "application/json", "Accept": "application/json", "Authorization": authorization,
        });
        let end = self.clock.now().saturating_add(settings.lifetime).unwrap_or(Timestamp::MAX);
        let end = Timestamp::from_second(end.as_second()).unwrap_or(end);
        Ok(serde_json::json!({
            "resourceType": "Subscription",
            "status": "active",
            "end": end.to_string(),
            "reason": CRITERIA,
            "criteria": CRITERIA,
            "channel": {"type": "rest-hook", "endpoint": self.callback()?.to_string(), "header": [header.to_string()]},
        }))
    }

    fn is_as_wanted(&self, listed: &ListedSubscription, wanted: &serde_json::Value) -> bool {
        let object = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        let listed_header = listed.channel.header.first().and_then(|header| object(header.as_deref()?));
        let wanted_header = wanted["channel"]["header"][0].as_str().and_then(object);
        let left =
            listed.end.parse::<Timestamp>().map_or(SignedDuration::ZERO, |end| end.duration_since(self.clock.now()));
        listed.status == "active"
            && listed.criteria == CRITERIA
            && listed_header == wanted_header
            && left > self.settings.subscription.lifetime / 10
    }
}
