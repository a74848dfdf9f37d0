//! The traffic of connections is counted, and never shrinks.

use super::*;
use crate::frame;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// Sends a message, and receives it.
async fn say(from: &Connection, to: &Connection, bytes: usize) {
    let (mut sender, _) = from.open(Priority::Normal).await.expect("opens");
    sender.send(frame::encode(&vec![0u8; bytes]).expect("fits")).await.expect("sends");
    let (_, mut receiver) = to.accept().await.expect("accepts");
    receiver.receive().await.expect("receives").expect("a message");
}

#[tokio::test]
async fn what_has_ended_still_counts() {
    let ca = TestCa::new();
    let (node, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    assert_eq!(node.survey(), Survey::default());
    let (dialled, accepted) = pair(&ops, &node).await;
    say(&dialled, &accepted, 50_000).await;
    let open = node.survey();
    assert_eq!((open.clients.open, open.clients.opened, open.peers.opened), (1, 1, 0));
    assert!(open.clients.carried.bytes_received > 50_000, "{open:?}");
    assert!(open.round_trips.is_empty(), "a client is not a peer");

    dialled.close("done");
    accepted.closed().await;
    let closed = node.survey();
    assert_eq!((closed.clients.open, closed.clients.opened), (0, 1), "closed, and not yet dropped");
    drop(accepted);
    let (again, accepted) = pair(&ops, &node).await;
    say(&again, &accepted, 50_000).await;
    let more = node.survey();
    assert_eq!((more.clients.open, more.clients.opened), (1, 2));
    let (first, both) = (closed.clients.carried, more.clients.carried);
    assert!(both.bytes_received > first.bytes_received + 50_000, "{first:?}, then {both:?}");
    assert!(both.packets_sent > first.packets_sent);
}

#[tokio::test]
async fn peers_are_counted_apart_and_have_round_trips() {
    let ca = TestCa::new();
    let (ming, hong) = (serve(&ca, "ming"), serve(&ca, "hong"));
    let expect = Expect::Node(name("hong"));
    let (dialled, accepted) = meet(&ming, &hong, expect, Protocol::Peer).await;
    let (dialled, _accepted) = (dialled.expect("dials"), accepted.expect("accepts"));
    let survey = ming.survey();
    assert_eq!((survey.peers.open, survey.clients.opened), (1, 0));
    assert!(survey.round_trips[&name("hong")] > std::time::Duration::ZERO);
    assert_eq!(hong.survey().round_trips.keys().collect::<Vec<_>>(), [&name("ming")]);
    drop(dialled);
    assert!(ming.survey().round_trips.is_empty());
}

/// Connections are opened and closed as fast as possible, and are surveyed as fast.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sums_never_shrink_while_connections_end() {
    let ca = TestCa::new();
    let (node, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let coming_and_going = async {
        for _ in 0..200 {
            let (dialled, accepted) = pair(&ops, &node).await;
            say(&dialled, &accepted, 100).await;
        }
    };
    let (watched, (stop, stopped)) = (node.clone(), tokio::sync::oneshot::channel::<()>());
    let watching = std::thread::spawn(move || {
        let (mut stopped, mut before, mut looks) = (stopped, Carried::default(), 0);
        while stopped.try_recv().is_err() {
            let now = watched.survey().clients.carried;
            let mut latest = now;
            latest.latest(&before);
            assert_eq!(now, latest, "nothing is less than it was");
            (before, looks) = (now, looks + 1);
        }
        looks
    });
    tokio::time::timeout(PATIENCE, coming_and_going).await.expect("in time");
    stop.send(()).expect("it watches still");
    let looks = watching.join().expect("sums only grow");
    assert!(looks > 100, "it was looked at {looks} times");
    assert_eq!(node.survey().clients.opened, 200);
}
