//! The final inspection, by a client: all nodes come to the same state, and hold what was acknowledged.

use std::{sync::atomic::Ordering, time::Duration};

use coffee_client::{Client, Consistency, KeyRange, PageOptions};
use coffee_common::tls::Credentials;
use coffee_tests::sim::checks::operators::OperatorVerb;
use tokio::time::Instant;

use crate::{
    node::SimNode,
    workload::counter,
    world::{SimError, WorldContext, client, client_of},
};

/// Maximum time from the last fault until there is a leader and all nodes have the same
/// state.
const HEALED_WITHIN_MS: u64 = 30_000;

/// During a partial partition: writes. After the faults: waits until the nodes have the same state,
/// and writes.
pub(crate) async fn inspect(
    shops: Vec<SimNode>,
    credentials: Credentials,
    seed: u64,
    shared: WorldContext,
) -> Result<(), SimError> {
    let nodes: Vec<&str> = shops.iter().map(|shop| shop.name.as_str()).collect();
    let client = client("inspector", 99, &nodes, &credentials, seed, &shared.trace).await?;
    while !shared.calm.load(Ordering::Acquire) {
        if shared.partial.load(Ordering::Acquire) && fresh(&client, "partial").await.is_ok() {
            shared.written.store(true, Ordering::Release);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // A cluster whose only member has moved is found by its present address alone.
    let addresses = shops.iter().map(SimNode::address);
    let client = client_of("inspector", 98, addresses, &credentials, seed, &shared.trace).await?;
    let began = Instant::now();
    let deadline = began + Duration::from_millis(HEALED_WITHIN_MS);
    let mut state;
    loop {
        // A removed node waits for this.
        for shop in &shops {
            shared.operators.call(&client, OperatorVerb::Boot, Some(shop), &shared.trace).await;
        }
        fresh(&client, "yes").await.ok();
        state = states(&client, &shops).await;
        if state.windows(2).all(|pair| pair[0].is_ok() && pair[0] == pair[1]) {
            break;
        }
        if Instant::now() > deadline {
            let errors: Vec<_> = state.iter().filter_map(|state| state.as_ref().err()).collect();
            return Err(format!("states still differ after {HEALED_WITHIN_MS} ms: {errors:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (worker, bounds) in shared.history.counters() {
        let entry = client.get(counter(worker)).await.map_err(|error| format!("cannot read: {error}"))?;
        let times = entry.map_or(0, |entry| entry.version);
        if !bounds.contains(&times) {
            return Err(
                format!("exactly once: {times} writes of client {worker}, which made {bounds:?}").into()
            );
        }
    }
    fresh(&client, "at last").await.map_err(|error| format!("cannot write: {error}"))?;
    let healed = u64::try_from(began.elapsed().as_millis())?;
    shared.healed_ms.store(healed.max(1), Ordering::Release);
    Ok(())
}

/// Writes, or deletes if there is no room for more data.
async fn fresh(client: &Client, value: &'static str) -> Result<(), coffee_client::Error> {
    match client.set("fresh", value).await {
        Err(coffee_client::Error::Refused { .. }) => client.delete("fresh").await.map(drop),
        set => set.map(drop),
    }
}

/// Each node's state, as it reports it.
async fn states(client: &Client, shops: &[SimNode]) -> Vec<Result<String, String>> {
    let mut states = Vec::new();
    for shop in shops {
        let options = PageOptions { consistency: Consistency::Local, ..PageOptions::default() };
        let page = match client.at(shop.address()) {
            Ok(client) => {
                client.with_timeout(Duration::from_secs(1)).range(KeyRange::prefix("k/"), options).await
            }
            Err(error) => Err(error),
        };
        states.push(page.map(|page| format!("{:?}", page.entries)).map_err(|error| error.to_string()));
    }
    states
}
