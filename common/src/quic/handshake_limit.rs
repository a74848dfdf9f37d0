//! Limits the handshakes in progress: in number, and per site, so that no site uses up the slots
//! of all.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Semaphore;

use super::options::HANDSHAKES_COMPUTING_MAX;

/// The part of an IPv6 address that identifies a site (RFC 6177); the site chooses the rest.
const SITE: u128 = !0 << 64;

/// The permits for a kind of handshakes.
#[derive(Debug)]
pub(super) struct HandshakePermits {
    /// A permit per handshake in progress.
    pub(super) slots: Arc<Semaphore>,
    pub(super) slots_max: usize,
    /// A permit per handshake that computes; see [`HANDSHAKES_COMPUTING_MAX`].
    pub(super) compute: Semaphore,
}

impl HandshakePermits {
    pub(super) fn new(slots_max: usize) -> Self {
        let slots = Arc::new(Semaphore::new(slots_max));
        Self { slots, slots_max, compute: Semaphore::new(HANDSHAKES_COMPUTING_MAX) }
    }

    /// Whether a handshake computes, or half of the slots are in use.
    pub(super) fn are_scarce(&self) -> bool {
        self.compute.available_permits() == 0 || self.slots.available_permits() < self.slots_max / 2
    }
}

/// Counts the handshakes in progress per site. Clones share the counts.
#[derive(Debug, Clone, Default)]
pub(super) struct HandshakeCounts(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A handshake, counted until this is dropped.
#[derive(Debug)]
pub(super) struct HandshakeSlot {
    counts: HandshakeCounts,
    site: IpAddr,
}

impl HandshakeCounts {
    /// Returns the number of handshakes in progress from the site of this address.
    pub(super) fn count(&self, address: IpAddr) -> usize {
        self.lock().get(&site(address)).copied().unwrap_or_default()
    }

    /// Counts another handshake.
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
