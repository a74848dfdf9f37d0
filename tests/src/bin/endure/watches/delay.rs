//! The delay of an event: from the acknowledgement of a put until a watcher has it.

use coffee_client::{KeyRange, WatchEvent, WatchOptions};
use coffee_common::{id::Revision, protocol::Role};
use coffee_tests::samples::{Samples, ms};
use tokio::{sync::mpsc, time::Instant};

use super::{leader_of, plan, watchers::client};
use crate::{options::EndureOptions, rig::Rig};

/// Puts that are measured, one at a time.
const PUTS: usize = 2000;

/// Watchers at the leader and at a follower, without other load and beside 64 writers of other keys.
pub(crate) async fn delay(_: &EndureOptions) -> String {
    let rig = Rig::start(plan()).await;
    let quiet = rows(&rig, "none").await;
    let load = rig.load();
    load.succeeds(500).await;
    let busy = rows(&rig, "64 writers").await;
    load.finish().await;
    format!(
        "| other load | watcher at | puts | put p50 ms | event after the acknowledgement: p50 ms | p99 | worst |\n\
         |---|---|---|---|---|---|---|\n{quiet}{busy}"
    )
}

async fn rows(rig: &Rig, load: &str) -> String {
    let leader = rig.leader().await;
    let leader = leader_of(rig, leader.as_str());
    let follower =
        rig.cluster.watched().iter().find(|node| node.name() != leader.name()).expect("three nodes");
    let credentials = rig.cluster.credentials(Role::Reader);
    let places = [("the leader", leader.address()), ("a follower", follower.address())];
    let (events, mut seen) = mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for (place, (_, node)) in places.iter().enumerate() {
        let (client, events) = (client(node, &credentials), events.clone());
        let mut watch = client.watch(KeyRange::prefix("delay/"), WatchOptions::default());
        watch.next().await.expect("the watch begins");
        tasks.push(tokio::spawn(async move {
            loop {
                if let WatchEvent::Changes(changes) = watch.next().await.expect("the watch goes on")
                    && events.send((place, changes.revision, Instant::now())).is_err()
                {
                    return;
                }
            }
        }));
    }
    let (mut delays, mut puts) = ([Vec::new(), Vec::new()], Vec::new());
    for number in 0..PUTS {
        let begun = Instant::now();
        let written =
            rig.writers()[0].0.set(format!("delay/{}", number % 100), "ready").await.expect("is set");
        let acknowledged = Instant::now();
        puts.push(acknowledged - begun);
        for _ in places.iter() {
            let (place, revision, at): (usize, Revision, Instant) =
                seen.recv().await.expect("the watchers run");
            assert_eq!(revision, written.revision, "each put is told once");
            delays[place].push(ms(at.saturating_duration_since(acknowledged)));
        }
    }
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    let put = puts.into_iter().collect::<Samples>().median();
    let row = |((place, _), delays): (_, Vec<f64>)| {
        let delays: Samples = delays.into_iter().collect();
        let p99 = delays.all()[PUTS * 99 / 100];
        let (median, worst): (f64, f64) = (delays.median(), delays.most());
        format!("| {load} | {place} | {PUTS} | {put:.2} | {median:.2} | {p99:.2} | {worst:.2} |\n")
    };
    places.into_iter().zip(delays).map(row).collect()
}
