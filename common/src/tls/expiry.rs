//! Waits for the end of a certificate's validity, by a wall clock that may jump.

use std::time::Duration;

use tokio::time::sleep;

/// The longest sleep without a look at the wall clock.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(60);

/// Waits until `now` is after `not_after`; both are seconds since 1970. As in a handshake, the last
/// second of the validity belongs to it.
pub(crate) async fn wait(not_after: u64, now: impl Fn() -> u64) {
    loop {
        let left = not_after.saturating_add(1).saturating_sub(now());
        if left == 0 {
            return;
        }
        sleep(Duration::from_secs(left).min(LOOK_AT_CLOCK)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_last_second() {
        let begun = Instant::now();
        wait(1_000, || 800 + begun.elapsed().as_secs()).await;
        assert_eq!(begun.elapsed().as_secs(), 201);
        wait(1_000, || 1_001).await;
        assert_eq!(begun.elapsed().as_secs(), 201, "at once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_is_noticed_within_a_minute() {
        let (begun, offset) = (Instant::now(), AtomicU64::new(0));
        let jump = async {
            sleep(Duration::from_secs(3_610)).await;
            offset.store(1 << 30, Ordering::Relaxed);
        };
        let clock = || begun.elapsed().as_secs() + offset.load(Ordering::Relaxed);
        tokio::join!(wait(1 << 20, clock), jump);
        assert!((3_610..=3_670).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }
}
