//! Logging to systemd's journal.

use std::{
    fs::{File, Metadata},
    io,
    os::{fd::AsFd, unix::fs::MetadataExt},
};

use coffee_common::id::NodeName;

/// Returns whether standard error is connected to the journal.
///
/// systemd names that file in JOURNAL_STREAM (systemd.exec(5)). A child process
/// inherits the variable even if its standard error is another file.
pub(super) fn takes_standard_error() -> bool {
    let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else { return false };
    let own = io::stderr().as_fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata());
    own.is_ok_and(|own| is_named(&stream, &own))
}

/// Returns whether `device:inode` names this file.
fn is_named(stream: &str, file: &Metadata) -> bool {
    let named = stream.split_once(':');
    let named = named.and_then(|(device, inode)| Some((device.parse().ok()?, inode.parse().ok()?)));
    named == Some((file.dev(), file.ino()))
}

/// Returns the layer that logs there. Fields begin with `COFFEED_`; each entry names its node.
pub(super) fn layer(node: Option<&NodeName>) -> io::Result<tracing_journald::Layer> {
    let node = node.map(|node| ("COFFEED_NODE", node.as_str()));
    let layer = tracing_journald::layer()?.with_field_prefix(Some("COFFEED".to_owned()));
    Ok(layer.with_syslog_identifier("coffeed".to_owned()).with_custom_fields(node))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_file_that_systemd_names_counts() {
        let file = tempfile::tempfile().and_then(|file| file.metadata()).expect("a file");
        let (device, inode) = (file.dev(), file.ino());
        assert!(is_named(&format!("{device}:{inode}"), &file));
        for other in ["", "1", ":", "x:y", &format!("{device}:{}", inode + 1), &format!("{inode}:{device}")] {
            assert!(!is_named(other, &file), "{other}");
        }
    }
}
