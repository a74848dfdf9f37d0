//! One figure of both sides, with the target for it.

use coffee_tests::samples::Samples;

use crate::contestant::Both;

/// What coffeed is meant to reach.
///
/// Rates and amounts are held against etcd's in the same run, since machines
/// differ, and one machine drifts. Times that a person set are absolute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// So many times etcd's median, or more.
    Times(f64),
    /// This part of etcd's median, or less.
    Part(f64),
    /// The median and the worst are not above these.
    Within {
        /// The most that the median may be.
        median: f64,
        /// The most that any may be.
        worst: f64,
    },
    /// It is only shown.
    None,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) samples: Both<Samples>,
    pub(crate) goal: Goal,
}

impl Line {
    pub(crate) fn new(what: String, unit: &'static str, samples: Both<Samples>, goal: Goal) -> Self {
        Self { what, unit, samples, goal }
    }

    /// coffeed's median as a multiple of etcd's; `None` where etcd's is nothing.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let (ours, theirs) = (self.samples.coffeed.median(), self.samples.etcd.median());
        (theirs > 0.0).then(|| ours / theirs)
    }

    /// Whether the target is reached; `None` where there is none.
    pub(crate) fn passes(&self) -> Option<bool> {
        let (ours, theirs) = (&self.samples.coffeed, self.samples.etcd.median());
        match self.goal {
            Goal::Times(times) => Some(ours.median() >= times * theirs),
            Goal::Part(part) => Some(ours.median() <= part * theirs),
            Goal::Within { median, worst } => Some(ours.median() <= median && ours.most() <= worst),
            Goal::None => None,
        }
    }

    /// The worst sample of a side: the smallest where more is better.
    pub(crate) fn worst(&self, samples: &Samples) -> f64 {
        match self.unit {
            "/s" | "" => samples.least(),
            _ => samples.most(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(goal: Goal, coffeed: [f64; 3], etcd: [f64; 3]) -> Line {
        let both = Both { coffeed: coffeed.into_iter().collect(), etcd: etcd.into_iter().collect() };
        Line::new("a figure".into(), "ms", both, goal)
    }

    #[test]
    fn a_goal_is_held_against_the_median_and_the_worst() {
        let passes = |goal, coffeed, etcd| line(goal, coffeed, etcd).passes();
        assert_eq!(passes(Goal::Times(4.0), [4.0, 1.0, 9.0], [1.0, 1.0, 9.0]), Some(true));
        assert_eq!(passes(Goal::Times(4.0), [3.9, 1.0, 9.0], [1.0, 1.0, 9.0]), Some(false));
        assert_eq!(passes(Goal::Part(0.5), [4.0, 5.0, 9.0], [10.0; 3]), Some(true));
        assert_eq!(passes(Goal::Part(0.5), [4.0, 5.1, 9.0], [10.0; 3]), Some(false));
        let within = Goal::Within { median: 13.0, worst: 50.0 };
        assert_eq!(passes(within, [12.0, 13.0, 50.0], [1.0; 3]), Some(true));
        assert_eq!(passes(within, [12.0, 13.0, 51.0], [1.0; 3]), Some(false));
        assert_eq!(passes(within, [12.0, 14.0, 50.0], [1.0; 3]), Some(false));
        assert_eq!(passes(Goal::None, [1.0; 3], [1.0; 3]), None);
    }

    #[test]
    fn a_ratio_needs_something_to_divide_by() {
        assert_eq!(line(Goal::None, [3.0; 3], [2.0; 3]).ratio(), Some(1.5));
        assert_eq!(line(Goal::None, [3.0; 3], [0.0; 3]).ratio(), None);
    }
}
