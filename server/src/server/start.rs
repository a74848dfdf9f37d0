//! How a node starts, in order.
//!
//! Whatever can be refused is refused before anything is changed; the node
//! listens before it takes part, so that whoever it asks for a vote can reach
//! it in turn.

use std::{io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};

use coffee_client::Pool;
use coffee_common::{
    id::Address,
    quic::{Endpoint, EndpointError, EndpointOptions},
    tls::Credentials,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    Builder, Server, StartError,
    accept::accept,
    lifecycle::Lifecycle,
    mode, monitor,
    reload::{Reloading, set_limits},
};
use crate::{
    api::{
        admin::{Admin, Listening},
        client::Api,
    },
    node::Node,
    ops::{membership::MembershipManager, reads::Reads},
    storage::disk::DataDir,
};

/// How long the port of a node that has just stopped may stay in use.
const PORT_FREE_WITHIN: Duration = Duration::from_secs(1);
const PORT_RETRY: Duration = Duration::from_millis(20);

pub(super) async fn start(builder: Builder) -> Result<Server, StartError> {
    let Builder { config, credentials, options, endpoint, databases, source, log_control } = builder;
    let in_memory = credentials.is_some();
    config.check()?;
    let credentials = config.own_credentials(credentials)?;
    let data = DataDir::open(&config.data_dir, &config.name)?;
    let mode = mode::decide(data.identity(), config.bootstrap, &config.join);
    let endpoint = match endpoint {
        Some(endpoint) => endpoint,
        None => listen(config.listen, &credentials, &options).await?,
    };
    let address = endpoint.local_address();
    tracing::info!(node = %config.name, %address, "listening");

    let (node, commands) = Node::new(
        config.name.clone(),
        config.advertise.clone().unwrap_or_else(|| Address::from(address)),
        config.timers.lease(),
        Pool::new(endpoint.clone()),
        config.data_dir.clone(),
    );
    log_control.into_iter().for_each(|control| node.set_log_control(control));
    let admin = watch_over(&node, config.admin.listen).await?;
    let admin_address = admin.as_ref().map(Listening::address);
    let reads = Reads::new(node.clone());
    let membership = MembershipManager::new(node.clone(), reads.clone());
    let api = Api::new(node.clone(), reads, membership.clone());
    set_limits(config.limits, &endpoint, &api);
    let (peers, with_peers) = watch::channel(None);
    tokio::spawn(accept(endpoint.clone(), api.clone(), with_peers));

    let reloading = Reloading::new(&node, (endpoint.clone(), api.clone()), source, in_memory, config.clone());
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(monitor::certificate::watch(Arc::downgrade(&node), stopping.clone()));
    // A simulated disk has no room to look for.
    if databases.is_none() {
        tokio::spawn(monitor::disk::watch(Arc::downgrade(&node), stopping.clone()));
    }
    let lifecycle = Lifecycle {
        node: node.clone(),
        membership,
        api,
        endpoint,
        data,
        databases,
        config,
        peers,
        commands,
        stopping,
        admin,
    };
    let closed = lifecycle.begin(mode).await?;
    Ok(Server { node, address, admin_address, options, reloading, stop, closed })
}

/// Listens for those who watch the node, if it is to.
async fn watch_over(node: &Arc<Node>, address: Option<SocketAddr>) -> Result<Option<Listening>, StartError> {
    let Some(address) = address else { return Ok(None) };
    let listening = Admin::new(Arc::clone(node)).listen(address).await;
    let listening = listening.map_err(|source| StartError::Admin { address, source })?;
    tracing::info!(address = %listening.address(), "listening for metrics and health checks");
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "metrics and health checks are open to the network, without encryption");
    }
    Ok(Some(listening))
}

/// Listens. Where a node has just stopped, its port may take a moment to be free.
async fn listen(
    address: SocketAddr,
    credentials: &Credentials,
    options: &EndpointOptions,
) -> Result<Endpoint, EndpointError> {
    let give_up = Instant::now() + PORT_FREE_WITHIN;
    loop {
        match Endpoint::serve(address, credentials, options) {
            Err(EndpointError::Bind { cause, .. })
                if cause.kind() == ErrorKind::AddrInUse && Instant::now() < give_up =>
            {
                sleep(PORT_RETRY).await;
            }
            result => return result,
        }
    }
}
