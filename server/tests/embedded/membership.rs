//! Leadership transfers, and nodes that are shut down, brought back, removed and replaced.

use std::time::Duration;

use coffee_client::{Envelope, Error, Pool};
use coffee_common::{
    feature_level::LEVEL_MAX,
    id::{ClusterId, NodeId},
    limits::VALUE_BYTES_MAX,
    protocol::{
        ClusterView, LifecyclePhase, NodeState, NodeView, RaftRole, Rejection, Request, Response, Role,
    },
    quic::{Endpoint, EndpointOptions, Expect},
};
use coffeed::{Closed, Config, Server};

use crate::support::{EmbeddedCluster, address, name, until, until_voter};

/// Three voters: ming leads, hong and peng follow.
async fn three(cluster: &EmbeddedCluster) -> [Server; 3] {
    let ming = cluster.founder("ming").await;
    let hong = cluster.joining("hong", &ming).await;
    until_voter(&hong).await;
    let peng = cluster.joining("peng", &ming).await;
    until_voter(&peng).await;
    [ming, hong, peng]
}

fn node<'a>(view: &'a ClusterView, node: &str) -> &'a NodeView {
    view.nodes.iter().find(|view| view.name == name(node)).expect("is on the list")
}

fn leads(node: &Server) -> bool {
    node.status().raft.is_some_and(|raft| raft.role == RaftRole::Leader)
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_goes_where_it_is_sent() {
    let cluster = EmbeddedCluster::new();
    let [ming, hong, peng] = three(&cluster).await;
    let client = cluster.client(&[&ming, &hong, &peng]);
    let moved = client.transfer(Some(name("peng"))).await.expect("is handed over");
    assert_eq!((moved.from, moved.to, moved.changed), (name("ming"), name("peng"), true));
    assert!(leads(&peng) && !leads(&ming));
    // A follower forwards it to the leader.
    let moved = cluster.client_at(&ming).transfer(Some(name("hong"))).await.expect("is handed over");
    assert_eq!((moved.from, moved.to), (name("peng"), name("hong")));
    let again = client.transfer(Some(name("hong"))).await.expect("it leads already");
    assert!(!again.changed);
    let moved = client.transfer(None).await.expect("is handed over to either");
    assert!(moved.changed && moved.to != name("hong"));
    let unknown = client.transfer(Some(name("long"))).await;
    assert!(matches!(unknown, Err(Error::NotFound(_))), "{unknown:?}");
    client.set("order/1", "latte").await.expect("the new leader takes orders");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_is_shut_down_cleanly_and_comes_back() {
    let cluster = EmbeddedCluster::new();
    let [ming, hong, peng] = three(&cluster).await;
    let client = cluster.client(&[&hong, &peng]);
    client.set("order/1", "latte").await.expect("is written");
    let old = ming.status().raft.expect("takes part").id;

    let plan = client.down(None, true).await.expect("is planned");
    assert_eq!((&plan.node, plan.voters_before, plan.voters_after), (&name("ming"), 3, 2));
    assert!(leads(&ming), "nothing was done yet");
    let down = client.down(None, false).await.expect("is shut down");
    assert_eq!((&down.node, down.voters_before, down.voters_after), (&name("ming"), 3, 2));
    assert!(down.leader.is_some_and(|leader| leader != name("ming")));
    assert_eq!(ming.closed().await, Closed::Removed);
    let view = client.cluster().await.expect("is listed");
    assert_eq!((view.voters, node(&view, "ming").state), (2, NodeState::Shutdown));
    let again = client.down(Some(name("ming")), false).await.expect("is done already");
    assert!(!again.changed);

    // After a restart it waits to be booted, even if its configuration names members.
    let at = address(&ming);
    drop(ming);
    let listen = at.as_str().parse().expect("an IP address");
    let config = Config { listen, join: vec![address(&hong)], ..cluster.config("ming") };
    let ming = cluster.try_start(config).await.expect("it starts");
    assert_eq!(ming.status().phase, LifecyclePhase::Waiting);
    let view = client.cluster().await.expect("is listed");
    assert_eq!(node(&view, "ming").state, NodeState::Waiting);
    let booted = client.boot(name("ming"), None).await.expect("its address is on record");
    assert!(booted.changed && booted.id > Some(old), "an id is never used twice");
    until_voter(&ming).await;
    let entry = cluster.client_at(&ming).get("order/1").await.expect("is read").expect("is there");
    assert_eq!(entry.value.as_bytes().as_ref(), b"latte");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_removals_at_once_each_report_what_they_changed() {
    let cluster = EmbeddedCluster::new();
    let [ming, hong, peng] = three(&cluster).await;
    let (one, other) = (cluster.client_at(&ming), cluster.client_at(&ming));
    let (first, second) =
        tokio::join!(one.down(Some(name("hong")), false), other.down(Some(name("peng")), false));
    let mut counts = [first, second].map(|down| {
        let down = down.expect("a quorum remains each time");
        assert!(down.changed);
        (down.voters_before, down.voters_after)
    });
    counts.sort_unstable();
    assert_eq!(counts, [(2, 1), (3, 2)]);
    assert_eq!((hong.closed().await, peng.closed().await), (Closed::Removed, Closed::Removed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_takes_itself_down() {
    let cluster = EmbeddedCluster::new();
    let [ming, hong, peng] = three(&cluster).await;
    for (node, left) in [(&peng, 2), (&ming, 1)] {
        let itself = node.status().name;
        let down = cluster.client_at(node).down(Some(itself.clone()), false).await.expect("answers first");
        assert_eq!((down.node, down.voters_after), (itself, left));
        assert_eq!(node.closed().await, Closed::Removed);
    }
    assert!(leads(&hong));
    let last = cluster.client(&[&hong]).down(None, false).await;
    assert!(matches!(last, Err(Error::Refused { .. })), "{last:?}");
    cluster.client(&[&hong]).set("order/1", "latte").await.expect("continues alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_lose_the_quorum_is_refused() {
    let cluster = EmbeddedCluster::new();
    let [ming, hong, peng] = three(&cluster).await;
    assert_eq!(peng.shutdown().await, Closed::Stopped);
    let client = cluster.client(&[&ming, &hong]);
    for taken in ["ming", "hong"] {
        let down = client.down(Some(name(taken)), false).await;
        let Err(Error::Refused { reason, hint }) = down else { panic!("{down:?}") };
        assert!(reason.contains("peng"), "{reason}");
        assert!(hint.contains("node remove"), "{hint}");
        assert!(!client.can_stop(name(taken)).await.expect("answers").yes);
    }
    assert!(client.can_stop(name("peng")).await.expect("answers").yes);
    // The node that is down can be removed; then one of the others may go.
    let alive = client.remove(name("hong"), false).await;
    assert!(matches!(alive, Err(Error::Refused { .. })), "{alive:?}");
    let removed = client.remove(name("peng"), false).await.expect("is removed");
    assert_eq!((removed.voters_before, removed.voters_after), (3, 2));
    let view = client.cluster().await.expect("is listed");
    assert!(view.nodes.iter().all(|node| node.name != name("peng")), "its record is deleted");
    client.down(Some(name("hong")), false).await.expect("one node remains");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_removed_while_down_finds_out() {
    let cluster = EmbeddedCluster::new();
    let [ming, hong, peng] = three(&cluster).await;
    let at = address(&peng);
    assert_eq!(peng.shutdown().await, Closed::Stopped);
    drop(peng);
    cluster.client(&[&ming, &hong]).remove(name("peng"), false).await.expect("is removed");
    let peng = cluster.again("peng", &at).await;
    assert_eq!(peng.closed().await, Closed::Removed);
    cluster.client(&[&ming]).set("order/1", "latte").await.expect("the cluster was not disturbed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lost_its_disk_gets_its_data_back_under_a_new_id() {
    let cluster = EmbeddedCluster::new();
    let [ming, hong, peng] = three(&cluster).await;
    let client = cluster.client(&[&ming, &hong]);
    client.set("order/1", "latte").await.expect("is written");
    let old = peng.status().raft.expect("takes part").id;
    assert_eq!(peng.shutdown().await, Closed::Stopped);
    drop(peng);
    std::fs::remove_dir_all(cluster.data_dir("peng")).expect("the disk is lost");
    // No operator is needed: it is a member.
    let peng = cluster.asking("peng", &hong).await;
    until_voter(&peng).await;
    assert!(peng.status().raft.expect("takes part").id > old);
    until(&peng, "the whole log", |status| {
        status.raft.as_ref().is_some_and(|raft| raft.applied >= ming.status().raft.expect("leads").applied)
    })
    .await;
    let entry = cluster.client_at(&peng).get("order/1").await.expect("is read").expect("is there");
    assert_eq!(entry.value.as_bytes().as_ref(), b"latte");
    let view = client.cluster().await.expect("is listed");
    assert_eq!((view.voters, view.voters_in_reach, view.nodes.len()), (3, 3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_stop_and_start_again() {
    let cluster = EmbeddedCluster::new();
    let nodes = three(&cluster).await;
    let client = cluster.client(&[&nodes[0]]);
    for n in 0..50 {
        client.set(format!("order/{n}"), "latte").await.expect("is written");
    }
    let mut places = Vec::new();
    for node in nodes {
        places.push((node.status().name, address(&node)));
        assert_eq!(node.shutdown().await, Closed::Stopped);
    }
    let mut nodes = Vec::new();
    for (name, at) in &places {
        nodes.push(cluster.again(name.as_str(), at).await);
    }
    let client = cluster.client(&nodes.iter().collect::<Vec<_>>());
    for n in 0..50 {
        assert!(client.get(format!("order/{n}")).await.expect("is read").is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_stopped_hands_over_first() {
    let cluster = EmbeddedCluster::new();
    let [ming, hong, peng] = three(&cluster).await;
    let term = hong.status().raft.expect("takes part").term;
    assert_eq!(ming.shutdown().await, Closed::Stopped);
    until(&hong, "a leader", |status| status.raft.as_ref().is_some_and(|raft| raft.leader.is_some())).await;
    assert!(leads(&hong) != leads(&peng));
    assert_eq!(hong.status().raft.expect("takes part").term, term + 1, "one election, and it was won");
    let view = cluster.client(&[&hong]).cluster().await.expect("is listed");
    assert_eq!(view.voters, 3, "membership is as it was");
}

/// A client keeps to the cluster that its first welcome names. This one names none, and a later
/// cluster at the same address would be taken for the one that the node joins here.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_connected_before_its_node_joined_connects_again() {
    let cluster = EmbeddedCluster::new();
    let (ming, hong) = (cluster.founder("ming").await, cluster.waiting("hong").await);
    let client = cluster.client_at(&hong);
    client.status().await.expect("answers without a cluster");
    let endpoint = Endpoint::dial_only(&cluster.credentials(Role::Reader, "me"), &EndpointOptions::default());
    let pool = Pool::new(endpoint.expect("a socket"));
    let ask = async |request: &Request| {
        let within = Duration::from_secs(10);
        pool.ask(&address(&hong), &Expect::AnyNode, request, Envelope::default(), within).await
    };
    assert!(ask(&Request::Status).await.expect("answers").result.is_ok());
    let booted = cluster.client_at(&ming).boot(name("hong"), Some(address(&hong))).await;
    booted.expect("becomes a voter");
    let question = Request::CanStop { node: name("ming") };
    let told = ask(&question).await.expect("answers").result;
    assert_eq!(told, Err(Rejection::NoCluster { node: name("hong"), joining: true }));
    client.set("order/1", "latte").await.expect("connects again, and is served");
}

/// A node that has joined one cluster asks a member of another one for its vote, because
/// an address has another owner now. It must not learn that it was removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_is_judged_by_its_own_cluster_only() {
    let cluster = EmbeddedCluster::new();
    let (ming, hong) = (cluster.founder("ming").await, cluster.founder("hong").await);
    let id = |server: &Server| server.status().raft.expect("belongs to a cluster").cluster;
    let endpoint = Endpoint::dial_only(&cluster.credentials(Role::Node, "peng"), &EndpointOptions::default());
    let pool = Pool::new(endpoint.expect("a socket"));
    let ask = async |server: &Server, request: &Request, cluster: ClusterId| {
        let envelope = Envelope::from(Some(cluster));
        let within = Duration::from_secs(10);
        pool.ask(&address(server), &Expect::AnyNode, request, envelope, within).await.expect("answers").result
    };
    let promote = Request::Promote { id: NodeId(7) };
    let join = Request::Join {
        node: name("peng"),
        address: "127.0.0.1:9".parse().expect("legal"),
        level: LEVEL_MAX,
    };
    for request in [&promote, &join, &Request::Status] {
        let other = Err(Rejection::OtherCluster { node: name("hong"), cluster: id(&hong) });
        assert_eq!(ask(&hong, request, id(&ming)).await, other);
    }
    let own = ask(&ming, &promote, id(&ming)).await;
    assert!(matches!(own, Err(Rejection::NotFound(_) | Rejection::Refused { .. })), "{own:?}");
    let waiting = cluster.waiting("long").await;
    let none = ask(&waiting, &Request::ReadIndex, id(&ming)).await;
    assert_eq!(none, Err(Rejection::NoCluster { node: name("long"), joining: false }));
    assert!(matches!(ask(&waiting, &Request::Status, id(&ming)).await, Ok(Response::Status(_))));
}

/// Any certificate of a node is enough to invite it, into a cluster that may not be its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_lured_away_keeps_its_data() {
    let cluster = EmbeddedCluster::new();
    let [ming, hong, peng] = three(&cluster).await;
    let client = cluster.client(&[&ming, &hong]);
    client.set("order/1", "latte").await.expect("is written");
    let own = peng.status().raft.expect("takes part").cluster;
    client.down(Some(name("peng")), false).await.expect("is shut down");
    assert_eq!(peng.closed().await, Closed::Removed);
    drop(peng);
    let (peng, hu) = (cluster.waiting("peng").await, cluster.founder("hu").await);
    let booted = cluster.client_at(&hu).boot(name("peng"), Some(address(&peng))).await;
    assert!(booted.expect("it follows").changed);
    until_voter(&peng).await;
    let aside = cluster.data_dir("peng").join(format!("set-aside-1-{own}"));
    for file in ["identity.toml", "log.wal", "state.redb"] {
        assert!(aside.join(file).exists(), "{file} is lost");
    }
}

/// The log of a cluster names its first members before its present ones. A node that joins reads it
/// in that order, and meanwhile knows neither its leader nor a member that is still there.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_catches_up_follows_a_leader_that_its_log_does_not_name_yet() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let client = cluster.client(&[&ming]);
    // More than one append carries.
    for n in 0..4 {
        client.set(format!("order/{n}"), vec![7; VALUE_BYTES_MAX]).await.expect("is written");
    }
    let hong = cluster.joining("hong", &ming).await;
    until_voter(&hong).await;
    let peng = cluster.joining("peng", &ming).await;
    until_voter(&peng).await;
    cluster.client(&[&hong, &peng]).down(Some(name("ming")), false).await.expect("is taken down");
    drop(ming);
    let long = cluster.joining("long", &hong).await;
    until_voter(&long).await;
}
