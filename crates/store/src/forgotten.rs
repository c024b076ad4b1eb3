//! What is known of a message that was delivered or discarded and is no longer stored.

use flow::message::MessageId;
use uuid::Uuid;

/// Key under which a delivered message is remembered when it is no longer kept.
pub(super) fn forgotten_key(dedupe_key: &str) -> Vec<u8> {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, dedupe_key.as_bytes()).into_bytes().to_vec()
}

/// A message that was delivered or discarded and is no longer stored.
pub(super) struct Forgotten {
    pub id: MessageId,
    /// Digests of what a repetition must agree in.
    pub agrees: Option<String>,
}
