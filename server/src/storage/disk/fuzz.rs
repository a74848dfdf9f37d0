//! The text files of a data directory, for fuzzing.

use std::path::Path;

use super::NodeIdentity;

/// Reads the bytes as the identity of a node. Text that is read is written again as it was meant.
pub fn identity(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let path = Path::new("identity.toml");
    if let Ok(identity) = NodeIdentity::parse(text, path) {
        let again = NodeIdentity::parse(&identity.to_text(), path);
        assert_eq!(again.ok(), Some(identity), "it is read as it was written");
    }
}

#[test]
fn the_golden_identity_is_decoded() {
    identity(&crate::golden_test::bytes("identity"));
}
