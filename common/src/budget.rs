//! Budgets of memory for all clients of a node, and a share of each for each of them.
//!
//! All bytes that a node holds for a client are charged to a share and to its budget. Guards that a
//! client which sends too much or reads too little exhausts its own share, not the memory of the others.
//! Takes no lock that clients share.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// The unit of a share, in bytes.
const UNIT_BYTES: usize = 1 << 10;

/// The bytes that all clients may make a node hold. Clones share it.
#[derive(Debug, Clone)]
pub struct ByteBudget(Arc<BudgetState>);

#[derive(Debug)]
struct BudgetState {
    max: usize,
    used: AtomicUsize,
}

/// The part of a budget that one client may use. Clones share it.
#[derive(Debug, Clone)]
pub struct ByteShare {
    units: Arc<Semaphore>,
    /// `None` for a share without bounds.
    budget: Option<ByteBudget>,
}

/// Bytes that are held for a client, until this is dropped.
#[derive(Debug)]
pub struct ByteCharge {
    units: OwnedSemaphorePermit,
    budget: Option<ByteBudget>,
}

impl ByteBudget {
    /// Creates a budget of up to `max` bytes.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(BudgetState { max, used: AtomicUsize::new(0) }))
    }

    /// Creates a share of up to `max` bytes.
    pub fn share(&self, max: usize) -> ByteShare {
        ByteShare { units: Arc::new(Semaphore::new(max / UNIT_BYTES)), budget: Some(self.clone()) }
    }

    /// Returns the bytes that are held.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let within = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.0.max);
        self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl ByteShare {
    /// Creates a share that is not bounded, for those that work for others.
    pub fn unbounded() -> Self {
        Self { units: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)), budget: None }
    }

    /// Returns whether the share has room for `bytes` at present. Cheaper than charging them.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.units.available_permits() >= units(bytes) as usize
    }

    /// Charges bytes, rounded up to 1 KiB; `None` if the share or the budget has no room for them.
    pub fn take(&self, bytes: usize) -> Option<ByteCharge> {
        let units = Arc::clone(&self.units).try_acquire_many_owned(units(bytes)).ok()?;
        self.charge(units)
    }

    /// Waits until the share has room, and charges the bytes. Returns `None` at the deadline, or if
    /// the budget has no room.
    pub async fn take_until(&self, bytes: usize, deadline: Instant) -> Option<ByteCharge> {
        let units = Arc::clone(&self.units).acquire_many_owned(units(bytes));
        self.charge(timeout_at(deadline, units).await.ok()?.ok()?)
    }

    fn charge(&self, units: OwnedSemaphorePermit) -> Option<ByteCharge> {
        if let Some(budget) = &self.budget
            && !budget.take(units.num_permits() * UNIT_BYTES)
        {
            return None;
        }
        Some(ByteCharge { units, budget: self.budget.clone() })
    }
}

impl ByteCharge {
    /// Gives back all but `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        let excess = self.units.num_permits().saturating_sub(units(bytes) as usize);
        let given_back = self.units.split(excess);
        if let (Some(_), Some(budget)) = (given_back, &self.budget) {
            budget.give_back(excess * UNIT_BYTES);
        }
    }
}

impl Drop for ByteCharge {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.give_back(self.units.num_permits() * UNIT_BYTES);
        }
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const KIB: usize = UNIT_BYTES;

    #[test]
    fn a_share_is_bounded_by_itself_and_by_the_budget() {
        let budget = ByteBudget::new(10 * KIB);
        let (till, bench) = (budget.share(6 * KIB), budget.share(6 * KIB));
        let mut held = till.take(6 * KIB).expect("all of it");
        assert!(!till.has_room(1) && till.take(1).is_none(), "the share is used up");
        assert!(bench.take(5 * KIB).is_none(), "the budget has no room");
        let other = bench.take(4 * KIB).expect("what is left");
        assert_eq!(budget.used(), 10 * KIB);
        held.shrink_to(2 * KIB - 1);
        assert_eq!(budget.used(), 6 * KIB);
        let again = till.take(4 * KIB).expect("given back");
        drop((held, other, again));
        assert_eq!(budget.used(), 0);
        assert!(bench.take(6 * KIB).is_some(), "what did not fit has left nothing charged");
    }

    #[test]
    fn a_share_without_bounds_is_not_charged_to_a_budget() {
        let node = ByteShare::unbounded();
        let held: Vec<_> = (0..100).map(|_| node.take(1 << 30).expect("has room")).collect();
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_waits_for_its_own_share() {
        let share = ByteBudget::new(10 * KIB).share(4 * KIB);
        let held = share.take(4 * KIB).expect("all of it");
        let soon = Instant::now() + Duration::from_secs(1);
        assert!(share.take_until(1, soon).await.is_none());
        assert_eq!(Instant::now(), soon, "at its deadline");
        let waiting = tokio::spawn({
            let share = share.clone();
            async move { share.take_until(3 * KIB, soon + Duration::from_secs(1)).await }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert!(waiting.await.expect("no panic").is_some());
    }
}
