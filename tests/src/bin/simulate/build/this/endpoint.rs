//! An endpoint on the simulated network.

use std::sync::Arc;

use super::common::{
    quic::{Endpoint, EndpointOptions},
    tls::Credentials,
};
use crate::{entropy::mix, node::CLIENT_PORT, socket::SimSocket};

/// Creates an endpoint over a socket of the current host.
pub(crate) fn endpoint(
    socket: Arc<SimSocket>,
    credentials: &Credentials,
    seed: u64,
) -> Result<Endpoint, Box<dyn std::error::Error>> {
    let mut rng_seed = [0; 32];
    rng_seed[..8].copy_from_slice(&mix(seed).to_le_bytes());
    let options = EndpointOptions {
        segmentation_offload: false,
        rng_seed: Some(rng_seed),
        ..EndpointOptions::default()
    };
    let accepts = socket.port() < CLIENT_PORT;
    Ok(Endpoint::over_socket(socket, accepts, credentials, &options)?)
}
