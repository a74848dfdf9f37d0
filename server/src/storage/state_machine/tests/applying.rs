//! Applying, checkpoints, crashes and damage.

use std::sync::atomic::{AtomicUsize, Ordering};

use coffee_common::key::KeyRange;

use super::{super::apply::apply_entries, *};
use crate::{kv::RowHeads, storage::poison::FailureKind};

#[tokio::test]
async fn a_crash_goes_back_to_the_last_checkpoint_and_not_further() {
    let mut node = TestNode::with(10).await;
    assert_eq!(node.durable_index.last(), None);
    assert_eq!(node.checkpoint().await.expect("checkpoints").meta.last_log_id, Some(log_id(10)));
    assert_eq!(node.durable_index.last(), Some(10));
    let at_checkpoint = node.hash();
    node.apply(11..=600).await.expect("applies");
    assert_eq!((node.applied(), node.durable_index.last()), (600, Some(10)));

    let mut after = TestNode::start(node.disk.power_cut(false));
    assert_eq!((after.applied(), after.durable_index.last()), (10, Some(10)));
    assert_eq!(after.hash(), at_checkpoint);
    after.apply(11..=600).await.expect("applies again");
    assert_eq!(after.hash(), node.hash());
}

#[tokio::test]
async fn what_is_said_to_be_durable_survives_every_power_cut() {
    let mut node = TestNode::new();
    for round in 0..20 {
        node.apply(round * 7 + 1..=round * 7 + 7).await.expect("applies");
        if round % 3 == 0 {
            node.checkpoint().await.expect("checkpoints");
        }
        let after = TestNode::start(node.disk.power_cut(false));
        assert_eq!(after.durable_index.last(), node.durable_index.last());
    }
}

/// Wherever the disk fails, everything reported durable is there after a power
/// cut, and the state is the one that these entries make.
#[tokio::test]
async fn a_disk_that_fails_anywhere_loses_nothing_that_was_said_to_be_durable() {
    let mut hashes = vec![TestNode::new().hash()];
    let mut reference = TestNode::new();
    for index in 1..=60 {
        reference.apply(index..=index).await.expect("applies");
        hashes.push(reference.hash());
    }
    let mut failed = 0;
    for steps in (0..200).step_by(3) {
        let mut node = TestNode::new();
        node.disk.fail_after(steps);
        for first in (1..=60).step_by(6) {
            let applied = node.apply(first..=first + 5).await;
            if applied.is_err() || node.checkpoint().await.is_err() {
                failed += 1;
                break;
            }
        }
        let said = node.durable_index.last().unwrap_or_default();
        let after = TestNode::start(node.disk.power_cut(false));
        assert!(after.applied() >= said, "{} of {said} after {steps} steps", after.applied());
        assert_eq!(after.hash(), hashes[after.applied() as usize], "after {steps} steps");
    }
    assert!(failed > 20, "{failed}");
}

#[tokio::test]
async fn the_snapshot_found_at_start_is_durable() {
    let mut node = TestNode::with(10).await;
    node.checkpoint().await.expect("checkpoints");
    node.apply(11..=20).await.expect("applies");
    let snapshot = node.machine.get_current_snapshot().await.expect("reads").expect("there is a state");
    assert_eq!(snapshot.meta.last_log_id, Some(log_id(10)), "not what is only in memory");
    assert!(node.durable_index.covers(10));
    assert_eq!(TestNode::start(node.disk.power_cut(false)).applied(), 10);
}

#[tokio::test]
async fn a_membership_is_kept_and_its_founder_is_on_record() {
    let mut node = TestNode::new();
    node.apply_entries(vec![founding(0)]).await.expect("applies");
    let (applied, membership) = node.machine.applied_state().await.expect("reads");
    assert_eq!((applied, membership.log_id()), (Some(log_id(0)), &Some(log_id(0))));
    node.checkpoint().await.expect("checkpoints");

    let mut after = TestNode::start(node.disk.power_cut(false));
    assert_eq!(after.machine.applied_state().await.expect("reads"), (applied, membership));
    let nodes = after.machine.reader().nodes().expect("reads");
    let found: Vec<_> = nodes.iter().map(|node| (node.name.as_str(), node.id, node.standing)).collect();
    assert_eq!(found, [("ming", NodeId(1), MemberState::Member)]);
}

#[tokio::test]
async fn a_failed_disk_poisons_and_nothing_is_applied_after_it() {
    let mut node = TestNode::with(10).await;
    node.disk.fail_after(0);
    assert!(node.checkpoint().await.is_err());
    let cause = node.poison.cause().expect("poisoned");
    assert!(cause.starts_with("the state database state: "), "{cause}");
    assert!(node.apply(11..=11).await.is_err());
    assert!(node.machine.reader().get(&key(1)).is_err());
    assert_eq!((node.applied(), node.durable_index.last()), (10, None));
}

/// A reader that comes after a batch is applied and before its index is published.
#[tokio::test]
async fn a_read_reports_the_revision_of_the_state_that_it_read() {
    let mut node = TestNode::with(10).await;
    let machine = &mut node.machine;
    let database = machine.shared.database();
    let (memory, meta) = (&mut machine.memory, &mut machine.meta);
    apply_entries(&database, memory, meta, &[set(11)], RowHeads::default(), false).expect("applies");
    let (entry, at) = machine.reader().get(&key(11)).expect("reads");
    assert_eq!(entry.expect("there").modified, Revision(11));
    assert_eq!(at, Revision(11), "no entry is newer than the revision of the read");
    let (page, at) = machine.reader().range(&KeyRange::all(), 0, true).await.expect("reads");
    assert!(page.entries.iter().any(|(_, entry)| entry.modified == at) && at == Revision(11));
    assert_eq!(node.applied(), 10, "not published yet");

    node.checkpoint().await.expect("checkpoints");
    let after = TestNode::start(node.disk.power_cut(false));
    assert_eq!(after.machine.reader().get(&key(11)).expect("reads").1, Revision(11), "after a restart too");
}

/// 5 MB of rows, of which the page cache holds 1 MiB.
#[tokio::test]
async fn the_disk_is_not_read_while_the_state_is_locked() {
    let mut node = TestNode::new();
    node.apply_entries((1..=50).map(|index| set_to(index, 100_000)).collect()).await.expect("applies");
    node.checkpoint().await.expect("checkpoints");
    let reads = Arc::new(AtomicUsize::new(0));
    let (shared, count) = (node.machine.shared.clone(), reads.clone());
    node.disk.watch_reads(move || {
        count.fetch_add(1, Ordering::Relaxed);
        assert!(!shared.database().is_locked(), "the disk is read while the state is locked");
    });
    node.apply(51..=100).await.expect("applies");
    assert!(reads.swap(0, Ordering::Relaxed) >= 40, "the rows that are replaced were not in the cache");
    node.checkpoint().await.expect("checkpoints");
    node.apply_entries((101..=150).map(|index| set_to(index, 100_000)).collect()).await.expect("applies");
    node.checkpoint().await.expect("checkpoints");
    reads.store(0, Ordering::Relaxed);
    for keys_only in [false, true] {
        let (page, _) = node.machine.reader().range(&KeyRange::all(), 0, keys_only).await.expect("reads");
        assert!(page.upto.is_some() && page.entries.len() <= 10, "{} keys", page.entries.len());
    }
    assert!(reads.load(Ordering::Relaxed) >= 10, "the rows were not in the cache");
}

#[tokio::test]
async fn no_entry_is_applied_twice() {
    let mut node = TestNode::with(3).await;
    assert!(node.apply(3..=3).await.is_err());
    assert!(node.poison.cause().is_some_and(|cause| cause.contains("cannot be applied after")));
}

/// Changes the database.
fn alter(node: &TestNode, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = node.machine.shared.database();
    let txn = database.redb().begin_write().expect("begins");
    change(&txn);
    txn.commit().expect("commits");
}

#[tokio::test]
async fn a_damaged_row_stops_the_node() {
    let mut node = TestNode::with(3).await;
    node.checkpoint().await.expect("checkpoints");
    alter(&node, |txn| {
        let mut keys = txn.open_table(Table::Keys.definition()).expect("opens");
        let mut row = keys.get(b"key/2".as_slice()).expect("reads").expect("there").value().to_vec();
        *row.last_mut().expect("long") ^= 1;
        keys.insert(b"key/2".as_slice(), row.as_slice()).expect("inserts");
    });
    let node = TestNode::start(node.disk.power_cut(false));
    let reader = node.machine.reader();
    assert!(reader.get(&key(1)).is_ok());
    let error = reader.get(&key(2)).expect_err("damaged").to_string();
    assert!(error.contains("state database state") && error.contains("keys is damaged"), "{error}");
    let failure = node.poison.failure().expect("poisoned");
    assert!(*failure.cause == *error && failure.kind == FailureKind::Damage, "{failure:?}");
    assert!(reader.get(&key(1)).is_err(), "a damaged node answers nothing");
}

#[tokio::test]
async fn a_newer_format_is_rejected() {
    let node = TestNode::with(3).await;
    alter(&node, |txn| kv::note_meta(txn, MetaKey::Format, &6u32.to_le_bytes()).expect("writes"));

    let disk = Arc::new(node.disk.power_cut(false));
    let options = StateOptions::default();
    let opened = StateMachine::open(disk, options, DurableIndex::new(), Poison::new());
    let error = opened.err().expect("rejected").to_string();
    assert!(error.ends_with("its tables have format 6; this build knows format 5"), "{error}");
}

#[tokio::test]
async fn an_empty_state_has_no_snapshot() {
    let mut node = TestNode::new();
    assert!(node.machine.get_current_snapshot().await.expect("reads").is_none());
    let built = node.checkpoint().await.expect("checkpoints");
    assert_eq!(built.meta, SnapshotMeta::default());
}

#[test]
fn files_of_a_state_in_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let files = || {
        let names = std::fs::read_dir(folder.path()).expect("reads");
        let mut names: Vec<_> = names.map(|file| file.expect("reads").file_name()).collect();
        names.sort();
        names
    };
    std::fs::write(folder.path().join("state.redb.incoming-9"), "left over").expect("writes");
    std::fs::write(folder.path().join("other"), "not ours").expect("writes");
    let open = || {
        let dir = Arc::new(StateDir::new(&path));
        StateMachine::open(dir, StateOptions::default(), DurableIndex::new(), Poison::new())
    };
    let machine = open().expect("opens");
    assert_eq!(files(), ["other", "state.redb"]);
    let error = open().err().expect("already open").to_string();
    assert!(error.starts_with(&format!("the state database {}: ", path.display())), "{error}");
    drop(machine);
    assert!(open().is_ok());
}
