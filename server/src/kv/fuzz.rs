//! The rows of the state, for fuzzing.

use super::{
    row::{
        check_row,
        format::{HISTORY_FORMAT, seal, seal_as},
    },
    table::Table,
};

/// Decodes a row of each table, as it is and with a checksum that matches: without one, a row would
/// be refused before it is decoded. The first byte is the length of the key.
pub fn rows(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first() else { return };
    let (key, row) = rest.split_at(rest.len().min((*length).into()));
    for table in Table::ALL {
        let _ = check_row(table, key, row);
        let _ = check_row(table, key, &seal(table, key, row));
    }
    let _ = check_row(Table::Keys, key, &seal_as(HISTORY_FORMAT, Table::Keys, key, row));
}

/// Returns a row with a checksum that matches.
pub fn sealed(table: Table, key: &[u8], payload: &[u8]) -> Vec<u8> {
    seal(table, key, payload)
}

#[test]
fn golden_rows_are_decoded_or_refused() {
    for name in [
        "state_keys",
        "state_keys_history",
        "state_keys_elsewhere",
        "state_keys_deleted",
        "state_changes",
        "state_nodes",
        "state_requests",
        "state_revocations",
        "state_meta",
        "state_settings",
    ] {
        let row = crate::golden_test::bytes(name);
        rows(&row);
        rows(&[&[3], b"key".as_slice(), row.as_slice()].concat());
    }
}
