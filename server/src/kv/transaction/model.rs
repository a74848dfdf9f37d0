//! A model of transactions on a plain map, which also knows what their steps read.

use std::collections::BTreeMap;

use coffee_common::{
    command::Outcome,
    entry::Entry,
    id::Revision,
    key::{Key, KeyRange, Value},
    transaction::{
        Check, Relation, Step, StepEffect, StepRead, Transaction, TransactionFailure, TransactionPart,
    },
};
use proptest::prelude::*;

/// Keys and their entries.
pub(crate) type ModelState = BTreeMap<Key, Entry>;

type TakenStep = Result<(StepEffect, Option<StepRead>), TransactionFailure>;

/// Executes a transaction, and returns its outcome and what its steps have read. Knows no limits.
pub(crate) fn execute(
    state: &mut ModelState,
    at: Revision,
    transaction: &Transaction,
) -> (Outcome, Vec<StepRead>) {
    let then = transaction.conditions.iter().all(|check| holds(state, check));
    let (mut changed, mut effects, mut reads) = (state.clone(), Vec::new(), Vec::new());
    for (step, place) in transaction.branch(then).iter().zip(0..) {
        match take(&mut changed, at, step) {
            Ok((effect, read)) => {
                effects.push(effect);
                reads.extend(read);
            }
            Err(why) => {
                let part =
                    if then { TransactionPart::Then(place) } else { TransactionPart::Otherwise(place) };
                return (Outcome::TransactionFailed { part, why }, Vec::new());
            }
        }
    }
    *state = changed;
    (Outcome::Transacted { revision: at, then, effects }, reads)
}

fn holds(state: &ModelState, check: &Check) -> bool {
    let number = |key: &Key, of: fn(&Entry) -> u64| state.get(key).map_or(0, of);
    match check {
        Check::Value(key, relation, value) => {
            state.get(key).is_some_and(|entry| relation.holds(entry.value.as_bytes().cmp(value.as_bytes())))
        }
        Check::Modified(key, relation, to) => {
            relation.holds(number(key, |entry| entry.modified.0).cmp(&to.0))
        }
        Check::Created(key, relation, to) => relation.holds(number(key, |entry| entry.created.0).cmp(&to.0)),
        Check::Version(key, relation, to) => relation.holds(number(key, |entry| entry.version).cmp(to)),
        Check::Present(key) => state.contains_key(key),
        Check::Absent(key) => !state.contains_key(key),
        Check::Empty(range) => !state.keys().any(|key| range.contains(key)),
        Check::Deleted(..) => panic!("this model does not know when a key was deleted"),
    }
}

fn take(state: &mut ModelState, at: Revision, step: &Step) -> TakenStep {
    Ok(match step {
        Step::Get(key) => (StepEffect::Read, Some(StepRead::Entry(state.get(key).cloned()))),
        Step::Range { range, limit, keys_only } => {
            let mut entries: Vec<_> = state
                .iter()
                .filter(|(key, _)| range.contains(key))
                .map(|(k, e)| (k.clone(), e.clone()))
                .collect();
            let upto = match *limit as usize {
                0 => None,
                limit if entries.len() <= limit => None,
                limit => {
                    entries.truncate(limit);
                    entries.last().map(|(key, _)| key.clone())
                }
            };
            if *keys_only {
                entries.iter_mut().for_each(|(_, entry)| entry.value = Value::default());
            }
            (StepEffect::Read, Some(StepRead::Page { entries, upto }))
        }
        Step::Set(key, value) => (StepEffect::Changed(set(state, at, key, value.clone())), None),
        Step::Delete(key) => (StepEffect::Changed(state.remove(key).map(|entry| entry.modified)), None),
        Step::DeleteRange { range, limit } => {
            let mut keys: Vec<_> = state.keys().filter(|key| range.contains(key)).cloned().collect();
            let mut rest = None;
            if *limit > 0 && keys.len() > *limit as usize {
                rest = keys.split_off(*limit as usize).into_iter().next();
            }
            keys.iter().for_each(|key| drop(state.remove(key)));
            (StepEffect::RangeDeleted { count: keys.len() as u32, rest }, None)
        }
        Step::Add { key, by, min, max } => {
            let text = state.get(key).map(|entry| String::from_utf8(entry.value.as_bytes().to_vec()));
            let number: i64 = match text {
                None => 0,
                Some(text) => {
                    let text = text.map_err(|_| TransactionFailure::NotANumber)?;
                    if text.len() > 20 {
                        return Err(TransactionFailure::NotANumber);
                    }
                    text.parse().map_err(|_| TransactionFailure::NotANumber)?
                }
            };
            let sum = i128::from(number) + i128::from(*by);
            if sum < i128::from(*min) || sum > i128::from(*max) {
                return Err(TransactionFailure::OutOfBounds(number));
            }
            let value = Value::new(sum.to_string()).expect("short");
            (StepEffect::Added { sum: sum as i64, previous: set(state, at, key, value) }, None)
        }
    })
}

fn set(state: &mut ModelState, at: Revision, key: &Key, value: Value) -> Option<Revision> {
    let old = state.get(key).cloned();
    let (created, version) = old.as_ref().map_or((at, 1), |old| (old.created, old.version + 1));
    state.insert(key.clone(), Entry { value, created, modified: at, version });
    old.map(|old| old.modified)
}

/// A key that begins with another, and some that are not text.
const KEYS: [&[u8]; 4] = [b"a", b"a\0", b"b", b"\xff"];

fn any_key() -> impl Strategy<Value = Key> {
    prop::sample::select(KEYS.to_vec()).prop_map(|name| Key::new(name).expect("legal"))
}

fn any_bound() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select([&KEYS[..], &[b"", b"\xff\0"]].concat())
}

fn any_range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        (any_bound(), prop::option::of(any_bound())).prop_map(|(from, to)| KeyRange::between(from, to)),
        any_bound().prop_map(KeyRange::prefix),
    ]
}

/// Numbers, bytes, and values too long for the row of their key.
fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-3i64..12).prop_map(|number| number.to_string().into_bytes()),
        1 => Just(b"latte".to_vec()),
        1 => prop::sample::select(vec![19usize, 20, 21, 2000]).prop_map(|digits| format!("{:0>digits$}", 5).into_bytes()),
        1 => any::<u8>().prop_map(|byte| vec![byte; 2000]),
    ]
    .prop_map(|bytes| Value::new(bytes).expect("legal"))
}

fn any_check() -> impl Strategy<Value = Check> {
    let relation =
        prop::sample::select(vec![Relation::Equal, Relation::NotEqual, Relation::Less, Relation::Greater]);
    let number = || 0u64..40;
    prop_oneof![
        (any_key(), relation.clone(), any_value()).prop_map(|(key, is, to)| Check::Value(key, is, to)),
        (any_key(), relation.clone(), number()).prop_map(|(key, is, to)| Check::Modified(
            key,
            is,
            Revision(to)
        )),
        (any_key(), relation.clone(), number()).prop_map(|(key, is, to)| Check::Created(
            key,
            is,
            Revision(to)
        )),
        (any_key(), relation, 0u64..4).prop_map(|(key, is, to)| Check::Version(key, is, to)),
        any_key().prop_map(Check::Present),
        any_key().prop_map(Check::Absent),
        any_range().prop_map(Check::Empty),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => any_key().prop_map(Step::Get),
        1 => (any_range(), 0u32..4, any::<bool>())
            .prop_map(|(range, limit, keys_only)| Step::Range { range, limit, keys_only }),
        3 => (any_key(), any_value()).prop_map(|(key, value)| Step::Set(key, value)),
        1 => any_key().prop_map(Step::Delete),
        1 => (any_range(), 0u32..3).prop_map(|(range, limit)| Step::DeleteRange { range, limit }),
        2 => (any_key(), prop_oneof![8 => -4i64..5, 1 => Just(i64::MAX)], -9i64..1, 5i64..20)
            .prop_map(|(key, by, min, max)| Step::Add { key, by, min, max }),
    ]
}

/// Transactions on few keys, so that steps meet each other.
pub(crate) fn any_transaction() -> impl Strategy<Value = Transaction> {
    let steps = || prop::collection::vec(any_step(), 0..6);
    (prop::collection::vec(any_check(), 0..3), steps(), steps())
        .prop_map(|(conditions, then, otherwise)| Transaction { conditions, then, otherwise })
}
