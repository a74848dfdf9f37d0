//! Lets a node find out that it was removed while it was unreachable, or left out of a
//! restore or a recovery.
//!
//! No leader sends to such a node. After some time without a leader the node asks the
//! others for their record of it. Records are part of the replicated state: a lagging
//! node never reports that a member is not a member.
//!
//! Only the members of its own membership are believed, and only most of those that
//! answer: a node that was removed has a certificate too, and one member that lies is
//! outvoted by one that does not. A single answer is enough if there is no other: the
//! other members may have been removed as well. A node that has no vote yet may know of no
//! member; it also believes those that it joined. Members that have moved are looked for where the
//! last invitation says that members are: `coffeectl boot` sends one.
//!
//! A node whose name has another id on record, and was not shut down since, is not removed: one that
//! still joins asks again under a new id. It may have asked twice, and have heard only of the first id.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use coffee_common::{
    command::MemberState,
    id::{Address, ClusterId, NodeId, NodeName},
    protocol::RaftStatus,
    quic::Expect,
};
use futures_util::future::join_all;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{
    MembershipManager,
    left_out::{self, PeerCluster},
};
use crate::{
    node::{LifecycleCommand, replica::Replica},
    ops::status,
    raft_types::StoredMembership,
};

/// Number of leases without a leader, and minimum time, before the node asks the others.
const LEASES: u32 = 10;
const PATIENCE_MIN: Duration = Duration::from_secs(3);

impl MembershipManager {
    /// Checks whether this node was removed and, if so, shuts it down. Runs as long
    /// as the replica. `joins` are the members that it joins, or once joined.
    pub async fn watch_for_removal(self, replica: Arc<Replica>, joins: Vec<Address>) {
        let patience = PATIENCE_MIN.max(LEASES * self.node.lease());
        let mut ticks = interval(patience / 2);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut without_since = None;
        loop {
            ticks.tick().await;
            if !misses_its_leader(&replica, patience).await {
                without_since = None;
                left_out::note(&replica, None, self.node.events());
                continue;
            }
            let without_since = *without_since.get_or_insert_with(Instant::now);
            let peers = self.peers().await;
            let own = Own { cluster: replica.cluster(), id: replica.id(), name: self.node.name() };
            let membership = replica.membership();
            let names: BTreeSet<&NodeName> = membership.nodes().map(|(_, member)| &member.name).collect();
            // A member that has just started, or a node that left, proves nothing.
            let mut members: Vec<_> =
                peers.into_iter().filter(|(peer, _)| names.contains(&peer.name)).collect();
            let silent = names.iter().filter(|name| !members.iter().any(|(peer, _)| peer.name == ***name));
            let elsewhere = self.invited_by(silent.copied()).await;
            members.extend(elsewhere);
            let joined = match own.has_vote(&membership) {
                true => Vec::new(),
                false => self.joined(&joins).await,
            };
            let others = joined.iter().filter(|(name, _)| !names.contains(name));
            let believed = members.iter().map(|(_, raft)| raft).chain(others.map(|(_, raft)| raft));
            let id = replica.id();
            let command = match own.standing(believed) {
                OwnStanding::Member => None,
                OwnStanding::Replaced => {
                    tracing::info!(%id, "the cluster has this node's name on record under another id");
                    Some(LifecycleCommand::LeaveReplaced { id })
                }
                OwnStanding::Removed => {
                    tracing::info!(%id, "this node was removed from the cluster");
                    Some(LifecycleCommand::ShutDownRemoved { id })
                }
            };
            if command.is_some_and(|command| self.node.command(command)) {
                return;
            }
            let clusters: Vec<PeerCluster> = members.into_iter().map(|(peer, _)| peer).collect();
            let verdict = left_out::verdict(own.cluster, &clusters);
            let verdict = verdict.filter(|_| without_since.elapsed() >= patience);
            left_out::note(&replica, verdict, self.node.events());
        }
    }

    /// Asks all known nodes, and returns those that answer as the member of a cluster.
    async fn peers(&self) -> Vec<(PeerCluster, RaftStatus)> {
        let known = status::known(&self.node);
        let others = known.into_iter().filter(|known| known.name != *self.node.name());
        let asked = others.map(|known| async move {
            let raft = status::ask(&self.node, &known.name, &known.address).await?.raft?;
            Some((PeerCluster { name: known.name, address: known.address, cluster: raft.cluster }, raft))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Looks for these members, which may have moved, where the last invitation says that members are.
    async fn invited_by(&self, members: impl Iterator<Item = &NodeName>) -> Vec<(PeerCluster, RaftStatus)> {
        let addresses = self.node.last_invitation().addresses();
        let asked = members.filter(|name| *name != self.node.name()).flat_map(|name| {
            addresses.iter().map(async |address| {
                let raft = status::ask(&self.node, name, address).await?.raft?;
                let cluster = raft.cluster;
                Some((PeerCluster { name: name.clone(), address: address.clone(), cluster }, raft))
            })
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Asks the nodes at these addresses, and returns those that answer as the member of a cluster.
    async fn joined(&self, joins: &[Address]) -> Vec<(NodeName, RaftStatus)> {
        let others = joins.iter().filter(|address| *address != self.node.address());
        let asked = others.map(|address| async move {
            let status = status::ask_at(&self.node, address, &Expect::AnyNode).await?;
            Some((status.name, status.raft?))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }
}

/// Whether the node knows no leader, or had no contact with its leader for a while.
/// The first case is needed because a node that keeps asking for votes is never
/// silent: its own requests count as contact. A leader that was removed while it was cut off
/// hears of no other one: the present members send it nothing.
pub(super) async fn misses_its_leader(replica: &Replica, patience: Duration) -> bool {
    if replica.leads() {
        return *replica.quorum_lost().borrow();
    }
    replica.leader().is_none() || replica.silence().await.is_none_or(|silence| silence > patience)
}

/// The node that asks for its record.
struct Own<'a> {
    cluster: ClusterId,
    id: NodeId,
    name: &'a NodeName,
}

impl Own<'_> {
    /// Whether it votes, as far as it knows.
    fn has_vote(&self, membership: &StoredMembership) -> bool {
        membership.voter_ids().any(|voter| voter == self.id)
    }

    /// This node's standing according to most of these members that can tell.
    fn standing<'a>(&self, members: impl Iterator<Item = &'a RaftStatus>) -> OwnStanding {
        let verdicts: Vec<OwnStanding> = members.filter_map(|member| self.standing_at(member)).collect();
        let count = |standing| verdicts.iter().filter(|verdict| **verdict == standing).count();
        let (removed, replaced) = (count(OwnStanding::Removed), count(OwnStanding::Replaced));
        match 2 * (removed + replaced) > verdicts.len() {
            false => OwnStanding::Member,
            // One that asks again in vain is harmless; one that stops stays down.
            true if replaced >= removed => OwnStanding::Replaced,
            true => OwnStanding::Removed,
        }
    }

    /// This node's standing according to another node's state; `None` if that is of another cluster or
    /// too old.
    fn standing_at(&self, other: &RaftStatus) -> Option<OwnStanding> {
        // A node's id is the index of the entry that admitted it.
        if other.cluster != self.cluster || other.applied.0 < self.id.0 {
            return None;
        }
        Some(match other.nodes.iter().find(|record| record.name == *self.name) {
            None => OwnStanding::Removed,
            Some(record) if record.id < self.id => OwnStanding::Member,
            Some(record) if record.standing == MemberState::Shutdown => OwnStanding::Removed,
            Some(record) if record.id > self.id => OwnStanding::Replaced,
            Some(_) => OwnStanding::Member,
        })
    }
}

/// The standing of the node that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnStanding {
    /// It belongs to the cluster, as far as one can tell.
    Member,
    /// Its name has another id, which was not shut down.
    Replaced,
    /// An operator has removed it.
    Removed,
}

#[cfg(test)]
mod tests {
    use coffee_common::{command::NodeRecord, feature_level::LEVEL_MIN, id::Revision, protocol::RaftRole};

    use super::*;

    fn other(applied: u64, record: Option<(u64, MemberState)>) -> RaftStatus {
        let record = record.map(|(id, standing)| NodeRecord {
            id: NodeId(id),
            name: "hong".parse().expect("legal"),
            address: "127.0.0.1:7400".parse().expect("legal"),
            standing,
            since_ms: 0,
        });
        RaftStatus {
            cluster: ClusterId(1),
            id: NodeId(1),
            role: RaftRole::Follower,
            term: 3,
            leader: None,
            last_log: Revision(applied),
            committed: Revision(applied),
            applied: Revision(applied),
            snapshot: Revision(0),
            purged: Revision(0),
            voters: Vec::new(),
            learners: Vec::new(),
            matched: Vec::new(),
            quorum_heard_ms: None,
            join_requests: Vec::new(),
            nodes: record.into_iter().collect(),
            level: LEVEL_MIN,
            disk_free_bytes_min: 128 << 20,
        }
    }

    #[test]
    fn only_what_is_on_record_proves_it() {
        let name = "hong".parse().expect("legal");
        let own = Own { cluster: ClusterId(1), id: NodeId(50), name: &name };
        for (applied, record, standing) in [
            (90, Some((50, MemberState::Member)), Some(OwnStanding::Member)),
            (90, Some((50, MemberState::Joining)), Some(OwnStanding::Member)),
            (90, Some((50, MemberState::Shutdown)), Some(OwnStanding::Removed)),
            // It asked to join twice, and heard only of the first id.
            (90, Some((70, MemberState::Joining)), Some(OwnStanding::Replaced)),
            (90, Some((70, MemberState::Member)), Some(OwnStanding::Replaced)),
            (90, Some((70, MemberState::Shutdown)), Some(OwnStanding::Removed)),
            (90, None, Some(OwnStanding::Removed)),
            // It lags: it knows an earlier incarnation, or none yet.
            (49, Some((20, MemberState::Shutdown)), None),
            (49, None, None),
        ] {
            assert_eq!(own.standing_at(&other(applied, record)), standing, "{applied} {record:?}");
        }
        let elsewhere = Own { cluster: ClusterId(2), ..own };
        assert_eq!(elsewhere.standing_at(&other(90, None)), None, "another cluster proves nothing");
    }

    #[test]
    fn one_member_that_lies_is_outvoted() {
        let name = "hong".parse().expect("legal");
        let own = Own { cluster: ClusterId(1), id: NodeId(50), name: &name };
        let (there, gone, lags) =
            (other(90, Some((50, MemberState::Member))), other(90, None), other(49, None));
        let again = other(90, Some((70, MemberState::Joining)));
        let (member, replaced, removed) = (OwnStanding::Member, OwnStanding::Replaced, OwnStanding::Removed);
        for (members, standing) in [
            (&[][..], member),
            (&[&lags], member),
            (&[&gone], removed),
            (&[&gone, &lags], removed),
            (&[&gone, &there], member),
            (&[&gone, &there, &there], member),
            (&[&gone, &gone, &there], removed),
            (&[&again], replaced),
            (&[&again, &there], member),
            (&[&again, &gone], replaced),
            (&[&again, &gone, &gone], removed),
            (&[&again, &gone, &there], replaced),
        ] {
            assert_eq!(own.standing(members.iter().copied()), standing, "{members:?}");
        }
    }
}
