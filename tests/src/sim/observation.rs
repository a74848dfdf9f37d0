//! A node as observed from outside, while nothing runs.
//!
//! Plain data: the observer fills it in, and the [`checks`](super::checks) evaluate it.
//! Indexes are log indexes; 0 precedes all entries.

/// A node at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// Its name.
    pub name: String,
    /// How many times its disk was replaced by an empty one.
    pub disk: u64,
    /// Whether its disk accepts no write at this moment.
    pub stalled: bool,
    /// Its id in the cluster.
    pub id: u64,
    /// Its term.
    pub term: u64,
    /// Whether it claims to lead.
    pub leads: bool,
    /// The term in which it, as the leader, last began to hand over since its start; 0 for none.
    pub handed_over: u64,
    /// The highest feature level that it knows.
    pub knows: u32,
    /// The last applied entry.
    pub applied: u64,
    /// The last entry of its log.
    pub last_log: u64,
    /// The last purged entry.
    pub purged: u64,
    /// The last matching entry of each member's log, as this leader knows it.
    pub matched: Vec<(u64, u64)>,
    /// The members, as of the last membership that it knows to be committed.
    pub members: Option<CommittedMembers>,
    /// The records of nodes in its state.
    pub records: Vec<RecordLine>,
    /// Contents of its disk, if they were examined.
    pub inside: Option<Inside>,
}

/// A committed membership.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommittedMembers {
    /// The index of its log entry.
    pub index: u64,
    /// Voters and learners.
    pub members: Vec<MemberLine>,
}

/// A member of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberLine {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Whether it is a voter.
    pub votes: bool,
}

/// The replicated record of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLine {
    /// The id that it has or had.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its state.
    pub standing: Standing,
}

/// The state of a node on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is a member, or joins.
    Live,
    /// It was shut down.
    Shutdown,
    /// An operator has announced it; its id belongs to no node.
    Announced,
}

/// Contents of a node's disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inside {
    /// The log that would survive a power cut, from the first entry that is not purged.
    pub log: Vec<LogLine>,
    /// The term of the vote that would survive a power cut.
    pub voted: u64,
    /// The last purged entry of the log on disk.
    pub purged: u64,
    /// The last entry in the state that would survive a power cut.
    pub durably_applied: u64,
    /// The feature level of the state that would survive a power cut.
    pub durable_level: u32,
    /// The feature level that is noted in its identity, if that is of this id.
    pub marked: Option<u32>,
    /// The applied state, while it runs.
    pub state: Option<AppliedState>,
}

/// The applied state of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AppliedState {
    /// The last applied entry.
    pub index: u64,
    /// A hash of the whole state.
    pub hash: u64,
    /// The feature level of the cluster.
    pub level: u32,
}

/// An entry of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogLine {
    /// Its index.
    pub index: u64,
    /// The term in which it was proposed.
    pub term: u64,
    /// A hash of the whole entry.
    pub hash: u64,
    /// The sets of voters, if it is a membership: two while it changes.
    pub voters: Option<Vec<Vec<u64>>>,
    /// The lowest feature level at which it may be proposed; 0 for any.
    pub needs: u32,
    /// The feature level to which it raises the cluster; 0 if it does not.
    pub raises: u32,
}

impl Inside {
    /// Index of the last log entry that would survive a power cut.
    pub fn last(&self) -> u64 {
        self.log.last().map_or(self.purged, |line| line.index)
    }

    /// Returns the entry at `index`, if present.
    pub fn line(&self, index: u64) -> Option<&LogLine> {
        let first = self.log.first()?.index;
        self.log.get(usize::try_from(index.checked_sub(first)?).ok()?)
    }
}
