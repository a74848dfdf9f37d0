//! A congestion window: bounds the bytes in flight to a receiver that can report overload.
//!
//! The window grows while all goes well and halves on congestion, once for everything that was in
//! flight together (slow start, congestion avoidance and multiplicative decrease, RFC 5681 section
//! 3.1). Pure: knows no time and no network. Guards that bytes are only taken while they fit the
//! window; bytes that were taken before it shrank stay taken.

use std::ops::RangeInclusive;

/// A congestion window, in bytes.
#[derive(Debug)]
pub struct Window {
    taken: usize,
    /// The congestion window proper, before `max` is applied.
    open: usize,
    min: usize,
    max: usize,
    /// The number of the next take.
    next: u64,
    /// `next` when the window last shrank: feedback on earlier takes is ignored.
    closed_at: Option<u64>,
}

/// Bytes taken from a window, to be given back to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    bytes: usize,
    number: u64,
}

/// The feedback of the receiver on bytes that were in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The window may grow.
    Clear,
    /// No information.
    Silent,
    /// The receiver was overloaded: the window shrinks.
    Congested,
}

impl Window {
    /// Creates a window that starts at the lower bound and stays within the bounds.
    pub fn new(bounds: RangeInclusive<usize>) -> Self {
        let (min, max) = bounds.into_inner();
        Self { taken: 0, open: min, min, max, next: 0, closed_at: None }
    }

    /// Starts at the upper bound instead.
    #[must_use]
    pub fn opened(self) -> Self {
        Self { open: self.max, ..self }
    }

    /// Sets another upper bound, which may be less than the lower bound.
    pub fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// Returns how many bytes may be in flight at present.
    pub fn limit(&self) -> usize {
        self.open.min(self.max)
    }

    /// Returns how many more bytes may be taken at present.
    pub fn free(&self) -> usize {
        self.limit().saturating_sub(self.taken)
    }

    /// Takes bytes from the window; returns `None` if they do not fit.
    pub fn take(&mut self, bytes: usize) -> Option<Taken> {
        self.taken = self.taken.checked_add(bytes).filter(|taken| *taken <= self.limit())?;
        let number = self.next;
        self.next += 1;
        Some(Taken { bytes, number })
    }

    /// Returns bytes to the window, with the feedback on them.
    pub fn give_back(&mut self, taken: Taken, sign: Sign) {
        let Taken { bytes, number } = taken;
        // A window that was not used does not prove that it could be wider.
        let was_needed = self.taken > self.limit() / 2;
        self.taken = self.taken.saturating_sub(bytes);
        match sign {
            Sign::Clear if was_needed => {
                let wider = self.limit().saturating_add(self.step(bytes)).min(self.max);
                self.open = wider.max(self.min);
            }
            Sign::Congested if self.closed_at.is_none_or(|closed_at| number >= closed_at) => {
                self.open = (self.limit() / 2).max(self.min);
                self.closed_at = Some(self.next);
            }
            Sign::Clear | Sign::Silent | Sign::Congested => {}
        }
    }

    /// Returns the growth for acknowledged bytes: the window doubles per round trip at first, and
    /// grows slowly after the first congestion.
    fn step(&self, bytes: usize) -> usize {
        match self.closed_at {
            None => bytes,
            Some(_) => (bytes.saturating_mul(self.min / 4) / self.open.max(1)).max(1),
        }
    }
}

impl Taken {
    /// Merges with another take of the same window, to give both back at once: the window then
    /// judges by all of it whether it was needed.
    pub fn merge(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.number = self.number.min(other.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: usize = 64;
    const MAX: usize = 1024;

    /// Takes all that fits, and gives it back.
    fn round_trip(window: &mut Window, sign: Sign) {
        let all: Vec<Taken> = std::iter::from_fn(|| window.take(16)).collect();
        for taken in all {
            window.give_back(taken, sign);
        }
        assert_eq!(window.taken, 0);
    }

    #[test]
    fn it_opens_while_all_goes_well_and_closes_by_half() {
        let mut window = Window::new(MIN..=MAX);
        round_trip(&mut window, Sign::Silent);
        assert_eq!(window.limit(), MIN);
        (0..10).for_each(|_| round_trip(&mut window, Sign::Clear));
        assert_eq!(window.limit(), MAX, "no further");
        round_trip(&mut window, Sign::Congested);
        assert_eq!(window.limit(), MAX / 2, "once for all that were in flight together");
        round_trip(&mut window, Sign::Clear);
        let limit = window.limit();
        assert!(limit > MAX / 2 && limit <= MAX / 2 + MIN, "with care: {limit}");
        (0..10).for_each(|_| round_trip(&mut window, Sign::Congested));
        assert_eq!(window.limit(), MIN, "no further");
        (0..1000).for_each(|_| round_trip(&mut window, Sign::Clear));
        assert_eq!(window.limit(), MAX, "it opens again");
    }

    #[test]
    fn it_may_begin_wide_open() {
        let mut window = Window::new(MIN..=MAX).opened();
        assert_eq!(window.limit(), MAX);
        round_trip(&mut window, Sign::Congested);
        assert_eq!(window.limit(), MAX / 2);
    }

    #[test]
    fn an_unused_window_does_not_open() {
        let mut window = Window::new(MIN..=MAX);
        for _ in 0..1000 {
            let taken = window.take(MIN / 4).expect("fits");
            window.give_back(taken, Sign::Clear);
        }
        assert_eq!(window.limit(), MIN);
    }

    #[test]
    fn it_gives_what_there_is_and_takes_it_back() {
        let mut window = Window::new(MIN..=MAX);
        let mut first = window.take(24).expect("fits");
        first.merge(window.take(40).expect("to the last byte"));
        assert_eq!(window.take(1), None, "merged, they take as much");
        assert_eq!(window.take(usize::MAX), None);
        window.give_back(first, Sign::Silent);
        window.set_max(10);
        assert_eq!(window.take(11), None, "it is held to less than it began with");
        let held = window.take(10).expect("fits");
        window.set_max(MAX);
        let more = window.take(54).expect("the window has grown");
        window.give_back(held, Sign::Silent);
        window.give_back(more, Sign::Silent);
    }
}
