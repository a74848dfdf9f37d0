//! All bounds of the system, with the relations between them.
//!
//! A length from outside is checked against one of these before memory is allocated for it. Bounds
//! that are part of a replicated rule say so: changing one changes what replicas compute from the
//! same log.

use std::ops::RangeInclusive;

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;

/// The most prefixes of keys per certificate.
pub const KEY_PREFIXES_MAX: usize = 16;

/// The longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 3 << 19;

/// The longest value at feature level 1, in bytes.
pub const PLAIN_VALUE_BYTES_MAX: usize = 1 << 20;

/// The longest name of a node or client, in bytes: one DNS label (RFC 1035 section 2.3.4).
pub const NAME_BYTES_MAX: usize = 63;

/// The longest address of a node (`host:port`), in bytes.
pub const ADDRESS_BYTES_MAX: usize = 255 + 1 + 5;

/// The most conditions per batch.
pub const BATCH_CONDITIONS_MAX: usize = 128;

/// The most operations per batch.
pub const BATCH_OPERATIONS_MAX: usize = 128;

/// The most bytes of keys and values per batch, including the keys of conditions.
pub const BATCH_BYTES_MAX: usize = 2 << 20;

/// The most conditions per transaction, and the most steps of each of its branches.
pub const TRANSACTION_CONDITIONS_MAX: usize = BATCH_CONDITIONS_MAX;
/// See [`TRANSACTION_CONDITIONS_MAX`].
pub const TRANSACTION_STEPS_MAX: usize = BATCH_OPERATIONS_MAX;

/// The most ranges that must be empty, and that are deleted by a branch, per transaction: each is looked
/// through while nothing else is applied.
pub const TRANSACTION_RANGES_MAX: usize = 8;

/// The most keys that the ranges of a transaction delete, and the bytes of their rows after which no
/// other one is deleted.
///
/// Part of a replicated rule.
pub const DELETED_KEYS_MAX: u32 = 1000;
/// See [`DELETED_KEYS_MAX`].
pub const DELETED_BYTES: usize = 512 << 10;

/// The most rows that the ranges of a transaction look at, those of keys included that were deleted
/// before.
///
/// Part of a replicated rule.
pub const DELETE_ROWS_MAX: u32 = 4096;

/// The largest encoded command, which is the payload of the largest log entry, in bytes.
pub const COMMAND_BYTES_MAX: usize = BATCH_BYTES_MAX + (64 << 10);

/// The most bytes per frame, without its header.
pub const FRAME_BYTES_MAX: usize = 4 << 20;

/// The most bytes of a request that a node keeps, without its header: the largest command, and the
/// envelope with an identity that a node forwards.
pub const REQUEST_BYTES_MAX: usize = COMMAND_BYTES_MAX + (32 << 10);

/// The most bytes of a request of a reader that a node keeps: it sends keys, but no values.
pub const READER_REQUEST_BYTES_MAX: usize = 8 << 10;

/// The largest frame that shares a long-lived stream with others, in bytes. A larger one gets its
/// own stream, so it does not delay the others.
pub const SHARED_FRAME_BYTES_MAX: usize = 64 << 10;

/// The size at which an append request takes no more entries, in bytes. The first entry may exceed
/// it.
pub const APPEND_BYTES_MAX: usize = 1 << 20;

/// The most entries per append request.
pub const APPEND_ENTRIES_MAX: usize = 1024;

/// The highest term, and the highest log index, of which a node believes another one. An election
/// must still be possible in a higher term.
pub const TERM_MAX: u64 = 1 << 62;
/// See [`TERM_MAX`].
pub const LOG_INDEX_MAX: u64 = 1 << 62;

/// The most terms by which a message may be ahead of the node that receives it. Terms count
/// elections: two a second take three months.
pub const TERM_STEP_MAX: u64 = 1 << 24;

/// The most keys per page of a range read.
pub const RANGE_KEYS_MAX: u32 = 1000;

/// A response takes no more changes of keys after this many. A revision is not split.
pub const CHANGES_MAX: usize = 1000;

/// The most changes of keys in a response: those of the largest revision come after others.
pub const CHANGES_IN_RESPONSE_MAX: usize = CHANGES_MAX + TRANSACTION_STEPS_MAX + DELETED_KEYS_MAX as usize;

/// The most bytes of changes in a response: those of the largest revision come after others.
pub const CHANGES_BYTES_MAX: usize = RANGE_BYTES_MAX + BATCH_BYTES_MAX;

/// The longest time that a node waits for changes before it answers that there are none, in milliseconds.
pub const WATCH_WAIT_MS_MAX: u32 = 60_000;

/// The most watches of a connection that wait at a node at once, of a client, and of all clients.
pub const CONNECTION_WATCHES_MAX: usize = 4096;
/// See [`CONNECTION_WATCHES_MAX`].
pub const CLIENT_WATCHES_MAX: usize = 16_384;
/// See [`CONNECTION_WATCHES_MAX`].
pub const WATCHES_MAX: usize = 100_000;

/// The most watches of a client, and of all clients, of ranges that are neither of a single key nor of a
/// prefix: each costs every change a comparison.
pub const CLIENT_RANGE_WATCHES_MAX: usize = 32;
/// See [`CLIENT_RANGE_WATCHES_MAX`].
pub const RANGE_WATCHES_MAX: usize = 256;

/// The maximum number of versions of a key in a response.
pub const VERSIONS_MAX: usize = 1000;

/// The size at which a page of a range read takes no more keys, in bytes of keys and values; values
/// count even if only keys are returned. The first key may exceed it.
pub const RANGE_BYTES_MAX: usize = 1 << 20;

/// The most bytes per chunk of a snapshot: the largest row and its framing.
pub const SNAPSHOT_CHUNK_BYTES_MAX: usize = 2 << 20;

/// The most bytes per block of a backup: a chunk of a snapshot and its framing.
pub const BACKUP_BLOCK_BYTES_MAX: usize = SNAPSHOT_CHUNK_BYTES_MAX + 64;

/// The most backups that a node streams at once. Each pins the pages of its snapshot.
pub const BACKUPS_AT_ONCE_MAX: usize = 2;

/// The number of recent requests that the state machine remembers, to answer a retry instead of
/// applying it again.
///
/// Part of a replicated rule.
pub const REQUEST_MEMORY_MAX: u64 = 1 << 18;

/// The most nodes of which a cluster keeps a record, members or not.
///
/// Part of a replicated rule.
pub const NODES_MAX: usize = 64;

/// The most events that a node remembers.
pub const EVENTS_MAX: usize = 512;

/// The longest text of an event, in bytes.
pub const EVENT_TEXT_BYTES_MAX: usize = 300;

/// The most requests in flight per connection.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 4096;

/// The most bytes of requests in flight on the shared stream of a client's connection. Further
/// requests wait unsent, and can still be cancelled.
pub const REQUEST_BYTES_IN_FLIGHT_MAX: usize = 4 << 20;

/// The most requests in flight per client, over all of its connections with a node.
pub const CLIENT_REQUESTS_IN_FLIGHT_MAX: usize = 2 * REQUESTS_IN_FLIGHT_MAX;

/// The most bytes of requests that are not complete that a node holds for one client.
pub const CLIENT_REQUEST_BYTES_MAX: usize = 8 << 20;

/// The most bytes of responses that are not received that a node holds for one client.
pub const CLIENT_RESPONSE_BYTES_MAX: usize = 5 << 20;

/// The most bytes that a node holds for all clients; see [`CLIENT_REQUEST_BYTES_MAX`].
pub const CLIENTS_REQUEST_BYTES_MAX: usize = 40 << 20;

/// The most bytes that a node holds for all clients; see [`CLIENT_RESPONSE_BYTES_MAX`].
pub const CLIENTS_RESPONSE_BYTES_MAX: usize = 24 << 20;

/// How long a request may take from its first byte to its last, in seconds: 2 MiB over 1 Mbit/s
/// take 17 s. A node rejects it then. The same bounds how long a client may not read.
pub const REQUEST_COMPLETE_WITHIN_S: u64 = 30;

/// The most bytes of proposals that a node accepts before they are committed. Each counts for a
/// little more than its keys and values.
pub const PROPOSAL_BYTES_IN_FLIGHT_MAX: usize = 64 << 20;

/// The bounds of a configured [`PROPOSAL_BYTES_IN_FLIGHT_MAX`]. The largest batch fits the lower
/// one.
pub const PROPOSAL_BYTES_IN_FLIGHT_RANGE: RangeInclusive<usize> = 4 << 20..=1 << 30;

/// The most connections that a node serves at once.
pub const CONNECTIONS_MAX: usize = 16_384;

/// The bounds of a configured [`CONNECTIONS_MAX`]. The lower one leaves a connection each way for
/// every other node.
pub const CONNECTIONS_RANGE: RangeInclusive<usize> = 2 * NODES_MAX..=1 << 16;

/// The most connections of one client, which is a role and a name, with a node.
pub const CONNECTIONS_PER_CLIENT_MAX: usize = 256;

/// The bounds of a configured [`CONNECTIONS_PER_CLIENT_MAX`].
pub const CONNECTIONS_PER_CLIENT_RANGE: RangeInclusive<usize> = 4..=1 << 16;

/// The most connections that the HTTP door of a node serves at once.
pub const HTTP_CONNECTIONS_MAX: usize = 1024;

/// The most connections of one node with another, both ways, those included that have just ended.
pub const NODE_CONNECTIONS_MAX: usize = 64;

/// The most connections of a node that does not belong to the cluster, by its name: it may be about
/// to join.
pub const STRANGER_CONNECTIONS_MAX: usize = 16;

/// The most handshakes in progress per node. Further ones wait unanswered.
pub const HANDSHAKES_MAX: usize = 256;

/// The most CAs that are trusted at once, and the most revocation lists: one per CA.
pub const CAS_MAX: usize = 8;

/// The longest revocation list, in bytes: some 1,500 certificates.
pub const REVOCATION_LIST_BYTES_MAX: usize = 64 << 10;

/// The longest name of a CA in DER, in bytes.
pub const ISSUER_BYTES_MAX: usize = 512;

/// The most revocation lists that a cluster keeps: one per CA, those of former CAs included.
///
/// Part of a replicated rule.
pub const CLUSTER_LISTS_MAX: usize = 8;

/// The most streams that a node may have open per connection: bidirectional ones if it dialled, others
/// if it accepted. Each may have half a frame of [`FRAME_BYTES_MAX`] received; with
/// [`CONNECTION_WINDOW_BYTES`] this bounds the memory per connection.
pub const CONNECTION_STREAMS_MAX: u32 = 32;

/// The most bidirectional streams that a client may have open per connection: one for small
/// requests, the others for large ones.
pub const CLIENT_STREAMS_MAX: u32 = 8;

/// The flow-control window of a stream, in bytes: the most that the peer sends per round trip.
pub const STREAM_WINDOW_BYTES: u32 = 1 << 20;

/// The flow-control window of a connection between nodes, in bytes, over all of its streams.
pub const CONNECTION_WINDOW_BYTES: u32 = 64 << 20;

/// The most bytes that a node sends to another, or a client to a node, without an acknowledgement.
pub const SEND_WINDOW_BYTES: u32 = 8 << 20;

/// The same two windows, at a node, of the first connections of a client: [`WIDE_CONNECTIONS_MAX`].
pub const CLIENT_WINDOW_BYTES: u32 = 1 << 20;

/// See [`CLIENT_WINDOW_BYTES`].
pub const WIDE_CONNECTIONS_MAX: usize = 4;

/// The same two windows, at a node, of a client's other connections, and of a peer that is not known
/// yet.
pub const NARROW_WINDOW_BYTES: u32 = 32 << 10;

/// A node with less free disk space than this, in bytes, has no room for more data, unless its
/// configuration has another limit. Enough for the writes in flight, a flush and its log.
pub const DISK_FREE_BYTES_MIN: u64 = 128 << 20;

/// The shortest and longest timeout of a request, in milliseconds.
pub const REQUEST_TIMEOUT_MS: RangeInclusive<u32> = 1..=600_000;

const _: () = {
    assert!(KEY_BYTES_MAX + VALUE_BYTES_MAX <= BATCH_BYTES_MAX);
    assert!(BATCH_BYTES_MAX < COMMAND_BYTES_MAX);
    assert!(COMMAND_BYTES_MAX < *PROPOSAL_BYTES_IN_FLIGHT_RANGE.start());
    assert!(*PROPOSAL_BYTES_IN_FLIGHT_RANGE.start() <= PROPOSAL_BYTES_IN_FLIGHT_MAX);
    assert!(PROPOSAL_BYTES_IN_FLIGHT_MAX <= *PROPOSAL_BYTES_IN_FLIGHT_RANGE.end());
    assert!(*CONNECTIONS_RANGE.start() <= CONNECTIONS_MAX && CONNECTIONS_MAX <= *CONNECTIONS_RANGE.end());
    // A command fits a frame, and so does a full append request followed by a largest entry.
    assert!(COMMAND_BYTES_MAX + APPEND_BYTES_MAX < FRAME_BYTES_MAX);
    // A page that a largest value exceeds fits a frame.
    assert!(RANGE_BYTES_MAX + KEY_BYTES_MAX + VALUE_BYTES_MAX < FRAME_BYTES_MAX);
    // The changes of several revisions fit a frame with what describes them, and the budget of a client.
    assert!(CHANGES_BYTES_MAX + CHANGES_IN_RESPONSE_MAX * 256 < FRAME_BYTES_MAX);
    assert!(CHANGES_BYTES_MAX <= CLIENT_RESPONSE_BYTES_MAX);
    // A page can be read while the one before is on its way.
    assert!(2 * (RANGE_BYTES_MAX + VALUE_BYTES_MAX) <= CLIENT_RESPONSE_BYTES_MAX);
    // A client can have several of its largest requests on their way at once.
    assert!(3 * REQUEST_BYTES_MAX <= CLIENT_REQUEST_BYTES_MAX);
    assert!(4 * CLIENT_REQUEST_BYTES_MAX <= CLIENTS_REQUEST_BYTES_MAX);
    assert!(4 * CLIENT_RESPONSE_BYTES_MAX <= CLIENTS_RESPONSE_BYTES_MAX);
    // One connection does not take all that its client may have in flight.
    assert!(REQUESTS_IN_FLIGHT_MAX < CLIENT_REQUESTS_IN_FLIGHT_MAX);
    assert!(KEY_BYTES_MAX + VALUE_BYTES_MAX < SNAPSHOT_CHUNK_BYTES_MAX);
    assert!(SNAPSHOT_CHUNK_BYTES_MAX < FRAME_BYTES_MAX);
    assert!(BACKUP_BLOCK_BYTES_MAX < FRAME_BYTES_MAX);
    assert!(SHARED_FRAME_BYTES_MAX < FRAME_BYTES_MAX);
    assert!(REQUEST_BYTES_MAX < FRAME_BYTES_MAX);
    // An envelope names the prefixes of the keys that an identity may use.
    assert!(KEY_PREFIXES_MAX * (KEY_BYTES_MAX + 2) + 1024 < REQUEST_BYTES_MAX - COMMAND_BYTES_MAX);
    // The bounds of a range are the most that a reader sends.
    assert!(2 * (KEY_BYTES_MAX + 3) + 1024 < READER_REQUEST_BYTES_MAX);
    // A shared frame fits the window when nothing is in flight.
    assert!(SHARED_FRAME_BYTES_MAX <= REQUEST_BYTES_IN_FLIGHT_MAX);
    assert!(FRAME_BYTES_MAX <= u32::MAX as usize);
    // Streams that are not read for a while never use up the window of the connection. Otherwise
    // readers that wait for one another could wait forever.
    assert!(2 * CONNECTION_STREAMS_MAX * STREAM_WINDOW_BYTES <= CONNECTION_WINDOW_BYTES);
    assert!(SEND_WINDOW_BYTES as usize >= 2 * FRAME_BYTES_MAX);
    assert!(NARROW_WINDOW_BYTES <= CLIENT_WINDOW_BYTES);
};
