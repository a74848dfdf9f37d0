//! The words for the phase, role and state of a node: the same in every output.

use super::{LifecyclePhase, NodeState, RaftRole};

impl LifecyclePhase {
    /// Returns the phase, as commands and documents show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Joining => "joining",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Opening => "opening",
        }
    }
}

impl RaftRole {
    /// Returns the role, as commands and documents show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Learner => "learner",
        }
    }
}

impl NodeState {
    /// Returns the state, as commands and documents show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Joining => "joining",
            Self::Waiting => "waiting",
            Self::Stopping => "stopping",
            Self::Unreachable => "unreachable",
            Self::Shutdown => "shutdown",
            Self::Starting => "starting",
            Self::OtherCluster => "other cluster",
            Self::Announced => "announced",
        }
    }
}
