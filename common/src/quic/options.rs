//! The options of an endpoint, and the quinn configuration that follows.

use std::{sync::Arc, time::Duration};

use quinn::{EndpointConfig, MtuDiscoveryConfig, TransportConfig, VarInt};
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;

use super::error::EndpointError;
use crate::limits::{
    CLIENT_STREAMS_MAX, CONNECTION_STREAMS_MAX, CONNECTION_WINDOW_BYTES, HANDSHAKES_MAX, NARROW_WINDOW_BYTES,
    NODES_MAX, SEND_WINDOW_BYTES, STREAM_WINDOW_BYTES,
};

/// The UDP payload that every path must carry, in bytes (RFC 9000, section 14). MTU discovery raises it
/// where the path allows.
pub const PACKET_BYTES_MIN: u16 = 1_200;

/// The payload of an unfragmented UDP packet over Ethernet and IPv4, in bytes.
pub const ETHERNET_PAYLOAD: u16 = 1_472;

/// The most handshakes in progress from addresses of nodes: two of each node of a cluster.
pub(super) const NODE_HANDSHAKES_MAX: usize = 2 * NODES_MAX;

/// The most incoming connections that wait for a handshake slot. Further ones are refused, so that
/// there is room for those of nodes (see [`limit_unauthenticated`]).
pub(super) const WAITING_MAX: usize = 2 * HANDSHAKES_MAX;

/// The most handshakes that compute at once, of clients and of nodes. Their cryptography takes long compared with a request,
/// and they share the processors with the existing connections.
pub(super) const HANDSHAKES_COMPUTING_MAX: usize = 1;

/// The most bytes that an unauthenticated connection may buffer after its first packet.
const UNAUTHENTICATED_BYTES_MAX: u64 = 16 << 10;

/// The options of an endpoint. [`Default`] suits nodes on one machine, in one building, and across
/// the internet.
#[derive(Debug, Clone)]
pub struct EndpointOptions {
    /// Hands the kernel many packets at once. Some links and drivers fail with it.
    pub segmentation_offload: bool,
    /// A connection or handshake is given up after this long without a packet from the peer.
    pub idle_timeout: Duration,
    /// The interval of keep-alive packets: at most half of `idle_timeout`.
    pub keep_alive: Duration,
    /// The largest UDP payload that path MTU discovery tries, in bytes. Any value is safe: sizes
    /// that do not get through are not used.
    pub udp_payload_bytes_max: u16,
    /// The size of the socket's buffers, each way, in bytes. The kernel may grant less.
    pub socket_buffer_bytes: usize,
    /// The most handshakes in progress; further ones wait unanswered.
    pub handshakes_max: usize,
    /// Makes quinn's random choices repeatable. Only for simulations.
    pub rng_seed: Option<[u8; 32]>,
}

impl Default for EndpointOptions {
    fn default() -> Self {
        Self {
            segmentation_offload: true,
            idle_timeout: Duration::from_secs(3),
            keep_alive: Duration::from_secs(1),
            udp_payload_bytes_max: 6_000,
            socket_buffer_bytes: 4 << 20,
            handshakes_max: HANDSHAKES_MAX,
            rng_seed: None,
        }
    }
}

impl EndpointOptions {
    /// Returns quinn's endpoint configuration. `lasting_secret` survives restarts and is known only
    /// to this process. With it an endpoint that restarted after a crash can reset the connections
    /// of its predecessor (RFC 9000, section 10.3), so peers redial without waiting for a timeout.
    pub(super) fn endpoint_config(
        &self,
        lasting_secret: Option<&[u8]>,
    ) -> Result<EndpointConfig, EndpointError> {
        let mut config = EndpointConfig::default();
        if let Some(secret) = lasting_secret {
            let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let tag = hmac::sign(&secret, b"connection ids");
            let key = tag.as_ref().first_chunk().copied().map_or(0, u64::from_le_bytes);
            config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(key)));
            config.reset_key(Arc::new(secret));
        }
        config
            .max_udp_payload_size(self.udp_payload_bytes_max.max(ETHERNET_PAYLOAD))
            .map_err(|error| EndpointError::Setup(error.to_string()))?;
        config.rng_seed(self.rng_seed);
        Ok(config)
    }

    /// Returns quinn's configuration of connections. Accepted ones are narrow until it is known who
    /// the peer is.
    pub(super) fn transport_config(&self, accepts: bool) -> Result<Arc<TransportConfig>, EndpointError> {
        // A dialler opens bidirectional streams, an acceptor unidirectional ones. Others are not
        // allowed: nothing reads them, so a window of bytes would lie on each until the connection ends.
        let (two_way, one_way, received, sent) = match accepts {
            true => (CLIENT_STREAMS_MAX, 0, NARROW_WINDOW_BYTES, NARROW_WINDOW_BYTES),
            false => (0, CONNECTION_STREAMS_MAX, CONNECTION_WINDOW_BYTES, SEND_WINDOW_BYTES),
        };
        if self.keep_alive * 2 > self.idle_timeout {
            let cause = "keep_alive must be at most half of idle_timeout";
            return Err(EndpointError::Setup(cause.to_owned()));
        }
        let idle_timeout = self
            .idle_timeout
            .try_into()
            .map_err(|_| EndpointError::Setup("idle_timeout is too long".to_owned()))?;
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(self.udp_payload_bytes_max);
        let mut config = TransportConfig::default();
        config
            .max_idle_timeout(Some(idle_timeout))
            .keep_alive_interval(Some(self.keep_alive))
            // Used until the first measurement: a lost first packet is sent again after three times
            // this, and no shop is on the moon.
            .initial_rtt(Duration::from_millis(100))
            .max_concurrent_bidi_streams(VarInt::from_u32(two_way))
            .max_concurrent_uni_streams(VarInt::from_u32(one_way))
            .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
            .receive_window(VarInt::from_u32(received))
            .send_window(sent.into())
            .datagram_receive_buffer_size(None)
            .mtu_discovery_config(Some(discovery))
            .enable_segmentation_offload(self.segmentation_offload);
        Ok(Arc::new(config))
    }
}

/// Bounds what a peer can cost before its certificate has been verified.
pub(super) fn limit_unauthenticated(config: &mut quinn::ServerConfig) {
    config
        .migration(false)
        .max_incoming(4 * HANDSHAKES_MAX)
        .incoming_buffer_size(UNAUTHENTICATED_BYTES_MAX)
        .incoming_buffer_size_total(UNAUTHENTICATED_BYTES_MAX * HANDSHAKES_MAX as u64);
}
