//! Single histories, each with its expected outcomes.

use super::{
    super::{error::KvError, level},
    *,
};

fn request(sequence: u64, after: u64) -> Option<RequestId> {
    Some(RequestId { client: ClientId(1), sequence, after: Revision(after) })
}

fn set(sequence: u64, after: u64, name: &str) -> Proposal {
    let batch = Batch::of(Operation::Set(key(name), Value::default()));
    Proposal {
        request: request(sequence, after),
        proposed_at_ms: 0,
        command: Command::Batch(batch.into()),
        author: String::new(),
    }
}

fn applied(revision: u64, previous: Option<u64>) -> Outcome {
    let effects = vec![Effect { previous: previous.map(Revision) }];
    Outcome::Applied { revision: Revision(revision), effects }
}

#[test]
fn a_retry_is_answered_and_not_applied() {
    let mut real = Real::new(MEMORY);
    let first = set(1, 0, "a");
    assert_eq!(real.apply(&[(Revision(1), first.clone())]), [applied(1, None)]);
    assert_eq!(real.apply(&[(Revision(2), first.clone())]), [applied(1, None)]);
    real.restart();
    assert_eq!(real.apply(&[(Revision(3), first)]), [applied(1, None)]);
    assert_eq!(real.apply(&[(Revision(4), set(1, 0, "b"))]), [Outcome::RequestIdReused]);
}

#[test]
fn a_request_older_than_the_memory_is_rejected() {
    let mut real = Real::new(MEMORY);
    let first = set(1, 0, "a");
    real.apply(&[(Revision(1), first.clone())]);
    for sequence in 2..=4 {
        real.apply(&[(Revision(sequence), set(sequence, sequence - 1, "a"))]);
    }
    let forgotten = Outcome::Forgotten { upto: Revision(1) };
    assert_eq!(real.apply(&[(Revision(5), first)]), [forgotten]);
    // No node can have applied this one before the revision that was forgotten.
    assert_eq!(real.apply(&[(Revision(6), set(5, 1, "a"))]), [applied(6, Some(4))]);
}

#[test]
fn a_request_from_another_history_is_rejected() {
    let mut real = Real::new(MEMORY);
    let forgotten = Outcome::Forgotten { upto: Revision(0) };
    assert_eq!(real.apply(&[(Revision(7), set(1, 7, "a"))]), [forgotten]);
}

#[test]
fn a_cluster_keeps_a_bounded_number_of_node_records() {
    let mut real = Real::new(MEMORY);
    let admit = |name: String| Proposal {
        request: None,
        proposed_at_ms: 0,
        command: Command::AdmitNode {
            name: NodeName::new(name).expect("legal"),
            address: Address::new("localhost:7400").expect("legal"),
        },
        author: String::new(),
    };
    for n in 1..=NODES_MAX as u64 {
        assert_eq!(real.apply(&[(Revision(n), admit(format!("n{n}")))]), [Outcome::NodeAdmitted(NodeId(n))]);
    }
    assert_eq!(real.apply(&[(Revision(100), admit("one-more".into()))]), [Outcome::TooManyNodes]);
    assert_eq!(real.apply(&[(Revision(101), admit("n1".into()))]), [Outcome::NodeAdmitted(NodeId(101))]);
}

#[test]
fn pages_of_a_range_follow_each_other() {
    let mut real = Real::new(MEMORY);
    let names = ["a", "b", "c", "d", "e"];
    for (at, name) in (1..).zip(names) {
        real.apply(&[(Revision(at), set(at, at - 1, name))]);
    }
    let mut range = KeyRange::all();
    let mut seen = Vec::new();
    loop {
        let page = real.store.range(&range, 2, true).expect("reads");
        seen.extend(page.entries.iter().map(|(key, _)| key.to_string()));
        let Some(upto) = page.upto else { break };
        range = range.after(&upto);
    }
    assert_eq!(seen, names);
}

#[test]
fn a_page_stops_at_its_size() {
    let mut real = Real::new(MEMORY);
    let large = Value::new(vec![7; 600 << 10]).expect("legal");
    for (at, name) in (1..).zip(["a", "b", "c"]) {
        let batch = Batch::of(Operation::Set(key(name), large.clone()));
        let proposal = Proposal {
            request: None,
            proposed_at_ms: 0,
            command: Command::Batch(batch.into()),
            author: String::new(),
        };
        real.apply(&[(Revision(at), proposal)]);
    }
    let page = real.store.range(&KeyRange::all(), 0, false).expect("reads");
    assert_eq!((page.entries.len(), page.upto.is_some()), (1, true));
    let page = real.store.range(&KeyRange::all(), 0, true).expect("reads");
    assert_eq!(
        (page.entries.len(), page.upto.is_some()),
        (1, true),
        "the value is read, though not returned"
    );
    assert!(page.entries.iter().all(|(_, entry)| entry.value.as_bytes().is_empty()));
}

#[test]
fn what_a_batch_takes_back_leaves_the_same_state() {
    let proposal = |operation| Proposal {
        request: None,
        proposed_at_ms: 0,
        command: Command::Batch(Batch::of(operation).into()),
        author: String::new(),
    };
    let entries = [
        (Revision(1), proposal(Operation::Set(key("b"), Value::default()))),
        (Revision(2), proposal(Operation::Delete(key("b")))),
    ];
    let (mut batched, mut single) = (Real::new(MEMORY), Real::new(MEMORY));
    batched.apply(&entries);
    for entry in entries {
        single.apply(&[entry]);
    }
    assert_eq!(batched.hash(), single.hash());
}

fn raise(real: &mut Real, to: u32, known: u32) -> Result<Outcome, KvError> {
    let mut tables = Tables::open(&mut real.store, &mut real.memory).expect("opens");
    let outcome = level::raise(&mut tables, Revision(0), FeatureLevel(to), FeatureLevel(known));
    tables.finish();
    outcome
}

#[test]
fn the_level_rises_by_one_and_never_falls() {
    let mut real = Real::new(MEMORY);
    assert_eq!(real.store.level().expect("reads"), FeatureLevel(1));
    let is = |level, changed| Outcome::LevelRaised { level: FeatureLevel(level), changed };
    for (to, outcome) in [(1, is(1, false)), (3, is(1, false)), (2, is(2, true)), (2, is(2, false))] {
        assert_eq!(raise(&mut real, to, 3).expect("applies"), outcome, "to {to}");
    }
    let before = real.hash();
    assert_eq!(raise(&mut real, 1, 3).expect("applies"), is(2, false));
    assert_eq!(real.hash(), before);
    assert_eq!(raise(&mut real, 3, 3).expect("applies"), is(3, true));
    real.restart();
    assert_eq!(real.store.level().expect("reads"), FeatureLevel(3));
    assert_eq!(real.store.digest().expect("reads"), Digest::of(&real.store).expect("reads"));
}

#[test]
fn a_build_does_not_apply_a_level_that_it_does_not_know() {
    let mut real = Real::new(MEMORY);
    let error = raise(&mut real, 2, 1).expect_err("is not known");
    assert!(error.is_newer() && error.to_string().contains("level 2; this build knows"), "{error}");
    assert_eq!(real.store.level().expect("reads"), FeatureLevel(1));
}

#[test]
fn replicas_of_different_levels_have_different_digests() {
    let digest = |to| {
        let mut real = Real::new(MEMORY);
        raise(&mut real, to, 2).expect("applies");
        real.store.digest().expect("reads")
    };
    assert_ne!(digest(1), digest(2));
}
