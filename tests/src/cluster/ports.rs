//! UDP ports for nodes.

use std::{
    net::{Ipv4Addr, UdpSocket},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// Below the range of ephemeral ports, so a node's port is not handed out while the node
/// is down.
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Returns a port on which no process listens. Each call returns another one, and
/// different processes start their search in different places.
pub(super) fn free() -> u16 {
    for _ in 0..COUNT {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let place = process::id().wrapping_mul(127).wrapping_add(n) % COUNT;
        let port = u16::try_from(FIRST + place).expect("in range");
        // Also on a machine without an IPv4 address.
        if UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("no UDP port is free")
}
