//! The next version, in the values of this one.

mod client;
#[expect(clippy::duplicate_mod, reason = "compiled with this version, and with the next one")]
#[path = "this/databases.rs"]
mod databases;
#[expect(clippy::duplicate_mod, reason = "compiled with this version, and with the next one")]
#[path = "this/endpoint.rs"]
mod endpoint;
#[expect(clippy::duplicate_mod, reason = "compiled with this version, and with the next one")]
#[path = "this/inside.rs"]
mod inside;
#[expect(clippy::duplicate_mod, reason = "compiled with this version, and with the next one")]
#[path = "this/server.rs"]
mod server;

use coffee_common::{envelope, id::ClusterId, protocol::NodeStatus};
use coffee_common_next as common;
use coffeed_next as daemon;

pub(crate) use self::client::NextClient;
pub(super) use self::{
    common::tls::Credentials,
    inside::look,
    server::{credentials_of, start},
};
use super::SimCredentials;

/// The highest feature level that it knows.
pub(super) const LEVEL: u32 = common::feature_level::LEVEL_MAX.0;

fn credentials(of: &SimCredentials) -> &Credentials {
    &of.next
}

/// A status as a node of this version receives it.
fn status(sent: common::protocol::NodeStatus) -> NodeStatus {
    let mut bytes = Vec::new();
    common::envelope::encode_to(&mut bytes, &sent).expect("a status is encoded");
    envelope::decode_first(&bytes).expect("each version reads the status of the other").0
}

fn cluster(id: common::id::ClusterId) -> ClusterId {
    id.to_string().parse().expect("an id")
}
