//! The status line for `systemctl status`. Pure.

use coffee_common::{
    id::{NodeId, NodeName},
    protocol::{LeftOut, LifecyclePhase, NodeStatus, RaftRole, RaftStatus, rebuild_command},
};

/// Returns the line. `in_touch`: the node hears a leader with a quorum, or leads and hears a quorum.
pub(super) fn line(status: &NodeStatus, in_touch: bool) -> String {
    match (status.phase, &status.raft) {
        (LifecyclePhase::Opening, _) => "opening its data".to_owned(),
        (LifecyclePhase::Waiting, _) => {
            format!("no cluster: coffeectl boot {0}, or for a new one: coffeectl init {0}", status.name)
        }
        (LifecyclePhase::Joining, None) => "asking to join".to_owned(),
        (LifecyclePhase::Joining, Some(_)) => "catching up before it becomes a voter".to_owned(),
        (LifecyclePhase::Running, Some(raft)) => match &status.left_out {
            Some(left_out) => elsewhere(left_out),
            None => running(raft, in_touch),
        },
        (LifecyclePhase::Running, None) => "starting".to_owned(),
        (LifecyclePhase::Stopping, _) => "stopping".to_owned(),
    }
}

fn elsewhere(LeftOut { cluster, from, peers }: &LeftOut) -> String {
    let names: Vec<&str> = peers.iter().map(NodeName::as_str).collect();
    format!(
        "left out of a restore or a recovery, and refuses reads and writes: {} in cluster {cluster}; stop it, run '{}', \
         and start it",
        names.join(", "),
        rebuild_command(*cluster, from)
    )
}

fn running(raft: &RaftStatus, in_touch: bool) -> String {
    let term = raft.term;
    let strength = match raft.voters.as_slice() {
        [voters] => format!("{} voters", voters.len()),
        _ => "membership changing".to_owned(),
    };
    match (raft.role, raft.leader) {
        (RaftRole::Leader, _) if in_touch => format!("leader in term {term}; {strength}"),
        (RaftRole::Leader, _) => {
            format!("leader in term {term}, but no quorum responds: writes wait; {strength}")
        }
        // Raft keeps the last leader of the term until another one is elected.
        (_, Some(leader)) if !in_touch => {
            let leader = name_of(raft, leader);
            format!("no contact to {leader}, leader in term {term}: writes wait; {strength}")
        }
        (_, Some(leader)) => format!("follows {} in term {term}; {strength}", name_of(raft, leader)),
        (RaftRole::Candidate, None) => format!("candidate in term {term}; {strength}"),
        (_, None) => format!("no leader in term {term}: writes wait for a quorum; {strength}"),
    }
}

fn name_of(raft: &RaftStatus, id: NodeId) -> String {
    let record = raft.nodes.iter().find(|node| node.id == id);
    record.map_or_else(|| format!("node {id}"), |node| node.name.to_string())
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        command::{MemberState, NodeRecord},
        feature_level::{LEVEL_MAX, LEVEL_MIN},
        id::{Address, ClusterId, Revision},
        protocol::CertificateStatus,
    };

    use super::*;

    fn status(phase: LifecyclePhase, raft: Option<RaftStatus>) -> NodeStatus {
        NodeStatus {
            pace: Default::default(),
            writes_refused: None,
            left_out: None,
            name: "hong".parse().expect("legal"),
            address: Address::new("hong:7400").expect("legal"),
            version: "1".into(),
            phase,
            uptime_ms: 1,
            raft,
            certificate: CertificateStatus { serial: "5a".into(), valid_until_s: 0 },
            started_at_ms: 0,
            disk_free_bytes: None,
            revocation_lists: Vec::new(),
            level: LEVEL_MAX,
            clock_ms: 0,
        }
    }

    fn raft(role: RaftRole, leader: Option<u64>) -> RaftStatus {
        let node = |id, name: &str| NodeRecord {
            id: NodeId(id),
            name: name.parse().expect("legal"),
            address: Address::new("ming:7400").expect("legal"),
            standing: MemberState::Member,
            since_ms: 0,
        };
        RaftStatus {
            cluster: ClusterId(7),
            id: NodeId(2),
            role,
            term: 3,
            leader: leader.map(NodeId),
            last_log: Revision(9),
            committed: Revision(9),
            applied: Revision(9),
            snapshot: Revision(0),
            purged: Revision(0),
            voters: vec![vec![NodeId(1), NodeId(2), NodeId(5)]],
            learners: Vec::new(),
            matched: Vec::new(),
            quorum_heard_ms: None,
            join_requests: Vec::new(),
            nodes: vec![node(1, "ming"), node(2, "hong")],
            level: LEVEL_MIN,
            disk_free_bytes_min: 128 << 20,
        }
    }

    #[test]
    fn a_member_shows_its_role_and_whether_there_is_a_quorum() {
        let says = |raft| line(&status(LifecyclePhase::Running, Some(raft)), true);
        let leads = raft(RaftRole::Leader, Some(2));
        assert_eq!(says(leads.clone()), "leader in term 3; 3 voters");
        let alone = RaftStatus { voters: vec![vec![NodeId(2)]], ..leads.clone() };
        assert_eq!(says(alone), "leader in term 3; 1 voters");
        assert_eq!(says(raft(RaftRole::Follower, Some(1))), "follows ming in term 3; 3 voters");
        assert_eq!(says(raft(RaftRole::Follower, Some(5))), "follows node 5 in term 3; 3 voters");
        assert_eq!(says(raft(RaftRole::Candidate, None)), "candidate in term 3; 3 voters");
        let lost = says(raft(RaftRole::Follower, None));
        assert_eq!(lost, "no leader in term 3: writes wait for a quorum; 3 voters");
        let joint = RaftStatus { voters: vec![vec![NodeId(1)], vec![NodeId(2)]], ..leads };
        assert_eq!(says(joint), "leader in term 3; membership changing");
    }

    #[test]
    fn a_member_without_contact_says_so() {
        let leads = status(LifecyclePhase::Running, Some(raft(RaftRole::Leader, Some(2))));
        assert_eq!(line(&leads, false), "leader in term 3, but no quorum responds: writes wait; 3 voters");
        let follows = status(LifecyclePhase::Running, Some(raft(RaftRole::Follower, Some(1))));
        assert_eq!(line(&follows, false), "no contact to ming, leader in term 3: writes wait; 3 voters");
    }

    #[test]
    fn a_node_that_was_left_out_of_a_restore_says_its_way_back() {
        let mut left = status(LifecyclePhase::Running, Some(raft(RaftRole::Candidate, None)));
        left.left_out = Some(LeftOut {
            cluster: ClusterId(8),
            from: Address::new("ming:7400").expect("legal"),
            peers: vec!["ming".parse().expect("legal"), "peng".parse().expect("legal")],
        });
        let theirs = ClusterId(8);
        assert_eq!(
            line(&left, false),
            format!(
                "left out of a restore or a recovery, and refuses reads and writes: ming, peng in cluster {theirs}; \
                 stop it, run 'coffeed --config FILE rebuild --cluster {theirs} --from ming:7400', and start it"
            )
        );
    }

    #[test]
    fn a_node_outside_a_cluster_says_what_it_waits_for() {
        assert_eq!(
            line(&status(LifecyclePhase::Waiting, None), true),
            "no cluster: coffeectl boot hong, or for a new one: coffeectl init hong"
        );
        assert_eq!(line(&status(LifecyclePhase::Opening, None), true), "opening its data");
        assert_eq!(line(&status(LifecyclePhase::Joining, None), true), "asking to join");
        let learner = raft(RaftRole::Learner, Some(1));
        assert_eq!(
            line(&status(LifecyclePhase::Joining, Some(learner)), true),
            "catching up before it becomes a voter"
        );
        assert_eq!(line(&status(LifecyclePhase::Stopping, None), true), "stopping");
    }
}
