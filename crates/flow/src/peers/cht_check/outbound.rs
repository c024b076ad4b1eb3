//! The outbound push that brings feedback to the mediator.

use serde_json::Value;
use url::{Host, Url};

use super::form::is_on;
use super::{Expected, Findings, text};
use crate::http_api::Route;
use crate::message::Kind;
use crate::settings::Settings;

const ANSWERS: [&str; 5] = ["care_rendered", "payment_asked", "drug_prescribed", "drug_received", "assessment_rating"];
const CLAIM: [&str; 2] = ["claimuuid", "claimUUID"];
const INSUREE: [&str; 2] = ["insureeuuid", "insureeUUID"];
/// Both spellings have worked in CHT: as a nested object, as a plain key.
const REPORT: [&str; 1] = ["doc._id"];

/// The pushes that lead to a mediator, by their path or by what they carry.
fn ours(settings: &Value) -> Vec<(&String, &Value)> {
    let is_ours = |push: &Value| {
        let path = text(&push["destination"], "path").unwrap_or_default();
        path.trim_end_matches('/').ends_with("claims-feedback")
            || CLAIM.iter().any(|key| !push["mapping"][*key].is_null())
    };
    settings["outbound"].as_object().into_iter().flatten().filter(|(_, push)| is_ours(push)).collect()
}

/// Names of the app forms for which it is pushed: `doc.form === 'claims_feedback'`.
pub(super) fn forms(settings: &Value) -> Vec<String> {
    let mut names: Vec<String> =
        ours(settings).into_iter().filter_map(|(_, push)| form_of(text(push, "relevant_to")?)).collect();
    names.sort();
    names.dedup();
    // It goes into an address.
    names.retain(|name| name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-.:".contains(letter)));
    names
}

fn form_of(relevant_to: &str) -> Option<String> {
    let (_, rest) = relevant_to.split_once("doc.form")?;
    let rest = rest.trim_start().trim_start_matches('=').trim_start();
    let quote = rest.chars().next().filter(|letter| matches!(letter, '\'' | '"' | '`'))?;
    rest[1..].split_once(quote).map(|(name, _)| name.to_owned()).filter(|name| !name.is_empty())
}

pub(super) fn check(
    settings: &Value,
    forms: &[(String, Option<String>)],
    mediator: &Settings,
    expected: &Expected,
    findings: &mut Findings,
) {
    if is_on(&settings["transitions"]["mark_for_outbound"]) {
        findings.ok("transition.mark_for_outbound", "CHT pushes what is configured");
    } else {
        let text = "the transition mark_for_outbound is off: CHT pushes nothing";
        findings.error("transition.mark_for_outbound", text, "set \"mark_for_outbound\": true in transitions");
    }
    let pushes = ours(settings);
    if pushes.is_empty() {
        let todo = "add the push of docs/cht.md to outbound in app_settings";
        findings.error("outbound", "no outbound push leads to the mediator: no feedback arrives", todo);
    }
    if pushes.len() > 1 {
        let names: Vec<&str> = pushes.iter().map(|(name, _)| name.as_str()).collect();
        let text = format!("{} pushes lead to the mediator: {}", pushes.len(), names.join(", "));
        findings.warning("outbound", text, "keep one of them for each form");
    }
    for (name, push) in pushes {
        let mut of_push = Push { name, push, findings };
        of_push.relevant_to(forms);
        of_push.destination(expected);
        of_push.auth(expected);
        let xml = text(push, "relevant_to")
            .and_then(form_of)
            .and_then(|wanted| forms.iter().find(|(name, _)| *name == wanted).and_then(|(_, xml)| xml.as_deref()));
        of_push.mapping(xml, !mediator.cht.match_by.is_empty());
    }
}

/// One push, and where to write what is found of it.
struct Push<'a> {
    name: &'a str,
    push: &'a Value,
    findings: &'a mut Findings,
}

impl Push<'_> {
    fn check(&self, what: &str) -> String {
        format!("outbound.{}.{what}", self.name)
    }

    fn relevant_to(&mut self, forms: &[(String, Option<String>)]) {
        let check = self.check("relevant_to");
        let Some(relevant_to) = text(self.push, "relevant_to") else {
            let todo = "add \"relevant_to\": \"doc.form === 'claims_feedback'\"";
            return self.findings.error(check, "no relevant_to: nothing is pushed, ever", todo);
        };
        let Some(form) = form_of(relevant_to) else {
            let text = "relevant_to does not say doc.form === '…': which form it pushes cannot be told";
            return self.findings.warning(check, text, "look at it by hand");
        };
        match forms.iter().find(|(name, _)| *name == form) {
            Some((_, Some(_))) => self.findings.ok(check, format!("it pushes the form {form}, which is installed")),
            _ => {
                let text = format!("it pushes the form {form}, which is not installed");
                self.findings.error(check, text, format!("upload the form {form}, or correct relevant_to"));
            }
        }
        if text(self.push, "cron").is_some() {
            let (check, text) = (self.check("cron"), "it pushes at set times only (cron)");
            self.findings.warning(check, text, "remove cron: answers then arrive at once");
        }
    }

    fn destination(&mut self, expected: &Expected) {
        let destination = &self.push["destination"];
        let base = text(destination, "base_url").and_then(|base| Url::parse(base).ok());
        let check = self.check("base_url");
        match base.filter(|base| matches!(base.scheme(), "http" | "https") && base.host().is_some()) {
            None => {
                let todo =
                    "set it to the mediator's address as CHT reaches it, for example https://mediator.example.org";
                self.findings.error(check, "destination.base_url is missing or no address", todo);
            }
            Some(base) if base.scheme() == "http" && !is_near(&base) => {
                let text = format!("{base} is plain http: patient data and the password travel in the open");
                self.findings.warning(check, text, "use https (docs/security.md)");
            }
            Some(base) => {
                let other = expected.address.as_ref().filter(|address| address.host() != base.host());
                match other {
                    Some(address) => {
                        let host = address.host_str().unwrap_or_default();
                        let text = format!("it pushes to {base}; openIMIS reaches the mediator as {host}");
                        self.findings.warning(check, text, "check that both are the mediator, or OpenHIM before it");
                    }
                    None => self.findings.ok(check, format!("it pushes to {base}")),
                }
            }
        }
        let (check, ours) = (self.check("path"), Route::Inbound(Kind::Feedback).path());
        match text(destination, "path").map(|path| format!("/{}", path.trim_matches('/'))) {
            Some(path) if path == ours => self.findings.ok(check, path),
            Some(path) => {
                let text = format!("the path is {path}; the mediator's own is {ours}");
                self.findings.warning(check, text, "right only if OpenHIM or a proxy leads it on");
            }
            None => self.findings.error(check, "destination.path is missing", format!("set it to {ours}")),
        }
    }

    fn auth(&mut self, expected: &Expected) {
        let auth = &self.push["destination"]["auth"];
        let check = self.check("auth");
        match text(auth, "type").map(str::to_lowercase).as_deref() {
            Some("basic") => {
                let (user, key) = (text(auth, "username"), text(auth, "password_key"));
                let (Some(user), Some(key)) = (user, key) else {
                    let text = "auth names no username or no password_key";
                    return self.findings.error(check, text, "set both: docs/cht.md");
                };
                if !expected.feedback_users.is_empty() && !expected.feedback_users.iter().any(|known| known == user) {
                    let text = format!("it signs in as {user}, whom the mediator does not know");
                    let todo = format!("one of {} (unless OpenHIM is in between)", expected.feedback_users.join(", "));
                    return self.findings.warning(check, text, todo);
                }
                // CHT gives no stored password out; a wrong one shows as 401 in its log.
                self.findings
                    .ok(check, format!("it signs in as {user} with the credential {key}, which CHT shows to nobody"));
            }
            Some("header") if text(auth, "value_key").is_some() => {
                self.findings.ok(check, "it signs in with an Authorization header");
            }
            _ => {
                let text = "it signs in with neither Basic nor an Authorization header: the mediator answers 401";
                self.findings.error(check, text, "set \"type\": \"basic\", username and password_key: docs/cht.md");
            }
        }
    }

    fn mapping(&mut self, xml: Option<&str>, matches_contacts: bool) {
        for key in ANSWERS {
            let text =
                format!("{key} is not sent: openIMIS wants all five answers, so every feedback becomes a dead letter");
            if self.mapped(&[key], xml).is_none() {
                self.findings.error(self.check(key), text, format!("map {key} to the form's answer"));
            }
        }
        if self.mapped(&CLAIM, xml).is_none() {
            let text = "claimuuid is not sent: the feedback belongs to no claim";
            self.findings.error(self.check("claimuuid"), text, "map it to the claim's uuid in the form's inputs");
        }
        if self.mapped(&REPORT, xml).is_none() {
            let text = "doc._id is not sent: two different reports with the same answers look like one";
            self.findings.warning(self.check("doc._id"), text, "add \"doc._id\": \"doc._id\" to the mapping");
        }
        match self.mapped(&INSUREE, xml) {
            None => {
                let text = "insureeuuid is not sent: the claim's patient is taken";
                self.findings.warning(
                    self.check("insureeuuid"),
                    text,
                    "map it to the contact's openimis_id, as optional",
                );
            }
            Some(false) if matches_contacts => {
                let text =
                    "insureeuuid is not optional: CHT stops the push for contacts that were there before the mediator";
                self.findings.warning(self.check("insureeuuid"), text, "write it as {\"path\": …, \"optional\": true}");
            }
            Some(_) => {}
        }
    }

    /// Whether one of these keys is mapped, and so whether it is optional. What is wrong with its source is told.
    fn mapped(&mut self, keys: &[&str], xml: Option<&str>) -> Option<bool> {
        let mapping = &self.push["mapping"];
        let (key, source) = keys.iter().map(|key| (*key, &mapping[*key])).find(|(_, source)| !source.is_null())?;
        let check = self.check(key);
        let optional = source["optional"] == Value::Bool(true);
        let path = source.as_str().or_else(|| text(source, "path"));
        if text(source, "expr").is_some() {
            self.findings.ok(check, format!("{key} is computed"));
            return Some(optional);
        }
        let Some(path) = path.filter(|path| !path.is_empty()) else {
            self.findings.error(
                check,
                format!("{key} has neither a path nor an expr: CHT stops the push"),
                "give it a path",
            );
            return Some(optional);
        };
        let is_field = path.starts_with("doc.fields.");
        let last = path.rsplit('.').next().unwrap_or_default();
        match xml {
            Some(xml) if is_field && !has_element(xml, last) => {
                let text = format!("{key} comes from {path}, and the form has no question or calculation {last}");
                let todo = "correct the path, or add it to the form";
                match optional {
                    true => self.findings.warning(check, text, todo),
                    false => self.findings.error(check, format!("{text}: CHT stops the push"), todo),
                }
            }
            _ => self.findings.ok(check, format!("{key} comes from {path}")),
        }
        Some(optional)
    }
}

/// Whether the model of a form has an element of this name: `<name/>`, `<name>`, `<name attribute…`.
fn has_element(xml: &str, name: &str) -> bool {
    let ends = |rest: &str| rest.starts_with(['/', '>', ' ', '\t', '\r', '\n']);
    xml.match_indices(&format!("<{name}")).any(|(at, found)| ends(&xml[at + found.len()..]))
}

/// On this machine or in its own network, as in a compose file.
fn is_near(address: &Url) -> bool {
    match address.host() {
        Some(Host::Domain(name)) => name == "localhost" || !name.contains('.'),
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
