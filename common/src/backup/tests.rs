//! Backups are read back unchanged; damaged ones are rejected with the position.

use proptest::prelude::*;

use super::*;
use crate::feature_level::LEVEL_MIN;

fn header() -> BackupHeader {
    let member = |id, name: &str, votes| BackupMember {
        id: NodeId(id),
        name: name.parse().expect("legal"),
        address: format!("{name}.example.net:7400").parse().expect("legal"),
        votes,
    };
    BackupHeader {
        cluster: ClusterId(0xc0ffee),
        node: "ming".parse().expect("legal"),
        node_id: NodeId(1),
        revision: Revision(4711),
        term: 3,
        members: vec![member(1, "ming", true), member(7, "hong", false)],
        taken_at_ms: 1_700_000_000_000,
        version: "0.1.0".to_owned(),
        rows: 12,
        level: LEVEL_MIN,
    }
}

fn pack(chunks: &[Vec<u8>]) -> Vec<u8> {
    let (mut packer, first) = Packer::begin(&header()).expect("encodes");
    let mut file = first.to_vec();
    for (rows, chunk) in (1..).zip(chunks) {
        file.extend_from_slice(&packer.data(rows, chunk));
    }
    file.extend_from_slice(&packer.end(9).expect("encodes"));
    file
}

fn unpack(file: &[u8], piece_bytes: usize) -> Result<(Vec<BackupBlock>, Summary), BackupError> {
    let mut unpacker = Unpacker::default();
    let mut blocks = Vec::new();
    for piece in file.chunks(piece_bytes) {
        unpacker.push(piece);
        while let Some(block) = unpacker.next_block()? {
            blocks.push(block);
        }
    }
    Ok((blocks, unpacker.finish()?))
}

#[test]
fn a_backup_comes_back_whatever_pieces_it_comes_in() {
    let chunks = vec![vec![7; 1000], Vec::new(), b"latte".to_vec()];
    let file = pack(&chunks);
    for piece_bytes in [1, 2, 100, file.len()] {
        let (blocks, summary) = unpack(&file, piece_bytes).expect("whole");
        assert_eq!(summary.header, header());
        assert_eq!((summary.end.keys, summary.bytes), (9, file.len() as u64));
        let data: Vec<(u64, Vec<u8>)> = blocks
            .into_iter()
            .filter_map(|block| match block {
                BackupBlock::Data { rows, chunk } => Some((rows, chunk.to_vec())),
                _ => None,
            })
            .collect();
        assert_eq!(data, (1..).zip(chunks.clone()).collect::<Vec<_>>());
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let file = pack(&[vec![7; 40], b"latte".to_vec()]);
    for bit in 0..file.len() * 8 {
        let mut spoilt = file.clone();
        spoilt[bit / 8] ^= 1 << (bit % 8);
        assert!(unpack(&spoilt, 64).is_err(), "bit {bit}");
    }
}

#[test]
fn every_truncation_is_found_and_so_are_bytes_after_the_end() {
    let file = pack(&[vec![7; 40], b"latte".to_vec()]);
    for length in 0..file.len() {
        let error = unpack(&file[..length], 64).expect_err("cut short");
        assert!(
            matches!(error, BackupError::Truncated { at, .. } if at == length as u64),
            "{length}: {error}"
        );
    }
    let mut longer = file;
    longer.push(0);
    assert!(unpack(&longer, 64).is_err());
}

#[test]
fn a_block_that_is_left_out_or_said_twice_is_found() {
    let block = |chunk: &[u8]| HEAD_BYTES + ROWS_BYTES + chunk.len() + CRC_BYTES;
    let chunks = [b"mocha".to_vec(), b"latte".to_vec()];
    let file = pack(&chunks);
    let start = header_end(&file);
    let one = start..start + block(&chunks[0]);
    let mut left_out = file.clone();
    left_out.drain(one.clone());
    let mut twice = file.clone();
    twice.splice(one.end..one.end, file[one].to_vec());
    for spoilt in [left_out, twice] {
        let error = unpack(&spoilt, 64).expect_err("a block is in the wrong place");
        assert!(matches!(error, BackupError::Damaged { at, .. } if at >= start as u64), "{error}");
    }
}

/// Returns the offset of the end of the first block.
fn header_end(file: &[u8]) -> usize {
    let length =
        file[PREAMBLE_BYTES..].first_chunk::<4>().copied().map(u32::from_le_bytes).expect("a length");
    PREAMBLE_BYTES + HEAD_BYTES + length as usize + CRC_BYTES
}

#[test]
fn other_files_are_told_apart() {
    assert_eq!(unpack(b"SQLite format 3\0", 64), Err(BackupError::NotABackup));
    let mut newer = pack(&[]);
    newer[MAGIC.len()] = FORMAT + 1;
    assert_eq!(unpack(&newer, 64), Err(BackupError::Format(FORMAT + 1)));
    let mut huge = pack(&[]);
    huge[PREAMBLE_BYTES..PREAMBLE_BYTES + 4].fill(0xff);
    let error = unpack(&huge, 64).expect_err("no block is that long");
    assert_eq!(error.to_string(), "it is damaged at byte 15, in block 0: its length is out of range");
}

proptest! {
    #[test]
    fn no_damage_goes_unnoticed(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..5),
        at in any::<prop::sample::Index>(),
        byte in 1..=255u8,
        cut in any::<prop::sample::Index>(),
    ) {
        let file = pack(&chunks);
        prop_assert!(unpack(&file, 100).is_ok());
        let mut spoilt = file.clone();
        spoilt[at.index(file.len())] ^= byte;
        prop_assert!(unpack(&spoilt, 100).is_err());
        prop_assert!(unpack(&file[..cut.index(file.len())], 100).is_err());
    }
}

#[test]
fn fields_of_a_later_version_are_skipped_and_missing_ones_are_zero() {
    let BackupHeader { cluster, node, node_id, revision, term, members, taken_at_ms, version, rows, level } =
        header();
    let members: Vec<_> = members.iter().map(|of| (of.id, &of.name, &of.address, of.votes, "zone")).collect();
    let members: Vec<_> = members.iter().map(envelope::Enveloped).collect();
    let start = (cluster, &node, node_id, revision, term, members, taken_at_ms, &version, rows);
    let later = body_of(&(&start, level, "a later field")).expect("encodes");
    let earlier = body_of(&start).expect("encodes");
    for (body, level) in [(later, level), (earlier, FeatureLevel(0))] {
        let mut file = MAGIC.to_vec();
        file.push(FORMAT);
        add_block(&mut file, 0, HEADER, &[&body]);
        let end = BackupEnd { keys: 9, bytes: file.len() as u64, sha256: sha256_of_all(&file) };
        add_block(&mut file, 1, END, &[&body_of(&(end, "a later field")).expect("encodes")]);
        let (_, summary) = unpack(&file, 64).expect("is read");
        assert_eq!(summary.header, BackupHeader { level, ..header() });
        assert_eq!(summary.end, end);
    }
}

fn sha256_of_all(file: &[u8]) -> [u8; 32] {
    let mut sha256 = digest::Context::new(&digest::SHA256);
    sha256.update(file);
    sha256_of(sha256)
}
