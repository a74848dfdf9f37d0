//! Whether there is room for writes that add data.
//!
//! Equal disks hold equal data and are full at the same entry, so a write could
//! take all voters down at once. The leader therefore rejects writes that add
//! data, before it proposes them, while the voters that have room are not a
//! quorum, and while the data exceeds its quota. Deletes, changes of membership
//! and reads continue. Applying knows nothing of it: replicas stay equal whatever
//! their disks.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use coffee_common::{id::NodeName, limits::BATCH_BYTES_MAX, protocol::Rejection, setting::ClusterSettings};

use crate::storage::disk::Space;

/// Bytes of the state's file per byte of data: pages are rounded up.
const PAGE_BYTES_PER_BYTE: u64 = 2;

/// Bytes of disk that a written byte takes at most, until it is flushed and its log
/// entry is purged: in the state and in the log, which leaves up to a quarter unused.
const DISK_BYTES_PER_BYTE: u64 = 4;

/// A disk that can take less than this, the largest write, has no room.
const ROOM_MIN: u64 = DISK_BYTES_PER_BYTE * BATCH_BYTES_MAX as u64;

/// Bytes of a remembered request in the state.
const REQUEST_BYTES: u64 = 64;

/// The room of a cluster, as its leader measured it last.
#[derive(Debug)]
pub struct WriteRoom {
    /// The bytes of disk that a quorum could take at the last measurement.
    measured: AtomicU64,
    /// The part that the writes since then have left.
    left: AtomicU64,
    /// The voters that have no room.
    full: Mutex<Vec<NodeName>>,
}

/// The size of a state.
#[derive(Debug, Clone, Copy)]
pub struct StateSize {
    /// Bytes of keys and values.
    pub data_bytes: u64,
    /// Bytes of the history.
    pub history_bytes: u64,
    /// The number of remembered requests.
    pub requests: u64,
    /// Bytes that are not flushed yet.
    pub memtable_bytes: u64,
}

/// The bytes that a disk can take before its free space is below `min`. Pages of the state that
/// deletes have freed count as free.
pub fn room_of_disk(space: &Space, size: StateSize, min: u64) -> u64 {
    let StateSize { data_bytes, history_bytes, requests, memtable_bytes } = size;
    let free = space.free_bytes.saturating_sub(PAGE_BYTES_PER_BYTE * memtable_bytes);
    if free < min / 2 {
        // A flush cannot reuse the pages that it frees itself.
        return 0;
    }
    let needed = PAGE_BYTES_PER_BYTE * (data_bytes + history_bytes + requests * REQUEST_BYTES);
    let reusable = space.state_allocated_bytes.unwrap_or(0).saturating_sub(needed);
    let room = (free + reusable).saturating_sub(min);
    if room < ROOM_MIN { 0 } else { room }
}

/// Whether a disk has no room, and would have some without the history.
pub fn history_takes_room(space: &Space, size: StateSize, min: u64) -> bool {
    let without = StateSize { history_bytes: 0, ..size };
    room_of_disk(space, size, min) == 0 && room_of_disk(space, without, min) > 0
}

/// A disk without room flushes this many bytes of changes, however few they are of a full memtable.
const SCARCE_FLUSH_BYTES: u64 = 1 << 20;

/// Whether to flush although the memtable is not full, because the disk has no room. Changes in
/// memory count as used, and their log cannot be purged: a cluster that refuses writes would refuse
/// them for ever, since nothing else fills the memtable.
pub fn flush_makes_room(space: &Space, size: StateSize, min: u64) -> bool {
    size.memtable_bytes >= SCARCE_FLUSH_BYTES && room_of_disk(space, size, min) == 0
}

impl Default for WriteRoom {
    fn default() -> Self {
        Self { measured: AtomicU64::new(u64::MAX), left: AtomicU64::new(u64::MAX), full: Mutex::default() }
    }
}

impl WriteRoom {
    /// Replaces the last measurement: a quorum has room for `room` more bytes; `full`
    /// are the voters that have none.
    pub fn set_measured(&self, room: u64, full: Vec<NodeName>) {
        self.measured.store(room, Ordering::Relaxed);
        self.left.store(room, Ordering::Relaxed);
        *self.full.lock().unwrap_or_else(PoisonError::into_inner) = full;
    }

    /// Why the next write that adds data would be rejected, if it would. The state
    /// holds `data_bytes`.
    pub fn shortage(&self, data_bytes: u64, settings: &ClusterSettings) -> Option<String> {
        let max = settings.data_bytes_max;
        if max > 0 && data_bytes >= max {
            return Some(format!("the data takes {data_bytes} bytes of its quota of {max}"));
        }
        (self.measured.load(Ordering::Relaxed) == 0).then(|| self.full_disks())
    }

    fn full_disks(&self) -> String {
        let full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let names: Vec<&str> = full.iter().map(NodeName::as_str).collect();
        let of = if names.is_empty() { "a quorum".to_owned() } else { names.join(", ") };
        format!("too little disk space is free at {of}")
    }

    /// Admits a write of the leader, which adds up to `bytes`, to a state of `data_bytes`.
    ///
    /// # Errors
    /// The write adds data, and there is no room for it, or none before the next
    /// measurement.
    pub fn admit(&self, bytes: usize, data_bytes: u64, settings: &ClusterSettings) -> Result<(), Rejection> {
        if bytes == 0 {
            return Ok(());
        }
        let bytes = bytes as u64;
        let max = settings.data_bytes_max;
        if max > 0 && data_bytes + bytes > max {
            return Err(Rejection::Refused {
                reason: format!("the data would exceed its quota: {data_bytes} of {max} bytes are in use"),
                hint: "delete keys, or raise the quota: 'coffeectl settings set data_bytes_max BYTES'"
                    .to_owned(),
            });
        }
        let take = |left: u64| match left {
            u64::MAX => Some(left),
            _ => left.checked_sub(DISK_BYTES_PER_BYTE * bytes),
        };
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            return Ok(());
        }
        if self.measured.load(Ordering::Relaxed) > 0 {
            return Err(Rejection::Overloaded);
        }
        Err(Rejection::Refused {
            reason: self.full_disks(),
            hint: "free space on those disks, or delete keys; reads and deletes continue".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> ClusterSettings {
        ClusterSettings::default()
    }

    fn reason(result: Result<(), Rejection>) -> String {
        match result {
            Err(Rejection::Refused { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn writes_are_admitted_until_the_measured_room_is_used() {
        let room = WriteRoom::default();
        assert_eq!(room.admit((1 << 20) + 1, 1 << 50, &none()), Ok(()), "nothing was measured yet");
        room.set_measured(5000, Vec::new());
        assert_eq!(room.admit(1000, 0, &none()), Ok(()));
        assert_eq!(room.admit(1000, 0, &none()), Err(Rejection::Overloaded), "it takes four times its bytes");
        assert_eq!(room.admit(250, 0, &none()), Ok(()));
        assert_eq!(room.shortage(0, &none()), None);
        room.set_measured(0, vec!["hong".parse().expect("legal")]);
        assert!(reason(room.admit(2, 0, &none())).contains("at hong"));
        assert!(room.shortage(0, &none()).is_some());
        assert_eq!(room.admit(0, 0, &none()), Ok(()));
        room.set_measured(2000, Vec::new());
        assert_eq!(room.admit(2, 0, &none()), Ok(()));
    }

    #[test]
    fn a_quota_bounds_the_data_and_lets_deletes_through() {
        let room = WriteRoom::default();
        let quota = ClusterSettings { data_bytes_max: 1000, ..none() };
        assert_eq!(room.admit(100, 900, &quota), Ok(()));
        assert!(reason(room.admit(101, 900, &quota)).contains("900 of 1000"));
        assert_eq!(room.admit(0, 2000, &quota), Ok(()));
        assert!(room.shortage(999, &quota).is_none() && room.shortage(1000, &quota).is_some());
    }

    #[test]
    fn pages_that_deletes_have_freed_are_room() {
        let space = |free: u64, allocated: u64| Space {
            free_bytes: free << 20,
            total_bytes: 1 << 40,
            log_bytes: None,
            state_bytes: None,
            state_allocated_bytes: Some(allocated << 20),
        };
        let (data_bytes, history_bytes) = (400 << 20, 36 << 20);
        let size = StateSize { data_bytes, history_bytes, requests: 16 << 10, memtable_bytes: 10 << 20 };
        let of_disk = |free, allocated| room_of_disk(&space(free, allocated), size, 100 << 20) >> 20;
        assert_eq!(of_disk(170, 900), 76, "of the free space, and of freed pages");
        assert_eq!(of_disk(150, 800), 30);
        assert_eq!(of_disk(125, 800), 0, "less than a write may take");
        assert_eq!(of_disk(70, 800), 0);
        assert_eq!(of_disk(70, 2000), 1076, "of freed pages");
        assert_eq!(of_disk(69, 2000), 0, "the next flush needs free space");
        let takes = |free| history_takes_room(&space(free, 850), size, 100 << 20);
        assert!(takes(110) && of_disk(110, 850) == 0, "room without the history");
        assert!(!takes(69), "room that cannot be used");
        assert!(!takes(1000), "there is room");
    }

    #[test]
    fn a_disk_without_room_flushes_a_memtable_that_is_not_full() {
        let space = |free: u64| Space {
            free_bytes: free << 20,
            total_bytes: 1 << 40,
            log_bytes: None,
            state_bytes: None,
            state_allocated_bytes: Some(100 << 20),
        };
        let flush = |free, memtable_bytes| {
            let size = StateSize { data_bytes: 0, history_bytes: 0, requests: 0, memtable_bytes };
            flush_makes_room(&space(free), size, 128 << 20)
        };
        // All keys were deleted, and the memtable alone keeps the cluster from taking writes.
        assert!(flush(94, 16 << 20));
        assert!(!flush(94, 14 << 20), "there is room");
        assert!(!flush(0, 1000), "too little is gathered");
        assert!(!flush(400, 16 << 20));
    }
}
