//! Files of a node: rows, the log, the identity. The first byte chooses.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: coffee_fuzz::seeds::write("storage"), |bytes: &[u8]| {
    let Some((what, bytes)) = bytes.split_first() else { return };
    match what % 4 {
        0 => coffeed::kv::fuzz::rows(bytes),
        1 => coffeed::storage::log::fuzz::records(bytes),
        2 => coffeed::storage::log::fuzz::file(bytes.to_vec()),
        _ => coffeed::storage::disk::fuzz::identity(bytes),
    }
});
