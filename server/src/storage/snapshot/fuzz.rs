//! Snapshots from a hostile leader, for fuzzing.

use super::{
    SnapshotInbox,
    format::{ChunkKind, ChunkSequence, SnapshotRow},
};
use crate::kv::{self, Table};

/// Takes the bytes for the chunks of a snapshot, each with a checksum that matches, and receives it.
///
/// The first byte of a chunk is its kind. Of a header and a trailer, the second is the length of
/// the body. A chunk of rows has one byte for their number; a row has three, for its table and the
/// lengths of key and payload.
pub fn chunks(inbox: &SnapshotInbox, bytes: &[u8]) {
    let Ok(mut sink) = inbox.begin() else { return };
    let mut sequence = ChunkSequence::default();
    let mut rest = bytes;
    while let Some(kind) = take(&mut rest, 1) {
        let kind = kind[0] % 4;
        let mut chunk = vec![kind];
        if kind == ChunkKind::Rows as u8 {
            rows(&mut chunk, &mut rest);
        } else {
            let Some(length) = take(&mut rest, 1) else { break };
            chunk.extend_from_slice(take(&mut rest, length[0].into()).unwrap_or_default());
        }
        if sink.push(&sequence.seal(chunk)).is_err() {
            return;
        }
    }
    let _ = sink.finish();
}

fn rows(chunk: &mut Vec<u8>, rest: &mut &[u8]) {
    let number = take(rest, 1).map_or(0, |number| number[0] % 16);
    for _ in 0..number {
        let Some([table, key, payload]) = take(rest, 3).and_then(|head| head.first_chunk()).copied() else {
            return;
        };
        let table = Table::ALL[usize::from(table) % Table::ALL.len()];
        let (Some(key), Some(payload)) = (take(rest, key.into()), take(rest, payload.into())) else { return };
        SnapshotRow { table, key, row: &kv::fuzz::sealed(table, key, payload) }.encode(chunk);
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}
