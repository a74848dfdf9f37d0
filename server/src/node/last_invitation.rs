//! The addresses in the last invitation to the cluster that this node belongs to.
//!
//! Any node may send one, so they are places to look for members, who have to prove who they are.

use std::sync::{Mutex, PoisonError};

use coffee_common::id::Address;

/// How many addresses are kept: a leader names itself first.
const ADDRESSES_MAX: usize = 16;

/// The addresses of the last invitation.
#[derive(Debug, Default)]
pub struct LastInvitation(Mutex<Vec<Address>>);

impl LastInvitation {
    /// Replaces the addresses.
    pub fn note(&self, members: &[Address]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            members.iter().take(ADDRESSES_MAX).cloned().collect();
    }

    /// Returns the addresses.
    pub fn addresses(&self) -> Vec<Address> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
