//! One round: load, a fault, load, the end of the fault, load. No acknowledged write may
//! be lost or applied twice.

use std::time::Duration;

use coffee_client::Client;
use coffee_tests::{
    cluster::Cluster,
    load::{Load, LoadOptions, Verification, WriteRecord, verify},
};
use tokio::time::{Instant, sleep_until};

use crate::support::network::Network;

/// Acknowledged writes required before and after the fault, and during it if a quorum is
/// spared. With less load a round proves little, and does not count.
const WRITES: u64 = 200;

/// Minimum duration of a fault: longer than the election timeout.
const HOLD: Duration = Duration::from_secs(2);

const PATIENCE: Duration = Duration::from_secs(60);

/// The cluster under test, and its network.
pub(crate) struct FaultEnvironment {
    pub(crate) cluster: Cluster,
    pub(crate) network: Option<Network>,
    pub(crate) client: Client,
    /// Number of rounds so far: each writes its own keys.
    pub(crate) rounds: usize,
}

impl FaultEnvironment {
    /// The network, for faults that requested one.
    pub(crate) fn network(&self) -> &Network {
        self.network.as_ref().expect("the class asks for a network")
    }
}

/// A fault of one node, or of all.
pub(crate) trait InjectedFault {
    /// Whether the remaining nodes can continue to write.
    const SPARES_QUORUM: bool = true;

    /// Injects the fault. Returns once it is in effect.
    async fn strike(&mut self, environment: &mut FaultEnvironment, victim: &str);

    /// Ends the fault, and lets the victim run again.
    async fn heal(&mut self, environment: &mut FaultEnvironment, victim: &str);
}

/// Result of a round.
pub(crate) struct RoundOutcome {
    pub(crate) record: WriteRecord,
    pub(crate) report: Verification,
    pub(crate) at: Instant,
}

/// Runs a round with one fault.
pub(crate) async fn round<F: InjectedFault>(
    environment: &mut FaultEnvironment,
    fault: &mut F,
    victim: &str,
) -> RoundOutcome {
    environment.rounds += 1;
    let options = LoadOptions {
        writers: 32,
        prefix: format!("round-{}", environment.rounds),
        ..LoadOptions::default()
    };
    let mut load = Load::start(std::slice::from_ref(&environment.client), &options);
    assert!(load.acknowledges(WRITES, PATIENCE).await, "too few writes before the fault: the round is void");
    let at = Instant::now();
    fault.strike(environment, victim).await;
    if F::SPARES_QUORUM {
        let struck = Instant::now();
        assert!(load.acknowledges(WRITES, PATIENCE).await, "writes stop while {victim} is struck");
        // The fault lasts this long even if writes continue at once.
        sleep_until(struck + HOLD).await;
    }
    fault.heal(environment, victim).await;
    assert!(load.acknowledges(WRITES, PATIENCE).await, "writes do not continue after the fault");
    let record = load.stop().await;
    environment.cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let report = verify(&environment.client, &record).await.expect("it can be read back");
    RoundOutcome { record, report, at }
}
