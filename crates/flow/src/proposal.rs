//! An insuree and the CHT contacts that may be the same person: what is compared, and what a person decides on.

use mapping::ids::InsureeUuid;
use serde_json::{Map, Value, json};

/// What is known of an insuree, in the words of the mapped CHT person.
#[derive(Clone, Debug)]
pub struct Person {
    /// openIMIS' uuid.
    pub insuree: InsureeUuid,
    fields: Map<String, Value>,
}

impl Person {
    /// Reads a mapped person.
    pub fn read(person: &str, insuree: InsureeUuid) -> Self {
        Self { insuree, fields: serde_json::from_str(person).unwrap_or_default() }
    }

    /// A field as text; none where it is empty.
    pub fn field(&self, name: &str) -> Option<String> {
        field(&self.fields, name)
    }

    /// What a person who decides is shown: personal data.
    pub fn shown(&self) -> Value {
        shown(&self.fields, self.field("place"))
    }
}

/// A contact as CHT has it.
#[derive(Clone, Debug)]
pub struct Contact(Map<String, Value>);

impl Contact {
    /// Reads a document; none where it is no contact of this type. `number_field`: where the insurance number is, if not in `chf_id`.
    pub fn read(document: Value, person_type: &str, number_field: &str) -> Option<Self> {
        let Value::Object(mut fields) = document else { return None };
        if let Some(number) = field(&fields, number_field) {
            fields.entry("chf_id").or_insert(Value::from(number));
        }
        let kind = field(&fields, "contact_type").or_else(|| field(&fields, "type"));
        (field(&fields, "_id").is_some() && kind.as_deref() == Some(person_type)).then_some(Self(fields))
    }

    /// Its `_id`.
    pub fn id(&self) -> String {
        field(&self.0, "_id").unwrap_or_default()
    }

    /// A field as text; none where it is empty.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        field(&self.0, name)
    }

    fn place(&self) -> Option<String> {
        let parent = self.0.get("parent")?;
        let named = parent.get("name").or_else(|| parent.get("_id"))?;
        named.as_str().map(str::to_owned)
    }

    /// Whether it says of itself that it is this insuree.
    pub fn is(&self, insuree: InsureeUuid) -> bool {
        self.insuree() == Some(insuree)
    }

    /// The insuree that it is, by its own words.
    pub(crate) fn insuree(&self) -> Option<InsureeUuid> {
        InsureeUuid::parse(&self.field("openimis_id")?)
    }

    /// As a proposal.
    pub fn possible(&self, exact: bool, score: f64, why: String) -> PossibleMatch {
        let score = (score.clamp(0.0, 1.0) * 1000.0).round() as u16;
        PossibleMatch { contact_id: self.id(), exact, score, why, contact: shown(&self.0, self.place()) }
    }
}

/// A contact that may be an insuree; a person decides.
#[derive(Clone, Debug, PartialEq)]
pub struct PossibleMatch {
    /// `_id` of the contact.
    pub contact_id: String,
    /// Whether it fits exactly, but is not the only one.
    pub exact: bool,
    /// How well it fits, in thousandths.
    pub score: u16,
    /// What agrees and what does not. No personal data.
    pub why: String,
    /// The contact's own words for what was compared: personal data.
    pub contact: Value,
}

/// The fields that a person who decides is shown of both.
const SHOWN: [&str; 7] = ["name", "date_of_birth", "phone", "sex", "chf_id", "openimis_id", "place"];

fn field(fields: &Map<String, Value>, name: &str) -> Option<String> {
    let text = match fields.get(name)? {
        Value::String(text) if name == "_id" => text.trim().to_owned(), // as CHT knows it
        Value::String(text) if name == "name" => mapping::text::name(text).into_owned(),
        Value::String(text) => mapping::text::plain(text).into_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

fn shown(fields: &Map<String, Value>, place: Option<String>) -> Value {
    let of = |name: &&str| field(fields, name).map(|value| ((*name).to_owned(), Value::from(value)));
    let mut shown: Map<String, Value> = SHOWN.iter().filter_map(of).collect();
    shown.remove("place");
    shown.extend(place.map(|place| ("place".to_owned(), json!(place))));
    Value::Object(shown)
}
