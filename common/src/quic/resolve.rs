//! Resolves addresses, and keeps the last one of each name that answered.
//!
//! A shop's name server may go down together with its router, or hang. Nodes that knew each other
//! then still find each other, as long as their addresses have not changed.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::timeout;

use crate::id::Address;

/// How long a name server has to answer if there is an address to fall back on. Less than a peer
/// waits for a connection, so that there is time left to dial.
const FALL_BACK_AFTER: Duration = Duration::from_millis(500);

/// The most names that are kept: more than a cluster has nodes.
const NAMES_MAX: usize = 256;

/// The last address of each name that answered.
#[derive(Debug, Default)]
pub(super) struct AnsweredAddresses(Mutex<BTreeMap<Address, SocketAddr>>);

impl AnsweredAddresses {
    /// Notes that a node answered at `found`, to which `name` was resolved.
    pub(super) fn note(&self, name: &Address, found: SocketAddr) {
        let mut answered = self.lock();
        if answered.len() < NAMES_MAX || answered.contains_key(name) {
            answered.insert(name.clone(), found);
        }
    }

    /// Waits for a lookup. Returns the last address that answered if the lookup fails, finds
    /// nothing or takes long.
    pub(super) async fn resolve(
        &self,
        name: &Address,
        lookup: impl Future<Output = io::Result<Vec<SocketAddr>>>,
    ) -> io::Result<Vec<SocketAddr>> {
        let Some(last) = self.lock().get(name).copied() else { return lookup.await };
        match timeout(FALL_BACK_AFTER, lookup).await {
            Ok(Ok(found)) if !found.is_empty() => Ok(found),
            failed => {
                let cause = match failed {
                    Ok(Err(error)) => error.to_string(),
                    Ok(Ok(_)) => "it has no address".to_owned(),
                    Err(_) => "no answer in time".to_owned(),
                };
                tracing::debug!(%name, %last, %cause, "name not resolved, using the last address that answered");
                Ok(vec![last])
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Address, SocketAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_name_that_cannot_be_resolved_leads_to_the_last_address_that_answered() {
        let answered = AnsweredAddresses::default();
        let name: Address = "hong.example.net:7400".parse().expect("legal");
        let at = |last: u8| SocketAddr::from(([10, 0, 0, last], 7400));
        let gone = || io::Error::other("no name server");
        assert!(answered.resolve(&name, async { Err(gone()) }).await.is_err(), "it never answered");
        answered.note(&name, at(1));
        let down = answered.resolve(&name, async { Err(gone()) }).await;
        assert_eq!(down.expect("it answered once"), [at(1)]);
        let hangs = answered.resolve(&name, std::future::pending()).await;
        assert_eq!(hangs.expect("it answered once"), [at(1)]);
        let empty = answered.resolve(&name, async { Ok(Vec::new()) }).await;
        assert_eq!(empty.expect("it answered once"), [at(1)]);
        let moved = answered.resolve(&name, async { Ok(vec![at(2), at(3)]) }).await;
        assert_eq!(moved.expect("resolved"), [at(2), at(3)], "what the name server says counts");
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let answered = AnsweredAddresses::default();
        let name = |n: usize| format!("n{n}.example.net:7400").parse::<Address>().expect("legal");
        for n in 0..=NAMES_MAX {
            answered.note(&name(n), SocketAddr::from(([10, 0, 0, 1], 7400)));
        }
        answered.note(&name(0), SocketAddr::from(([10, 0, 0, 2], 7400)));
        let answered = answered.lock();
        assert_eq!(answered.len(), NAMES_MAX);
        assert_eq!(answered[&name(0)], SocketAddr::from(([10, 0, 0, 2], 7400)));
    }
}
