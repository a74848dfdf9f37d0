//! Changes of the cluster as this node sees them: its members, feature level and settings.
//!
//! Guards that each node has them among its events, whichever node has led them, so that they are
//! known after the loss of any.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use coffee_common::{
    feature_level::FeatureLevel,
    id::NodeId,
    protocol::NodeEventKind,
    setting::{ClusterSettings, SettingName},
};
use openraft::async_runtime::WatchReceiver;
use tokio::time::sleep;

use super::{Node, replica::Replica};
use crate::raft_types::Member;

/// How often the level and the settings are looked at. The membership is seen at once.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// An event: its kind, the thing that it is about, and its text.
type ClusterChange = (NodeEventKind, String, String);

/// The cluster at one moment.
#[derive(Debug, Clone)]
struct ClusterLook {
    /// The members, and whether each votes.
    members: BTreeMap<NodeId, (Member, bool)>,
    level: FeatureLevel,
    settings: ClusterSettings,
}

/// Adds each change to the events of the node. Ends with consensus.
pub async fn watch(node: Arc<Node>, replica: Arc<Replica>) {
    let mut changes = replica.raft().server_metrics();
    let mut before = ClusterLook::of(&replica);
    loop {
        let now = ClusterLook::of(&replica);
        for (kind, subject, text) in changes_of(&before, &now) {
            node.events().record(kind, subject, text);
        }
        before = now;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = sleep(LOOK_EVERY) => {}
        }
    }
}

impl ClusterLook {
    fn of(replica: &Replica) -> Self {
        let membership = replica.membership();
        let votes = |id: NodeId| membership.voter_ids().any(|voter| voter == id);
        let members = membership.nodes().map(|(id, member)| (*id, (member.clone(), votes(*id)))).collect();
        Self { members, level: replica.state().level(), settings: replica.state().settings() }
    }
}

/// Returns the changes between two looks. A node that has just joined learns its members at once: they
/// have not changed.
fn changes_of(before: &ClusterLook, now: &ClusterLook) -> Vec<ClusterChange> {
    let mut changes = Vec::new();
    if !before.members.is_empty() {
        changes.extend(now.members.iter().filter_map(|(id, now)| {
            let (kind, text) = joined_or_moved(before.members.get(id), now)?;
            Some((kind, now.0.name.to_string(), format!("{} {text} (node {id})", now.0.name)))
        }));
        let gone = before.members.iter().filter(|(id, _)| !now.members.contains_key(id));
        changes.extend(gone.map(|(id, (member, _))| {
            let text = format!("{} was removed from the members (node {id})", member.name);
            (NodeEventKind::Removed, member.name.to_string(), text)
        }));
    }
    if before.level != now.level {
        let text = format!("feature level {} is raised to {}", before.level, now.level);
        changes.push((NodeEventKind::Level, String::new(), text));
    }
    let settings = SettingName::ALL.iter().filter_map(|name| {
        let (before, now) = (before.settings.get(*name).value(), now.settings.get(*name).value());
        let text = || format!("{} is {now} now, before {before}", name.as_str());
        (before != now).then(|| (NodeEventKind::Setting, name.as_str().to_owned(), text()))
    });
    changes.extend(settings);
    changes
}

fn joined_or_moved(
    before: Option<&(Member, bool)>,
    (member, votes): &(Member, bool),
) -> Option<(NodeEventKind, String)> {
    Some(match (before, votes) {
        (None, false) => (NodeEventKind::Joined, "joins, without a vote yet".to_owned()),
        (None, true) | (Some((_, false)), true) => (NodeEventKind::Joined, "is a voter now".to_owned()),
        (Some((_, true)), false) => (NodeEventKind::Removed, "has no vote any more".to_owned()),
        (Some((old, _)), _) if old.address != member.address => {
            (NodeEventKind::Moved, format!("has moved from {} to {}", old.address, member.address))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(members: &[(u64, &str, u16, bool)]) -> ClusterLook {
        let member = |(id, name, port, votes): &(u64, &str, u16, bool)| {
            let (name, address) = (name.parse(), format!("10.0.0.1:{port}").parse());
            let member = Member { name: name.expect("legal"), address: address.expect("legal") };
            (NodeId(*id), (member, *votes))
        };
        let (level, settings) = (FeatureLevel(1), ClusterSettings::default());
        ClusterLook { members: members.iter().map(member).collect(), level, settings }
    }

    fn texts(before: &ClusterLook, now: &ClusterLook) -> Vec<String> {
        changes_of(before, now)
            .into_iter()
            .map(|(kind, _, text)| format!("{}: {text}", kind.as_str()))
            .collect()
    }

    #[test]
    fn members_join_move_and_are_removed() {
        let two = look(&[(1, "ming", 1, true), (4, "hong", 2, true)]);
        assert_eq!(texts(&look(&[]), &two), [""; 0], "they have not changed");
        assert_eq!(texts(&two, &two), [""; 0]);
        let three = look(&[(1, "ming", 1, true), (4, "hong", 9, true), (10, "peng", 3, false)]);
        assert_eq!(
            texts(&two, &three),
            [
                "moved: hong has moved from 10.0.0.1:2 to 10.0.0.1:9 (node 4)",
                "joined: peng joins, without a vote yet (node 10)"
            ]
        );
        let voter = look(&[(1, "ming", 1, true), (4, "hong", 9, false), (10, "peng", 3, true)]);
        assert_eq!(
            texts(&three, &voter),
            ["removed: hong has no vote any more (node 4)", "joined: peng is a voter now (node 10)"]
        );
        let replaced = look(&[(10, "peng", 3, true), (12, "hong", 9, true)]);
        assert_eq!(
            texts(&voter, &replaced),
            [
                "joined: hong is a voter now (node 12)",
                "removed: ming was removed from the members (node 1)",
                "removed: hong was removed from the members (node 4)"
            ]
        );
    }

    #[test]
    fn the_level_and_the_settings_change() {
        let before = look(&[(1, "ming", 1, true)]);
        let settings = ClusterSettings { data_bytes_max: 1 << 30, ..before.settings };
        let now = ClusterLook { level: FeatureLevel(2), settings, ..before.clone() };
        assert_eq!(
            texts(&before, &now),
            ["level: feature level 1 is raised to 2", "setting: data_bytes_max is 1073741824 now, before 0"]
        );
    }
}
