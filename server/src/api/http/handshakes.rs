//! The places for handshakes in progress.
//!
//! Guards that peers which have not shown a certificate yet cost a bounded amount, and that one address
//! does not take the places of all others.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The most handshakes in progress.
const HANDSHAKES_MAX: usize = 256;

/// The most of one address, or of one IPv6 network of 64 bits, which is what a host gets.
const PER_ADDRESS_MAX: usize = HANDSHAKES_MAX / 4;

/// The handshakes in progress, by [`network`]. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct HandshakePlaces(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// The place of a handshake, until this is dropped.
#[derive(Debug)]
pub(super) struct HandshakePlace {
    places: HandshakePlaces,
    address: IpAddr,
}

impl HandshakePlaces {
    /// Takes a place. Returns `None` if there is none for this address.
    pub(super) fn take(&self, address: IpAddr) -> Option<HandshakePlace> {
        let address = network(address);
        let mut taken = self.taken();
        if taken.values().sum::<usize>() >= HANDSHAKES_MAX {
            return None;
        }
        let own = taken.entry(address).or_default();
        if *own >= PER_ADDRESS_MAX {
            return None;
        }
        *own += 1;
        Some(HandshakePlace { places: self.clone(), address })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & u128::MAX << 64).into(),
    }
}

impl Drop for HandshakePlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        match taken.get_mut(&self.address) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_all_places() {
        let places = HandshakePlaces::default();
        let from =
            |last: u8| -> Vec<_> { std::iter::from_fn(|| places.take([127, 0, 0, last].into())).collect() };
        let first = from(1);
        assert_eq!(first.len(), PER_ADDRESS_MAX);
        let others: Vec<_> = (2..9).flat_map(from).collect();
        assert_eq!(others.len(), HANDSHAKES_MAX - PER_ADDRESS_MAX);
        drop(first);
        assert_eq!(from(10).len(), PER_ADDRESS_MAX);
        drop(others);
        let host = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 7, 0, 0, 0, n]);
        let network: Vec<_> = (0..99).filter_map(|n| places.take(host(n))).collect();
        assert_eq!(network.len(), PER_ADDRESS_MAX, "one network of 64 bits");
        assert!(places.take(IpAddr::from([0x2001, 0xdb8, 0, 8, 0, 0, 0, 1])).is_some());
        drop(network);
        assert!(places.taken().is_empty());
    }
}
