//! The versions of all formats that this build writes and reads, in one place.

use coffee_common::backup;

use super::{disk, record, snapshot};
use crate::kv;

/// A format on disk or between nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct DataFormat {
    /// Its name, for people.
    pub name: &'static str,
    /// Its version.
    pub version: u64,
}

/// Every format.
pub const FORMATS: [DataFormat; 5] = [
    DataFormat { name: "data directory", version: disk::FORMAT },
    DataFormat { name: "log record", version: record::VERSION as u64 },
    DataFormat { name: "state", version: kv::TABLES_FORMAT as u64 },
    DataFormat { name: "snapshot", version: snapshot::FORMAT as u64 },
    DataFormat { name: "backup", version: backup::FORMAT as u64 },
];
