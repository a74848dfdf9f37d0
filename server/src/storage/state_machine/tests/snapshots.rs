//! Snapshots from one state machine to another.

use proptest::prelude::*;

use super::*;

/// The chunks of a node's state.
async fn chunks(node: &mut TestNode) -> Vec<Vec<u8>> {
    let SnapshotData::Source(source) = node.checkpoint().await.expect("checkpoints").snapshot else {
        panic!("an own state is a source");
    };
    source.chunks().map(|chunk| chunk.expect("reads").to_vec()).collect()
}

fn feed(inbox: &SnapshotInbox, chunks: &[Vec<u8>]) -> Result<ReceivedSnapshot, SnapshotError> {
    let mut sink = inbox.begin()?;
    chunks.iter().try_for_each(|chunk| sink.push(chunk))?;
    sink.finish()
}

async fn install(node: &mut TestNode, received: ReceivedSnapshot) -> io::Result<()> {
    let meta = received.meta().clone();
    node.machine.install_snapshot(&meta, SnapshotData::Received(received)).await
}

#[tokio::test]
async fn a_snapshot_replaces_the_state() {
    let (mut leader, mut follower) = (TestNode::with(500).await, TestNode::with(20).await);
    let reader = follower.machine.reader();
    assert!(reader.get(&key(30)).expect("reads").0.is_none());
    let received = feed(&follower.machine.inbox(), &chunks(&mut leader).await).expect("whole");
    install(&mut follower, received).await.expect("installs");

    assert_eq!(follower.hash(), leader.hash());
    assert_eq!((follower.applied(), follower.durable_index.last()), (500, Some(500)));
    assert!(reader.get(&key(30)).expect("reads").0.is_some());
    // Only the new state is left, it is durable, and it can be continued like the
    // old one.
    assert_eq!(follower.disk.files(), ["state"]);
    let mut after = TestNode::start(follower.disk.power_cut(false));
    for node in [&mut leader, &mut follower, &mut after] {
        node.apply(501..=900).await.expect("applies");
    }
    assert_eq!((after.hash(), follower.hash()), (leader.hash(), leader.hash()));
}

/// Deleted keys, earlier versions and long values are part of the state.
#[tokio::test]
async fn a_snapshot_has_the_history() {
    let entry = |index, command| {
        let proposal = Proposal { request: None, proposed_at_ms: 5, command, author: String::new() };
        LogEntry::new(log_id(index), Payload::Normal(proposal))
    };
    let batch = |operation| Command::Batch(Batch::of(operation).into());
    let (mut leader, mut follower) = (TestNode::new(), TestNode::with(20).await);
    leader.apply_entries(vec![founding(0), entry(1, Command::RaiseLevel(HISTORY))]).await.expect("applies");
    leader.apply_entries((2..60).map(|index| set_to(index, 3000)).collect()).await.expect("applies");
    leader.apply_entries((60..90).map(set).collect()).await.expect("applies");
    let deletes = (90..100).map(|index| entry(index, batch(Operation::Delete(key(index - 80)))));
    leader.apply_entries(deletes.collect()).await.expect("applies");

    let SnapshotData::Source(source) = leader.checkpoint().await.expect("checkpoints").snapshot else {
        panic!("an own state is a source");
    };
    let mut sent = source.chunks();
    let chunks: Vec<_> = sent.by_ref().map(|chunk| chunk.expect("reads").to_vec()).collect();
    let live = (0..200).filter(|index| leader.machine.reader().get(&key(*index)).expect("reads").0.is_some());
    assert_eq!(sent.keys_sent(), live.count() as u64, "deleted keys do not count");

    let received = feed(&follower.machine.inbox(), &chunks).expect("whole");
    install(&mut follower, received).await.expect("installs");
    let mut after = TestNode::start(follower.disk.power_cut(false));
    for node in [&mut leader, &mut follower, &mut after] {
        node.apply_entries((100..300).map(|index| set_to(index, 900)).collect()).await.expect("applies");
    }
    assert_eq!((after.hash(), follower.hash()), (leader.hash(), leader.hash()));
}

/// The log after the snapshot is what the receiver needs next.
#[tokio::test]
async fn while_a_state_is_sent_openraft_gets_no_later_one_for_long() {
    let mut node = TestNode::with(10).await;
    node.machine.kept_bytes_max = 2000;
    node.checkpoint().await.expect("checkpoints");
    let sent = node.machine.get_current_snapshot().await.expect("reads").expect("there is a state");
    node.apply(11..=20).await.expect("applies");
    let SnapshotData::Source(source) = sent.snapshot else { panic!("an own state is a source") };
    let claim = source.claim();
    drop(source.chunks());
    assert!(claim.is_some() && node.machine.try_create_snapshot_builder(false).await.is_none());
    drop(claim);
    assert!(node.machine.try_create_snapshot_builder(false).await.is_some(), "it is there");

    let slow = node.machine.get_current_snapshot().await.expect("reads").expect("there is a state");
    node.apply(21..=25).await.expect("applies");
    assert!(node.machine.try_create_snapshot_builder(false).await.is_none());
    node.apply(26..=60).await.expect("applies");
    assert!(node.machine.try_create_snapshot_builder(false).await.is_some(), "too much has come");
    drop(slow);
}

#[tokio::test]
async fn a_power_cut_while_installing_leaves_the_old_state_or_the_new_one() {
    let mut leader = TestNode::with(500).await;
    let chunks = chunks(&mut leader).await;
    let old = TestNode::with(20).await.hash();
    for steps in 0..=2 {
        for renames_survive in [false, true] {
            let mut follower = TestNode::with(20).await;
            follower.checkpoint().await.expect("checkpoints");
            let received = feed(&follower.machine.inbox(), &chunks).expect("whole");
            follower.disk.fail_after(steps);
            let installed = install(&mut follower, received).await;
            assert_eq!(installed.is_ok(), steps == 2);
            assert_eq!(follower.poison.cause().is_none(), steps == 2);
            let after = TestNode::start(follower.disk.power_cut(renames_survive));
            let expected = if steps == 2 || (steps == 1 && renames_survive) { leader.hash() } else { old };
            assert_eq!(after.hash(), expected, "{steps} steps, renames survive: {renames_survive}");
            assert_eq!(after.disk.files(), ["state"]);
        }
    }
}

#[tokio::test]
async fn a_full_disk_rejects_a_snapshot_and_does_no_harm() {
    let (mut leader, mut follower) = (TestNode::with(500).await, TestNode::with(20).await);
    let chunks = chunks(&mut leader).await;
    let inbox = follower.machine.inbox();
    let mut refused = 0;
    for step in 0..80 {
        let disk = follower.disk.clone();
        let kind = if step < 40 { io::ErrorKind::StorageFull } else { io::ErrorKind::QuotaExceeded };
        disk.full_after(step % 40, kind);
        refused += u32::from(feed(&inbox, &chunks).is_err());
        disk.fail_after(-1);
        assert_eq!(disk.files(), ["state"]);
    }
    assert!(refused > 0 && follower.poison.cause().is_none());
    follower.apply(21..=30).await.expect("applies");
}

#[tokio::test]
async fn a_snapshot_that_is_incomplete_is_rejected() {
    let mut leader = TestNode::with(9000).await;
    let whole = chunks(&mut leader).await;
    assert!(whole.len() >= 5, "{} chunks", whole.len());
    let inbox = TestNode::new().machine.inbox();
    assert!(feed(&inbox, &whole).is_ok());

    for end in 0..whole.len() {
        assert!(matches!(feed(&inbox, &whole[..end]), Err(SnapshotError::Truncated)), "cut off at {end}");
    }
    for at in 0..whole.len() {
        let (mut missing, mut twice, mut cut) = (whole.clone(), whole.clone(), whole.clone());
        missing.remove(at);
        twice.insert(at, whole[at].clone());
        cut[at].pop();
        for broken in [missing, twice, cut] {
            assert!(feed(&inbox, &broken).is_err(), "at {at}");
        }
        for byte in (0..whole[at].len()).step_by(1 + whole[at].len() / 8) {
            let mut flipped = whole.clone();
            flipped[at][byte] ^= 0x10;
            assert!(feed(&inbox, &flipped).is_err(), "byte {byte} of chunk {at}");
        }
    }
    for at in 1..whole.len() {
        let mut swapped = whole.clone();
        swapped.swap(at - 1, at);
        assert!(feed(&inbox, &swapped).is_err(), "{at}");
    }
}

#[tokio::test]
async fn a_later_snapshot_replaces_one_in_progress() {
    let mut leader = TestNode::with(100).await;
    let chunks = chunks(&mut leader).await;
    let follower = TestNode::new();
    let inbox = follower.machine.inbox();
    let mut first = inbox.begin().expect("begins");
    first.push(&chunks[0]).expect("the first chunk");
    assert_eq!(first.meta().and_then(|meta| meta.last_log_id), Some(log_id(100)));
    let second = feed(&inbox, &chunks);
    assert!(matches!(first.push(&chunks[1]), Err(SnapshotError::Superseded)));
    drop((first, second));
    assert_eq!(follower.disk.files(), ["state"]);
}

#[tokio::test]
async fn a_snapshot_never_takes_the_state_back() {
    let (mut leader, mut follower) = (TestNode::with(10).await, TestNode::with(20).await);
    let received = feed(&follower.machine.inbox(), &chunks(&mut leader).await).expect("whole");
    assert!(install(&mut follower, received).await.is_err());
    assert_eq!(follower.applied(), 20);
}

#[tokio::test]
async fn a_snapshot_has_a_golden_stream() {
    let mut node = TestNode::new();
    node.apply_entries(vec![founding(0), set(1), set(2)]).await.expect("applies");
    crate::golden_test::check("snapshot_stream", &chunks(&mut node).await.concat());
}

/// Rows of all sizes: some share a chunk with many, some need a chunk of their
/// own.
fn any_size() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0usize..200, 2 => 0usize..100_000, 1 => 900_000usize..=VALUE_BYTES_MAX]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]
    #[test]
    fn any_state_arrives_as_it_was(sizes in prop::collection::vec(any_size(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (mut leader, mut follower) = (TestNode::new(), TestNode::new());
            let entries = (1..).zip(sizes).map(|(index, bytes)| set_to(index, bytes));
            leader.apply_entries([founding(0)].into_iter().chain(entries).collect()).await.expect("applies");
            let chunks = chunks(&mut leader).await;
            assert!(chunks.iter().all(|chunk| chunk.len() <= SNAPSHOT_CHUNK_BYTES_MAX));
            let received = feed(&follower.machine.inbox(), &chunks).expect("whole");
            install(&mut follower, received).await.expect("installs");
            assert_eq!(follower.hash(), leader.hash());
        });
    }

    #[test]
    fn hostile_chunks_never_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..4)) {
        prop_assert!(feed(&TestNode::new().machine.inbox(), &chunks).is_err());
    }
}

/// A node that cannot write must say so and end, not reject the leader forever.
#[tokio::test]
async fn a_disk_that_fails_during_a_snapshot_stops_the_node() {
    let mut leader = TestNode::with(500).await;
    let chunks = chunks(&mut leader).await;
    let mut failed = 0;
    for steps in (0..400).step_by(7) {
        let follower = TestNode::with(20).await;
        follower.disk.fail_after(steps);
        let fed = feed(&follower.machine.inbox(), &chunks);
        assert_eq!(follower.poison.cause().is_some(), fed.is_err(), "after {steps} steps: {:?}", fed.err());
        if let Some(cause) = follower.poison.cause() {
            assert!(cause.contains("a snapshot cannot be written beside state"), "{cause}");
            failed += 1;
        }
    }
    assert!(failed > 0);
}

/// A bad snapshot is the sender's error, and no reason to end.
#[tokio::test]
async fn a_bad_snapshot_does_not_stop_the_node() {
    let mut leader = TestNode::with(500).await;
    let mut chunks = chunks(&mut leader).await;
    let follower = TestNode::with(20).await;
    chunks[1][40] ^= 1;
    feed(&follower.machine.inbox(), &chunks).map(drop).expect_err("is rejected");
    assert_eq!(follower.poison.cause(), None);
}
