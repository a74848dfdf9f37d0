//! How the log continues from one chunk to the next, and how chunks are reused.

use openraft::entry::RaftEntry;
use redb::backends::InMemoryBackend;

use super::*;
use crate::{
    raft_types::{LogEntry, Payload},
    storage::record::{LeaderRecord, VoteRecord},
};

const CHUNK_BYTES: u32 = 2048;

/// A backend that outlives the log that wrote it.
#[derive(Debug, Clone)]
struct Kept(Arc<InMemoryBackend>);

impl StorageBackend for Kept {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

impl Kept {
    fn log() -> Self {
        let kept = Self(Arc::new(InMemoryBackend::new()));
        Wal::create(Box::new(kept.clone()), CHUNK_BYTES).expect("made");
        let vote = VoteRecord {
            leader: LeaderRecord { term: 1, node: coffee_common::id::NodeId(1) },
            committed: true,
        };
        let mut wal = kept.open();
        wal.add(&LogRecord::Vote(vote)).expect("added");
        wal.sync().expect("durable");
        kept
    }

    fn open(&self) -> Wal {
        Wal::open(Box::new(self.clone()), None).expect("opens")
    }

    fn rejected(&self) -> String {
        match Wal::open(Box::new(self.clone()), None) {
            Err(LogFault::Damage(what) | LogFault::Newer(what)) => what,
            Err(LogFault::Io(error)) => panic!("{error}"),
            Ok(_) => panic!("it is opened"),
        }
    }
}

fn id(index: u64) -> LogIdRecord {
    LogIdRecord { term: 1, index }
}

/// Adds entries in one batch.
fn add(wal: &mut Wal, indexes: std::ops::Range<u64>) {
    let mut bytes = Vec::new();
    let add = |index| {
        let entry = LogEntry::new(id(index).into(), Payload::Blank);
        (id(index), records::add_entry(&mut bytes, &entry).expect("encodes"))
    };
    let entries: Vec<_> = indexes.map(add).collect();
    wal.add_entries(&entries, &bytes).expect("added");
    wal.sync().expect("durable");
}

fn purge(wal: &mut Wal, upto: u64) {
    wal.add(&LogRecord::Purge(id(upto))).expect("added");
    wal.sync().expect("durable");
}

fn indexes(wal: &Wal) -> (u64, usize) {
    match lock(wal.locations()).of(0..u64::MAX, usize::MAX) {
        Lookup::Found(found, _) => (found.first().map_or(0, |(index, _)| *index), found.len()),
        Lookup::Unread(unread) => panic!("{unread:?}"),
    }
}

#[test]
fn the_log_continues_in_another_chunk_and_is_reopened() {
    let kept = Kept::log();
    let mut wal = kept.open();
    for first in (0..500).step_by(10) {
        add(&mut wal, first..first + 10);
    }
    assert!(wal.chunks.len() > 3, "{:?}", wal.chunks);
    let (chunks, at, number) = (wal.chunks.clone(), wal.at, wal.number);
    drop(wal);
    let wal = kept.open();
    assert_eq!(indexes(&wal), (0, 500));
    assert_eq!((&wal.chunks, wal.at, wal.number), (&chunks, at, number));
    assert_eq!(wal.summary().last, Some(id(499)));
}

#[test]
fn a_batch_that_is_larger_than_a_chunk_is_divided() {
    let kept = Kept::log();
    add(&mut kept.open(), 0..1000);
    assert_eq!(indexes(&kept.open()), (0, 1000));
}

#[test]
fn an_entry_that_is_larger_than_a_chunk_is_rejected() {
    let mut wal = Kept::log().open();
    let error = wal.add_entries(&[(id(0), 4096)], &[0; 4096]).expect_err("too large");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn chunks_are_used_again_and_the_file_does_not_grow() {
    let kept = Kept::log();
    let mut wal = kept.open();
    let mut most = 0;
    for first in (0..20_000).step_by(20) {
        add(&mut wal, first..first + 20);
        if first >= 100 {
            purge(&mut wal, first - 100);
        }
        most = most.max(wal.file().chunks().expect("a length"));
        if first % 1000 == 0 {
            let found = kept.open();
            assert_eq!((indexes(&found), found.number), (indexes(&wal), wal.number), "{first}");
        }
    }
    assert!((2..=8).contains(&most), "{most}");
}

#[test]
fn unused_space_is_returned_to_the_file_system() {
    let kept = Kept::log();
    let mut wal = kept.open();
    for first in (0..2000).step_by(20) {
        add(&mut wal, first..first + 20);
    }
    let most = wal.file().chunks().expect("a length");
    purge(&mut wal, 1990);
    // The last chunk may be the one in use; the next ones are before it.
    for first in (2000..2400).step_by(20) {
        add(&mut wal, first..first + 20);
        purge(&mut wal, first + 10);
    }
    let left = wal.file().chunks().expect("a length");
    assert!(left <= SPARE_CHUNKS + 2 && left < most, "{left} of {most}");
    assert_eq!(indexes(&kept.open()), indexes(&wal));
}

#[test]
fn a_chunk_that_is_lost_is_missed() {
    let kept = Kept::log();
    let mut wal = kept.open();
    for first in (0..300).step_by(10) {
        add(&mut wal, first..first + 10);
    }
    let starts: Vec<u64> = wal.chunks.iter().map(|chunk| wal.file.offset_of(chunk.slot)).collect();
    drop(wal);
    let copy = |edit: &dyn Fn(&Kept)| {
        let copy = Kept(Arc::new(InMemoryBackend::new()));
        let mut bytes = vec![0; kept.len().expect("a length") as usize];
        kept.read(0, &mut bytes).expect("reads");
        copy.set_len(bytes.len() as u64).expect("budget");
        copy.write(0, &bytes).expect("writes");
        edit(&copy);
        copy.rejected()
    };
    for start in &starts {
        let what = copy(&|copy| copy.write(start + 40, b"damage").expect("writes"));
        assert!(what.contains("missing"), "{what}");
    }
    for start in &starts[..starts.len() - 1] {
        let what = copy(&|copy| copy.write(start + 1000, b"damage").expect("writes"));
        assert!(what.contains("missing"), "{what}");
    }
    let what = copy(&|copy| copy.set_len(starts[starts.len() - 1]).expect("cut"));
    assert!(what.contains("missing"), "{what}");
}

#[test]
fn a_log_whose_entries_are_all_replaced_needs_no_earlier_chunk() {
    let kept = Kept::log();
    let mut wal = kept.open();
    for first in (0..300).step_by(10) {
        add(&mut wal, first..first + 10);
    }
    wal.add(&LogRecord::Truncate(None)).expect("added");
    add(&mut wal, 0..3);
    assert_eq!(indexes(&kept.open()), (0, 3));
    purge(&mut wal, 1000);
    let found = kept.open();
    assert_eq!((indexes(&found).1, found.summary().last, found.chunks.len()), (0, Some(id(1000)), 1));
}

/// Its checksum matches: an older version must not take it for damage, and set the log aside.
#[test]
fn a_record_of_a_newer_version_is_told_from_damage() {
    let entry = 2;
    for (kind, version) in [(200, 1), (entry, 200)] {
        let kept = Kept::log();
        let mut wal = kept.open();
        add(&mut wal, 0..3);
        let later = |mut bytes: Vec<u8>| {
            bytes.extend_from_slice(&[version, 1, 2, 3]);
            Ok(bytes)
        };
        records::seal(&mut wal.frame, kind, later).expect("encodes");
        wal.sync().expect("durable");
        drop(wal);
        match Wal::open(Box::new(kept), None) {
            Err(LogFault::Newer(what)) => assert!(what.contains("after log entry 2"), "{what}"),
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("it is opened"),
        }
    }
}
