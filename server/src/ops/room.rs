//! Measures whether a quorum has room for writes that add data.
//!
//! The leader asks the voters, since their disks and the other content of these
//! disks differ. Guards that a full disk costs no quorum: a voter that does not
//! answer has no room, as soon as another one is full.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use coffee_common::{
    id::NodeId,
    protocol::{NodeEventKind, Request, Response},
};
use tokio::time::{MissedTickBehavior, interval};

use super::{ask_members::ask_others, history};
use crate::node::{
    Node,
    replica::Replica,
    write_room::{StateSize, flush_makes_room, history_takes_room, room_of_disk},
};

/// How often the room is measured. Writes in between are counted.
const EVERY: Duration = Duration::from_secs(1);

/// How long to wait for a voter's answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(800);

/// Measures the room while this node leads, and flushes early on a disk that has none.
pub async fn watch(node: Arc<Node>, replica: Arc<Replica>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rejecting = false;
    loop {
        // An error means that the own room is unknown.
        let _ = node.space().look().await;
        flush_for_room(&node, &replica).await;
        let leads = replica.leads();
        let QuorumRoom { bytes, full, history_takes_it } = match leads {
            true => measure(&node, &replica).await,
            false => QuorumRoom { bytes: u64::MAX, full: Vec::new(), history_takes_it: false },
        };
        let membership = replica.membership();
        let full = full.iter().filter_map(|id| Some(membership.get_node(id)?.name.clone())).collect();
        node.write_room().set_measured(bytes, full);
        if leads {
            history::drop_excess(&replica, history_takes_it).await;
        }
        let shortage = shortage(&node, &replica);
        if rejecting != shortage.is_some() {
            rejecting = shortage.is_some();
            match shortage {
                Some(reason) => {
                    tracing::warn!(reason, "writes that add data are refused; reads and deletes continue");
                    let text = format!("writes that add data are refused: {reason}");
                    node.events().record(NodeEventKind::WritesRefused, "", text);
                }
                None => {
                    tracing::info!("this node no longer refuses writes that add data");
                    let text = "writes that add data are accepted again";
                    node.events().record(NodeEventKind::WritesAccepted, "", text);
                }
            }
        }
        tokio::select! {
            _ = ticks.tick() => {}
            // A new leader measures at once.
            running = replica.until(|metrics| metrics.state.is_leader() != leads) => {
                if !running {
                    return;
                }
            }
        }
    }
}

/// Why this node would reject a write that adds data, if it would.
pub fn shortage(node: &Node, replica: &Replica) -> Option<String> {
    let state = replica.state();
    node.write_room().shortage(state.metrics().data_bytes.get(), &state.settings())
}

/// The room of a node's disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskRoom {
    /// The bytes that it can take; `None` if that is unknown.
    pub bytes: Option<u64>,
    /// Whether it has no room, and would have some without the history.
    pub history_takes_it: bool,
}

/// The room of this node's disk.
pub fn own(node: &Node, replica: &Replica) -> DiskRoom {
    let min = replica.state().settings().disk_free_bytes_min;
    let Some(space) = node.space().last() else { return DiskRoom::default() };
    let size = size_of(replica);
    DiskRoom {
        bytes: Some(room_of_disk(&space, size, min)),
        history_takes_it: history_takes_room(&space, size, min),
    }
}

fn size_of(replica: &Replica) -> StateSize {
    let metrics = replica.state().metrics();
    StateSize {
        data_bytes: metrics.data_bytes.get(),
        history_bytes: metrics.history_bytes.get(),
        requests: replica.state().request_memory().entries.get(),
        memtable_bytes: metrics.memtable_bytes.get(),
    }
}

/// Flushes if that makes room on this node's disk. The log is purged after it.
async fn flush_for_room(node: &Node, replica: &Replica) {
    let min = replica.state().settings().disk_free_bytes_min;
    let is_due = node.space().last().is_some_and(|space| flush_makes_room(&space, size_of(replica), min));
    if is_due {
        // An error means that consensus has stopped.
        let _ = replica.raft().trigger().snapshot().await;
    }
}

/// The room of a quorum.
struct QuorumRoom {
    bytes: u64,
    /// The voters that can take nothing.
    full: Vec<NodeId>,
    /// Whether a quorum would have room without the history.
    history_takes_it: bool,
}

async fn measure(node: &Node, replica: &Replica) -> QuorumRoom {
    let membership = replica.membership();
    let request = Request::Room { cluster: replica.cluster() };
    let answers = ask_others(node, replica, &request, ANSWER_WITHIN).await;
    let room = |(id, _, answer)| match answer {
        Response::Room { bytes, history_takes_it } => Some((id, DiskRoom { bytes, history_takes_it })),
        _ => None,
    };
    let mut rooms: BTreeMap<NodeId, DiskRoom> = answers.into_iter().filter_map(room).collect();
    rooms.insert(replica.id(), own(node, replica));
    let sets = membership.membership().get_joint_config();
    let sets: Vec<Vec<NodeId>> = sets.iter().map(|set| set.iter().copied().collect()).collect();
    room_of_all(&sets, &rooms)
}

fn room_of_all(sets: &[Vec<NodeId>], rooms: &BTreeMap<NodeId, DiskRoom>) -> QuorumRoom {
    let known = |without_history: bool| {
        let bytes = |(id, room): (&NodeId, &DiskRoom)| match room {
            DiskRoom { history_takes_it: true, .. } if without_history => Some((*id, 1)),
            DiskRoom { bytes, .. } => Some((*id, (*bytes)?)),
        };
        rooms.iter().filter_map(bytes).collect()
    };
    let (bytes, full) = room_of_quorum(sets, &known(false));
    // Otherwise too few voters answer.
    let is_measured = 1..u64::MAX;
    let history_takes_it = bytes == 0 && is_measured.contains(&room_of_quorum(sets, &known(true)).0);
    QuorumRoom { bytes, full, history_takes_it }
}

/// The bytes that a quorum of each set of voters can take, and the voters that can
/// take none.
fn room_of_quorum(sets: &[Vec<NodeId>], rooms: &BTreeMap<NodeId, u64>) -> (u64, Vec<NodeId>) {
    let full = |id: &&NodeId| rooms.get(*id) == Some(&0);
    let left = sets.iter().map(|set| {
        let mut rooms: Vec<u64> = set.iter().filter_map(|id| rooms.get(id)).copied().collect();
        rooms.sort_unstable_by(|a, b| b.cmp(a));
        match rooms.get(set.len() / 2) {
            Some(room) => *room,
            // Too few voters answer, but no disk is full.
            None if !set.iter().any(|id| full(&id)) => u64::MAX,
            None => 0,
        }
    });
    let mut ids: Vec<NodeId> = sets.iter().flatten().filter(full).copied().collect();
    ids.sort_unstable();
    ids.dedup();
    (left.min().unwrap_or(u64::MAX), ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_costs_no_quorum() {
        let none = u64::MAX;
        for (answers, left, full) in [
            // All have room: the smallest room in the largest quorum counts.
            (&[(1, 50), (2, 30), (3, 10)][..], 30, &[][..]),
            // One full voter can be lost, as long as the others are there.
            (&[(1, 50), (2, 30), (3, 0)], 30, &[3]),
            (&[(1, 50), (3, 0)], 0, &[3]),
            (&[(1, 50), (2, 0), (3, 0)], 0, &[2, 3]),
            // Writes cannot be committed anyway.
            (&[(1, 50)], none, &[]),
            (&[], none, &[]),
        ] {
            let rooms = answers.iter().map(|(id, room)| (NodeId(*id), *room)).collect();
            let full: Vec<_> = full.iter().map(|id| NodeId(*id)).collect();
            assert_eq!(
                room_of_quorum(&[[1, 2, 3].map(NodeId).to_vec()], &rooms),
                (left, full),
                "{answers:?}"
            );
        }
        let room = |bytes, history_takes_it| DiskRoom { bytes, history_takes_it };
        for (rooms, history_takes_it) in [
            // Two of three are full, one of them for another reason than the history.
            ([(1, room(Some(50), false)), (2, room(Some(0), true)), (3, room(Some(0), false))], true),
            ([(1, room(Some(50), false)), (2, room(Some(0), false)), (3, room(Some(0), false))], false),
            ([(1, room(Some(0), true)), (2, room(None, false)), (3, room(None, false))], false),
            ([(1, room(Some(50), false)), (2, room(Some(50), false)), (3, room(Some(0), true))], false),
        ] {
            let rooms = rooms.map(|(id, room)| (NodeId(id), room)).into();
            let all = room_of_all(&[[1, 2, 3].map(NodeId).to_vec()], &rooms);
            assert_eq!(all.history_takes_it, history_takes_it, "{rooms:?}");
        }
        let rooms = [(1, 50), (2, 30), (3, 0), (4, 20)].map(|(id, room)| (NodeId(id), room)).into();
        let joint = [[1, 2, 3].map(NodeId).to_vec(), [2, 3, 4].map(NodeId).to_vec()];
        assert_eq!(room_of_quorum(&joint, &rooms), (20, vec![NodeId(3)]), "a quorum of both sets");
    }
}
