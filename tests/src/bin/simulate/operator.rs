//! An operator that moves the leader, removes nodes and brings them back, during
//! everything else.

use std::time::Duration;

use coffee_client::Credentials;
use tokio::time::Instant;

use crate::{
    entropy::SimRng,
    node::address,
    trace::Trace,
    world::{client, node_name},
};

pub(crate) struct Operator {
    pub(crate) nodes: Vec<&'static str>,
    pub(crate) credentials: Credentials,
    pub(crate) rng: SimRng,
    pub(crate) seed: u64,
    pub(crate) trace: Trace,
}

impl Operator {
    /// Works until `end`. Rejections and failures are expected: a fault may prevent an
    /// operation.
    pub(crate) async fn work(mut self, end: Duration) -> Result<(), Box<dyn std::error::Error>> {
        let end = Instant::now() + end;
        let client = client("operator", 50, &self.nodes, &self.credentials, self.seed, &self.trace).await?;
        while Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(500 + self.rng.below(3000))).await;
            let name = self.rng.of(&self.nodes);
            let (what, done) = match self.rng.below(4) {
                0 | 1 => ("transfer", client.transfer(None).await.is_ok()),
                // The founder stays: it has no node to join.
                2 if name != self.nodes[0] => {
                    ("down", client.down(Some(node_name(name)), false).await.is_ok())
                }
                _ => ("boot", client.boot(node_name(name), Some(address(name))).await.is_ok()),
            };
            if done {
                self.trace.note(what, 1);
            }
        }
        Ok(())
    }
}
