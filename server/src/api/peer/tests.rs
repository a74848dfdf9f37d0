//! Three members over real QUIC and real files.

mod forged;
mod frames;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use coffee_client::cert::Ca;
use coffee_common::{
    command::{Batch, Command, Operation, Outcome, Proposal},
    frame,
    id::{ClusterId, ClusterName, NodeId, NodeName},
    key::{Key, Value},
    protocol::Role,
    quic::{Endpoint, EndpointOptions, Priority},
};
use openraft::{
    RPCTypes, ReadPolicy,
    async_runtime::WatchReceiver,
    errors::{ClientWriteError, RaftError},
};
use tokio::time::Instant;

use super::{
    links::PeerLinks,
    session::{LocalNode, Peer},
    wire::{Purpose, RpcRequest, RpcResponse},
    *,
};
use crate::{
    config::{StorageOptions, Timers},
    node::{
        audit_log::AuditLog,
        event_log::EventLog,
        leader_contact::LastContact,
        raft::{self, Raft},
    },
    ops::confirm_member::Confirmation,
    raft_types::Member,
    storage::{
        durable_index::DurableIndex,
        log::{LogError, LogStore, tests::disk::LogDisk},
        poison::Poison,
        record::{LeaderRecord, VoteRecord},
        state::{StateDir, StateOptions},
        state_machine::{StateMachine, StateReader},
    },
};

const CLUSTER: ClusterId = ClusterId(0xc0ffee);
const NAMES: [&str; 3] = ["ming", "hong", "peng"];

struct TestMember {
    id: NodeId,
    raft: Raft,
    reader: StateReader,
    endpoint: Endpoint,
    log: LogStore,
    context: PeerContext,
}

impl TestMember {
    async fn start(ca: &Ca, dir: &Path, number: usize, listen: std::net::SocketAddr) -> Self {
        let folder = dir.join(NAMES[number]);
        std::fs::create_dir_all(&folder).expect("a folder");
        let open = |durable_index, poison| LogStore::open(&folder.join("log.wal"), durable_index, poison);
        Self::start_on(ca, &folder, number, listen, &Timers::default(), open).await
    }

    /// Starts a member that opens its log with `open`.
    async fn start_on(
        ca: &Ca,
        folder: &Path,
        number: usize,
        listen: std::net::SocketAddr,
        timers: &Timers,
        open: impl FnOnce(DurableIndex, Poison) -> Result<LogStore, LogError>,
    ) -> Self {
        let id = NodeId(number as u64 + 1);
        let name = NodeName::new(NAMES[number]).expect("legal");
        let credentials = ca.credentials(Role::Node, &name).expect("issued");
        let endpoint = Endpoint::serve(listen, &credentials, &EndpointOptions::default()).expect("binds");
        let (poison, durable_index) = (Poison::new(), DurableIndex::new());
        let files = Arc::new(StateDir::new(folder.join("state.redb")));
        let machine =
            StateMachine::open(files, StateOptions::default(), durable_index.clone(), poison.clone())
                .expect("opens");
        let log = open(durable_index, poison).expect("opens");
        let (reader, inbox) = (machine.reader(), machine.inbox());
        let storage =
            StorageOptions { snapshot_every_entries: 100, log_keep_entries: 10, ..StorageOptions::default() };
        let network = PeerNetwork::new(endpoint.clone(), CLUSTER, id, EventLog::default());
        let network_versions = network.versions();
        let raft = raft::start(id, timers, &storage, network, log.clone(), machine).await.expect("starts");
        let refusals = Refusals::default();
        let context = PeerContext {
            raft: raft.clone(),
            cluster: CLUSTER,
            own: id,
            inbox,
            leader_log: LeaderLog::default(),
            last_contact: LastContact::default(),
            refusals,
            versions: network_versions,
            audit_log: AuditLog::default(),
            events: EventLog::default(),
            confirm: Arc::new(|_, _| Box::pin(async { Confirmation::Member })),
        };
        let (accepting, serving) = (endpoint.clone(), context.clone());
        tokio::spawn(async move {
            while let Some(handshake) = accepting.accept().await {
                let context = serving.clone();
                tokio::spawn(async move {
                    if let Ok(connection) = handshake.complete().await {
                        serve(connection, context).await;
                    }
                });
            }
        });
        Self { id, raft, reader, endpoint, log, context }
    }

    fn member(&self, number: usize) -> Member {
        let name = NodeName::new(NAMES[number]).expect("legal");
        Member { name, address: self.endpoint.local_address().into() }
    }

    async fn stop(self) -> std::net::SocketAddr {
        let address = self.endpoint.local_address();
        self.raft.shutdown().await.expect("stops");
        self.log.close().await.expect("flushes");
        self.endpoint.close("stopped").await;
        address
    }

    async fn set(&self, key: &str, value: &[u8]) -> u64 {
        let value = Value::new(value.to_vec()).expect("legal");
        let operation = Operation::Set(Key::new(key).expect("legal"), value);
        let command = Command::Batch(Batch::of(operation).into());
        let proposal = Proposal { request: None, proposed_at_ms: 0, command, author: String::new() };
        let written = loop {
            match self.raft.client_write(proposal.clone()).await {
                Ok(written) => break written,
                // A new leader accepts no writes before a quorum has answered it.
                Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) if to.leader_id.is_none() => {
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("not written: {error}"),
            }
        };
        assert!(matches!(written.data, Outcome::Applied { .. }), "{:?}", written.data);
        written.log_id.index
    }

    fn term(&self) -> u64 {
        self.raft.metrics().borrow_watched().current_term
    }
}

/// Waits for a leader among these other than `not`.
async fn leader(nodes: &[TestMember], not: Option<NodeId>) -> &TestMember {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        for node in nodes {
            let metrics = node.raft.metrics().borrow_watched().clone();
            if metrics.state.is_leader() && Some(node.id) != not && metrics.current_leader == Some(node.id) {
                return node;
            }
        }
        assert!(Instant::now() < deadline, "no leader");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn cluster(ca: &Ca, dir: &Path) -> Vec<TestMember> {
    let mut nodes = Vec::new();
    for number in 0..3 {
        nodes.push(TestMember::start(ca, dir, number, ([127, 0, 0, 1], 0).into()).await);
    }
    initialized(nodes).await
}

/// The second member, as the first one reaches it over a link of its own.
fn peer(ming: &TestMember, hong: &TestMember) -> Peer {
    let local = Arc::new(LocalNode {
        endpoint: ming.endpoint.clone(),
        cluster: CLUSTER,
        id: ming.id,
        versions: PeerVersions::default(),
    });
    let link = PeerLinks::default().to(&ming.endpoint, hong.id, &hong.member(1));
    Peer::new(local, hong.id, link)
}

async fn initialized(nodes: Vec<TestMember>) -> Vec<TestMember> {
    let members: BTreeMap<_, _> =
        nodes.iter().enumerate().map(|(number, node)| (node.id, node.member(number))).collect();
    nodes[0].raft.initialize(members).await.expect("is fresh");
    nodes
}

async fn caught_up(node: &TestMember, index: u64) {
    let applied = node.reader.wait_applied(coffee_common::id::Revision(index));
    tokio::time::timeout(Duration::from_secs(20), applied).await.expect("catches up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_reaches_every_member() {
    let (ca, dir) =
        (Ca::create(&ClusterName::default()).expect("makes"), tempfile::tempdir().expect("a folder"));
    let nodes = cluster(&ca, dir.path()).await;
    let index = leader(&nodes, None).await.set("order/1", b"latte").await;
    for node in &nodes {
        caught_up(node, index).await;
        let (entry, _) = node.reader.get(&Key::new("order/1").expect("legal")).expect("reads");
        assert_eq!(entry.expect("is there").value.as_bytes().as_ref(), b"latte");
    }
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_was_cut_off_past_the_purge_comes_back_by_snapshot() {
    let (ca, dir) =
        (Ca::create(&ClusterName::default()).expect("makes"), tempfile::tempdir().expect("a folder"));
    let mut nodes = cluster(&ca, dir.path()).await;
    let led = leader(&nodes, None).await.id;
    let cut = nodes.iter().position(|node| node.id != led).expect("there are three");
    let number = (nodes[cut].id.0 - 1) as usize;
    let before = nodes[cut].raft.metrics().borrow_watched().last_log_index;
    let address = nodes.remove(cut).stop().await;
    let mut last = 0;
    for i in 0..1500 {
        last = leader(&nodes, None).await.set(&format!("order/{i}"), &[7; 200]).await;
    }
    let purged = leader(&nodes, None).await.raft.metrics().borrow_watched().purged;
    assert!(purged.map(|id| id.index) > before, "{purged:?} is not after {before:?}");
    let back = TestMember::start(&ca, dir.path(), number, address).await;
    caught_up(&back, last).await;
    let by_snapshot = |metrics: &openraft::RaftMetrics<crate::raft_types::TypeConfig>| {
        metrics.snapshot.map(|id| id.index) >= purged.map(|id| id.index)
    };
    let wait = back.raft.wait(Some(Duration::from_secs(10)));
    wait.metrics(by_snapshot, "a snapshot after the purge").await.expect("was installed");
    let (entry, _) = back.reader.get(&Key::new("order/3").expect("legal")).expect("reads");
    assert!(entry.is_some());
    back.stop().await;
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_go_on_without_the_leader_and_a_transfer_is_quick() {
    let (ca, dir) =
        (Ca::create(&ClusterName::default()).expect("makes"), tempfile::tempdir().expect("a folder"));
    let mut nodes = cluster(&ca, dir.path()).await;
    let old = leader(&nodes, None).await;
    let index = old.set("a", b"1").await;
    let heir = nodes.iter().find(|node| node.id != old.id).expect("there are three");
    caught_up(heir, index).await;
    let began = Instant::now();
    old.raft.trigger().transfer_leader(heir.id).await.expect("is asked");
    let new = leader(&nodes, Some(old.id)).await;
    assert_eq!(new.id, heir.id);
    assert!(began.elapsed() < Duration::from_millis(300), "took {:?}", began.elapsed());
    let led = new.id;
    let at = nodes.iter().position(|node| node.id == led).expect("is one of them");
    nodes.remove(at).stop().await;
    leader(&nodes, Some(led)).await.set("a", b"2").await;
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_values_bring_no_election() {
    let (ca, dir) =
        (Ca::create(&ClusterName::default()).expect("makes"), tempfile::tempdir().expect("a folder"));
    let nodes = cluster(&ca, dir.path()).await;
    let led = leader(&nodes, None).await;
    let term = led.term();
    for i in 0..30 {
        led.set(&format!("big/{}", i % 3), &vec![i; 1 << 20]).await;
    }
    assert_eq!(leader(&nodes, None).await.term(), term);
    for node in nodes {
        node.stop().await;
    }
}

/// Otherwise the heartbeats that wait for a slow disk use up the streams of the connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_the_sender_gave_up_is_released() {
    let (ca, dir) =
        (Ca::create(&ClusterName::default()).expect("makes"), tempfile::tempdir().expect("a folder"));
    let nodes = cluster(&ca, dir.path()).await;
    let [ming, hong, _] = &nodes[..] else { panic!("three nodes") };
    let peer = peer(ming, hong);
    let deadline = Instant::now() + Duration::from_secs(10);
    let opened = peer.open(Purpose::Append, Priority::Urgent, deadline).await;
    let (hello, mut sender, receiver) = opened.expect("opens");
    sender.send(hello).await.expect("sends");
    drop(receiver);
    let released = tokio::time::timeout(Duration::from_secs(10), sender.stopped()).await;
    assert!(released.is_ok(), "the receiver waits for requests on a stream without a reader");
    for node in nodes {
        node.stop().await;
    }
}

/// A newer leader asks for what this node does not know: only that stream ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_a_newer_member_is_answered_and_others_are_served() {
    let (ca, dir) =
        (Ca::create(&ClusterName::default()).expect("makes"), tempfile::tempdir().expect("a folder"));
    let nodes = cluster(&ca, dir.path()).await;
    let [ming, hong, _] = &nodes[..] else { panic!("three nodes") };
    let peer = peer(ming, hong);
    let soon = || Instant::now() + Duration::from_secs(10);
    let (hello, mut sender, mut receiver) =
        peer.open(Purpose::Rpc, Priority::Urgent, soon()).await.expect("opens");
    let newer = frame::encode_raw(&[0x7f, 1, 2, 3]).expect("fits");
    sender.send_all(&mut [hello, newer]).await.expect("sends");
    let answered = tokio::time::timeout_at(soon(), receiver.receive()).await.expect("in time");
    let message = answered.expect("a frame").expect("an answer");
    assert_eq!(frame::decode(&message), Ok(RpcResponse::Unsupported));
    let leader = VoteRecord { leader: LeaderRecord { term: 1 << 20, node: ming.id }, committed: true };
    let asked = peer.call(&RpcRequest::Follows { leader }, RPCTypes::Vote, Duration::from_secs(10)).await;
    assert_eq!(asked.expect("is answered"), RpcResponse::Follows(false));
    for node in nodes {
        node.stop().await;
    }
}

/// Otherwise disks that stall at a quorum cost an election, and no read is served meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_whose_disks_stall_still_answer_heartbeats() {
    let (ca, dir) =
        (Ca::create(&ClusterName::default()).expect("makes"), tempfile::tempdir().expect("a folder"));
    // Patient, since an election because of a busy machine would fail the test.
    let timers =
        Timers { heartbeat_interval_ms: 100, election_timeout_min_ms: 500, election_timeout_max_ms: 1000 };
    let disks = [(); 3].map(|()| LogDisk::default());
    let mut nodes = Vec::new();
    for (number, disk) in disks.iter().enumerate() {
        LogStore::create_on(disk.clone(), 1 << 20).expect("an empty log");
        let open =
            |durable_index, poison| LogStore::open_threaded(Box::new(disk.clone()), durable_index, poison);
        let (folder, listen) = (dir.path().join(NAMES[number]), ([127, 0, 0, 1], 0).into());
        std::fs::create_dir_all(&folder).expect("a folder");
        nodes.push(TestMember::start_on(&ca, &folder, number, listen, &timers, open).await);
    }
    let nodes = initialized(nodes).await;
    let led = leader(&nodes, None).await;
    caught_up(led, led.set("a", b"1").await).await;
    let term = led.term();
    let stalled: Vec<_> = nodes
        .iter()
        .zip(&disks)
        .filter(|(node, _)| node.id != led.id)
        .map(|(_, disk)| disk.clone())
        .collect();
    stalled.iter().for_each(LogDisk::close_gate);
    let reads = async {
        for disk in stalled.clone() {
            tokio::task::spawn_blocking(move || disk.wait_for_a_sync()).await.expect("a follower syncs");
        }
        // Longer than the lease and the longest election timeout.
        let until = Instant::now() + Duration::from_millis(2 * timers.election_timeout_max_ms + 500);
        while Instant::now() < until {
            let read = led.raft.ensure_linearizable(ReadPolicy::ReadIndex).await;
            assert!(read.is_ok(), "no quorum confirms the leader: {read:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(nodes.iter().all(|node| node.term() == term), "an election with a healthy leader");
        stalled.iter().for_each(LogDisk::open_gate);
    };
    // The write waits for the disks.
    tokio::join!(led.set("a", b"2"), reads);
    for node in nodes {
        node.stop().await;
    }
}
