//! How many handshakes come from one address, so that no address takes the
//! room of all.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Of an IPv6 address, what one site has for itself (RFC 6177): the rest is its own choice.
const SITE: u128 = !0 << 64;

/// Counts handshakes that are under way. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct HandshakeCounts(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One handshake, counted until this is dropped.
#[derive(Debug)]
pub(super) struct HandshakeSlot {
    counts: HandshakeCounts,
    site: IpAddr,
}

impl HandshakeCounts {
    /// How many are under way from where this address is.
    pub(super) fn count(&self, address: IpAddr) -> usize {
        self.lock().get(&site(address)).copied().unwrap_or_default()
    }

    /// Counts one more.
    pub(super) fn start(&self, address: IpAddr) -> HandshakeSlot {
        let site = site(address);
        *self.lock().entry(site).or_default() += 1;
        HandshakeSlot { counts: self.clone(), site }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HandshakeSlot {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        match counts.get_mut(&self.site) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.site)),
        }
    }
}

fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & SITE).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_counted_until_its_handshakes_end() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let handshakes = HandshakeCounts::default();
        let one = handshakes.start(address("192.0.2.1"));
        let other = handshakes.start(address("::ffff:192.0.2.1"));
        assert_eq!((handshakes.count(address("192.0.2.1")), handshakes.count(address("192.0.2.2"))), (2, 0));
        drop(one);
        assert_eq!(handshakes.count(address("192.0.2.1")), 1);
        drop(other);
        assert_eq!(handshakes.count(address("192.0.2.1")), 0);
        let _far = handshakes.start(address("2001:db8::1"));
        assert_eq!(
            (handshakes.count(address("2001:db8::2")), handshakes.count(address("2001:db8:0:1::1"))),
            (1, 0)
        );
        assert_eq!(handshakes.lock().len(), 1, "what is over is forgotten");
    }
}
