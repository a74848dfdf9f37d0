//! Limits of transactions, and the keys that they touch.

use super::*;

fn key(name: &str) -> Key {
    name.parse().expect("legal")
}

fn of(then: Vec<Step>) -> Transaction {
    Transaction { then, ..Transaction::default() }
}

#[test]
fn a_transaction_keeps_to_the_limits() {
    let get = || Step::Get(key("k"));
    let set = |bytes| Step::Set(key("k"), Value::new(vec![0; bytes]).expect("legal"));
    let some = |limit| Step::DeleteRange { range: KeyRange::prefix("k"), limit };
    let add = |min, max| Step::Add { key: key("k"), by: 1, min, max };
    assert_eq!(of(Vec::new()).check(), Err(TransactionError::Empty));
    let otherwise = Transaction { otherwise: vec![get()], ..Transaction::default() };
    assert_eq!(otherwise.check(), Ok(()));
    assert_eq!(of(vec![get(); TRANSACTION_STEPS_MAX]).check(), Ok(()));
    let more = TRANSACTION_STEPS_MAX + 1;
    assert_eq!(of(vec![get(); more]).check(), Err(TransactionError::Steps(more)));
    assert_eq!(of(vec![set(1 << 20), set((1 << 20) - 2)]).check(), Ok(()));
    assert_eq!(
        of(vec![set(1 << 20), set((1 << 20) - 1)]).check(),
        Err(TransactionError::Bytes((2 << 20) + 1))
    );
    assert_eq!(of(vec![some(0), some(0), some(5)]).check(), Ok(()));
    assert_eq!(of(vec![some(5), some(5)]).check(), Err(TransactionError::Limits));
    assert_eq!(of(vec![some(0); 8]).check(), Ok(()));
    assert_eq!(of(vec![some(0); 9]).check(), Err(TransactionError::Ranges(9)));
    assert_eq!(of(vec![add(3, 3)]).check(), Ok(()));
    assert_eq!(of(vec![add(3, 2)]).check(), Err(TransactionError::Bounds { min: 3, max: 2 }));
    let range = KeyRange::prefix("k".repeat(2000));
    assert!(matches!(
        of(vec![Step::DeleteRange { range, limit: 0 }]).check(),
        Err(TransactionError::Range(_))
    ));
}

#[test]
fn what_it_may_touch_counts_as_a_whole() {
    let transaction = Transaction {
        conditions: vec![
            Check::Value(key("a"), Relation::Equal, Value::new("xyz").expect("legal")),
            Check::Empty(KeyRange::prefix("b")),
        ],
        then: vec![Step::Get(key("c"))],
        otherwise: vec![Step::DeleteRange { range: KeyRange::prefix("d"), limit: 3 }],
    };
    assert_eq!(transaction.keys().filter_map(Key::as_text).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(transaction.ranges().map(KeyRange::from).collect::<Vec<_>>(), [b"b", b"d"]);
    assert_eq!(transaction.bytes(), 1 + 3 + 2 + 1 + 2);
    assert!(!transaction.adds_data());
    let adds = of(vec![Step::Add { key: key("k"), by: -1, min: 0, max: 9 }]);
    assert!(adds.adds_data());
}

#[test]
fn relations_are_those_of_numbers() {
    for (relation, less, equal, greater) in [
        (Relation::Equal, false, true, false),
        (Relation::NotEqual, true, false, true),
        (Relation::Less, true, false, false),
        (Relation::Greater, false, false, true),
    ] {
        let holds = |order| relation.holds(order);
        assert_eq!(
            (holds(Ordering::Less), holds(Ordering::Equal), holds(Ordering::Greater)),
            (less, equal, greater),
            "{relation:?}"
        );
    }
}
