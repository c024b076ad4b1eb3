//! Who the mediator is at CHT, and what it may do there.

use http::StatusCode;
use serde_json::Value;

use super::Findings;
use crate::peers::Answer;

/// Something the mediator has to be able to do.
pub(super) struct Need {
    /// What stands in the finding.
    what: &'static str,
    /// The permissions that CHT asks for.
    permissions: &'static [&'static str],
}

type Query = Option<Vec<(&'static str, String)>>;

/// CHT's settings, if the answer holds them.
pub(super) fn signed_in(answer: &Answer, findings: &mut Findings) -> Option<Value> {
    let status = answer.status;
    let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) || status.is_redirection();
    if refused {
        let locked = answer.text.contains("locked");
        let (text, todo) = match locked {
            true => (
                "the account is locked for a while after wrong passwords",
                "wait some minutes, and correct cht.password",
            ),
            false => ("CHT refuses the user", "check cht.username and cht.password, and that the user exists"),
        };
        findings.error("credentials", format!("{text} ({status})"), todo);
        return None;
    }
    let settings = serde_json::from_str::<Value>(&answer.text).ok().filter(Value::is_object);
    match settings.filter(|_| status.is_success()) {
        Some(settings) => {
            findings.ok("credentials", "CHT takes the user");
            Some(settings)
        }
        None => {
            let todo = "check that cht.url is the CHT server itself, and no proxy's page";
            findings.error("settings", format!("the answer ({status}) is not CHT's settings"), todo);
            None
        }
    }
}

/// Roles of the session, against the settings' roles.
pub(super) fn roles(settings: &Value, session: &Value, findings: &mut Findings) {
    let roles: Vec<&str> = session
        .pointer("/userCtx/roles")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if roles.is_empty() {
        findings.warning(
            "account.roles",
            "CHT does not tell the user's roles",
            "look at the user in CHT's user management",
        );
        return;
    }
    if roles.contains(&"_admin") {
        let todo = "give the mediator a user of its own with a role of its own (docs/cht.md)";
        findings.warning(
            "account.roles",
            "the user is an administrator: it may do far more than the mediator needs",
            todo,
        );
        return;
    }
    let offline: Vec<&str> =
        roles.iter().filter(|role| settings["roles"][**role]["offline"] == Value::Bool(true)).copied().collect();
    // CHT itself goes by this role, which it adds when a user with an online role is saved.
    if roles.contains(&"mm-online") {
        findings.ok("account.online", format!("an online user with the roles {}", roles.join(", ")));
    } else if !offline.is_empty() {
        let text = format!("the role {} is an offline role: CHT keeps look-ups from offline users", offline.join(", "));
        findings.error("account.online", text, "set \"offline\": false at the role, or give the user an online role");
    } else {
        let text = format!("the user has no online role (it has {})", roles.join(", "));
        let todo = "save the user again in CHT's user management once its role has \"offline\": false";
        findings.error("account.online", text, todo);
    }
}

/// What is tried, where, and with which query. None: an empty POST.
pub(super) fn needs(no_search: bool, person_type: &str, nobody: &str) -> Vec<(Need, &'static str, Query)> {
    let records = Need { what: "post records", permissions: &["can_create_records"] };
    let people = Need { what: "create people", permissions: &["can_create_people", "can_edit"] };
    let reports = Need { what: "look up reports", permissions: &[] };
    let mut needs = vec![
        (records, "api/v2/records", None),
        (people, "api/v1/people", None),
        (
            reports,
            "medic/_design/medic-client/_view/reports_by_subject",
            Some(vec![("key", format!("\"{nobody}\"")), ("limit", "1".to_owned())]),
        ),
    ];
    if !no_search {
        let contacts = Need { what: "look up contacts", permissions: &["can_view_contacts"] };
        let query = vec![
            ("type", person_type.to_owned()),
            ("freetext", format!("openimis_id:{nobody}")),
            ("limit", "1".to_owned()),
        ];
        needs.push((contacts, "api/v1/contact/uuid", Some(query)));
        let phones = Need { what: "look up contacts by phone", permissions: &[] };
        needs.push((phones, "api/v1/contacts-by-phone", Some(vec![("phone", "0".to_owned())])));
    }
    needs
}

/// What CHT said to the try.
pub(super) fn tried(
    need: &Need,
    path: &str,
    status: Result<StatusCode, String>,
    settings: &Value,
    findings: &mut Findings,
) {
    let Need { what, permissions } = need;
    let check = format!("permission.{}", what.replace(' ', "-"));
    match status {
        Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            let lacking: Vec<String> = permissions
                .iter()
                .map(|permission| match settings["permissions"][*permission].as_array() {
                    Some(roles) if !roles.is_empty() => {
                        let roles: Vec<&str> = roles.iter().filter_map(Value::as_str).collect();
                        format!("{permission} (now: {})", roles.join(", "))
                    }
                    _ => format!("{permission} (now: nobody)"),
                })
                .collect();
            let todo = match lacking.is_empty() {
                true => "give the user an online role".to_owned(),
                false => format!("add the user's role to {}", lacking.join(" and ")),
            };
            findings.error(check, format!("the user may not {what} (/{path})"), todo);
        }
        Ok(StatusCode::NOT_FOUND) if path == "api/v1/contact/uuid" => {
            findings.ok(check, "this CHT is older than 4.18: contacts are looked up in a view");
        }
        Ok(StatusCode::NOT_FOUND) if path == "api/v1/people" => {
            findings.warning(
                check,
                "this CHT has no /api/v1/people any more: /api/v1/person is used",
                "nothing, but watch the first persons",
            );
        }
        // Of a phone it says that nobody has it.
        Ok(StatusCode::NOT_FOUND) if path != "api/v1/contacts-by-phone" => {
            let text = format!("there is no /{path}: the user may or may not {what}");
            findings.error(check, text, "check that cht.url is the CHT server itself, and that all of it is up");
        }
        // To an empty POST it says 500, too; a question it answers.
        Ok(status) if status.is_server_error() && !matches!(path, "api/v2/records" | "api/v1/people") => {
            findings.warning(check, format!("/{path} answers {status}"), "look into CHT's log, then try again");
        }
        Ok(status) if status.is_redirection() => {
            findings.error(check, format!("/{path} redirects us ({status})"), "check cht.url");
        }
        Ok(status) if matches!(status.as_u16(), 502..=504) => {
            findings.warning(check, format!("/{path} answers {status}"), "try again when CHT is well");
        }
        Ok(_) => findings.ok(check, format!("the user may {what}")),
        Err(why) => findings.warning(check, format!("/{path} does not answer: {why}"), "try again when CHT is well"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn only_an_answer_of_the_route_itself_says_that_the_user_may() {
        use Level::{Error, Ok as Fine, Warning};
        let records = "api/v2/records";
        let reports = "medic/_design/medic-client/_view/reports_by_subject";
        for (path, status, level) in [
            (records, StatusCode::INTERNAL_SERVER_ERROR, Fine), // "missing form", to who may post
            (records, StatusCode::FORBIDDEN, Error),
            (records, StatusCode::NOT_FOUND, Error),
            ("api/v1/people", StatusCode::BAD_REQUEST, Fine),
            (reports, StatusCode::OK, Fine),
            (reports, StatusCode::NOT_FOUND, Error),
            (reports, StatusCode::INTERNAL_SERVER_ERROR, Warning),
            ("api/v1/contacts-by-phone", StatusCode::NOT_FOUND, Fine),
            ("api/v1/contacts-by-phone", StatusCode::BAD_REQUEST, Fine),
        ] {
            let (need, mut findings) = (Need { what: "work", permissions: &[] }, Findings::default());
            tried(&need, path, Ok(status), &Value::Null, &mut findings);
            assert_eq!(findings.0[0].level, level, "{path} {status}");
        }
    }
}
