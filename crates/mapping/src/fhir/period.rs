//! FHIR R4 `Period`.

use serde::Deserialize;

use crate::json::{Node, Text, object_shape};
use crate::shapes::told;

/// FHIR `Period`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Period<'a> {
    #[serde(borrow, default)]
    pub start: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub end: Node<Text<'a>>,
}

object_shape!(Period);
told! {
    Period { start, end }
}
