//! The places for handshakes in progress.
//!
//! Guards that peers which have not shown a certificate yet cost a bounded amount, and that one address
//! does not take the places of all others.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The most handshakes in progress.
const HANDSHAKES_MAX: usize = 64;

/// The most of one address.
const PER_ADDRESS_MAX: usize = HANDSHAKES_MAX / 4;

/// The handshakes in progress, by address. Clones share them.
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
        assert!(places.taken().is_empty());
    }
}
