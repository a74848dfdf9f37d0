//! Certificates of nodes on the client protocol: of a node that was removed, of one that was never
//! admitted, and of a member in its own name. None permits what only an operator may do.

use std::time::Duration;

use coffee_client::{Address, Credentials, EndpointOptions, Envelope, Pool};
use coffee_common::{
    command::{Batch, MemberState, Operation},
    feature_level::LEVEL_MAX,
    id::{ClientId, ClusterId, NodeId, NodeName, RequestId, Revision},
    key::{Key, KeyRange, Value},
    protocol::{Consistency, Identity, LogLevel, RaftStatus, Rejection, Request, Response, Role},
    quic::{Endpoint, Expect},
};
use coffee_tests::cluster::Cluster;

use crate::{
    peers,
    strangers::{NAMES, is_unharmed, victims},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Asks with a certificate, and claims to act for anyone.
pub(crate) struct NodeCaller(Pool);

impl NodeCaller {
    pub(crate) fn new(credentials: &Credentials) -> Self {
        let endpoint = Endpoint::dial_only(credentials, &EndpointOptions::default()).expect("a socket");
        Self(Pool::new(endpoint))
    }

    pub(crate) async fn ask(
        &self,
        victim: &Address,
        cluster: ClusterId,
        on_behalf_of: Option<&Identity>,
        request: &Request,
    ) -> Result<Response, Rejection> {
        let envelope = Envelope { on_behalf_of, sent_from: None, cluster: Some(cluster) };
        let reply = self.0.ask(victim, &Expect::AnyNode, request, envelope, PATIENCE).await;
        reply.unwrap_or_else(|error| panic!("{request:?}: {error}")).result
    }

    /// Asserts that a request is not carried out.
    async fn is_refused(
        &self,
        victim: &Address,
        raft: &RaftStatus,
        on_behalf_of: Option<&Identity>,
        request: &Request,
    ) {
        let result = self.ask(victim, raft.cluster, on_behalf_of, request).await;
        let is_refused = matches!(result, Err(ref why) if why.is_not_applied());
        assert!(is_refused, "{request:?} on behalf of {on_behalf_of:?} at {victim}: {result:?}");
    }
}

fn name(text: &str) -> NodeName {
    text.parse().expect("legal")
}

/// Requests of operators and programs.
fn verbs_of_operators() -> Vec<Request> {
    let key = || Key::new("order/1").expect("legal");
    let stolen = Operation::Set(key(), Value::new("stolen").expect("legal"));
    let request = RequestId { client: ClientId(7), sequence: 1, after: Revision(0) };
    let consistency = Consistency::Linearizable;
    vec![
        Request::Write { request, batch: Batch::of(stolen).into() },
        Request::Get { key: key(), consistency },
        Request::Range { range: KeyRange::all(), limit: 0, keys_only: true, consistency, empty_pages: true },
        Request::List,
        Request::CanStop { node: name("ming") },
        Request::Transfer { to: None },
        Request::Down { node: Some(name("peng")), dry_run: true },
        Request::Down { node: Some(name("peng")), dry_run: false },
        Request::Remove { node: name("peng"), dry_run: false },
        Request::Boot { node: name("hu"), address: Some(nowhere()) },
        Request::Move { node: name("peng"), address: nowhere() },
        Request::Reload { force: true },
        Request::LogLevel { level: Some(LogLevel::Trace) },
        Request::Revoke { list: vec![0x30, 0] },
        Request::FinishUpgrade { dry_run: false },
    ]
}

/// Requests that a node may send only as a member, or only about itself.
fn verbs_of_members(raft: &RaftStatus) -> Vec<Request> {
    let (cluster, node) = (raft.cluster, name("peng"));
    vec![
        Request::ReadIndex,
        Request::StateDigest { cluster, upto: Revision(u64::MAX) },
        Request::Room { cluster },
        Request::ShutDownRemoved { id: raft.id },
        Request::RemoveVoter { node, id: raft.id, standing: Some(MemberState::Shutdown) },
    ]
}

/// Requests about another node than the one that sends them.
fn verbs_about_another() -> Vec<Request> {
    vec![
        Request::Reaches { node: name("peng"), id: NodeId(1), address: nowhere() },
        Request::Join { node: name("elsewhere"), address: nowhere(), level: LEVEL_MAX },
    ]
}

fn nowhere() -> Address {
    "127.0.0.1:9".parse().expect("legal")
}

pub(crate) async fn do_not_make_admins() {
    let cluster = Cluster::of(4).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    cluster.coffeectl(["down", "long", "--yes"]).ok().await;
    cluster.leader().await;
    let before = victims(&cluster, &NAMES).await;
    let ops = Identity::new(Role::Admin, name("ops"));
    let other = Identity::new(Role::Node, name("elsewhere"));
    for stranger in ["long", "hu"] {
        let caller = NodeCaller::new(&peers::credentials(&cluster, stranger));
        for (victim, raft) in &before {
            for request in verbs_of_operators() {
                caller.is_refused(victim, raft, None, &request).await;
                caller.is_refused(victim, raft, Some(&ops), &request).await;
            }
            for request in verbs_of_members(raft).iter().chain(&verbs_about_another()) {
                caller.is_refused(victim, raft, None, request).await;
                caller.is_refused(victim, raft, Some(&ops), request).await;
                caller.is_refused(victim, raft, Some(&other), request).await;
            }
        }
    }
    // A node may remove itself, whatever its standing, but not by the id of another one.
    let caller = NodeCaller::new(&peers::credentials(&cluster, "long"));
    for (victim, raft) in &before {
        for (_, other) in &before {
            let request = Request::RemoveVoter { node: name("long"), id: other.id, standing: None };
            caller.is_refused(victim, raft, Some(&ops), &request).await;
        }
    }
    // A member may forward what an admin asks the leader for, but asks for nothing of it itself.
    let caller = NodeCaller::new(&peers::credentials(&cluster, "hong"));
    for (victim, raft) in before.iter().filter(|(_, raft)| raft.id != before[1].1.id) {
        for request in verbs_of_operators().iter().chain(&verbs_about_another()) {
            caller.is_refused(victim, raft, None, request).await;
        }
        for request in [Request::Reload { force: true }, Request::LogLevel { level: Some(LogLevel::Trace) }] {
            caller.is_refused(victim, raft, Some(&ops), &request).await;
        }
    }
    // The audit log names the certificates that were shown, and the identities that they claimed.
    for node in cluster.watched().iter().filter(|node| NAMES.contains(&node.name())) {
        let log = node.log();
        for denied in ["node long write: denied", "node hu write: denied", "admin ops write: denied"] {
            assert!(log.says(0, denied, PATIENCE).await, "{}: {denied}: {}", node.name(), log.tail(40));
        }
        assert!(log.says(0, "via=\"hu\"", PATIENCE).await, "{}", log.tail(40));
    }
    is_unharmed(&cluster, &NAMES, &before).await;
    let list: serde_json::Value = cluster.json(["list"]).await;
    assert!(!list.to_string().contains("elsewhere"), "{list}");
    assert_eq!(list["voters"], 3, "{list}");
    for node in NAMES {
        let level = cluster.coffeectl_via(node, ["log-level"]).ok().await;
        assert!(!level.contains("trace"), "{level}");
    }
}

/// A node that was removed and one that never was in the cluster ask to join, and for a vote.
pub(crate) async fn admit_no_node() {
    let mut cluster = Cluster::of(4).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    let removed = victims(&cluster, &["long"]).await[0].1.id;
    cluster.coffeectl(["down", "long", "--yes"]).ok().await;
    cluster.node("long").ended().await;
    cluster.leader().await;
    let before = victims(&cluster, &NAMES).await;
    let join = async |stranger: &str, (victim, raft): &(Address, RaftStatus)| {
        let caller = NodeCaller::new(&peers::credentials(&cluster, stranger));
        for id in [removed, raft.id, NodeId(1_000)] {
            caller.is_refused(victim, raft, None, &Request::Promote { id }).await;
        }
        let request = Request::Join { node: name(stranger), address: nowhere(), level: LEVEL_MAX };
        caller.ask(victim, raft.cluster, None, &request).await
    };
    for stranger in ["long", "hu"] {
        for victim in &before {
            match join(stranger, victim).await {
                Err(Rejection::Refused { hint, .. }) => assert!(hint.contains(stranger), "{hint}"),
                admitted => panic!("{stranger}: {admitted:?}"),
            }
        }
    }
    is_unharmed(&cluster, &NAMES, &before).await;
    let list: serde_json::Value = cluster.json(["list"]).await;
    assert!(!list.to_string().contains("\"hu\"") && list["voters"] == 3, "{list}");
    // An operator wants one of them.
    cluster.coffeectl(["boot", "hu", "--address", nowhere().as_str()]).ok().await;
    let long = join("long", &before[0]).await;
    assert!(matches!(long, Err(Rejection::Refused { .. })), "{long:?}");
    let hu = join("hu", &before[0]).await;
    assert!(matches!(hu, Ok(Response::Admitted { .. })), "{hu:?}");
}
