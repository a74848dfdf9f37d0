//! Test data: log entries that each set a key.

use coffee_common::{
    command::{Batch, Command, Operation, Proposal},
    id::{ClientId, RequestId, Revision},
    key::{Key, Value},
};
use coffeed::raft_types::{CommittedLeaderId, LogEntry, LogId, Payload};
use openraft::entry::RaftEntry;

/// Number of keys, and size of the values.
pub(crate) const KEYS: u64 = 100_000;
pub(crate) const VALUE_BYTES: usize = 256;

/// Returns the `number`th key.
pub(crate) fn key(number: u64) -> Key {
    Key::new(format!("order/{:08}", number % KEYS)).expect("legal")
}

/// Returns a pseudorandom number below [`KEYS`] (Fibonacci hashing).
pub(crate) fn any(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) % KEYS
}

/// The id of an entry; there is only one term.
pub(crate) fn log_id(index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(1), index)
}

/// A client's `index`th write, which sets one key.
pub(crate) fn write(index: u64, key: Key) -> (RequestId, Batch) {
    let value = Value::new(vec![index.to_le_bytes()[0]; VALUE_BYTES]).expect("legal");
    let request =
        RequestId { client: ClientId(9), sequence: index, after: Revision(index.saturating_sub(1)) };
    (request, Batch::of(Operation::Set(key, value)))
}

/// The log entry at `index`.
pub(crate) fn entry(index: u64, key: Key) -> LogEntry {
    let (request, batch) = write(index, key);
    let proposal = Proposal {
        request: Some(request),
        proposed_at_ms: 5,
        command: Command::Batch(batch.into()),
        author: String::new(),
    };
    LogEntry::new(log_id(index), Payload::Normal(proposal))
}
