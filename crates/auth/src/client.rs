//! A client that was recognised, and what it may do.

use std::sync::Arc;

use crate::settings::Scope;
use crate::tokens::signature::Signing;

/// A client that was recognised.
#[derive(Clone, Debug)]
pub struct Client {
    /// As the configuration calls it; the audit trail does too.
    pub name: String,
    /// By what its signatures are verified. None: it signs nothing.
    pub signing: Option<Arc<Signing>>,
    pub(crate) scopes: Vec<Scope>,
}

impl Client {
    /// Whether it may.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}
