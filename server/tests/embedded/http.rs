//! The HTTP door, over real TLS on the loopback.

mod bounds;
mod caller;
mod described;
mod keys;
mod trust;
mod watching;

use coffeed::Server;

use crate::support::EmbeddedCluster;

/// A configuration with the door open.
fn config(cluster: &EmbeddedCluster, node: &str) -> coffeed::Config {
    let mut config = cluster.config(node);
    config.http.listen = Some(([127, 0, 0, 1], 0).into());
    config
}

/// A founder with the door open.
async fn founder(cluster: &EmbeddedCluster, node: &str) -> Server {
    cluster.found(cluster.builder(config(cluster, node))).await
}
