//! A sealed file, and everything that is none.

use std::io::{Cursor, Read, Seek};

use proptest::prelude::*;

use super::*;

fn key() -> UnsealingKey {
    UnsealingKey::from([7; KEY_BYTES])
}

/// Seals in pieces of this size.
fn sealed(content: &[u8], piece: usize) -> Vec<u8> {
    let ephemeral = StaticSecret::from([9; KEY_BYTES]);
    let (mut sealer, mut file) = Sealer::with_ephemeral(&key().sealing_key(), &ephemeral).expect("begins");
    for piece in content.chunks(piece.max(1)) {
        file.extend(sealer.push(piece));
    }
    file.extend(sealer.finish());
    file
}

fn opened(file: &[u8], key: UnsealingKey) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    UnsealedReader::begin(file, key)?.read_to_end(&mut content)?;
    Ok(content)
}

fn error_of(file: &[u8], key: UnsealingKey) -> SealError {
    let error = opened(file, key).expect_err("refused").into_inner().expect("has a cause");
    error.downcast_ref::<SealError>().expect("of sealing").clone()
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

#[test]
fn a_file_is_read_with_the_private_key() {
    for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 200_000] {
        let content = content(length);
        let chunks = length.div_ceil(CHUNK_BYTES).max(1);
        for piece in [1_000, CHUNK_BYTES, 1 << 20] {
            let file = sealed(&content, piece);
            assert_eq!(file.len(), HEADER_BYTES + length + chunks * TAG_BYTES);
            assert!(is_sealed(&file));
            assert!(opened(&file, key()).expect("opens") == content, "{length}");
        }
    }
    let (mut sealer, mut file) = Sealer::begin(&key().sealing_key()).expect("begins");
    file.extend(sealer.push(b"latte"));
    file.extend(sealer.finish());
    assert_ne!(file[..HEADER_BYTES], sealed(b"latte", 5)[..HEADER_BYTES], "each has its own key");
    let mut reader = UnsealedReader::begin(Cursor::new(file), key()).expect("begins");
    for _ in 0..2 {
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("reads");
        assert_eq!(text, "latte");
        reader.rewind().expect("rewinds");
    }
}

#[test]
fn the_format_is_pinned() {
    let hex: String = sealed(b"latte", 5).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN);
}

/// "latte", with keys of bytes 7 and 9; another implementation (Python's cryptography) opens it.
const GOLDEN: &str = "636f66666565207365616c65640a010f6d2553ff0c0f4457db4b359f23ae5e146e4e25120567047225\
                      06348c150c14753d0c933d04d421b382e82e81adbdad2edb0bda64f5cd5d941e33333a";

#[test]
fn another_key_opens_nothing() {
    let file = sealed(b"latte", 5);
    assert_eq!(error_of(&file, UnsealingKey::from([8; KEY_BYTES])), SealError::OtherKey);
    assert_eq!(
        error_of(b"coffee backup\n and more than a header is long, which this is", key()),
        SealError::NotSealed
    );
    assert_eq!(error_of(b"", key()), SealError::NotSealed);
    let mut newer = file;
    newer[MAGIC.len()] = 9;
    assert_eq!(error_of(&newer, key()), SealError::Format(9));
}

#[test]
fn a_changed_bit_is_found_wherever_it_is() {
    let file = sealed(&content(2 * CHUNK_BYTES + 10), 1_000);
    for at in (0..HEADER_BYTES).chain((HEADER_BYTES..file.len()).step_by(997)).chain([file.len() - 1]) {
        let mut file = file.clone();
        file[at] ^= 1;
        assert!(opened(&file, key()).is_err(), "byte {at}");
    }
}

#[test]
fn chunks_are_all_there_and_in_order() {
    let full = CHUNK_BYTES + TAG_BYTES;
    let file = sealed(&content(3 * CHUNK_BYTES), 1_000);
    let (header, chunks) = file.split_at(HEADER_BYTES);
    let chunks: Vec<&[u8]> = chunks.chunks(full).collect();
    let built = |order: &[usize]| {
        let chunks = order.iter().flat_map(|chunk| chunks[*chunk].iter().copied());
        header.iter().copied().chain(chunks).collect::<Vec<u8>>()
    };
    assert!(opened(&built(&[0, 1, 2]), key()).is_ok());
    for (order, damaged) in [
        (&[0, 1][..], 1),
        (&[0], 0),
        (&[], 0),
        (&[1, 2], 0),
        (&[0, 2], 1),
        (&[1, 0, 2], 0),
        (&[0, 0, 1, 2], 1),
        (&[0, 1, 2, 2], 2),
        (&[0, 1, 2, 0], 2),
    ] {
        assert_eq!(error_of(&built(order), key()), SealError::Damaged(damaged), "{order:?}");
    }
    for cut in (0..file.len()).step_by(4_093) {
        assert!(opened(&file[..cut], key()).is_err(), "cut to {cut}");
    }
    let longer = [&file[..], b"x"].concat();
    assert!(opened(&longer, key()).is_err());
}

#[test]
fn a_key_that_hides_nothing_is_refused() {
    let file = sealed(b"latte", 5);
    let mut zero = file.clone();
    zero[HEADER_BYTES - KEY_BYTES..HEADER_BYTES].fill(0);
    assert_eq!(error_of(&zero, key()), SealError::Damaged(0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_refused_or_were_sealed(
        tail in prop::collection::vec(any::<u8>(), 0..200),
        keep in 0usize..120,
    ) {
        let file = sealed(b"latte", 5);
        let forged = [&file[..keep.min(file.len())], &tail].concat();
        if forged != file {
            prop_assert!(opened(&forged, key()).is_err());
        }
    }
}
