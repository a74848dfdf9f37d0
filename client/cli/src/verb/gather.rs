//! Asks many nodes at once, without waiting long for the last ones.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, timeout_at};

/// Runs all calls at the same time and returns their results in order.
///
/// After the first success the others have `grace` left; `None` waits for all.
/// A call that is not done then is dropped, and its place is `None`.
pub(super) async fn gather<T, E>(
    calls: impl IntoIterator<Item = impl Future<Output = Result<T, E>>>,
    grace: Option<Duration>,
) -> Vec<Option<Result<T, E>>> {
    let mut pending: FuturesUnordered<_> =
        calls.into_iter().enumerate().map(|(nth, call)| async move { (nth, call.await) }).collect();
    let mut results = Vec::new();
    results.resize_with(pending.len(), || None);
    let mut deadline = None;
    loop {
        let next = match deadline {
            None => pending.next().await,
            Some(deadline) => timeout_at(deadline, pending.next()).await.unwrap_or(None),
        };
        let Some((nth, result)) = next else { return results };
        if result.is_ok() && deadline.is_none() {
            deadline = grace.map(|grace| Instant::now() + grace);
        }
        if let Some(place) = results.get_mut(nth) {
            *place = Some(result);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_millis(50);

    async fn after(ms: u64, result: Result<u64, ()>) -> Result<u64, ()> {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        result
    }

    #[tokio::test]
    async fn the_first_answer_starts_the_clock_for_the_others() {
        let calls = || [after(600_000, Ok(1)), after(1, Ok(2)), after(0, Err(())), after(2, Ok(4))];
        let results = gather(calls(), Some(GRACE)).await;
        assert_eq!(results, [None, Some(Ok(2)), Some(Err(())), Some(Ok(4))]);
    }

    #[tokio::test]
    async fn a_failure_does_not_start_the_clock() {
        let results = gather([after(0, Err(())), after(80, Ok(2))], Some(Duration::ZERO)).await;
        assert_eq!(results, [Some(Err(())), Some(Ok(2))]);
    }

    #[tokio::test]
    async fn without_a_grace_all_are_waited_for() {
        assert_eq!(gather([after(0, Ok(1)), after(80, Ok(2))], None).await, [Some(Ok(1)), Some(Ok(2))]);
        assert_eq!(gather(Vec::<std::future::Ready<Result<u64, ()>>>::new(), None).await, []);
    }
}
