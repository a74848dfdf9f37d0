//! Tests that need access to a server's internals.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use coffee_client::cert::Ca;
use coffee_common::{
    feature_level::LEVEL_MAX,
    id::{ClusterName, NodeName},
    protocol::{Identity, Rejection, Request, Role},
    tls::CredentialFiles,
};
use openraft::Membership;
use tokio::time::{Instant, timeout};

use super::*;
use crate::{node::replica::Replica, ops::forward::LeaderRequest, raft_types::Payload};

const SOON: Duration = Duration::from_secs(20);

struct NodeFactory {
    ca: Ca,
    folder: tempfile::TempDir,
}

impl NodeFactory {
    fn new() -> Self {
        Self {
            ca: Ca::create(&ClusterName::default()).expect("a CA"),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    async fn start(&self, node: &str, member: Option<&Server>) -> Server {
        let name = NodeName::new(node).expect("legal");
        let nowhere = CredentialFiles::new("", "", "");
        let listen = ([127, 0, 0, 1], 0).into();
        let mut config = Config::new(name.clone(), listen, self.folder.path().join(node), nowhere);
        config.join.extend(member.map(|member| member.advertised().clone()));
        let credentials = self.ca.credentials(Role::Node, &name).expect("credentials");
        let server = Server::builder(config).credentials(credentials).start().await.expect("it starts");
        match member {
            Some(member) => {
                let client = member.local_client().expect("a client");
                client.boot(name, Some(server.advertised().clone())).await.expect("it is admitted");
            }
            None => {
                server.found().await.expect("it is the first");
            }
        }
        server
    }
}

fn replica(server: &Server) -> Arc<Replica> {
    server.node.replica().expect("takes part")
}

async fn until_voters(replica: &Replica, count: usize) {
    let settled = replica.until(|metrics| {
        let sets = metrics.committed_membership_config.get_joint_config();
        sets.len() == 1 && sets[0].len() == count
    });
    assert!(timeout(SOON, settled).await.expect("in time"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_finishes_a_change_that_was_left_half_done() {
    let factory = NodeFactory::new();
    let ming = factory.start("ming", None).await;
    let hong = factory.start("hong", Some(&ming)).await;
    let leader = replica(&ming);
    until_voters(&leader, 2).await;

    // The state after a leader failed between the two entries of a removal.
    let membership = leader.membership();
    let both: BTreeSet<_> = membership.voter_ids().collect();
    let sets = vec![both, BTreeSet::from([leader.id()])];
    let nodes: std::collections::BTreeMap<_, _> =
        membership.nodes().map(|(id, member)| (*id, member.clone())).collect();
    let joint = Membership::new(sets, nodes).expect("legal");
    let appended = leader.raft().append_membership(joint, Payload::Blank, []).await;
    appended.expect("is committed");

    until_voters(&leader, 1).await;
    let gone = replica(&hong).id();
    assert!(leader.membership().get_node(&gone).is_none(), "the removed voter is not a member");
}

/// Any certificate of a node may ask to join, again and again: operators must not queue with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_no_operator_wants_does_not_wait_for_other_changes() {
    let factory = NodeFactory::new();
    let ming = factory.start("ming", None).await;
    let _changing = ming.membership.change_lock().lock_owned().await;
    let hu = Identity::new(Role::Node, "hu".parse().expect("legal"));
    let address = ming.advertised().clone();
    let request = LeaderRequest {
        body: &Request::Join { node: hu.name.clone(), address, level: LEVEL_MAX },
        caller: (&hu).into(),
        forwarded: false,
        deadline: Instant::now() + SOON / 4,
        repeatable: true,
        answered_elsewhere: Default::default(),
    };
    let refused = ming.membership.on_leader(&request).await;
    assert!(matches!(refused, Err(Rejection::Refused { .. })), "{refused:?}");
}
