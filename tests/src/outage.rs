//! A fault under load, as clients see it.

use std::time::Duration;

use tokio::time::Instant;

use crate::witness::{Seen, Witness};

/// Writes that have to be seen before a fault and behind it: with less load
/// than that, it would prove little.
const WRITES: usize = 500;

/// How long the load goes on afterwards, so that late failures are seen; and for as long
/// it is looked at before.
const AFTERMATH: Duration = Duration::from_secs(2);

/// What clients saw of one fault.
#[derive(Debug)]
pub struct Outage {
    /// From the fault to the first acknowledgement of a write that began after it.
    pub first_write: Duration,
    /// The longest time without an acknowledgement.
    pub longest_gap: Duration,
    /// The same in the two seconds before the fault: so much is not of its making.
    pub calm_gap: Duration,
    /// How many writes failed.
    pub failed: u64,
    /// All that was seen.
    pub seen: Seen,
    /// When the fault began.
    pub at: Instant,
}

impl Outage {
    /// What this load saw of a fault. It ends with this.
    pub async fn of(witness: Witness, fault: impl Future<Output = ()>) -> Self {
        witness.succeeds(WRITES).await;
        let calm = Instant::now();
        tokio::time::sleep(AFTERMATH).await;
        let at = Instant::now();
        fault.await;
        witness.succeeds(WRITES).await;
        tokio::time::sleep(AFTERMATH).await;
        let seen = witness.finish().await;
        Self {
            first_write: seen.timeline.first_after(at).expect("writes flowed again"),
            longest_gap: seen.timeline.longest_gap_between(at, seen.ended).span,
            calm_gap: seen.timeline.longest_gap_between(calm, at).span,
            failed: seen.failures(),
            seen,
            at,
        }
    }
}
