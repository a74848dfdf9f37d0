//! Whether this node was left out when its cluster was restored or recovered.
//!
//! Pure. Such a node has the old data and finds no leader, while its peers belong to
//! a new cluster. It must not serve what it has as the present state.

use std::collections::BTreeMap;

use coffee_common::{
    id::{Address, ClusterId, NodeName},
    protocol::{LeftOut, NodeEventKind, rebuild_command},
};

use crate::node::{event_log::EventLog, replica::Replica};

/// A peer that answered as the member of a cluster.
#[derive(Debug, Clone)]
pub(super) struct PeerCluster {
    pub(super) name: NodeName,
    pub(super) address: Address,
    pub(super) cluster: ClusterId,
}

/// Returns how this node was left out: most of the peers that answered belong to the same other
/// cluster. Counts only while this node has no leader.
pub(super) fn verdict(own: ClusterId, peers: &[PeerCluster]) -> Option<LeftOut> {
    let mut clusters: BTreeMap<ClusterId, Vec<&PeerCluster>> = BTreeMap::new();
    for peer in peers {
        clusters.entry(peer.cluster).or_default().push(peer);
    }
    let (cluster, there) = clusters.into_iter().max_by_key(|(_, there)| there.len())?;
    let from = there.first()?.address.clone();
    let names = there.iter().map(|peer| peer.name.clone()).collect();
    (cluster != own && 2 * there.len() > peers.len()).then_some(LeftOut { cluster, from, peers: names })
}

/// Records the verdict, and logs it when it changes.
pub(super) fn note(replica: &Replica, verdict: Option<LeftOut>, events: &EventLog) {
    let before = replica.set_left_out(verdict.clone()).map(|left_out| left_out.cluster);
    match verdict {
        Some(LeftOut { cluster, from, peers }) if before != Some(cluster) => {
            let names: Vec<&str> = peers.iter().map(NodeName::as_str).collect();
            tracing::warn!(
                peers = names.join(", "), theirs = %cluster, own = %replica.cluster(),
                hint = format!("stop this node, then run `{}`, and start it", rebuild_command(cluster, &from)),
                "peers are in another cluster: this node was left out of a restore or a recovery, and refuses reads \
                 and writes"
            );
            let text =
                format!("left out of a restore or a recovery: {} are in cluster {cluster}", names.join(", "));
            events.record(NodeEventKind::LeftOut, "", text);
        }
        None if before.is_some() => {
            tracing::info!("peers are in this node's cluster again");
            events.record(NodeEventKind::LeftOut, "", "peers are in this node's cluster again");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: ClusterId = ClusterId(1);

    /// The cluster in which most of these peers are, if the node was left out of it.
    fn left_out(clusters: &[u128]) -> Option<(u128, usize)> {
        let peer = |(n, cluster): (usize, &u128)| PeerCluster {
            name: format!("n{n}").parse().expect("legal"),
            address: format!("127.0.0.1:{}", 7400 + n).parse().expect("legal"),
            cluster: ClusterId(*cluster),
        };
        let peers: Vec<PeerCluster> = clusters.iter().enumerate().map(peer).collect();
        verdict(OWN, &peers).map(|left_out| (left_out.cluster.0, left_out.peers.len()))
    }

    #[test]
    fn most_of_the_peers_that_answer_decide() {
        assert_eq!(left_out(&[]), None, "no peer answers");
        assert_eq!(left_out(&[1, 1]), None);
        assert_eq!(left_out(&[2]), Some((2, 1)));
        assert_eq!(left_out(&[1, 2]), None, "as many are in its own cluster");
        assert_eq!(left_out(&[1, 2, 2]), Some((2, 2)));
        assert_eq!(left_out(&[2, 3]), None, "they do not agree");
        assert_eq!(left_out(&[3, 2, 3]), Some((3, 2)));
    }
}
