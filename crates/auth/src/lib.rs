//! Who calls: clients are recognised by a password, a certificate or a token, and sign what they post. And how peers are called: a TLS
//! client that verifies.
//!
//! # Layout
//! - [`settings`]: what the operator decides. [`client`]: a client and its scopes. [`credential`]: passwords and certificates.
//! - [`clients`]: who a request comes from. [`tokens`]: tokens (JWT), signatures (JWS) and the keys that verify them.
//! - [`caller`]: where a request arrived. [`limits`]: how much one address may ask. [`refusal_log`]: which refusals are logged.
//! - [`admission`]: all that a listener needs of these.
//! - [`tls_client`]: the HTTP client for what is called.

pub mod admission;
pub mod caller;
pub mod client;
pub mod clients;
pub mod credential;
pub mod limits;
pub mod refusal_log;
pub mod settings;
pub mod tls_client;
pub mod tokens;

pub use admission::Admission;
pub use caller::{Caller, Listener};
pub use client::Client;
pub use clients::{Clients, INBOUND, Refused};
pub use settings::{Scope, Settings};
