//! How a node starts, in order.
//!
//! Whatever can be refused is refused before anything is changed; the node
//! listens before it takes part, so that whoever it asks for a vote can reach
//! it in turn.

use coffee_client::Pool;
use coffee_common::{id::Address, protocol::Role, quic::Endpoint, tls::Credentials};
use tokio::sync::watch;

use super::{
    Builder, Server, StartError,
    accept::accept,
    life::{Ends, Life},
    mode,
};
use crate::{
    api::Api, config::Config, membership::Membership, node::Node, reads::Reads, storage::disk::DataDir,
};

pub(super) async fn start(builder: Builder) -> Result<Server, StartError> {
    let Builder { config, credentials, options, endpoint } = builder;
    config.check()?;
    let data = DataDir::open(&config.data_dir, &config.name)?;
    let mode = mode::decide(data.identity(), config.bootstrap, &config.join);
    let credentials = own_credentials(&config, credentials)?;
    let endpoint = match endpoint {
        Some(endpoint) => endpoint,
        None => Endpoint::serve(config.listen, &credentials, &options)?,
    };
    let address = endpoint.local_address();
    tracing::info!(node = %config.name, %address, "listening");

    let (node, orders) = Node::new(
        config.name.clone(),
        config.advertise.clone().unwrap_or_else(|| Address::from(address)),
        config.timers.lease(),
        Pool::new(endpoint.clone()),
    );
    let reads = Reads::new(node.clone());
    let membership = Membership::new(node.clone(), reads.clone());
    let api = Api::new(node.clone(), reads, membership.clone());
    let (peers, with_peers) = watch::channel(None);
    tokio::spawn(accept(endpoint.clone(), api.clone(), with_peers));

    let (stop, stopping) = watch::channel(false);
    let life = Life { node: node.clone(), membership, api, endpoint, data, config, peers, orders, stopping };
    let Ends { closed } = life.begin(mode).await?;
    Ok(Server { node, address, credentials, options, stop, closed })
}

/// The node's credentials, which have to be the node's own.
fn own_credentials(config: &Config, given: Option<Credentials>) -> Result<Credentials, StartError> {
    let credentials = given.map_or_else(|| Credentials::load(&config.tls), Ok)?;
    let identity = credentials.identity();
    if identity.role != Role::Node || identity.name != config.name {
        let (found, expected) = (identity.clone(), config.name.clone());
        return Err(StartError::OtherIdentity { found, expected });
    }
    Ok(credentials)
}
