//! Addresses that members have told this node themselves.
//!
//! A member that starts under another address tells all others. As long as there is no leader
//! that changes the membership, the others find it by what it told them: nodes that are all
//! renumbered at once could not elect a leader otherwise. It says so again and again until the
//! membership has the address (`ops::membership`), so one that is no longer said is forgotten: the
//! member may be back at its address in the membership. Guards that only members are noted, so
//! that there are never more addresses than members; the caller guards that a member speaks for
//! itself.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use coffee_common::id::{Address, NodeName};
use tokio::time::Instant;

use crate::raft_types::{Member, StoredMembership};

/// How long an address counts after it was told: several times the longest pause between two
/// announcements.
const TOLD_FOR: Duration = Duration::from_secs(60);

/// The latest address that each member told.
#[derive(Debug, Default)]
pub struct HeardAddresses(Mutex<BTreeMap<NodeName, Heard>>);

#[derive(Debug)]
struct Heard {
    address: Address,
    /// The member's address in the membership at that time.
    instead_of: Address,
    at: Instant,
}

impl HeardAddresses {
    /// Notes that `name` says that it is at `address`. Ignores a node that is not a member, and
    /// forgets nodes that are none any more.
    pub fn note(&self, membership: &StoredMembership, name: &NodeName, address: &Address) {
        let find = |name: &NodeName| membership.nodes().find(|(_, member)| member.name == *name);
        let mut heard = self.lock();
        heard.retain(|name, _| find(name).is_some());
        if let Some((_, member)) = find(name) {
            let instead_of = member.address.clone();
            heard.insert(name.clone(), Heard { address: address.clone(), instead_of, at: Instant::now() });
        }
    }

    /// The address that a member told lately, unless it is the one in the membership, or the
    /// membership has changed it since.
    pub fn of(&self, member: &Member) -> Option<Address> {
        let heard = self.lock();
        let heard = heard.get(&member.name).filter(|heard| heard.at.elapsed() <= TOLD_FOR);
        let heard = heard.filter(|heard| heard.instead_of == member.address);
        heard.map(|heard| heard.address.clone()).filter(|address| *address != member.address)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeName, Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::id::NodeId;

    use super::*;
    use crate::raft_types::Membership;

    #[tokio::test(start_paused = true)]
    async fn a_member_is_heard_until_the_membership_has_a_later_word() {
        let name = |name: &str| name.parse::<NodeName>().expect("legal");
        let address = |port: u16| format!("127.0.0.1:{port}").parse::<Address>().expect("legal");
        let member = |text: &str, port| Member { name: name(text), address: address(port) };
        let membership = |members: &[Member]| {
            let members: BTreeMap<_, _> = (1u64..).map(NodeId).zip(members.iter().cloned()).collect();
            let voters = vec![members.keys().copied().collect()];
            StoredMembership::new(None, Membership::new(voters, members).expect("legal"))
        };
        let heard = HeardAddresses::default();
        let before = membership(&[member("ming", 1), member("hong", 1)]);
        heard.note(&before, &name("hong"), &address(2));
        heard.note(&before, &name("peng"), &address(3));
        assert_eq!(heard.of(&member("hong", 1)), Some(address(2)));
        assert_eq!(heard.of(&member("peng", 1)), None, "it is not a member");
        for later in [2, 4] {
            assert_eq!(heard.of(&member("hong", later)), None, "the membership says {later}");
        }
        heard.note(&membership(&[member("ming", 1)]), &name("ming"), &address(4));
        assert_eq!(heard.of(&member("ming", 1)), Some(address(4)));
        assert_eq!(heard.of(&member("hong", 1)), None, "it is no longer a member");
        tokio::time::advance(TOLD_FOR + Duration::from_millis(1)).await;
        assert_eq!(heard.of(&member("ming", 1)), None, "it may be back");
    }
}
