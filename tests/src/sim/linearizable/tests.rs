//! The search against histories with a known verdict, and against brute force.

use proptest::prelude::*;

use super::{
    Action::{IsNot, Read, Swap, Write},
    HistoryVerdict, RecordedOperation, Register, check,
};

fn operation(called: u64, returned: impl Into<Option<u64>>, action: super::Action) -> RecordedOperation {
    RecordedOperation { called, returned: returned.into(), action }
}

#[test]
fn what_happens_one_after_the_other_is_seen() {
    let read = |seen| [operation(0, 1, Write(Some(1))), operation(2, 3, Read(seen))];
    assert_eq!(check(&read(Some(1))), HistoryVerdict::Linearizable);
    assert_eq!(check(&read(None)), HistoryVerdict::Violated, "a stale read");
    assert_eq!(check(&read(Some(2))), HistoryVerdict::Violated, "a value that was never written");
}

#[test]
fn what_overlaps_may_have_either_order() {
    for seen in [None, Some(1)] {
        let history = [operation(0, 5, Write(Some(1))), operation(1, 2, Read(seen))];
        assert_eq!(check(&history), HistoryVerdict::Linearizable);
    }
    let back = [operation(0, 9, Write(Some(1))), operation(1, 2, Read(Some(1))), operation(3, 4, Read(None))];
    assert_eq!(check(&back), HistoryVerdict::Violated, "time does not go back");
}

#[test]
fn what_is_in_doubt_may_happen_late_or_never() {
    let doubt = operation(0, None, Write(Some(1)));
    for seen in [None, Some(1)] {
        assert_eq!(check(&[doubt, operation(5, 6, Read(seen))]), HistoryVerdict::Linearizable);
    }
    let twice = [
        doubt,
        operation(5, 6, Read(Some(1))),
        operation(7, 8, Write(Some(2))),
        operation(9, 10, Read(Some(1))),
    ];
    assert_eq!(check(&twice), HistoryVerdict::Violated, "it happens once only");
}

#[test]
fn conditions_are_judged() {
    let swap = |from, returned| operation(2, returned, Swap { from, to: Some(2) });
    let begin = operation(0, 1, Write(Some(1)));
    assert_eq!(check(&[begin, swap(Some(1), 3)]), HistoryVerdict::Linearizable);
    assert_eq!(check(&[begin, swap(None, 3)]), HistoryVerdict::Violated);
    assert_eq!(check(&[begin, operation(2, 3, IsNot(None))]), HistoryVerdict::Linearizable);
    assert_eq!(check(&[begin, operation(2, 3, IsNot(Some(1)))]), HistoryVerdict::Violated);
    let both = [operation(0, 9, Swap { from: None, to: Some(1) }), swap(None, 9)];
    assert_eq!(check(&both), HistoryVerdict::Violated, "one of them has to lose");
}

#[test]
fn a_long_history_of_writes_in_doubt_is_decided() {
    let mut history: Vec<RecordedOperation> = (0..40).map(|n| operation(n, None, Write(Some(n)))).collect();
    history.extend((0..200).map(|n| operation(100 + 2 * n, 101 + 2 * n, Read(Some(7)))));
    assert_eq!(check(&history), HistoryVerdict::Linearizable);
}

fn any_register() -> impl Strategy<Value = Register> {
    prop_oneof![Just(None), (1..4_u64).prop_map(Some)]
}

fn any_operation() -> impl Strategy<Value = RecordedOperation> {
    let action = prop_oneof![
        any_register().prop_map(Read),
        any_register().prop_map(Write),
        (any_register(), any_register()).prop_map(|(from, to)| Swap { from, to }),
        any_register().prop_map(IsNot),
    ];
    (0..12_u64, 0..8_u64, any::<bool>(), action).prop_map(|(called, took, known, action)| RecordedOperation {
        called,
        returned: known.then_some(called + took),
        action,
    })
}

/// Tries every order: feasible only for a few operations.
fn by_trying(left: &[RecordedOperation], register: Register) -> bool {
    if left.iter().all(|operation| operation.returned.is_none()) {
        return true;
    }
    let first_return = left.iter().filter_map(|operation| operation.returned).min();
    left.iter().enumerate().any(|(n, operation)| {
        let may_be_first = first_return.is_none_or(|first| operation.called <= first);
        let Some(after) = operation.action.on(register).filter(|_| may_be_first) else { return false };
        let mut rest = left.to_vec();
        rest.remove(n);
        by_trying(&rest, after)
    })
}

proptest! {
    #[test]
    fn it_finds_what_trying_finds(history in prop::collection::vec(any_operation(), 0..7)) {
        let expected = if by_trying(&history, None) { HistoryVerdict::Linearizable } else { HistoryVerdict::Violated };
        prop_assert_eq!(check(&history), expected);
    }
}

/// The register as a `todc-utils` specification.
struct Registers;

impl todc_utils::Specification for Registers {
    type State = Register;
    type Operation = super::Action;

    fn init() -> Register {
        None
    }

    fn apply(action: &super::Action, register: &Register) -> (bool, Register) {
        let after = action.on(*register);
        (after.is_some(), after.unwrap_or(*register))
    }
}

/// Runs the checker of `todc-utils`. It does not support writes in doubt, so such a write
/// returns after everything else, where it is no longer observed.
fn by_todc(history: &[RecordedOperation]) -> bool {
    use todc_utils::{
        Action::{Call, Response},
        History, WGLChecker,
    };
    let mut events = Vec::new();
    for (process, operation) in history.iter().enumerate() {
        events.push((operation.called, false, process));
        events.push((operation.returned.unwrap_or(u64::MAX), true, process));
    }
    events.sort_unstable();
    let action = |(_, returns, process): (u64, bool, usize)| {
        let action = history[process].action;
        (process, if returns { Response(action) } else { Call(action) })
    };
    WGLChecker::<Registers>::is_linearizable(History::from_actions(events.into_iter().map(action).collect()))
}

proptest! {
    #[test]
    fn another_checker_finds_the_same(
        mut history in prop::collection::vec(any_operation(), 1..24),
        ordered: bool,
    ) {
        let mut register = None;
        for (n, operation) in history.iter_mut().enumerate() {
            let write = matches!(operation.action, Write(_));
            if !write && operation.returned.is_none() {
                operation.returned = Some(operation.called + 3);
            }
            // A long history that is mostly consistent.
            if ordered {
                let begin = 4 * n as u64;
                operation.called += begin;
                operation.returned = operation.returned.map(|returned| returned + begin);
                match &mut operation.action {
                    Read(seen) => *seen = register,
                    Swap { from, .. } => *from = register,
                    Write(_) | IsNot(_) => {}
                }
                register = operation.action.on(register).unwrap_or(register);
            }
        }
        let found = check(&history);
        prop_assert_ne!(found, HistoryVerdict::Undecided);
        prop_assert_eq!(found == HistoryVerdict::Linearizable, by_todc(&history), "{:?}", history);
    }
}
