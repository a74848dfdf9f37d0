//! The versions of the protocol that two sides speak, and the one that they choose.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A range of versions of the frames and messages on a connection.
///
/// A new version is for changes that the rule of [`crate::envelope`] does not allow. Each side tells
/// its range in its first message, a [`Welcome`](crate::protocol::Welcome) or the hello of a peer,
/// which all versions can read; then both speak the highest version that they have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolVersions {
    /// The lowest version.
    pub min: u8,
    /// The highest version.
    pub max: u8,
}

/// Two sides have no version in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it speaks version {theirs} of the protocol, and this side version {ours}: upgrade the older one")]
pub struct NoCommonVersion {
    /// The range of this side.
    pub ours: ProtocolVersions,
    /// The range of the other side.
    pub theirs: ProtocolVersions,
}

impl ProtocolVersions {
    /// The versions that this build speaks.
    pub const OWN: Self = Self { min: 1, max: 1 };

    /// Returns whether a version is in the range.
    pub fn contains(self, version: u8) -> bool {
        (self.min..=self.max).contains(&version)
    }

    /// Returns the version to speak with another side: the highest one of both; the lowest one of this
    /// side as long as the other's are not known.
    ///
    /// # Errors
    /// They have none in common.
    pub fn to_speak(self, theirs: Option<Self>) -> Result<u8, NoCommonVersion> {
        let Some(theirs) = theirs else { return Ok(self.min) };
        let highest = self.max.min(theirs.max);
        let common = self.contains(highest) && theirs.contains(highest);
        if common { Ok(highest) } else { Err(NoCommonVersion { ours: self, theirs }) }
    }
}

impl fmt::Display for ProtocolVersions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.min == self.max {
            true => self.min.fmt(f),
            false => write!(f, "{} to {}", self.min, self.max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(min: u8, max: u8) -> ProtocolVersions {
        ProtocolVersions { min, max }
    }

    #[test]
    fn the_highest_common_version_is_spoken() {
        for (ours, theirs, spoken) in [
            ((1, 1), (1, 1), Some(1)),
            ((1, 3), (2, 5), Some(3)),
            ((2, 5), (1, 3), Some(3)),
            ((1, 9), (4, 4), Some(4)),
            ((1, 2), (3, 4), None),
            ((3, 4), (1, 2), None),
            // As no version of coffeed says: by a hostile side, or by none of its messages.
            ((1, 3), (3, 1), None),
            ((1, 3), (0, 0), None),
        ] {
            let (ours, theirs) = (versions(ours.0, ours.1), versions(theirs.0, theirs.1));
            assert_eq!(ours.to_speak(Some(theirs)).ok(), spoken, "{ours} with {theirs}");
        }
        assert_eq!(versions(2, 5).to_speak(None), Ok(2), "not known yet");
    }

    #[test]
    fn without_a_common_version_both_ranges_are_named() {
        let error = versions(1, 1).to_speak(Some(versions(2, 4))).expect_err("none");
        let expected =
            "it speaks version 2 to 4 of the protocol, and this side version 1: upgrade the older one";
        assert_eq!(error.to_string(), expected);
    }
}
