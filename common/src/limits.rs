//! Every bound of the system, in one place, with the relations between them.
//!
//! A length that comes from outside is checked against one of these before
//! memory is taken for it. Bounds that are part of a replicated rule say so:
//! changing one of those changes what replicas compute from the same log.

use std::ops::RangeInclusive;

/// Longest key, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1024;

/// Longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// Longest name of a node or of a client, in bytes: one DNS label (RFC 1035 section 2.3.4).
pub const NAME_BYTES_MAX: usize = 63;

/// Longest address of a node (`host:port`), in bytes.
pub const ADDRESS_BYTES_MAX: usize = 255 + 1 + 5;

/// Most conditions that guard one batch.
pub const BATCH_CONDITIONS_MAX: usize = 128;

/// Most operations in one batch.
pub const BATCH_OPERATIONS_MAX: usize = 128;

/// Most bytes of keys and values in one batch, conditions included.
pub const BATCH_BYTES_MAX: usize = 2 << 20;

/// Largest encoded command, hence the payload of the largest log entry.
pub const COMMAND_BYTES_MAX: usize = BATCH_BYTES_MAX + (64 << 10);

/// Most bytes in one frame, its header not counted.
pub const FRAME_BYTES_MAX: usize = 4 << 20;

/// A frame up to this size shares a long-lived stream with others; a larger
/// one gets a stream of its own, so that it delays nobody.
pub const SHARED_FRAME_BYTES_MAX: usize = 64 << 10;

/// Entries of one append request stop at this size, the first one excepted.
pub const APPEND_BYTES_MAX: usize = 1 << 20;

/// Most entries of one append request.
pub const APPEND_ENTRIES_MAX: usize = 1024;

/// Most keys in one page of a range read.
pub const RANGE_KEYS_MAX: u32 = 1000;

/// A page of a range read stops at this size, the first key excepted.
pub const RANGE_BYTES_MAX: usize = 1 << 20;

/// Most bytes in one chunk of a snapshot: the largest row, and room around it.
pub const SNAPSHOT_CHUNK_BYTES_MAX: usize = 2 << 20;

/// Most bytes in one block of a backup: a chunk of a snapshot, and room around it.
pub const BACKUP_BLOCK_BYTES_MAX: usize = SNAPSHOT_CHUNK_BYTES_MAX + 64;

/// Most backups that a node gives at once: each pins the pages of its point in time.
pub const BACKUPS_AT_ONCE_MAX: usize = 2;

/// How many of the last requests the state machine remembers, to answer a
/// retry instead of applying it again.
///
/// Part of a replicated rule.
pub const REQUEST_MEMORY_MAX: u64 = 1 << 18;

/// Most nodes, members or not, that a cluster keeps a record of.
///
/// Part of a replicated rule.
pub const NODES_MAX: usize = 64;

/// Most requests of one connection that may be in flight at once.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 4096;

/// Most bytes of asks that a client has in flight on the shared stream of a
/// connection. The rest waits unsent, and can still be taken back.
pub const ASK_BYTES_IN_FLIGHT_MAX: usize = 4 << 20;

/// Most bytes of answers that a node holds ready for one connection, besides
/// what is on its way.
pub const CONNECTION_ANSWER_BYTES_MAX: usize = 32 << 20;

/// Most bytes of proposals that a node takes before they are committed; each
/// counts for a little more than its keys and values.
pub const PROPOSAL_BYTES_IN_FLIGHT_MAX: usize = 64 << 20;

/// What [`PROPOSAL_BYTES_IN_FLIGHT_MAX`] may be set to instead: from where the
/// largest batch still gets in.
pub const PROPOSAL_BYTES_IN_FLIGHT_RANGE: RangeInclusive<usize> = 4 << 20..=1 << 30;

/// Most connections that a node serves at once.
pub const CONNECTIONS_MAX: usize = 16_384;

/// What [`CONNECTIONS_MAX`] may be set to instead: from where every other node
/// still gets in, and has been dialled.
pub const CONNECTIONS_RANGE: RangeInclusive<usize> = 2 * NODES_MAX..=1 << 16;

/// Most handshakes that a node has under way at once; newcomers beyond that
/// wait unanswered.
pub const HANDSHAKES_MAX: usize = 256;

/// Most CAs that are trusted at once, and most revocation lists: one per CA.
pub const CAS_MAX: usize = 8;

/// Most streams of each kind, one-way and both-way, that the other side of a
/// connection has open at once. Each may have a frame of [`FRAME_BYTES_MAX`]
/// half received: with [`CONNECTION_WINDOW_BYTES`] this bounds what one
/// connection makes us hold.
pub const CONNECTION_STREAMS_MAX: u32 = 32;

/// Most bytes that one stream may send ahead of its reader. The other side
/// sends at most this much in a round trip.
pub const STREAM_WINDOW_BYTES: u32 = 1 << 20;

/// Most bytes that all streams of a connection may send ahead of their readers.
pub const CONNECTION_WINDOW_BYTES: u32 = 64 << 20;

/// With less room on its disk than this, a node's next chunks of the log, or a
/// snapshot, may not fit, in bytes.
pub const DISK_FREE_BYTES_MIN: u64 = 64 << 20;

/// Shortest and longest time that a request may ask for, in milliseconds.
pub const REQUEST_TIMEOUT_MS: RangeInclusive<u32> = 1..=600_000;

const _: () = {
    assert!(KEY_BYTES_MAX + VALUE_BYTES_MAX <= BATCH_BYTES_MAX);
    assert!(BATCH_BYTES_MAX < COMMAND_BYTES_MAX);
    assert!(COMMAND_BYTES_MAX < *PROPOSAL_BYTES_IN_FLIGHT_RANGE.start());
    assert!(*PROPOSAL_BYTES_IN_FLIGHT_RANGE.start() <= PROPOSAL_BYTES_IN_FLIGHT_MAX);
    assert!(PROPOSAL_BYTES_IN_FLIGHT_MAX <= *PROPOSAL_BYTES_IN_FLIGHT_RANGE.end());
    assert!(*CONNECTIONS_RANGE.start() <= CONNECTIONS_MAX && CONNECTIONS_MAX <= *CONNECTIONS_RANGE.end());
    // A command, or a full append request behind a largest entry, fits a frame.
    assert!(COMMAND_BYTES_MAX + APPEND_BYTES_MAX < FRAME_BYTES_MAX);
    // A page that a largest value overflows fits a frame.
    assert!(RANGE_BYTES_MAX + KEY_BYTES_MAX + VALUE_BYTES_MAX < FRAME_BYTES_MAX);
    assert!(RANGE_BYTES_MAX + VALUE_BYTES_MAX <= CONNECTION_ANSWER_BYTES_MAX);
    assert!(KEY_BYTES_MAX + VALUE_BYTES_MAX < SNAPSHOT_CHUNK_BYTES_MAX);
    assert!(SNAPSHOT_CHUNK_BYTES_MAX < FRAME_BYTES_MAX);
    assert!(BACKUP_BLOCK_BYTES_MAX < FRAME_BYTES_MAX);
    assert!(SHARED_FRAME_BYTES_MAX < FRAME_BYTES_MAX);
    // A frame finds room on the shared stream where nothing is in flight.
    assert!(SHARED_FRAME_BYTES_MAX <= ASK_BYTES_IN_FLIGHT_MAX);
    assert!(FRAME_BYTES_MAX <= u32::MAX as usize);
    // Streams that nobody reads for a while never use up the room of the
    // others: else readers that wait for one another would wait for ever.
    assert!(2 * CONNECTION_STREAMS_MAX * STREAM_WINDOW_BYTES <= CONNECTION_WINDOW_BYTES);
};
