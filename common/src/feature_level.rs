//! Feature levels: which commands, requests and formats a cluster may use.
//!
//! The level of a cluster is replicated state. A build knows the levels from [`LEVEL_MIN`] to
//! [`LEVEL_MAX`]; a cluster stays at one of them, whatever its nodes know, until all members know
//! the next one and an operator raises it. Guards that nothing that a level brought is proposed,
//! sent or written below that level, so a node of the version before can take part until then, and
//! can take the place of a newer one. Levels only rise: what earlier levels wrote can be read for
//! ever. As etcd's cluster version, and CockroachDB's cluster setting `version`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The level of a cluster, or the highest one that a node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FeatureLevel(pub u32);

/// A level, and what it brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LevelFeatures {
    /// The level.
    pub level: FeatureLevel,
    /// The first version of coffeed that knows it.
    pub version: &'static str,
    /// Its commands and formats, for people.
    pub brought: &'static str,
}

/// The level from which on a cluster keeps a history of its keys.
pub const HISTORY: FeatureLevel = FeatureLevel(2);

/// The levels that this build knows, in order.
pub const LEVELS: &[LevelFeatures] = &[
    LevelFeatures { level: FeatureLevel(1), version: "0.1.0", brought: "everything of the first release" },
    LevelFeatures {
        level: HISTORY,
        version: "0.1.0",
        brought: "a history of keys, transactions, watches; keys of any bytes; values of up to 1.5 MiB",
    },
    #[cfg(coffee_future)]
    FUTURE,
];

/// The level after this version's, for tests of upgrades: a build with `--cfg coffee_future` has one
/// more command, one more request, one more field of the welcome, one more setting and one more format
/// of rows, each marked by that condition, and stands for the next version. None is released.
#[cfg(coffee_future)]
pub const FUTURE: LevelFeatures = LevelFeatures {
    level: FeatureLevel(3),
    version: "0.2.0",
    brought: "a command that writes the record of a node again, in another format",
};

/// The lowest level that this build knows: that of a new cluster.
pub const LEVEL_MIN: FeatureLevel = LEVELS[0].level;

/// The highest level that this build knows.
pub const LEVEL_MAX: FeatureLevel = LEVELS[LEVELS.len() - 1].level;

impl FeatureLevel {
    /// The level after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for FeatureLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_each_other_from_one() {
        let levels: Vec<u32> = LEVELS.iter().map(|known| known.level.0).collect();
        assert_eq!(levels, (1..=LEVELS.len() as u32).collect::<Vec<_>>());
        assert_eq!((LEVEL_MIN, LEVEL_MAX.0), (FeatureLevel(1), LEVELS.len() as u32));
        assert_eq!(LEVEL_MIN.next(), FeatureLevel(2));
    }
}
