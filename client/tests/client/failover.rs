//! Tests of node selection: leaders, followers, and nodes that are slow, silent or
//! dead.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use coffee_client::{Consistency, Error, OutcomeKind, Revision};
use coffee_common::protocol::Request;
use tokio::time::Instant;

use crate::fake::{Act, Lab, SOON, always, applied, unavailable, value};

#[tokio::test]
async fn the_leader_that_a_node_names_is_asked_directly() {
    let lab = Lab::new();
    let (ming, hong) = (lab.node("ming", always(applied(1))), lab.node("hong", always(applied(2))));
    ming.says_leader_is(&hong);
    hong.says_leader_is(&hong);
    let client = lab.client_of(&[&ming]).build().expect("builds");
    let deadline = Instant::now() + SOON;
    while client.set("k", "v").await.expect("writes").revision != Revision(2) {
        assert!(Instant::now() < deadline, "the leader is never asked");
    }
    let asked = ming.asked();
    for _ in 0..10 {
        client.set("k", "v").await.expect("writes");
    }
    assert_eq!(ming.asked(), asked, "the leader alone is asked from then on");
}

#[tokio::test]
async fn a_client_that_shall_not_follow_keeps_to_its_endpoint() {
    let lab = Lab::new();
    let (ming, hong) = (lab.node("ming", always(applied(1))), lab.node("hong", always(applied(2))));
    ming.says_leader_is(&hong);
    let client = lab.client_of(&[&ming]).follow_leader(false).build().expect("builds");
    let pinned = lab.client_of(&[&hong]).build().expect("builds").at(ming.address.clone()).expect("builds");
    for _ in 0..5 {
        client.set("k", "v").await.expect("writes");
        pinned.set("k", "v").await.expect("writes");
    }
    assert_eq!((ming.asked(), hong.asked()), (10, 0));
}

#[tokio::test]
async fn local_reads_go_to_the_first_endpoint_regardless_of_the_leader() {
    let lab = Lab::new();
    let (ming, hong) =
        (lab.node("ming", always(value(1, vec![1]))), lab.node("hong", always(value(2, vec![2]))));
    hong.says_leader_is(&hong);
    ming.says_leader_is(&hong);
    let client = lab.client_of(&[&ming, &hong]).build().expect("builds");
    for _ in 0..5 {
        client.get_with("k", Consistency::Local).await.expect("reads");
    }
    assert_eq!((ming.asked(), hong.asked()), (5, 0));
}

#[tokio::test]
async fn a_node_without_a_leader_is_passed_over() {
    let lab = Lab::new();
    let (ming, hong) = (lab.node("ming", always(unavailable())), lab.node("hong", always(applied(3))));
    let client = lab.client_of(&[&ming, &hong]).build().expect("builds");
    client.set("k", "v").await.expect("writes");
    client.set("k", "v").await.expect("writes");
    assert_eq!((ming.asked(), hong.asked()), (1, 2), "and the one that did well is kept");
}

#[tokio::test]
async fn no_node_means_nothing_written() {
    let lab = Lab::new();
    let mut ming = lab.node("ming", always(applied(1)));
    ming.kill();
    let client = lab.client_of(&[&ming]).timeout(Duration::from_millis(600)).build().expect("builds");
    let error = client.set("k", "v").await.expect_err("the node is gone");
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(error.outcome(), OutcomeKind::NotApplied);
    assert!(error.to_string().contains(ming.address.as_str()), "{error}");
}

#[tokio::test]
async fn a_dead_endpoint_costs_little_and_is_tried_last_afterwards() {
    let lab = Lab::new();
    let (mut ming, hong) = (lab.node("ming", always(applied(1))), lab.node("hong", always(applied(2))));
    ming.kill();
    let client = lab.client_of(&[&ming, &hong]).build().expect("builds");
    let mut spans = Vec::new();
    for _ in 0..5 {
        let begin = Instant::now();
        client.set("k", "v").await.expect("writes");
        spans.push(begin.elapsed());
    }
    assert!(spans[0] < Duration::from_millis(1_500), "{spans:?}");
    let least = spans.iter().min().expect("some");
    assert!(*least < Duration::from_millis(120), "less than it takes to find out again: {spans:?}");
}

#[tokio::test]
async fn a_silent_leader_does_not_hold_a_call_up() {
    let lab = Lab::new();
    let ming = lab.node("ming", |_, _: &Request| Act::Freeze);
    let hong = lab.node("hong", always(applied(2)));
    let client = lab.client_of(&[&ming, &hong]).build().expect("builds");
    let begin = Instant::now();
    let written = client.set("k", "v").await.expect("writes");
    assert!(begin.elapsed() < Duration::from_millis(1_400), "{:?}", begin.elapsed());
    assert_eq!(written.revision, Revision(2));
    assert_eq!(hong.write_ids(), [written.request], "under the same id");
}

#[tokio::test]
async fn a_leader_that_dies_with_a_call_in_its_hands_is_noticed() {
    let lab = Lab::new();
    let (mut ming, hong) =
        (lab.node("ming", |_, _: &Request| Act::Ignore), lab.node("hong", always(applied(2))));
    let client = lab.client_of(&[&ming, &hong]).build().expect("builds");
    let calling = tokio::spawn(async move { client.set("k", "v").await });
    // Long enough for the node to acknowledge the call; afterwards it owes nothing.
    tokio::time::sleep(Duration::from_millis(100)).await;
    ming.kill();
    let killed = Instant::now();
    let written = calling.await.expect("no panic").expect("writes");
    assert!(killed.elapsed() < Duration::from_millis(800), "{:?}", killed.elapsed());
    assert_eq!((ming.write_ids(), hong.write_ids()), (vec![written.request], vec![written.request]));
}

#[tokio::test]
async fn a_slow_leader_is_not_doubled() {
    let lab = Lab::new();
    let ming = lab.node("ming", |_, _: &Request| Act::SayAfter(Duration::from_millis(600), applied(1)));
    let hong = lab.node("hong", always(applied(2)));
    let client = lab.client_of(&[&ming, &hong]).build().expect("builds");
    client.set("k", "v").await.expect("writes");
    assert_eq!(hong.asked(), 0, "its node acknowledges, so it is only slow");
}

#[tokio::test]
async fn after_the_death_of_the_leader_calls_find_the_new_one_at_once() {
    static ELECTED: AtomicBool = AtomicBool::new(false);
    let election = |revision: u64| {
        move |_: usize, _: &Request| {
            Act::Say(if ELECTED.load(Ordering::SeqCst) { applied(revision) } else { unavailable() })
        }
    };
    let lab = Lab::new();
    let mut ming = lab.node("ming", always(applied(1)));
    let (hong, peng) = (lab.node("hong", election(2)), lab.node("peng", election(3)));
    for node in [&ming, &hong, &peng] {
        node.says_leader_is(&ming);
    }
    let client = lab.client_of(&[&hong, &peng]).build().expect("builds");
    ELECTED.store(true, Ordering::SeqCst);
    let deadline = Instant::now() + SOON;
    while client.set("k", "v").await.expect("writes").revision != Revision(1) {
        assert!(Instant::now() < deadline, "ming is never asked");
    }
    ELECTED.store(false, Ordering::SeqCst);
    ming.kill();
    let calls: Vec<_> = (0..20)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { (client.set(format!("k{n}"), "v").await, Instant::now()) })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let elected = Instant::now();
    hong.says_leader_is(&peng);
    peng.says_leader_is(&peng);
    ELECTED.store(true, Ordering::SeqCst);
    let mut delays = Vec::new();
    for call in calls {
        let (result, at) = call.await.expect("no panic");
        result.expect("no call fails");
        delays.push(at - elected);
    }
    delays.sort_unstable();
    assert!(delays[10] < Duration::from_millis(250) && delays[19] < Duration::from_secs(1), "{delays:?}");
}
