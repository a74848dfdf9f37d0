//! Background flushes: what continues meanwhile, and what a crash leaves.

use std::time::Duration;

use super::*;

/// Space for about 20 of the entries here.
const FLUSH_BYTES: usize = 8 << 10;

const WAIT: Duration = Duration::from_millis(5);

fn inline() -> TestNode {
    TestNode::start_with(TestDisk::default(), FLUSH_BYTES, Offload::Inline)
}

/// A node whose flushes take a while. Needs paused time.
fn later() -> TestNode {
    TestNode::start_with(TestDisk::default(), FLUSH_BYTES, Offload::Later(WAIT))
}

impl TestNode {
    async fn apply_each(&mut self, indexes: std::ops::RangeInclusive<u64>) -> io::Result<()> {
        for index in indexes {
            self.apply(index..=index).await?;
        }
        Ok(())
    }

    fn active_bytes(&self) -> usize {
        self.machine.shared.database().store().expect("whole").active_bytes()
    }
}

#[tokio::test]
async fn a_full_memtable_is_flushed_in_the_background() {
    let (mut node, mut reference) = (inline(), TestNode::new());
    let mut most = 0;
    for index in 1..=300 {
        node.apply_each(index..=index).await.expect("applies");
        most = most.max(node.active_bytes());
    }
    reference.apply(1..=300).await.expect("applies");
    assert_eq!(node.hash(), reference.hash());
    assert!(most < 2 * FLUSH_BYTES, "{most}");
    let durable = node.durable_index.last().expect("flushed");
    assert!((200..300).contains(&durable), "{durable}");
    let mut after = TestNode::start(node.disk.power_cut(false));
    assert_eq!(after.applied(), durable);
    after.apply(durable + 1..=300).await.expect("applies again");
    assert_eq!(after.hash(), reference.hash());
}

#[tokio::test]
async fn a_start_reads_little_again_though_few_rows_changed() {
    let mut node = inline();
    let last = 200;
    for index in 1..=last {
        // Without a request, whose record would fill the memtable.
        let value = Value::new(vec![index as u8; 1000]).expect("legal");
        let command = Command::Batch(Batch::of(Operation::Set(key(7), value)).into());
        let proposal = Proposal { request: None, proposed_at_ms: 5, command, author: String::new() };
        let entry = LogEntry::new(log_id(index), Payload::Normal(proposal));
        node.apply_entries(vec![entry]).await.expect("applies");
        assert!(node.active_bytes() < FLUSH_BYTES / 2, "{}", node.active_bytes());
    }
    let durable = node.durable_index.last().expect("flushed");
    let again = (last - durable) as usize * 1000;
    assert!(again < 3 * FLUSH_BYTES, "{again} bytes are applied again");
}

#[tokio::test]
async fn voters_flush_one_after_the_other() {
    let mut first_flushes = Vec::new();
    for own in [2, 5, 9] {
        let disk = TestDisk::default();
        let mut node = TestNode::start_as(Some(NodeId(own)), disk, FLUSH_BYTES, Offload::Inline);
        node.apply_entries(vec![voters(0, [2, 5, 9])]).await.expect("applies");
        let mut index = 0;
        while node.durable_index.last().is_none() {
            index += 1;
            node.apply_each(index..=index).await.expect("applies");
        }
        first_flushes.push(index);
    }
    assert!(first_flushes.is_sorted_by(|one, next| one + 3 < *next), "{first_flushes:?}");
}

#[tokio::test]
async fn a_snapshot_is_the_last_flush_if_it_is_new_or_else_what_is_applied() {
    let mut node = inline();
    let mut last = None;
    for (applied, is_applied) in [(10, true), (100, false), (100, true), (200, false)] {
        node.apply_each(node.applied() + 1..=applied).await.expect("applies");
        let flushed = node.durable_index.last();
        let snapshot = node.checkpoint().await.expect("durable").meta.last_log_id.map(|id| id.index);
        assert_eq!(snapshot, if is_applied { Some(applied) } else { flushed });
        assert!(snapshot > last && snapshot <= node.durable_index.last(), "{last:?} {snapshot:?}");
        last = snapshot;
    }
    // The state found at start is not a new snapshot.
    let mut after = TestNode::start(node.disk.power_cut(false));
    let found = after.applied();
    after.apply(found + 1..=found + 1).await.expect("applies");
    let snapshot = after.checkpoint().await.expect("durable");
    assert_eq!(snapshot.meta.last_log_id, Some(log_id(found + 1)));
}

/// The log may be purged up to a snapshot at once, even before the flush has
/// recorded it.
#[tokio::test]
async fn what_is_given_as_a_snapshot_is_noted_as_durable() {
    let mut node = TestNode::with(10).await;
    let database = node.machine.shared.database();
    database.seal().and_then(|()| database.flush()).expect("flushes, without recording it");
    let snapshot = node.checkpoint().await.expect("durable");
    assert_eq!((snapshot.meta.last_log_id, node.durable_index.last()), (Some(log_id(10)), Some(10)));
}

/// Wherever the disk fails during a flush, a power cut leaves the state as of one
/// entry, and not an earlier one than was reported durable.
#[tokio::test]
async fn a_flush_that_is_interrupted_anywhere_leaves_an_earlier_state() {
    let mut hashes = vec![TestNode::new().hash()];
    let mut reference = TestNode::new();
    for index in 1..=200 {
        reference.apply(index..=index).await.expect("applies");
        hashes.push(reference.hash());
    }
    let mut failed = 0;
    for steps in 0..300 {
        let mut node = inline();
        node.disk.fail_after(steps);
        failed += usize::from(node.apply_each(1..=200).await.is_err());
        let said = node.durable_index.last().unwrap_or_default();
        let after = TestNode::start(node.disk.power_cut(false));
        assert!(after.applied() >= said, "{} of {said} after {steps} steps", after.applied());
        assert_eq!(after.hash(), hashes[after.applied() as usize], "after {steps} steps");
    }
    assert!(failed > 30, "{failed}");
}

#[tokio::test(start_paused = true)]
async fn applying_and_reading_continue_during_a_checkpoint() {
    let mut node = later();
    node.apply(1..=10).await.expect("applies");
    let checkpoint = tokio::spawn({
        let checkpointer = node.machine.checkpointer();
        async move { checkpointer.shared.checkpoint().await }
    });
    tokio::task::yield_now().await;
    let began = tokio::time::Instant::now();
    node.apply_each(11..=20).await.expect("applies");
    let reader = node.machine.reader();
    for index in 1..=20 {
        assert!(reader.get(&key(index)).expect("reads").0.is_some(), "{index}");
    }
    assert_eq!((began.elapsed(), node.durable_index.last()), (Duration::ZERO, None));
    let hash = node.hash();
    let snapshot = checkpoint.await.expect("no panic").expect("durable");
    assert_eq!(snapshot.meta.last_log_id, Some(log_id(10)), "the state as it was asked for");
    assert_eq!((node.durable_index.last(), node.hash()), (Some(10), hash));
}

#[tokio::test(start_paused = true)]
async fn applying_waits_for_a_flush_that_lags() {
    let mut node = later();
    let began = tokio::time::Instant::now();
    let mut most = 0;
    for index in 1..=300 {
        node.apply_each(index..=index).await.expect("applies");
        most = most.max(node.active_bytes());
    }
    assert!(began.elapsed() >= WAIT, "it waited");
    assert!(most < 3 * FLUSH_BYTES, "{most}");
    let mut reference = TestNode::new();
    reference.apply(1..=300).await.expect("applies");
    assert_eq!(node.hash(), reference.hash());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_installed_after_a_flush_in_progress() {
    let (mut leader, mut follower) = (TestNode::with(500).await, later());
    follower.apply_each(1..=25).await.expect("applies");
    assert_eq!((follower.durable_index.last(), follower.active_bytes() < FLUSH_BYTES), (None, true));
    let source = leader.checkpoint().await.expect("checkpoints");
    follower.machine.install_snapshot(&source.meta, source.snapshot).await.expect("installs");
    tokio::time::sleep(10 * WAIT).await;
    assert_eq!(follower.hash(), leader.hash());
    assert_eq!(follower.active_bytes(), 0);
    for node in [&mut leader, &mut follower] {
        node.apply_each(501..=600).await.expect("applies");
    }
    assert_eq!(follower.hash(), leader.hash());
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_fails_stops_the_node() {
    let mut node = later();
    node.apply_each(1..=25).await.expect("applies");
    node.disk.fail_after(2);
    let applied = node.apply_each(26..=300).await;
    assert!(applied.is_err() && node.poison.cause().is_some());
    assert!(node.machine.reader().get(&key(1)).is_err());
}

/// A program that embeds the server has no panic hook that ends it.
#[tokio::test(start_paused = true)]
async fn a_flush_that_panics_stops_the_node() {
    let mut node = later();
    node.apply_each(1..=25).await.expect("applies");
    let database = node.machine.shared.database();
    node.disk.panic_next();
    let applied = node.apply_each(26..=300).await;
    assert!(applied.is_err() && node.machine.reader().get(&key(1)).is_err());
    let cause = node.poison.cause().expect("poisoned");
    assert!(cause.contains("panicked"), "{cause}");
    // redb panics when it is dropped after its file has panicked.
    std::mem::forget((node, database));
}
