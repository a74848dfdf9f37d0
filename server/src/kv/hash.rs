//! A hash over a whole state: replicas that applied the same entries agree on it.

use super::{layers::Layers, layout::KvError, tables::Table};

/// Hashes every row of every table, in order (FNV-1a, 64 bits).
///
/// Covers the last applied entry too, so it is worth comparing only between
/// replicas that stand at the same one. Reads the whole state.
pub fn state_hash(layers: &Layers) -> Result<u64, KvError> {
    let mut hash = Fnv::default();
    for table in Table::ALL {
        hash.add(&[table as u8]);
        for row in layers.rows(table)? {
            let (key, row) = row?;
            for part in [key.get(), row.get()] {
                hash.add(&(part.len() as u64).to_le_bytes());
                hash.add(part);
            }
        }
    }
    Ok(hash.0)
}

struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
