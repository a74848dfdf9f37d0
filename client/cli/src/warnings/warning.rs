//! A problem that a verb found in the reports of the nodes, with the next step.

use std::fmt;

use coffee_common::id::NodeName;

/// The subject of a warning. `doctor` has a check of the same name, and shows them in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    /// Certificates that expire, and keys.
    Certificate,
    /// The certificate of the CA.
    Ca,
    /// Voters in reach, and the leader.
    Quorum,
    /// The members, and nodes that ask to join.
    Membership,
    /// The phase and lag of nodes.
    State,
    /// Nodes that answer.
    Reach,
    /// The size of the packets that pass.
    Packets,
    /// Wall clocks.
    Clock,
    /// The connections between nodes.
    Links,
    /// The syncs of disks.
    Fsync,
    /// Free disk space.
    Space,
    /// Times at which a process was not scheduled.
    Pauses,
    /// Whether writes that add data are accepted.
    Writes,
    /// Election timers.
    Timers,
    /// Versions of coffeed.
    Version,
    /// The feature level.
    Level,
    /// Revocation lists.
    Revocation,
    /// The cluster to which nodes belong.
    Cluster,
}

impl Topic {
    /// Returns its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Ca => "ca",
            Self::Quorum => "quorum",
            Self::Membership => "membership",
            Self::State => "state",
            Self::Reach => "reach",
            Self::Packets => "packets",
            Self::Clock => "clock",
            Self::Links => "links",
            Self::Fsync => "fsync",
            Self::Space => "space",
            Self::Pauses => "pauses",
            Self::Writes => "writes",
            Self::Timers => "timers",
            Self::Version => "version",
            Self::Level => "level",
            Self::Revocation => "revocation",
            Self::Cluster => "cluster",
        }
    }
}

/// The severity of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// It works, and may not for long, or not well.
    Warn,
    /// It does not work.
    Fail,
}

/// A problem, present or to come. Shown as the line that `list` and `status` print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) topic: Topic,
    pub(crate) severity: Severity,
    /// The nodes that have the problem; none if it concerns the cluster.
    pub(crate) nodes: Vec<NodeName>,
    /// The problem, as a sentence without a full stop.
    pub(crate) detail: String,
    /// The next step.
    pub(crate) hint: String,
}

impl Warning {
    /// Creates a warning that concerns the cluster.
    pub(crate) fn new(topic: Topic, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        let (detail, hint) = (detail.into(), hint.into());
        Self { topic, severity: Severity::Warn, nodes: Vec::new(), detail, hint }
    }

    /// Names a node that has the problem.
    #[must_use]
    pub(crate) fn at(mut self, node: &NodeName) -> Self {
        self.nodes.push(node.clone());
        self
    }

    /// Names the nodes that have the problem.
    #[must_use]
    pub(crate) fn at_all<'a>(mut self, nodes: impl IntoIterator<Item = &'a NodeName>) -> Self {
        self.nodes.extend(nodes.into_iter().cloned());
        self
    }

    /// Makes it a failure.
    #[must_use]
    pub(crate) fn fails(self) -> Self {
        Self { severity: Severity::Fail, ..self }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "warning: {}: {}", self.detail, self.hint)
    }
}
