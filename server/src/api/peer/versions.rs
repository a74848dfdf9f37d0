//! The protocol versions that other members speak, as their hellos say.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use coffee_common::{
    id::NodeId,
    protocol_versions::{NoCommonVersion, ProtocolVersions},
};

/// The versions of the members that have opened a stream to this node. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct PeerVersions(Arc<Mutex<HashMap<NodeId, ProtocolVersions>>>);

impl PeerVersions {
    /// Notes what a member's hello says.
    pub(super) fn note(&self, member: NodeId, versions: ProtocolVersions) {
        self.known().insert(member, versions);
    }

    /// Returns the version in which to write to a member.
    ///
    /// # Errors
    /// It speaks none of this node's.
    pub(super) fn to_speak(&self, member: NodeId) -> Result<u8, NoCommonVersion> {
        ProtocolVersions::OWN.to_speak(self.known().get(&member).copied())
    }

    /// Forgets all members but these.
    pub(super) fn keep(&self, keep: impl Fn(NodeId) -> bool) {
        self.known().retain(|member, _| keep(*member));
    }

    fn known(&self) -> MutexGuard<'_, HashMap<NodeId, ProtocolVersions>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_spoken_to_as_its_last_hello_says() {
        let (known, hong) = (PeerVersions::default(), NodeId(7));
        let own = ProtocolVersions::OWN;
        assert_eq!(known.to_speak(hong), Ok(own.min));
        let newer = ProtocolVersions { min: own.max + 1, max: own.max + 2 };
        known.note(hong, newer);
        assert_eq!(known.to_speak(hong), Err(NoCommonVersion { ours: own, theirs: newer }));
        assert_eq!(known.to_speak(NodeId(8)), Ok(own.min), "another member");
        known.note(hong, ProtocolVersions { min: own.max, max: own.max + 2 });
        assert_eq!(known.to_speak(hong), Ok(own.max), "after a downgrade");
        known.note(hong, newer);
        known.keep(|member| member != hong);
        assert_eq!(known.to_speak(hong), Ok(own.min), "its next incarnation has another id");
    }
}
