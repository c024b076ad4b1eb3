//! Where a request comes from.

use std::net::IpAddr;

use crate::credential::Fingerprint;

/// At which address the mediator was called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Listener {
    /// The one for messages.
    Messages,
    /// The one for admins.
    Admin,
}

impl Listener {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Messages, Self::Admin];
}

/// Where a request comes from. Every request carries it.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Where it arrived.
    pub listener: Listener,
    /// Its address; that of a proxy, where one stands in front.
    pub address: IpAddr,
    /// Its verified certificate.
    pub certificate: Option<Fingerprint>,
}
