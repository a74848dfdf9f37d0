//! This version, in the values of this one.

mod databases;
mod endpoint;
mod inside;
mod server;

use coffee_common::{self as common, id::ClusterId, protocol::NodeStatus, tls::Credentials};
use coffeed as daemon;

pub(crate) use self::endpoint::endpoint;
pub(super) use self::{
    inside::look,
    server::{credentials_of, start},
};
use super::SimCredentials;

/// The highest feature level that it knows.
pub(super) const LEVEL: u32 = common::feature_level::LEVEL_MAX.0;

fn credentials(of: &SimCredentials) -> &Credentials {
    &of.this
}

fn status(own: NodeStatus) -> NodeStatus {
    own
}

fn cluster(own: ClusterId) -> ClusterId {
    own
}
