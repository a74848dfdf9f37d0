//! One figure of both sides, with its target.

use coffee_tests::samples::Samples;

use crate::contestant::Both;

/// A target for coffeed.
///
/// Rates and amounts are compared with etcd's in the same run, since machines differ, and
/// one machine drifts. Times demanded by an operator are absolute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FigureGoal {
    /// At least this multiple of etcd's median.
    Times(f64),
    /// At most this fraction of etcd's median.
    Part(f64),
    /// Absolute bounds for the median and the worst sample.
    Within {
        /// Maximum of the median.
        median: f64,
        /// Maximum of all samples.
        worst: f64,
    },
    /// No target: the figure is only shown.
    None,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct ResultLine {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) samples: Both<Samples>,
    pub(crate) goal: FigureGoal,
}

impl ResultLine {
    pub(crate) fn new(what: String, unit: &'static str, samples: Both<Samples>, goal: FigureGoal) -> Self {
        Self { what, unit, samples, goal }
    }

    /// coffeed's median as a multiple of etcd's; `None` if etcd's is 0.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let (ours, theirs) = (self.samples.coffeed.median(), self.samples.etcd.median());
        (theirs > 0.0).then(|| ours / theirs)
    }

    /// Whether the target is met; `None` without a target.
    pub(crate) fn passes(&self) -> Option<bool> {
        let (ours, theirs) = (&self.samples.coffeed, self.samples.etcd.median());
        match self.goal {
            FigureGoal::Times(times) => Some(ours.median() >= times * theirs),
            FigureGoal::Part(part) => Some(ours.median() <= part * theirs),
            FigureGoal::Within { median, worst } => Some(ours.median() <= median && ours.most() <= worst),
            FigureGoal::None => None,
        }
    }

    /// The worst sample of a side: the smallest if more is better.
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

    fn line(goal: FigureGoal, coffeed: [f64; 3], etcd: [f64; 3]) -> ResultLine {
        let both = Both { coffeed: coffeed.into_iter().collect(), etcd: etcd.into_iter().collect() };
        ResultLine::new("a figure".into(), "ms", both, goal)
    }

    #[test]
    fn a_goal_is_held_against_the_median_and_the_worst() {
        let passes = |goal, coffeed, etcd| line(goal, coffeed, etcd).passes();
        assert_eq!(passes(FigureGoal::Times(4.0), [4.0, 1.0, 9.0], [1.0, 1.0, 9.0]), Some(true));
        assert_eq!(passes(FigureGoal::Times(4.0), [3.9, 1.0, 9.0], [1.0, 1.0, 9.0]), Some(false));
        assert_eq!(passes(FigureGoal::Part(0.5), [4.0, 5.0, 9.0], [10.0; 3]), Some(true));
        assert_eq!(passes(FigureGoal::Part(0.5), [4.0, 5.1, 9.0], [10.0; 3]), Some(false));
        let within = FigureGoal::Within { median: 13.0, worst: 50.0 };
        assert_eq!(passes(within, [12.0, 13.0, 50.0], [1.0; 3]), Some(true));
        assert_eq!(passes(within, [12.0, 13.0, 51.0], [1.0; 3]), Some(false));
        assert_eq!(passes(within, [12.0, 14.0, 50.0], [1.0; 3]), Some(false));
        assert_eq!(passes(FigureGoal::None, [1.0; 3], [1.0; 3]), None);
    }

    #[test]
    fn a_ratio_needs_something_to_divide_by() {
        assert_eq!(line(FigureGoal::None, [3.0; 3], [2.0; 3]).ratio(), Some(1.5));
        assert_eq!(line(FigureGoal::None, [3.0; 3], [0.0; 3]).ratio(), None);
    }
}
