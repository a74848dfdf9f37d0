//! One round: load, a fault, load, the end of the fault, load; and nothing
//! that was acknowledged is lost or done twice.

use std::time::Duration;

use coffee_client::Client;
use coffee_tests::{
    cluster::Cluster,
    load::{Load, Options, Record, Report, verify},
};
use tokio::time::{Instant, sleep_until};

use crate::network::Network;

/// Acknowledged writes that have to be seen before the fault and behind it,
/// and while it lasts if a quorum is spared: with less load than that a round
/// proves little, and does not count.
const WRITES: u64 = 200;

/// How long a fault lasts at least: longer than followers wait for a leader.
const HOLD: Duration = Duration::from_secs(2);

const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster, and what it stands on.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    pub(crate) network: Option<Network>,
    pub(crate) client: Client,
    /// Rounds so far: each writes keys of its own.
    pub(crate) rounds: usize,
}

impl Scene {
    /// The network, for faults that have asked for one.
    pub(crate) fn network(&self) -> &Network {
        self.network.as_ref().expect("the class asks for a network")
    }
}

/// Something that happens to a node, or to all.
pub(crate) trait Fault {
    /// Whether those that are not struck can go on writing.
    const SPARES_QUORUM: bool = true;

    /// Lets it happen. Returns once it is in effect.
    async fn strike(&mut self, scene: &mut Scene, victim: &str);

    /// Takes it back, and lets the victim run again.
    async fn heal(&mut self, scene: &mut Scene, victim: &str);
}

/// What a round left behind.
pub(crate) struct Outcome {
    pub(crate) record: Record,
    pub(crate) report: Report,
    pub(crate) at: Instant,
}

/// Runs a round with one fault.
pub(crate) async fn round<F: Fault>(scene: &mut Scene, fault: &mut F, victim: &str) -> Outcome {
    scene.rounds += 1;
    let options = Options { writers: 32, prefix: format!("round-{}", scene.rounds), ..Options::default() };
    let mut load = Load::start(std::slice::from_ref(&scene.client), &options);
    assert!(load.acknowledges(WRITES, PATIENCE).await, "too few writes before the fault: the round is void");
    let at = Instant::now();
    fault.strike(scene, victim).await;
    if F::SPARES_QUORUM {
        let struck = Instant::now();
        assert!(load.acknowledges(WRITES, PATIENCE).await, "writes do not go on while {victim} is struck");
        // Faults last, also where all goes on as before.
        sleep_until(struck + HOLD).await;
    }
    fault.heal(scene, victim).await;
    assert!(load.acknowledges(WRITES, PATIENCE).await, "writes do not go on behind the fault");
    let record = load.stop().await;
    scene.cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let report = verify(&scene.client, &record).await.expect("it can be read back");
    Outcome { record, report, at }
}
