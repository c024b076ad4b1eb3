//! Resources within another one, and the references to them.

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Identifier, identifier, read_reference};
use crate::fhir::codes::{UUID, of_another_type};
use crate::fhir::primitives::{plain, uuid};
use crate::json::{Node, Text, object_shape, part};

/// What a resource contains. It is read when a reference names it, and not before.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Contained<'a>(#[serde(borrow)] Option<&'a RawValue>);

/// A resource within another one, as far as a reference needs it.
#[derive(Debug, Deserialize)]
struct Inner<'a> {
    #[serde(borrow, default, rename = "resourceType")]
    resource_type: Node<Text<'a>>,
    #[serde(borrow, default)]
    id: Node<Text<'a>>,
    #[serde(borrow, default)]
    identifier: Node<Vec<Node<Identifier<'a>>>>,
}

object_shape!(Inner);

impl Contained<'_> {
    /// openIMIS' uuid of the contained resource that a reference without its `#` names. openIMIS itself writes `#Patient/<uuid>`, and
    /// need not contain what it names so.
    #[cold]
    pub(super) fn uuid(&self, name: &str, types: &[&str]) -> Result<Uuid, String> {
        let list: Node<Vec<Node<Inner>>> = self.0.map_or(Node::Absent, |raw| part(raw.get()));
        let own = |inner: &&Inner| plain(&inner.id).is_some_and(|id| is_contained_as(id, name));
        let Some(inner) = list.items().find(own) else {
            return match read_reference(name, types) {
                Ok(uuid) => Ok(uuid),
                Err(_) if !name.contains('/') => Err("a reference to something that is not contained".to_owned()),
                Err(found) => Err(found),
            };
        };
        match plain(&inner.resource_type) {
            Some(kind) if !types.contains(&kind) => Err(of_another_type(kind)),
            kind => {
                let id = identifier(&inner.identifier, UUID, None)
                    .or(plain(&inner.id).map(without_hash))
                    .unwrap_or_default();
                let id = id.rsplit('/').next().unwrap_or(id);
                let kind = kind.unwrap_or("resource");
                uuid(id).ok_or_else(|| format!("a contained {kind} that does not tell openIMIS' uuid"))
            }
        }
    }
}

/// An id without the `#` that some write in front of it.
pub(crate) fn without_hash(id: &str) -> &str {
    id.strip_prefix('#').unwrap_or(id)
}

/// Whether a resource with this id is meant by a reference without its `#`. Some write the `#` into the id as well, openIMIS writes the
/// type in front of it, and a uuid is the same in both cases.
fn is_contained_as(id: &str, name: &str) -> bool {
    let id = without_hash(id);
    let named = |name: &str| id == name || (uuid(id).is_some() && uuid(id) == uuid(name));
    named(name) || name.split_once('/').is_some_and(|(_, name)| named(name))
}
