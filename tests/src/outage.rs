//! A fault under load, as clients see it.

use std::time::Duration;

use tokio::time::Instant;

use crate::recorder::{Recording, WriteRecorder};

/// Writes that have to succeed before and after a fault. With less load a measurement
/// would prove little.
const WRITES: usize = 500;

/// How long the load continues after the fault, to catch late failures. The calm period
/// before the fault is measured for as long.
const AFTERMATH: Duration = Duration::from_secs(2);

/// One fault as clients observed it.
#[derive(Debug)]
pub struct Outage {
    /// From the fault to the first acknowledgement of a write that began after it.
    pub first_write: Duration,
    /// Longest time without an acknowledgement.
    pub longest_gap: Duration,
    /// The same in the two seconds before the fault: a gap that the fault did not cause.
    pub calm_gap: Duration,
    /// How many writes failed.
    pub failed: u64,
    /// The whole recording.
    pub seen: Recording,
    /// When the fault began.
    pub at: Instant,
}

impl Outage {
    /// Runs a fault under this load, then ends the load, and returns what it observed.
    pub async fn of(recorder: WriteRecorder, fault: impl Future<Output = ()>) -> Self {
        recorder.succeeds(WRITES).await;
        let calm = Instant::now();
        tokio::time::sleep(AFTERMATH).await;
        let at = Instant::now();
        fault.await;
        recorder.succeeds(WRITES).await;
        tokio::time::sleep(AFTERMATH).await;
        let seen = recorder.finish().await;
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
