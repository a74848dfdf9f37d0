//! Transactions, compared with a model, with every revision of the history they make.

use std::sync::Arc;

use coffee_common::{
    history_limit::HistoryLimit,
    limits::{DELETE_ROWS_MAX, DELETED_KEYS_MAX},
    transaction::{Check, Relation, Step, StepEffect, Transaction, TransactionFailure, TransactionPart},
};

use crate::kv::transaction::model::{self, any_transaction};

use super::{
    past::{Past, keys},
    *,
};

/// Applies a transaction, and returns its outcome.
fn transact(past: &mut Past, at: u64, transaction: Transaction) -> Outcome {
    past.command(at, Command::Transaction(Arc::new(transaction)))
}

fn then(steps: Vec<Step>) -> Transaction {
    Transaction { then: steps, ..Transaction::default() }
}

fn delete(range: KeyRange, limit: u32) -> Transaction {
    then(vec![Step::DeleteRange { range, limit }])
}

fn deleted(outcome: &Outcome) -> (u32, Option<Key>) {
    match outcome {
        Outcome::Transacted { effects, .. } => match &effects[..] {
            [StepEffect::RangeDeleted { count, rest }] => (*count, rest.clone()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn failed(outcome: &Outcome) -> TransactionFailure {
    match outcome {
        Outcome::TransactionFailed { why, .. } => *why,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn transactions_do_what_the_model_does(
        transactions in prop::collection::vec(any_transaction(), 1..12),
        between in any_between(),
    ) {
        let mut past = Past::new();
        past.raise_level(1);
        let mut index = 1;
        for (number, transaction) in transactions.into_iter().enumerate() {
            index += if index % 4 == 1 { 3 } else { 1 };
            let (expected, _) = model::execute(past.state(), Revision(index), &transaction);
            prop_assert_eq!(transact(&mut past, index, transaction), expected);
            past.real.go_through(between[number % between.len()]);
        }
        past.real.hash();
        past.check(index, &keys());
    }
}

#[test]
fn a_transaction_that_fails_leaves_no_trace() {
    let mut past = Past::new();
    past.raise_level(1);
    let number = || Step::Add { key: key("n"), by: 5, min: 0, max: 8 };
    transact(&mut past, 2, then(vec![number()]));
    let before = past.real.hash();
    let outcome = transact(&mut past, 3, then(vec![Step::Set(key("a"), Value::default()), number()]));
    let (part, why) = (TransactionPart::Then(1), TransactionFailure::OutOfBounds(5));
    assert_eq!(outcome, Outcome::TransactionFailed { part, why });
    assert_eq!(past.real.hash(), before);
}

#[test]
fn a_number_is_read_from_short_values_alone() {
    let mut past = Past::new();
    let long = |bytes| Value::new(vec![b'7'; bytes]).expect("legal");
    // Long values of the first level are in the rows of their keys.
    let set = |name: &str, value| Operation::Set(key(name), value);
    past.apply(&[(1, Batch::of(set("old", long(5000)))), (2, Batch::of(set("few", long(5))))]);
    past.raise_level(3);
    past.apply(&[
        (4, Batch::of(set("new", long(5000)))),
        (5, Batch::of(set("text", Value::new("7 ").expect("legal")))),
    ]);
    past.real.restart();
    let add = |name: &str| then(vec![Step::Add { key: key(name), by: 1, min: i64::MIN, max: i64::MAX }]);
    for (at, name) in (6..).zip(["old", "new", "text"]) {
        assert_eq!(failed(&transact(&mut past, at, add(name))), TransactionFailure::NotANumber, "{name}");
    }
    let outcome = transact(&mut past, 9, add("few"));
    let effects = vec![StepEffect::Added { sum: 77_778, previous: Some(Revision(2)) }];
    assert_eq!(outcome, Outcome::Transacted { revision: Revision(9), then: true, effects });
}

/// A long row of the first level is known as a whole where it was not flushed, and elsewhere its head.
#[test]
fn replicas_agree_whether_a_value_is_a_number_wherever_they_keep_it() {
    let outcome = |flushed: bool| {
        let mut past = Past::new();
        let long = Value::new(format!("{:0>2000}", 5)).expect("legal");
        past.apply(&[(1, Batch::of(Operation::Set(key("k"), long)))]);
        past.raise_level(2);
        if flushed {
            past.real.restart();
        }
        transact(&mut past, 3, then(vec![Step::Add { key: key("k"), by: 1, min: 0, max: 9 }]))
    };
    assert_eq!(outcome(false), outcome(true));
    assert_eq!(failed(&outcome(true)), TransactionFailure::NotANumber);
}

#[test]
fn a_retried_transaction_is_applied_once() {
    let mut real = Real::new(MEMORY);
    let mut tables = Tables::open(&mut real.store, &mut real.memory).expect("opens");
    crate::kv::level::raise(&mut tables, Revision(1), coffee_common::feature_level::HISTORY, LEVEL_MAX)
        .expect("is raised");
    tables.finish();
    let step = Step::Add { key: key("n"), by: 1, min: 0, max: 9 };
    let proposal = |by: u32| Proposal {
        request: Some(RequestId { client: ClientId(1), sequence: 1, after: Revision(1) }),
        proposed_at_ms: 5,
        command: Command::Transaction(Arc::new(then(vec![step.clone(); by as usize]))),
        author: String::new(),
    };
    let first = real.apply(&[(Revision(2), proposal(1))]);
    real.restart();
    assert_eq!(real.apply(&[(Revision(3), proposal(1))]), first);
    assert_eq!(real.apply(&[(Revision(4), proposal(2))]), [Outcome::RequestIdReused]);
    assert_eq!(real.store.get(&key("n")).expect("reads").map(|entry| entry.version), Some(1));
}

/// More keys than a transaction may delete, and more rows than it may look at.
#[test]
fn a_long_range_is_deleted_in_parts() {
    let mut past = Past::new();
    past.raise_level(1);
    let total = 2 * DELETED_KEYS_MAX + 500;
    let mut at = 1;
    for first in (0..total).step_by(100) {
        at += 1;
        let set = |n| Operation::Set(key(format!("k/{n:05}")), Value::new("v").expect("legal"));
        let operations = (first..first + 100).map(set).collect();
        past.apply(&[(at, Batch { conditions: Vec::new(), operations })]);
    }
    past.real.restart();
    let all = KeyRange::prefix("k/");
    assert_eq!(failed(&transact(&mut past, 100, delete(all.clone(), 0))), TransactionFailure::TooManyKeys);
    assert_eq!(deleted(&transact(&mut past, 101, delete(all.clone(), 7))), (7, Some(key("k/00007"))));
    let (count, rest) = deleted(&transact(&mut past, 102, delete(all.clone(), u32::MAX)));
    assert_eq!((count, rest.clone()), (DELETED_KEYS_MAX, Some(key("k/01007"))));
    let mut range = KeyRange::between(rest.expect("more"), all.to());
    past.real.restart();
    let mut counts = Vec::new();
    for at in 103.. {
        let (count, rest) = deleted(&transact(&mut past, at, delete(range.clone(), DELETED_KEYS_MAX)));
        counts.push(count);
        let Some(rest) = rest else { break };
        range = KeyRange::between(rest, range.to());
    }
    assert_eq!(counts, [DELETED_KEYS_MAX, total - 7 - 2 * DELETED_KEYS_MAX]);
    assert_eq!(past.real.store.range(&all, 0, true).expect("reads").entries, []);
    past.real.hash();

    // The deleted keys are still there as rows: two thousand and more of them twice in one transaction.
    let empty = |range: &KeyRange| Check::Empty(range.clone());
    let conditions = vec![empty(&all); 2];
    let twice = Transaction { conditions, ..then(vec![Step::Get(key("a"))]) };
    assert!(2 * total > DELETE_ROWS_MAX);
    let outcome = transact(&mut past, 200, twice);
    let (part, why) = (TransactionPart::Condition(1), TransactionFailure::TooManyKeys);
    assert_eq!(outcome, Outcome::TransactionFailed { part, why });
    let both = then(vec![Step::DeleteRange { range: all.clone(), limit: 9 }; 2]);
    let Outcome::Transacted { effects, .. } = transact(&mut past, 201, both) else { panic!("takes effect") };
    let StepEffect::RangeDeleted { count: 0, rest: Some(rest) } = &effects[1] else { panic!("{effects:?}") };
    assert_eq!(*rest, key(format!("k/{:05}", DELETE_ROWS_MAX - total)));
}

#[test]
fn a_deletion_is_told_from_a_later_one_as_long_as_the_history_has_it() {
    let mut past = Past::new();
    past.raise_level(1);
    let set = || Batch::of(Operation::Set(key("k"), Value::default()));
    let delete = || Batch::of(Operation::Delete(key("k")));
    let holds = |past: &mut Past, at, revision| {
        let conditions = vec![Check::Deleted(key("k"), Revision(revision))];
        let outcome = transact(past, at, Transaction { conditions, ..then(vec![Step::Get(key("k"))]) });
        let Outcome::Transacted { then, .. } = outcome else { panic!("{outcome:?}") };
        then
    };
    past.apply(&[(2, set()), (3, delete())]);
    for revision in [0, 2, 3, 4] {
        assert_eq!(holds(&mut past, 4, revision), revision == 3);
    }
    past.real.restart();
    assert!(holds(&mut past, 5, 3));
    past.apply(&[(6, set())]);
    assert!(!holds(&mut past, 7, 3));
    // Nothing is left to delete the second time.
    past.apply(&[(8, delete()), (9, delete())]);
    assert!(!holds(&mut past, 10, 3) && !holds(&mut past, 10, 9) && holds(&mut past, 10, 8));
    past.command(11, Command::CompactHistory(HistoryLimit::Upto(Revision(8))));
    assert!(!holds(&mut past, 12, 8));
}

#[test]
fn the_values_that_are_compared_are_bounded() {
    let mut past = Past::new();
    past.raise_level(1);
    let largest = Value::new(vec![7; 1 << 20]).expect("legal");
    past.apply(&[(2, Batch::of(Operation::Set(key("a"), largest)))]);
    let less = || Check::Value(key("a"), Relation::Less, Value::new(vec![9]).expect("legal"));
    let transaction =
        |count| Transaction { conditions: vec![less(); count], ..then(vec![Step::Get(key("a"))]) };
    assert!(matches!(transact(&mut past, 3, transaction(2)), Outcome::Transacted { then: true, .. }));
    assert_eq!(failed(&transact(&mut past, 4, transaction(3))), TransactionFailure::ValuesTooLong);
    // One of another length is not read.
    let equal = Check::Value(key("a"), Relation::NotEqual, Value::new(vec![9]).expect("legal"));
    let conditions = vec![equal; 100];
    let outcome = transact(&mut past, 5, Transaction { conditions, ..then(vec![Step::Get(key("a"))]) });
    assert!(matches!(outcome, Outcome::Transacted { then: true, .. }));
}

#[test]
fn a_cluster_of_the_first_level_knows_no_transaction() {
    let mut past = Past::new();
    let outcome = transact(&mut past, 2, then(vec![Step::Set(key("a"), Value::default())]));
    assert_eq!(outcome, Outcome::Nothing);
    assert_eq!(past.real.store.get(&key("a")).expect("reads"), None);
}
