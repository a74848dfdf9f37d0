//! Waiting for a condition of other processes, which announce nothing.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// Longer than anything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(200);

/// Waits until `met` returns true.
///
/// # Panics
/// It did not within a minute.
pub(crate) async fn within(what: &str, mut met: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !met().await {
            sleep(PAUSE).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect(what);
}
