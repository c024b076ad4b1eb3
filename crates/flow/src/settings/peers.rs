//! Where openIMIS and CHT are, and how insurees are found among CHT's contacts.

use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

/// openIMIS.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenImis {
    /// The server; `/api/api_fhir_r4/` is added where the path does not name it.
    ///
    /// Required, for example `"https://imis.example.org"`.
    pub url: Option<Url>,
    /// A user with the rights that docs/openimis.md lists.
    ///
    /// Required, for example `"mediator"`.
    pub username: String,
    /// Its password.
    ///
    /// Required, for example `"change-me"`.
    pub password: Option<SecretString>,
    /// Minutes east of UTC of openIMIS's `TIME_ZONE` setting, because the times in its search carry no zone. -1080 to
    /// 1080.
    ///
    /// Default: `0`, as openIMIS is shipped; 345 for a server that runs on Nepal's time.
    pub utc_offset_minutes: i16,
    /// Longest wait for one answer.
    ///
    /// Default: `"30s"`.
    pub timeout: SignedDuration,
}

/// CHT.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cht {
    /// The server.
    ///
    /// Required, for example `"https://cht.example.org"`.
    pub url: Option<Url>,
    /// A user with the permissions that docs/cht.md lists.
    ///
    /// Required, for example `"mediator"`.
    pub username: String,
    /// Its password.
    ///
    /// Required, for example `"change-me"`.
    pub password: Option<SecretString>,
    /// How to find an insuree among the contacts that CHT already has, in this order, before a person is created:
    /// "openimis-id" (the contact's field openimis_id), "insurance-number" (insurance_number_field) and "phone" (same
    /// phone, name and date of birth). `[]`: no search, a person is created.
    ///
    /// Default: `["openimis-id", "insurance-number", "phone"]`.
    pub match_by: Vec<MatchBy>,
    /// Field of CHT's contacts that holds the insurance number. Letters, digits and _. Persons that the mediator creates
    /// have it in chf_id in any case.
    ///
    /// Default: `"chf_id"`.
    pub insurance_number_field: String,
    /// Whether a contact that almost fits (a like name with the same date of birth or phone) is proposed to a person,
    /// for whose decision the claim waits (docs/cht.md). Only with "phone" in match_by. Without: a person is created.
    ///
    /// Default: `true`.
    pub propose_similar: bool,
    /// A claim of an insuree who is linked to a contact: before it is sent, CHT is asked whether it still has the contact,
    /// unless it was seen within this time. Many claims share one request. `"0s"`: asked for every claim.
    ///
    /// Default: `"10m"`.
    pub contact_check: SignedDuration,
    /// If CHT no longer has it, for example because two contacts were merged: "match-or-create" (the insuree is looked
    /// for again as by match_by; who is not found is created again), "match" (who is not found becomes a dead letter) or
    /// "hold" (a dead letter in any case: a person decides).
    ///
    /// Default: `"match-or-create"`.
    pub contact_gone: ContactGone,
    /// How a record is written: "api" (CHT's documented API, which checks the form's fields and cannot tell a record that
    /// comes twice) or "document" (as a report under an id of its own, which CHT takes once only; docs/cht.md says what it
    /// leaves out).
    ///
    /// Default: `"api"`.
    pub records: Records,
    /// With records = "api": how long after an attempt without an answer, and after CHT's last silence, a record is
    /// looked for at CHT before it is sent a second time. A CHT that stalls may still store what it got before. Longer
    /// than `timeout` by far.
    ///
    /// Default: `"2m"`.
    pub resend_after: SignedDuration,
    /// Longest wait for one answer.
    ///
    /// Default: `"30s"`.
    pub timeout: SignedDuration,
}

/// A way to find an existing contact. Only a single match counts; several are proposed to a person.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum MatchBy {
    /// A person whose field `openimis_id` is openIMIS' uuid of the insuree.
    OpenimisId,
    /// A person whose field `insurance_number_field` is the insurance number.
    InsuranceNumber,
    /// A person with the same phone, name and date of birth.
    Phone,
}

/// What happens with a claim whose insuree is linked to a contact that CHT no longer has.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum ContactGone {
    /// The insuree is looked for again, and created again if nobody fits.
    #[default]
    MatchOrCreate,
    /// The insuree is looked for again; if nobody fits, a person has to look.
    Match,
    /// A person has to look.
    Hold,
}

/// How a record gets into CHT.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Records {
    /// `POST /api/v2/records`.
    #[default]
    Api,
    /// `PUT /medic/<own id>`.
    Document,
}

impl MatchBy {
    /// As it is written in the settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::OpenimisId => "openimis-id",
            Self::InsuranceNumber => "insurance-number",
            Self::Phone => "phone",
        }
    }

    /// What is the same.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::OpenimisId => "openIMIS uuid",
            Self::InsuranceNumber => "insurance number",
            Self::Phone => "phone, name and date of birth",
        }
    }
}

impl Default for OpenImis {
    fn default() -> Self {
        let timeout = SignedDuration::from_secs(30);
        Self { url: None, username: String::new(), password: None, utc_offset_minutes: 0, timeout }
    }
}

impl Default for Cht {
    fn default() -> Self {
        let timeout = SignedDuration::from_secs(30);
        let match_by = vec![MatchBy::OpenimisId, MatchBy::InsuranceNumber, MatchBy::Phone];
        let insurance_number_field = "chf_id".to_owned();
        Self {
            url: None,
            username: String::new(),
            password: None,
            match_by,
            insurance_number_field,
            propose_similar: true,
            contact_check: SignedDuration::from_mins(10),
            contact_gone: ContactGone::default(),
            records: Records::default(),
            resend_after: SignedDuration::from_mins(2),
            timeout,
        }
    }
}

/// What is missing or wrong of what both peers have.
pub(super) fn peer_problems(
    peer: &str,
    url: &Option<Url>,
    username: &str,
    password: &Option<SecretString>,
    problems: &mut Vec<String>,
) {
    let variable = peer.to_uppercase();
    let (url_variable, example) = if peer == "openimis" { ("OPENIMIS_API_URL", "imis") } else { ("CHT_URL", "cht") };
    match url {
        None => {
            problems.push(format!("{peer}.url: is missing; for example https://{example}.example.org ({url_variable})"))
        }
        Some(url) if !matches!(url.scheme(), "http" | "https") || url.host().is_none() => {
            problems.push(format!("{peer}.url: expected an http or https address"));
        }
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            problems.push(format!("{peer}.url: holds a user or password; set {peer}.username and {peer}.password"));
        }
        Some(_) => {}
    }
    if username.is_empty() {
        problems.push(format!("{peer}.username: is missing ({variable}_USERNAME)"));
    }
    if password.as_ref().is_none_or(|password| password.expose_secret().is_empty()) {
        problems.push(format!("{peer}.password: is missing ({variable}_PASSWORD or {variable}_PASSWORD_FILE)"));
    }
}
