//! The reads of transactions, compared with a model: at once, and again later.

use coffee_common::{
    command::Outcome,
    history_limit::HistoryLimit,
    transaction::{ReadOmission, Step, StepEffect, StepRead, Transaction},
};
use proptest::prelude::*;
use tokio::time::Instant;

use super::{super::TransactionReads, *};
use crate::kv::transaction_model::{ModelState, any_transaction, execute};

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

fn entry_of(index: u64, command: Command) -> LogEntry {
    let proposal = Proposal { request: None, proposed_at_ms: 5, command, author: String::new() };
    LogEntry::new(log_id(index), Payload::Normal(proposal))
}

fn transaction_at(index: u64, transaction: &Transaction) -> LogEntry {
    entry_of(index, Command::Transaction(transaction.clone().into()))
}

/// A node of a cluster that keeps a history, from the second entry on.
async fn node() -> TestNode {
    let mut node = TestNode::new();
    node.apply_entries(vec![entry_of(1, Command::RaiseLevel(HISTORY))]).await.expect("applies");
    node
}

async fn read(node: &TestNode, transaction: &Transaction, outcome: &Outcome) -> Vec<StepRead> {
    let Outcome::Transacted { revision, then, effects } = outcome else { panic!("{outcome:?}") };
    let reads = TransactionReads { steps: transaction.branch(*then), effects, at: *revision };
    node.machine.reader().transaction(reads, Instant::now() + PATIENCE).await.expect("reads")
}

/// Compares what was read with the model. A page that is full may say that the range may continue.
fn assert_same(found: &[StepRead], expected: &[StepRead]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        match (found, expected) {
            (StepRead::Page { entries, upto: Some(upto) }, StepRead::Page { entries: known, upto: None }) => {
                assert_eq!((entries, entries.last().map(|(key, _)| key)), (known, Some(upto)));
            }
            _ => assert_eq!(found, expected),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn steps_read_what_the_model_reads(
        transactions in prop::collection::vec((any_transaction(), any::<bool>()), 1..10),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("builds");
        runtime.block_on(async {
            let mut node = node().await;
            let (mut model, mut done) = (ModelState::new(), Vec::new());
            for (index, (transaction, flushed)) in (2..).zip(&transactions) {
                let (outcome, reads) = execute(&mut model, Revision(index), transaction);
                node.apply_entries(vec![transaction_at(index, transaction)]).await.expect("applies");
                if *flushed {
                    node.checkpoint().await.expect("checkpoints");
                }
                if let Outcome::Transacted { .. } = outcome {
                    assert_same(&read(&node, transaction, &outcome).await, &reads);
                    done.push((transaction, outcome, reads));
                }
            }
            // A retry reads the same, whatever came after it.
            for (transaction, outcome, reads) in &done {
                assert_same(&read(&node, transaction, outcome).await, reads);
            }
        });
    }
}

fn then(steps: Vec<Step>) -> Transaction {
    Transaction { then: steps, ..Transaction::default() }
}

fn value(bytes: usize) -> Value {
    Value::new(vec![7; bytes]).expect("legal")
}

#[tokio::test]
async fn a_full_page_ends_at_its_last_key_whatever_was_deleted_after_it() {
    let mut node = node().await;
    let mut model = ModelState::new();
    let [first, next] = ["a", "a\0"].map(|name| Key::new(name).expect("legal"));
    let range = coffee_common::key::KeyRange::all();
    let deleted_then_read = then(vec![
        Step::DeleteRange { range: range.clone(), limit: 0 },
        Step::Set(first, value(1)),
        Step::Range { range, limit: 1, keys_only: false },
    ]);
    for (index, transaction) in (2..).zip([then(vec![Step::Set(next, value(2))]), deleted_then_read]) {
        let (outcome, reads) = execute(&mut model, Revision(index), &transaction);
        node.apply_entries(vec![transaction_at(index, &transaction)]).await.expect("applies");
        assert_same(&read(&node, &transaction, &outcome).await, &reads);
    }
}

#[tokio::test]
async fn what_the_history_does_not_have_is_not_read() {
    let mut node = node().await;
    let transaction = then(vec![Step::Get(key(1)), Step::Set(key(1), value(3)), Step::Get(key(1))]);
    let (outcome, reads) = execute(&mut ModelState::new(), Revision(2), &transaction);
    node.apply_entries(vec![transaction_at(2, &transaction)]).await.expect("applies");
    assert_eq!(read(&node, &transaction, &outcome).await, reads);
    let compact = Command::CompactHistory(HistoryLimit::Upto(Revision(2)));
    node.apply_entries(vec![entry_of(3, compact)]).await.expect("applies");
    let omitted = StepRead::Omitted(ReadOmission::Compacted);
    assert_eq!(read(&node, &transaction, &outcome).await, [omitted.clone(), omitted]);
}

#[tokio::test]
async fn a_response_has_bounded_room() {
    let mut node = node().await;
    let sets = (1..=4).map(|n| Step::Set(key(n), value(1 << 19))).collect();
    node.apply_entries(vec![transaction_at(2, &then(sets))]).await.expect("applies");
    let mut gets: Vec<_> = (1..=4).map(|n| Step::Get(key(n))).collect();
    gets.push(Step::Range { range: coffee_common::key::KeyRange::all(), limit: 0, keys_only: true });
    let transaction = then(gets);
    node.apply_entries(vec![transaction_at(3, &transaction)]).await.expect("applies");
    let effects = vec![StepEffect::Read; 5];
    let outcome = Outcome::Transacted { revision: Revision(3), then: true, effects };
    let reads = read(&node, &transaction, &outcome).await;
    let has_value: Vec<_> = reads.iter().map(|read| matches!(read, StepRead::Entry(Some(_)))).collect();
    assert_eq!(has_value, [true, true, false, false, false], "{reads:?}");
    assert!(reads[2..].iter().all(|read| *read == StepRead::Omitted(ReadOmission::NoRoom)), "{reads:?}");
}
