//! What is seen of a node from outside, at a moment in which nothing runs.
//!
//! Plain data: whoever looks fills it in, and the [`checks`](super::checks)
//! judge it. Indexes are those of the log; 0 is before all.

/// A node, as it is at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// How often its disk was replaced by an empty one.
    pub disk: u64,
    /// Its id in the cluster.
    pub id: u64,
    /// Its term.
    pub term: u64,
    /// Whether it says that it leads.
    pub leads: bool,
    /// The last entry that it has applied.
    pub applied: u64,
    /// The last entry of its log.
    pub last_log: u64,
    /// The last entry that it has purged.
    pub purged: u64,
    /// How far the log of each member matches, as it knows as a leader.
    pub matched: Vec<(u64, u64)>,
    /// How its disk is, where somebody looked at that.
    pub inside: Option<Inside>,
}

/// What is inside of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inside {
    /// The log that a power cut would leave, from the first entry that is not purged.
    pub log: Vec<LogLine>,
    /// The term of the vote that a power cut would leave.
    pub voted: u64,
    /// The last entry that its log on the disk is purged up to.
    pub purged: u64,
    /// The last entry in the state that a power cut would leave.
    pub durably_applied: u64,
    /// The last entry that is applied, and a hash over all of the state behind it.
    pub state: Option<(u64, u64)>,
}

/// An entry of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogLine {
    /// Its place.
    pub index: u64,
    /// The term in which it was proposed.
    pub term: u64,
    /// A hash over all of it.
    pub hash: u64,
    /// The sets of voters, if it is a membership: two while it changes.
    pub voters: Option<Vec<Vec<u64>>>,
}

impl Inside {
    /// The last entry of the log that a power cut would leave.
    pub fn last(&self) -> u64 {
        self.log.last().map_or(self.purged, |line| line.index)
    }

    /// The entry at `index`, if it is there.
    pub fn line(&self, index: u64) -> Option<&LogLine> {
        let first = self.log.first()?.index;
        self.log.get(usize::try_from(index.checked_sub(first)?).ok()?)
    }
}
