//! What openIMIS has against what the registry says, and the input of the mutation that makes them agree.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::wanted::Complete;
use crate::fhir::elements::List;
use crate::fhir::primitives::plain;
use crate::json::{Node, Scalar, Text, Words, object_shape};

/// A node of openIMIS' GraphQL with its id: a number, or in base64 `<type>:<number>`.
#[derive(Debug, Deserialize)]
pub(super) struct GraphNode<'a> {
    #[serde(borrow, default)]
    id: Node<Scalar<'a>>,
    #[serde(borrow, default)]
    code: Node<Text<'a>>,
}

/// A node of GraphQL `healthFacilities`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Existing<'a> {
    #[serde(borrow, default)]
    uuid: Node<Text<'a>>,
    #[serde(borrow, default)]
    code: Node<Text<'a>>,
    #[serde(borrow, default)]
    name: Node<Words<'a>>,
    #[serde(borrow, default)]
    acc_code: Node<Text<'a>>,
    #[serde(borrow, default)]
    level: Node<Text<'a>>,
    #[serde(borrow, default)]
    sub_level: Node<GraphNode<'a>>,
    #[serde(borrow, default)]
    legal_form: Node<GraphNode<'a>>,
    #[serde(borrow, default)]
    care_type: Node<Text<'a>>,
    #[serde(borrow, default)]
    location: Node<GraphNode<'a>>,
    #[serde(borrow, default)]
    address: Node<Words<'a>>,
    #[serde(borrow, default)]
    phone: Node<Text<'a>>,
    #[serde(borrow, default)]
    fax: Node<Text<'a>>,
    #[serde(borrow, default)]
    email: Node<Text<'a>>,
    #[serde(borrow, default)]
    status: Node<Text<'a>>,
    #[serde(borrow, default)]
    services_pricelist: Node<GraphNode<'a>>,
    #[serde(borrow, default)]
    items_pricelist: Node<GraphNode<'a>>,
    #[serde(borrow, default)]
    contract_start_date: Node<Text<'a>>,
    #[serde(borrow, default)]
    contract_end_date: Node<Text<'a>>,
    #[serde(borrow, default)]
    catchments: List<ExistingCatchment<'a>>,
}

#[derive(Debug, Deserialize)]
struct ExistingCatchment<'a> {
    #[serde(borrow, default)]
    id: Node<Scalar<'a>>,
    #[serde(borrow, default)]
    location: Node<GraphNode<'a>>,
    #[serde(borrow, default)]
    catchment: Node<Scalar<'a>>,
}

object_shape!(GraphNode, Existing, ExistingCatchment);

impl GraphNode<'_> {
    pub fn code(&self) -> Option<&str> {
        plain(&self.code)
    }

    /// The database's number.
    pub fn number(&self) -> Option<i64> {
        number(&self.id)
    }
}

fn number(id: &Node<Scalar>) -> Option<i64> {
    match id.value()? {
        Scalar::Integer(number) => Some(*number),
        Scalar::Text(text) => text.parse().ok().or_else(|| {
            let decoded = String::from_utf8(STANDARD.decode(text.as_bytes()).ok()?).ok()?;
            decoded.rsplit_once(':')?.1.parse().ok()
        }),
        _ => None,
    }
}

impl Existing<'_> {
    pub fn uuid(&self) -> Option<&str> {
        plain(&self.uuid)
    }

    pub fn code(&self) -> Option<&str> {
        plain(&self.code)
    }

    pub fn name(&self) -> Option<&str> {
        plain(&self.name)
    }
}

/// The mutation's input, complete: openIMIS empties what an update does not repeat, price lists and catchments too.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Input {
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    code: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    acc_code: Option<String>,
    legal_form_id: String,
    level: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_level_id: Option<String>,
    location_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fax: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    care_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    services_pricelist_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items_pricelist_id: Option<i64>,
    offline: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    catchments: Vec<Catchment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contract_start_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contract_end_date: Option<String>,
    status: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Catchment {
    id: i64,
    location_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    catchment: Option<i64>,
}

/// The mapped document.
#[derive(Serialize)]
pub(super) struct Decision<'a> {
    pub action: &'static str,
    pub code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<&'a str>,
    pub changes: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Input>,
}

impl Input {
    /// The registry's word, and openIMIS' own for what a registry does not know: price lists, catchments, contract, sublevel without a table.
    pub fn new(wanted: &Complete, district: i64, existing: Option<&Existing>) -> Self {
        let kept = |pick: fn(&Existing) -> Option<String>| existing.and_then(pick);
        Self {
            uuid: kept(|existing| existing.uuid().map(str::to_owned)),
            code: wanted.code.clone(),
            name: wanted.name.clone(),
            acc_code: kept(|existing| plain(&existing.acc_code).map(str::to_owned)),
            legal_form_id: wanted.legal_form.clone(),
            level: wanted.level.clone(),
            sub_level_id: wanted
                .sub_level
                .clone()
                .or_else(|| kept(|existing| code(&existing.sub_level).map(str::to_owned))),
            location_id: district,
            address: wanted.address.clone().or_else(|| kept(|existing| plain(&existing.address).map(str::to_owned))),
            phone: wanted.phone.clone().or_else(|| kept(|existing| plain(&existing.phone).map(str::to_owned))),
            fax: wanted.fax.clone().or_else(|| kept(|existing| plain(&existing.fax).map(str::to_owned))),
            email: wanted.email.clone().or_else(|| kept(|existing| plain(&existing.email).map(str::to_owned))),
            care_type: wanted.care_type.clone(),
            services_pricelist_id: existing.and_then(|existing| existing.services_pricelist.value()?.number()),
            items_pricelist_id: existing.and_then(|existing| existing.items_pricelist.value()?.number()),
            offline: false,
            catchments: existing.map(catchments).unwrap_or_default(),
            contract_start_date: kept(|existing| plain(&existing.contract_start_date).map(str::to_owned)),
            contract_end_date: kept(|existing| plain(&existing.contract_end_date).map(str::to_owned)),
            status: wanted.status.clone(),
        }
    }

    /// Which elements openIMIS has otherwise.
    pub fn changes(&self, existing: &Existing) -> Vec<&'static str> {
        let location = existing.location.value().and_then(GraphNode::number);
        let texts = [
            ("name", Some(&self.name), existing.name()),
            ("level", Some(&self.level), plain(&existing.level)),
            ("subLevel", self.sub_level_id.as_ref(), code(&existing.sub_level)),
            ("legalForm", Some(&self.legal_form_id), code(&existing.legal_form)),
            ("careType", Some(&self.care_type), plain(&existing.care_type)),
            ("address", self.address.as_ref(), plain(&existing.address)),
            ("phone", self.phone.as_ref(), plain(&existing.phone)),
            ("fax", self.fax.as_ref(), plain(&existing.fax)),
            ("email", self.email.as_ref(), plain(&existing.email)),
            // openIMIS before it had a status: active.
            (
                "status",
                Some(&self.status),
                plain(&existing.status).map(|status| status.trim_start_matches("A_")).or(Some("AC")),
            ),
        ];
        let changed =
            texts.into_iter().filter(|(_, one, other)| one.map(String::as_str) != *other).map(|(name, ..)| name);
        changed.chain((location != Some(self.location_id)).then_some("district")).collect()
    }
}

fn code<'n>(node: &'n Node<GraphNode<'_>>) -> Option<&'n str> {
    plain(&node.value()?.code)
}

fn catchments(existing: &Existing) -> Vec<Catchment> {
    let read = |found: &ExistingCatchment| {
        let catchment = match found.catchment.value() {
            Some(Scalar::Integer(number)) => Some(*number),
            _ => None,
        };
        Some(Catchment { id: number(&found.id)?, location_id: found.location.value()?.number()?, catchment })
    };
    existing.catchments.items().filter_map(read).collect()
}
