//! Restores and recoveries that are interrupted by a crash after each of their
//! steps.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use coffee_common::{
    backup::{BackupHeader, Packer},
    command::{Batch, Operation},
    feature_level::{LEVEL_MAX, LEVEL_MIN},
    id::{Address, ClientId, NodeName, RequestId},
    key::{Key, Value},
};

use openraft::storage::IOFlushed;

mod records;

use super::*;
use crate::storage::{
    disk::OfflineWork,
    recover::{inspect, recover},
    restore::restore,
    snapshot::SnapshotData,
};

const OLD: ClusterId = ClusterId(9);
const KEYS: u64 = 40;
/// The term of the entries, and that of the vote.
const TERM: u64 = 3;
const VOTED: u64 = 5;

fn member() -> Member {
    let (name, address) = ("ming".parse(), "ming.example.net:7400".parse());
    Member { name: name.expect("legal"), address: address.expect("legal") }
}

fn id(index: u64) -> LogId {
    LogIdRecord { term: TERM, index }.into()
}

fn key(index: u64) -> Key {
    Key::new(format!("key/{index}")).expect("legal")
}

fn request(index: u64) -> RequestId {
    RequestId { client: ClientId(7), sequence: index, after: Revision(1) }
}

fn set(index: u64) -> Proposal {
    let operation = Operation::Set(key(index), Value::new(format!("{index}")).expect("legal"));
    let command = Command::Batch(Batch::of(operation).into());
    Proposal {
        request: Some(request(index)),
        proposed_at_ms: 1_700_000_000_000 + index,
        command,
        author: String::new(),
    }
}

/// The log of one of three nodes: a membership, two admissions, and writes.
fn history_of(term: u64) -> Vec<LogEntry> {
    let address: Address = "elsewhere:7400".parse().expect("legal");
    let admit =
        |name: &str| Command::AdmitNode { name: name.parse().expect("legal"), address: address.clone() };
    let unasked = |command| {
        Payload::Normal(Proposal { request: None, proposed_at_ms: 5, command, author: String::new() })
    };
    let members = [(1, "ming"), (1, "ming"), (2, "hong"), (3, "peng")].map(|(id, name)| {
        let name: NodeName = name.parse().expect("legal");
        (NodeId(id), Member { name, address: address.clone() })
    });
    let membership = |count: usize| {
        let members: BTreeMap<_, _> = members[1..=count].iter().cloned().collect();
        Membership::new(vec![members.keys().copied().collect()], members).expect("a membership")
    };
    let first = [
        Payload::Membership(membership(1)),
        Payload::Blank,
        unasked(admit("hong")),
        unasked(admit("peng")),
        Payload::Membership(membership(3)),
    ];
    let writes = (5..5 + KEYS).map(|index| Payload::Normal(set(index)));
    (0..)
        .zip(first.into_iter().chain(writes))
        .map(|(index, payload)| LogEntry::new(LogIdRecord { term, index }.into(), payload))
        .collect()
}

fn history() -> Vec<LogEntry> {
    history_of(TERM)
}

fn last() -> LogId {
    id(4 + KEYS)
}

async fn append(log: &mut LogStore, entries: Vec<LogEntry>) {
    // The next call waits for the disk, and thereby for this.
    log.append(entries, IOFlushed::noop()).await.expect("appends");
}

/// Makes the directory of a node that has all of this in its log, and has applied
/// the first `applied` entries only.
async fn survivor(path: &Path, applied: usize) {
    survivor_in(path, applied, (TERM, VOTED)).await;
}

/// The same, with entries of this term and a vote for this other one.
async fn survivor_in(path: &Path, applied: usize, (term, voted): (u64, u64)) {
    survivor_of(path, history_of(term), applied, voted).await;
}

/// The same, with these entries.
async fn survivor_of(path: &Path, entries: Vec<LogEntry>, applied: usize, voted: u64) {
    let mut data = DataDir::open(path, &member().name).expect("opens");
    let identity = NodeIdentity {
        cluster: OLD,
        id: NodeId(1),
        name: member().name,
        standing: MemberState::Member,
        rejoin: Vec::new(),
        level: LEVEL_MIN,
    };
    data.adopt(identity).expect("is adopted");
    let mut storage = Storage::open(&data).expect("opens");
    let leader = LeaderRecord { term: voted, node: NodeId(2) };
    storage.log.save_vote(&VoteRecord { leader, committed: true }.into()).await.expect("saves");
    append(&mut storage.log, entries.clone()).await;
    let entries = entries.into_iter().take(applied).map(|entry| Ok((entry, None)));
    storage.state.apply(stream::iter(entries)).await.expect("applies");
    storage.state.checkpointer().checkpoint().await.expect("is durable");
    storage.log.close().await.expect("closes");
}

/// Checks that a node that starts here is the only member, and has all keys.
async fn check(path: &Path, founded: Founded) {
    let data = DataDir::open(path, &member().name).expect("nothing is half done");
    let identity = data.identity().expect("an identity");
    assert_eq!(
        (identity.cluster, identity.id, identity.standing),
        (founded.cluster, founded.id, MemberState::Member)
    );
    assert_ne!(identity.cluster, OLD);
    let mut storage = Storage::open(&data).expect("opens");
    storage.log.check_vote(storage.state.last_applied()).expect("the two fit");
    let vote = storage.log.read_vote().await.expect("reads").expect("a vote");
    assert!(vote.leader_id().term < 1 << 32, "there are terms left for elections: {vote}");
    let reader = storage.state.reader();
    for index in 5..5 + KEYS {
        let (entry, _) = reader.get(&key(index)).expect("reads");
        let entry = entry.expect("it is there");
        assert_eq!((entry.modified, entry.version), (Revision(index), 1));
    }
    let (applied, membership) = storage.state.applied_state().await.expect("reads");
    assert_eq!(applied.map(|applied| applied.index), Some(founded.revision.0));
    assert!(founded.revision.0 > last().index + REVISIONS_AHEAD);
    assert_eq!(membership.membership().get_joint_config(), &vec![[founded.id].into()]);
    assert_eq!(membership.nodes().count(), 1);
    assert_eq!(storage.log.purged(), applied, "the log continues where the state ends");
    assert_eq!(reader.node(&member().name).expect("reads").map(|record| record.id), Some(founded.id));
    assert_eq!(reader.nodes().expect("reads").len(), 1, "the others are on record as joining");

    // A request of the old cluster is not applied again.
    let again =
        LogEntry::new(LogIdRecord { term: 9, index: founded.revision.0 + 1 }.into(), Payload::Normal(set(5)));
    storage.state.apply(stream::iter([Ok((again, None))])).await.expect("applies");
    let (entry, _) = storage.state.reader().get(&key(5)).expect("reads");
    assert_eq!(entry.map(|entry| (entry.modified, entry.version)), Some((Revision(5), 1)));
    storage.log.close().await.expect("closes");
}

#[tokio::test]
async fn whatever_is_in_the_log_is_kept() {
    for applied in [1, 10, 5 + KEYS as usize] {
        let folder = tempfile::tempdir().expect("a folder");
        survivor(folder.path(), applied).await;
        let before = inspect(folder.path(), &member().name).await.expect("looks");
        assert_eq!((before.last, before.broke_off), (Some(last()), false));
        assert_eq!(before.applied.map(|id| id.index), Some(applied as u64 - 1));
        assert_eq!(before.membership.voter_ids().count(), 3, "that of the log counts");
        assert_eq!(before.last_write_ms, Some(1_700_000_000_000 + last().index));
        assert_eq!(before.vote.map(|vote| vote.leader_id().term), Some(5));
        let (_, founded) = recover(folder.path(), &member()).await.expect("recovers");
        check(folder.path(), founded).await;
    }
}

/// A node that was removed may have told this one of the last term there is.
#[tokio::test]
async fn a_cluster_without_terms_left_is_recovered() {
    for (term, voted) in [(TERM, u64::MAX), (u64::MAX, u64::MAX)] {
        let folder = tempfile::tempdir().expect("a folder");
        survivor_in(folder.path(), 10, (term, voted)).await;
        let (_, founded) = recover(folder.path(), &member()).await.expect("recovers");
        check(folder.path(), founded).await;
    }
}

#[tokio::test]
async fn a_backup_without_terms_left_is_restored() {
    let folder = tempfile::tempdir().expect("a folder");
    let backup = backup_in(&folder.path().join("old"), u64::MAX).await;
    let path = folder.path().join("new");
    let restored = restore(&path, &member(), Cursor::new(&backup), &[]).await.expect("restores");
    check(&path, restored.founded).await;
}

/// The files of a folder, with their content.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    files.map(|path| (path.clone(), fs::read(path).expect("readable"))).collect()
}

/// Copies a folder, as a crash would leave it.
fn copy(from: &Path, to: &Path) -> PathBuf {
    fs::create_dir_all(to).expect("a folder");
    for file in fs::read_dir(from).expect("a folder") {
        let file = file.expect("a file");
        fs::copy(file.path(), to.join(file.file_name())).expect("copies");
    }
    to.to_owned()
}

/// Each step but the last leaves a directory that no node starts with. Running
/// the recovery again makes the same cluster, at the same revision.
#[tokio::test]
async fn an_interrupted_recovery_is_continued() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data");
    survivor(&path, 10).await;
    let mut crashes = Vec::new();
    let mut crash = |path: &Path| {
        let n = crashes.len();
        crashes.push(copy(path, &folder.path().join(format!("crash-{n}"))));
    };

    let (mut data, _) = DataDir::open_to_recover(&path, &member().name).expect("opens");
    let plan = Unfinished::plan(OfflineWork::Recover, Some(last())).expect("plans");
    data.begin(&plan).expect("notes");
    crash(&path);
    let mut storage = Storage::open(&data).expect("opens");
    let rest = history().into_iter().skip(10).map(|entry| Ok((entry, None)));
    storage.state.apply(stream::iter(rest)).await.expect("applies");
    storage.state.checkpointer().checkpoint().await.expect("is durable");
    crash(&path);
    let changes = storage.changes(Vec::new()).expect("reads");
    let entries = plan.entries(&member(), changes).expect("entries").into_iter();
    let entries = entries.map(|entry| Ok((entry, None)));
    storage.state.apply(stream::iter(entries)).await.expect("applies");
    storage.state.checkpointer().checkpoint().await.expect("is durable");
    crash(&path);
    storage.found(&plan, &member(), Vec::new()).await.expect("founds");
    crash(&path);
    fs::write(path.join("note"), fs::read(path.join("unfinished.toml")).expect("readable"))
        .expect("writable");
    data.finish(plan.identity(&member(), LEVEL_MIN)).expect("finishes");
    fs::rename(path.join("note"), path.join("unfinished.toml")).expect("renames");
    crash(&path);
    drop(data);

    for path in crashes {
        let error = DataDir::open(&path, &member().name).expect_err("it is half done");
        assert!(matches!(error, DataDirError::Unfinished { work: OfflineWork::Recover, .. }), "{error}");
        let backup = Cursor::new(Vec::new());
        assert!(restore(&path, &member(), backup, &[]).await.is_err(), "no restore clears it");
        let files = content(&path);
        let before = inspect(&path, &member().name).await.expect("looks");
        assert!(before.broke_off);
        assert!(content(&path) == files, "an inspection changes nothing, after a crash neither");
        let (_, founded) = recover(&path, &member()).await.expect("continues");
        assert_eq!(founded, plan.founded(), "{}", path.display());
        check(&path, founded).await;
    }
}

/// A backup of such a node.
async fn backup(path: &Path) -> Vec<u8> {
    backup_in(path, TERM).await
}

async fn backup_in(path: &Path, term: u64) -> Vec<u8> {
    survivor_in(path, 5 + KEYS as usize, (term, term.max(VOTED))).await;
    backup_of(path, LogIdRecord { term, index: last().index }).await
}

/// A backup of the directory of a node whose last entry this is.
async fn backup_of(path: &Path, LogIdRecord { term, index }: LogIdRecord) -> Vec<u8> {
    let data = DataDir::open(path, &member().name).expect("opens");
    let storage = Storage::open(&data).expect("opens");
    let mut checkpointer = storage.state.checkpointer();
    let snapshot =
        openraft::RaftSnapshotBuilder::build_snapshot(&mut checkpointer).await.expect("a snapshot");
    let SnapshotData::Source(source) = snapshot.snapshot else { panic!("it is the node's own") };
    let header = BackupHeader {
        cluster: OLD,
        node: member().name,
        node_id: NodeId(1),
        revision: Revision(index),
        term,
        members: Vec::new(),
        taken_at_ms: 5,
        version: "0.1.0".to_owned(),
        rows: source.rows(),
        level: LEVEL_MIN,
    };
    let (mut packer, first) = Packer::begin(&header).expect("begins");
    let mut file = first.to_vec();
    for (rows, chunk) in (1..).zip(source.chunks()) {
        file.extend_from_slice(&packer.data(rows, &chunk.expect("a chunk")));
    }
    file.extend_from_slice(&packer.end(KEYS).expect("ends"));
    storage.log.close().await.expect("closes");
    file
}

#[tokio::test]
async fn an_interrupted_restore_starts_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let backup = backup(&folder.path().join("old")).await;
    let path = folder.path().join("new");
    let restored = restore(&path, &member(), Cursor::new(&backup), &[]).await.expect("restores");
    assert_eq!((restored.summary.end.keys, restored.summary.header.cluster), (KEYS, OLD));
    check(&path, restored.founded).await;
    let error = restore(&path, &member(), Cursor::new(&backup), &[]).await.expect_err("it is not empty");
    assert!(matches!(error, NewClusterError::DataDir(DataDirError::NotEmpty { .. })), "{error}");

    // Interrupted when only the last step was missing, or more.
    let plan = Unfinished::plan(OfflineWork::Restore, Some(last())).expect("plans");
    for missing in [
        &[][..],
        &["identity.toml"],
        &["identity.toml", "log.wal"],
        &["identity.toml", "log.wal", "state.redb"],
    ] {
        let data = DataDir::open(&path, &member().name).expect("opens");
        data.begin(&plan).expect("notes");
        drop(data);
        for name in missing {
            fs::remove_file(path.join(name)).expect("removes");
        }
        let error = DataDir::open(&path, &member().name).expect_err("it is half done");
        assert!(matches!(error, DataDirError::Unfinished { work: OfflineWork::Restore, .. }), "{error}");
        assert!(recover(&path, &member()).await.is_err(), "a recovery does not continue it");
        let restored = restore(&path, &member(), Cursor::new(&backup), &[]).await.expect("starts over");
        check(&path, restored.founded).await;
    }
}

/// A backup that cannot be used leaves no files.
#[tokio::test]
async fn a_backup_with_invalid_rows_leaves_an_empty_directory() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = backup(&folder.path().join("old")).await;
    let mut unpacker = coffee_common::backup::Unpacker::default();
    unpacker.push(&whole);
    let header = match unpacker.next_block().expect("whole") {
        Some(coffee_common::backup::BackupBlock::Header(header)) => *header,
        other => panic!("{other:?}"),
    };
    let (mut packer, first) = Packer::begin(&header).expect("begins");
    let pieces = [first, packer.data(1, b"not rows at all!!"), packer.end(1).expect("ends")];
    let path = folder.path().join("new");
    let error =
        restore(&path, &member(), Cursor::new(pieces.concat()), &[]).await.expect_err("it is refused");
    assert!(matches!(error, NewClusterError::Snapshot(_)), "{error}");
    let names: Vec<_> =
        fs::read_dir(&path).expect("a folder").map(|file| file.expect("a file").file_name()).collect();
    assert_eq!(names, ["LOCK"]);
    restore(&path, &member(), Cursor::new(&whole), &[]).await.expect("it is empty");
}

/// It says so before it touches the directory, and which version to use.
#[tokio::test]
async fn a_backup_of_a_higher_level_is_refused_with_the_version_that_reads_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = backup(&folder.path().join("old")).await;
    let mut unpacker = coffee_common::backup::Unpacker::default();
    unpacker.push(&whole);
    let Some(coffee_common::backup::BackupBlock::Header(header)) = unpacker.next_block().expect("whole")
    else {
        panic!("it begins with its header")
    };
    let header = BackupHeader { level: LEVEL_MAX.next(), version: "9.0.0".to_owned(), ..*header };
    let (packer, first) = Packer::begin(&header).expect("begins");
    let file = [first, packer.end(0).expect("ends")].concat();
    let path = folder.path().join("new");
    let error = restore(&path, &member(), Cursor::new(file), &[]).await.expect_err("it is refused");
    assert!(error.to_string().contains("a newer version of coffeed (level"), "{error}");
    assert!(error.is_final() && error.hint().contains("use coffeed 9.0.0"), "{}", error.hint());
    assert!(!path.exists());
}
