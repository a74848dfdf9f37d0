//! Starts a node, step by step.
//!
//! Everything that can fail is checked before anything is changed. The node
//! listens before it joins consensus, because a peer that it asks for a vote
//! must be able to reach it.

use std::{io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};

use coffee_client::Pool;
use coffee_common::{
    id::Address,
    quic::{Endpoint, EndpointError, EndpointOptions},
    tls::Credentials,
};
use futures_util::future::BoxFuture;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    Server, StartError,
    accept::accept,
    lifecycle::Lifecycle,
    listeners::Listeners,
    mode, monitor,
    reload::{ClusterLists, ConfigSource, Reloading, set_limits},
    waiting_peers::WaitingPeers,
};
use crate::{
    api::{
        admin::{Admin, Listening},
        client::Api,
    },
    config::Config,
    node::{LogControl, Node},
    ops::{membership::MembershipManager, reads::Reads},
    service::Service,
    storage::{
        disk::{DataDir, DataDirError},
        state::Databases,
    },
};

/// How long to retry a port that a node which has just stopped may still hold.
const PORT_FREE_WITHIN: Duration = Duration::from_secs(1);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// How long to retry a data directory that a process which was just killed may still hold.
const LOCK_FREE_WITHIN: Duration = Duration::from_secs(3);

/// The input of [`start`]: a configuration and the parts that the host program replaces.
pub(super) struct Setup {
    pub(super) config: Config,
    pub(super) credentials: Option<Credentials>,
    pub(super) options: EndpointOptions,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) databases: Option<Arc<dyn Databases>>,
    pub(super) source: Option<ConfigSource>,
    pub(super) log_control: Option<LogControl>,
}

impl Setup {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            credentials: None,
            options: EndpointOptions::default(),
            endpoint: None,
            databases: None,
            source: None,
            log_control: None,
        }
    }
}

/// Starts a node.
///
/// Boxed so that the code of a node is compiled once, in this crate, and not again in
/// every program that awaits it. The same holds for the other boxed futures of a server.
pub(super) fn start(setup: Setup) -> BoxFuture<'static, Result<Server, StartError>> {
    Box::pin(start_node(setup))
}

async fn start_node(setup: Setup) -> Result<Server, StartError> {
    let Setup { config, credentials, options, endpoint, databases, source, log_control } = setup;
    let in_memory = credentials.is_some();
    config.check()?;
    let credentials = config.own_credentials(credentials)?;
    let data = open_data(&config).await?;
    let mode = mode::decide(data.identity().as_ref(), &config.join);
    let endpoint = match endpoint {
        Some(endpoint) => endpoint,
        None => listen(config.listen, &credentials, &options).await?,
    };
    // A simulated disk is not in the data directory.
    let lists = ClusterLists::load(databases.is_none().then(|| config.data_dir.clone()));
    let listeners = Listeners::new(endpoint.clone());
    lists.put_to_use(&listeners);
    let address = endpoint.local_address();
    tracing::info!(node = %config.name, %address, "listening");

    let (node, commands) = Node::new(
        config.name.clone(),
        config.advertise.clone().unwrap_or_else(|| Address::from(address)),
        config.timers,
        Pool::new(endpoint.clone()),
        config.data_dir.clone(),
    );
    log_control.into_iter().for_each(|control| node.set_log_control(control));
    let admin = listen_for_admin(&node, config.admin.listen).await?;
    let admin_address = admin.as_ref().map(Listening::address);
    let reads = Reads::new(node.clone());
    let membership = MembershipManager::new(node.clone(), reads.clone());
    let service = Service::new(node.clone(), reads, membership.clone());
    let listeners = listeners.with_door(config.http.listen, &service).await?;
    let http_address = listeners.http_address();
    set_limits(config.limits, &listeners, &service);
    let (peers, with_peers) = watch::channel(None);
    let waiting_peers = WaitingPeers::default();
    let api = Api::new(Arc::clone(&service));
    tokio::spawn(accept(endpoint, api, with_peers, waiting_peers.clone(), Arc::clone(&node)));

    let parts = (listeners.clone(), Arc::clone(&service), lists);
    let reloading = Reloading::new(&node, parts, source, in_memory, config.clone());
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(monitor::certificate::watch(Arc::downgrade(&node), stopping.clone()));
    // A simulated disk has no free space to watch, and simulated time no delays.
    if databases.is_none() {
        tokio::spawn(monitor::pace::watch(Arc::downgrade(&node), stopping.clone()));
        tokio::spawn(monitor::disk::watch(Arc::downgrade(&node), stopping.clone()));
    }
    let lifecycle = Lifecycle {
        node: node.clone(),
        membership: membership.clone(),
        service,
        listeners,
        data,
        databases,
        config,
        peers,
        waiting_peers,
        reloading: Arc::clone(&reloading),
        commands,
        stopping,
        admin,
    };
    let closed = lifecycle.begin(mode).await?;
    Ok(Server { node, membership, address, admin_address, http_address, options, reloading, stop, closed })
}

/// Starts the admin listener if an address is configured.
async fn listen_for_admin(
    node: &Arc<Node>,
    address: Option<SocketAddr>,
) -> Result<Option<Listening>, StartError> {
    let Some(address) = address else { return Ok(None) };
    let listening = Admin::new(Arc::clone(node)).listen(address).await;
    let listening = listening.map_err(|source| StartError::Admin { address, source })?;
    tracing::info!(address = %listening.address(), "listening for metrics and health checks");
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "metrics and health checks are served to the network without encryption");
    }
    Ok(Some(listening))
}

/// Opens the data directory. Retries for a moment if it is in use: the kernel may still be
/// closing the files of a process that was killed.
async fn open_data(config: &Config) -> Result<DataDir, DataDirError> {
    let give_up = Instant::now() + LOCK_FREE_WITHIN;
    let mut is_logged = false;
    loop {
        match DataDir::open(&config.data_dir, &config.name) {
            Err(DataDirError::InUse { .. }) if Instant::now() < give_up => {
                if !std::mem::replace(&mut is_logged, true) {
                    tracing::info!(path = %config.data_dir.display(), "data directory is still in use, retrying");
                }
                sleep(RETRY_INTERVAL).await;
            }
            result => return result,
        }
    }
}

/// Binds the node's address. Retries for a moment if the port is in use: a
/// node that has just stopped may still hold it.
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
                sleep(RETRY_INTERVAL).await;
            }
            result => return result,
        }
    }
}
