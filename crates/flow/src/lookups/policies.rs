//! An insuree's policies: openIMIS lists those of the family, also where the insuree was taken out or came later.

use jiff::civil::Date;
use serde_json::Value;

use crate::peers::graphql::nodes;

/// The policies that the insuree is in, from and until when she is.
pub(super) fn of_insuree(policies: Vec<Value>, insurees: &[Value]) -> Vec<Value> {
    let memberships: Vec<&Value> = insurees.iter().flat_map(|insuree| nodes(&insuree["insureePolicies"])).collect();
    policies.into_iter().filter_map(|policy| as_member(policy, &memberships)).collect()
}

fn as_member(mut policy: Value, memberships: &[&Value]) -> Option<Value> {
    let uuid = policy["policyUuid"].as_str()?.to_lowercase();
    let of_policy =
        |member: &&&Value| member["policy"]["uuid"].as_str().is_some_and(|other| other.eq_ignore_ascii_case(&uuid));
    let mut rows = memberships.iter().filter(of_policy);
    let member = rows.clone().find(|member| member["validityTo"].is_null())?;
    narrow(&mut policy, "effectiveDate", &member["effectiveDate"], |own, other| other > own);
    narrow(&mut policy, "expiryDate", &member["expiryDate"], |own, other| other < own);
    if rows.nth(1).is_some() {
        // openIMIS adds up what was paid once for each of these rows: what it says is left is too little.
        for ceiling in ["ceiling", "ceilingInPatient", "ceilingOutPatient"] {
            policy[ceiling] = Value::Null;
        }
    }
    Some(policy)
}

/// The member's own day, where it is the narrower one.
fn narrow(policy: &mut Value, element: &str, member: &Value, is_narrower: fn(Date, Date) -> bool) {
    let day = |value: &Value| value.as_str()?.get(..10)?.parse::<Date>().ok();
    let Some(other) = day(member) else { return };
    if day(&policy[element]).is_none_or(|own| is_narrower(own, other)) {
        policy[element] = other.to_string().into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A policy and an insuree as openIMIS 1.10 told them: in the policy twice, once in the past, and 120 of 1000 were paid.
    fn recorded() -> (Value, Value) {
        let exchange: Value = serde_json::from_str(include_str!("recorded/policy-twice.json")).expect("JSON");
        let data = &exchange["answer"]["data"];
        let first = |name: &str| nodes(&data[name]).next().expect("a node").clone();
        (first("policiesByInsuree_0"), first("insurees_0"))
    }

    fn memberships(insuree: &mut Value) -> &mut Vec<Value> {
        insuree["insureePolicies"]["edges"].as_array_mut().expect("a list")
    }

    #[test]
    fn what_openimis_counts_twice_is_not_told() {
        let (policy, mut insuree) = recorded();
        assert_eq!(policy["ceiling"], 520.0, "880 are left; openIMIS takes the 120 four times");
        let told = of_insuree(vec![policy.clone()], std::slice::from_ref(&insuree));
        assert_eq!(told[0]["ceiling"], Value::Null);
        memberships(&mut insuree).retain(|edge| edge["node"]["validityTo"].is_null());
        let told = of_insuree(vec![policy], &[insuree]);
        assert_eq!(told[0]["ceiling"], 520.0);
    }

    #[test]
    fn an_insuree_who_was_taken_out_of_the_familys_policy_is_not_in_it() {
        let (policy, mut insuree) = recorded();
        memberships(&mut insuree).retain(|edge| !edge["node"]["validityTo"].is_null());
        assert_eq!(of_insuree(vec![policy.clone()], &[insuree]), [Value::Null; 0]);
        assert_eq!(of_insuree(vec![policy], &[]), [Value::Null; 0]);
    }

    #[test]
    fn who_came_later_is_in_it_since_then() {
        let (policy, mut insuree) = recorded();
        for edge in memberships(&mut insuree) {
            edge["node"]["effectiveDate"] = "2026-06-01".into();
            edge["node"]["expiryDate"] = Value::Null;
        }
        let told = of_insuree(vec![policy.clone()], &[insuree]);
        assert_eq!(told[0]["effectiveDate"], "2026-06-01");
        assert_eq!(told[0]["expiryDate"], policy["expiryDate"]);
    }
}
