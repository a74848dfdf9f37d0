//! Messages of a member that claims to lead and breaks the rules of Raft.

use std::{future::pending, iter};

use openraft::ServerState;

use super::{
    super::wire::{AppendRequest, HeartbeatResponse},
    *,
};
use crate::storage::record::{EntryRecord, LogIdRecord, PayloadRecord};

const HONG: NodeId = NodeId(2);

/// A term and an index.
type TestEntry = (u64, u64);
/// The first membership, with which the log begins.
const FIRST: TestEntry = (0, 0);

/// Ming, whose log is in memory. It reaches no other member, and holds no election for an hour.
async fn ming(dir: &Path) -> TestMember {
    const HOUR_MS: u64 = 3_600_000;
    let ca = Ca::create(&ClusterName::default()).expect("makes");
    let timers = Timers {
        heartbeat_interval_ms: HOUR_MS / 3,
        election_timeout_min_ms: HOUR_MS,
        election_timeout_max_ms: 2 * HOUR_MS,
    };
    let disk = LogDisk::default();
    LogStore::create_on(disk.clone(), 1 << 16).expect("an empty log");
    let open = |durable_index, poison| LogStore::open_inline(Box::new(disk), durable_index, poison);
    let ming = TestMember::start_on(&ca, dir, 0, ([127, 0, 0, 1], 0).into(), &timers, open).await;
    let members = (0..3).map(|number| (NodeId(number as u64 + 1), ming.member(number)));
    ming.raft.initialize(members.collect::<BTreeMap<_, _>>()).await.expect("is fresh");
    ming
}

/// An append in a term of the leader `node`: of entries after `previous`, of these terms.
fn appended_by(
    node: NodeId,
    term: u64,
    previous: Option<TestEntry>,
    terms: &[u64],
    committed: Option<TestEntry>,
) -> AppendRequest<'static> {
    let id = |(term, index)| LogIdRecord { term, index };
    let entries = (previous.map_or(0, |(_, index)| index + 1)..).zip(terms);
    let entry = |(index, &term)| EntryRecord { log_id: id((term, index)), payload: PayloadRecord::Blank };
    AppendRequest {
        vote: VoteRecord { leader: LeaderRecord { term, node }, committed: true },
        previous: previous.map(id),
        committed: committed.map(id),
        entries: entries.map(entry).collect(),
    }
}

/// An append, as [`fuzz::serve`] reads it.
fn message(request: &AppendRequest<'_>) -> Vec<u8> {
    let frame = frame::encode(request).expect("encodes");
    let body = &frame[frame::HEADER_BYTES..];
    [&[1], &u16::try_from(body.len()).expect("is short").to_le_bytes()[..], body].concat()
}

/// An append of hong.
fn append(term: u64, previous: Option<TestEntry>, terms: &[u64], committed: Option<TestEntry>) -> Vec<u8> {
    message(&appended_by(HONG, term, previous, terms, committed))
}

/// Serves messages of hong. Returns how many of them Raft has seen, and the last entry committed.
async fn served(messages: &[Vec<u8>]) -> (usize, Option<TestEntry>) {
    let dir = tempfile::tempdir().expect("a folder");
    let ming = ming(dir.path()).await;
    let name = NodeName::new(NAMES[1]).expect("legal");
    let served = fuzz::serve(ming.context.clone(), HONG, name, &messages.concat()).await;
    let committed = ming.raft.with_raft_state(|state| state.local_committed().copied()).await;
    ming.stop().await;
    (served, committed.expect("Raft goes on").map(|id| (id.leader_id.term, id.index)))
}

/// Only in another term may a message replace entries, and only those that are not committed.
#[tokio::test]
async fn a_leader_replaces_none_of_its_own_entries() {
    let new = append(3, Some(FIRST), &[3, 3], None);
    let older = append(4, Some((4, 2)), &[], Some((4, 2)));
    let newer = append(4, Some((3, 1)), &[4], Some((4, 2)));
    assert_eq!(served(&[new, older, newer]).await, (3, Some((4, 2))), "the next leader");
    let replaced = [append(3, None, &[1], None), append(3, Some(FIRST), &[], Some(FIRST))];
    assert_eq!(served(&replaced).await, (1, None), "found by the fuzz target `raft`");
    let entries = append(3, Some(FIRST), &[3, 3], None);
    let removed = append(3, Some((1, 0)), &[], None);
    assert_eq!(
        served(&[entries.clone(), removed, append(3, None, &[], Some((3, 1)))]).await,
        (2, Some((3, 1)))
    );
    let replaced = append(3, Some(FIRST), &[2, 3], Some((2, 1)));
    assert_eq!(served(&[entries, replaced]).await, (1, None));
    let committed = append(3, Some(FIRST), &[3, 3], Some((3, 2)));
    let replaced = append(4, Some((3, 1)), &[4, 4], None);
    assert_eq!(served(&[committed, replaced]).await, (1, Some((3, 2))), "committed before");
}

/// Raft compares terms first, and keeps a commit index until entries reach it.
#[tokio::test]
async fn nothing_is_committed_that_is_not_in_the_log() {
    let end = append(3, None, &[3], None);
    let past = append(3, None, &[], Some((0, 10)));
    assert_eq!(served(&[end, past]).await, (1, None), "(3, 0) is the last entry");
    let early = append(5, Some(FIRST), &[], Some((3, 10)));
    let entry = append(5, Some(FIRST), &[5], None);
    assert_eq!(served(&[early.clone(), entry]).await, (2, Some(FIRST)));
    let again = append(5, Some(FIRST), &[5], Some((5, 9)));
    assert_eq!(served(&[early, again]).await, (2, Some((5, 1))));
    let other = append(3, None, &[1, 1, 3], Some((1, 1)));
    let inside = append(3, Some((3, 2)), &[], Some((2, 1)));
    assert_eq!(served(&[other, inside]).await, (1, Some((1, 1))), "(1, 1) is in its place");
}

/// Otherwise Raft removes what the leader appended, and commits it if the leader says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_contains_what_its_leader_has_appended() {
    let (ca, dir) =
        (Ca::create(&ClusterName::default()).expect("makes"), tempfile::tempdir().expect("a folder"));
    let any = ([127, 0, 0, 1], 0).into();
    let ming = TestMember::start(&ca, dir.path(), 0, any).await;
    ming.raft.initialize(BTreeMap::from([(ming.id, ming.member(0))])).await.expect("is fresh");
    ming.raft.wait(Some(Duration::from_secs(10))).state(ServerState::Leader, "alone").await.expect("leads");
    let last = ming.set("a", b"1").await;
    let snapshot = ming.raft.get_snapshot().await.expect("a state").expect("a snapshot");
    assert_eq!(snapshot.meta.last_log_id.map(|id| (id.leader_id.term, id.index)), Some((1, last)));
    let hong = TestMember::start(&ca, dir.path(), 1, any).await;
    let end = (3, last + 1);
    let terms = vec![3; 2 + last as usize];
    let says = async |previous, terms: &[u64], committed| {
        let message = message(&appended_by(ming.id, 3, previous, terms, committed));
        fuzz::serve(hong.context.clone(), ming.id, NodeName::new(NAMES[0]).expect("legal"), &message).await
    };
    assert_eq!(says(None, &terms, None).await, 1);
    let vote = VoteRecord { leader: LeaderRecord { term: 3, node: ming.id }, committed: true };
    let peer = peer(&ming, &hong);
    let sent = snapshot::send(&peer, vote.into(), snapshot, pending(), Duration::from_secs(10)).await;
    let error = sent.expect_err("it replaces entries").to_string();
    assert!(error.contains("replaces an entry"), "{error}");
    assert_eq!(says(Some(end), &[], Some(end)).await, 1);
    caught_up(&hong, end.1).await;
    hong.stop().await;
    ming.stop().await;
}

/// Raft takes one message at a time, but none waits for the disk to be admitted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_that_wait_for_the_disk_hold_up_no_heartbeat() {
    let (ca, dir) =
        (Ca::create(&ClusterName::default()).expect("makes"), tempfile::tempdir().expect("a folder"));
    let ming = TestMember::start(&ca, dir.path(), 0, ([127, 0, 0, 1], 0).into()).await;
    let disk = LogDisk::default();
    LogStore::create_on(disk.clone(), 1 << 16).expect("an empty log");
    let open = |durable_index, poison| LogStore::open_threaded(Box::new(disk.clone()), durable_index, poison);
    let any = ([127, 0, 0, 1], 0).into();
    let hong = TestMember::start_on(&ca, dir.path(), 1, any, &Timers::default(), open).await;
    let peer = peer(&ming, &hong);
    let vote = VoteRecord { leader: LeaderRecord { term: 3, node: ming.id }, committed: true };
    let beat = async || {
        let heartbeat = RpcRequest::Heartbeat { vote, previous: None, committed: None };
        let answer = peer.call(&heartbeat, RPCTypes::AppendEntries, Duration::from_secs(10)).await;
        assert_eq!(answer.expect("is answered"), RpcResponse::Heartbeat(HeartbeatResponse::Follows));
    };
    beat().await;
    disk.close_gate();
    let deadline = Instant::now() + Duration::from_secs(10);
    let opened = peer.open(Purpose::Append, Priority::Normal, deadline).await;
    let (hello, mut sender, receiver) = opened.expect("opens");
    let entries = (0..200).map(|index: u64| {
        let previous = index.checked_sub(1).map(|index| (3, index));
        appended_by(ming.id, 3, previous, &[3], None)
    });
    let mut frames: Vec<_> =
        iter::once(hello).chain(entries.map(|append| frame::encode(&append).expect("encodes"))).collect();
    sender.send_all(&mut frames).await.expect("sends");
    let waits = disk.clone();
    tokio::task::spawn_blocking(move || waits.wait_for_a_sync()).await.expect("it syncs");
    // More round trips than the appends take to arrive.
    for _ in 0..50 {
        beat().await;
    }
    disk.open_gate();
    drop((sender, receiver));
    hong.stop().await;
    ming.stop().await;
}
