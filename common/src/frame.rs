//! Frames: a length, a version, and a message.
//!
//! ```text
//! 0        4         5
//! | length | version | message ... |     length: u32, little endian, of the message alone
//! ```
//!
//! The message is the body of an [`envelope`]: later versions may extend it. Encodes and
//! decodes only, without I/O.

use bytes::{Buf, Bytes, BytesMut};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    envelope::{self, DecodeError, UnknownKind},
    limits::FRAME_BYTES_MAX,
    protocol_versions::ProtocolVersions,
};

/// The version of the first message of each side, which every version of coffeed can read. The
/// messages after it have the version that both sides speak (see [`ProtocolVersions`]).
pub const FRAME_VERSION: u8 = 1;

/// The versions of a first message.
const FIRST: ProtocolVersions = ProtocolVersions { min: FRAME_VERSION, max: FRAME_VERSION };

/// The length of the header, in bytes.
pub const HEADER_BYTES: usize = 5;

/// The bytes that are allocated for a frame at first: enough for most requests.
const CAPACITY: usize = 256;

/// The bytes that are allocated for a frame among others: enough for most responses.
const SHARED_CAPACITY: usize = 64;

/// The largest buffer that a stream keeps between two frames, in bytes.
const IDLE_BYTES_MAX: usize = 16 << 10;

/// Why bytes are not a valid frame. After any of these errors the stream cannot be read further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The message exceeds [`FRAME_BYTES_MAX`].
    #[error("a frame of {0} bytes, more than {FRAME_BYTES_MAX}")]
    TooLong(usize),
    /// Another version of coffeed wrote the frame.
    #[error("frame version {0}; this build speaks version {own}", own = ProtocolVersions::OWN)]
    Version(u8),
    /// The message is not of the expected type.
    #[error("a malformed message: {0}")]
    Malformed(DecodeError),
    /// The message has a part that this build does not know: the sender is newer.
    #[error("a message with {0}")]
    Unknown(UnknownKind),
    /// The message cannot be encoded.
    #[error("the message cannot be encoded: {0}")]
    Encode(#[from] postcard::Error),
}

impl From<DecodeError> for FrameError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Unknown(kind) => Self::Unknown(kind),
            error => Self::Malformed(error),
        }
    }
}

/// Encodes a first message with its header.
///
/// # Errors
/// The message cannot be encoded, or exceeds [`FRAME_BYTES_MAX`].
pub fn encode<T: Serialize>(message: &T) -> Result<Bytes, FrameError> {
    encode_as(FRAME_VERSION, message)
}

/// Encodes a message with its header, in a version that both sides speak.
///
/// # Errors
/// The message cannot be encoded, or exceeds [`FRAME_BYTES_MAX`].
pub fn encode_as<T: Serialize>(version: u8, message: &T) -> Result<Bytes, FrameError> {
    let mut frame = Vec::with_capacity(CAPACITY);
    frame.extend_from_slice(&[0; HEADER_BYTES]);
    envelope::encode_to(&mut frame, message)?;
    seal(version, frame)
}

/// Adds a header to an encoded first message.
///
/// # Errors
/// The message exceeds [`FRAME_BYTES_MAX`].
pub fn encode_raw(message: &[u8]) -> Result<Bytes, FrameError> {
    encode_raw_as(FRAME_VERSION, message)
}

/// Adds a header to an encoded message, in a version that both sides speak.
///
/// # Errors
/// The message exceeds [`FRAME_BYTES_MAX`].
pub fn encode_raw_as(version: u8, message: &[u8]) -> Result<Bytes, FrameError> {
    let mut frame = Vec::with_capacity(HEADER_BYTES + message.len());
    frame.extend_from_slice(&[0; HEADER_BYTES]);
    frame.extend_from_slice(message);
    seal(version, frame)
}

/// Encodes a message with its header, and appends it to the frames. On an error the frames stay
/// unchanged.
///
/// # Errors
/// The message cannot be encoded, or exceeds [`FRAME_BYTES_MAX`].
pub fn append<T: Serialize>(version: u8, frames: &mut Vec<u8>, message: &T) -> Result<(), FrameError> {
    let start = frames.len();
    frames.reserve(SHARED_CAPACITY);
    frames.extend_from_slice(&[0; HEADER_BYTES]);
    let encoded = envelope::encode_to(frames, message).map_err(FrameError::from);
    let sealed = encoded.and_then(|()| fill_header(version, &mut frames[start..]));
    if sealed.is_err() {
        frames.truncate(start);
    }
    sealed
}

fn seal(version: u8, mut frame: Vec<u8>) -> Result<Bytes, FrameError> {
    fill_header(version, &mut frame)?;
    Ok(frame.into())
}

fn fill_header(version: u8, frame: &mut [u8]) -> Result<(), FrameError> {
    let length = frame.len() - HEADER_BYTES;
    match u32::try_from(length) {
        Ok(prefix) if length <= FRAME_BYTES_MAX => {
            frame[..4].copy_from_slice(&prefix.to_le_bytes());
            frame[4] = version;
            Ok(())
        }
        _ => Err(FrameError::TooLong(length)),
    }
}

/// Decodes a message that [`Deframer`] returned. Skips what a newer version has added to its end.
///
/// # Errors
/// The bytes are not a message of this type.
pub fn decode<T: DeserializeOwned>(message: &[u8]) -> Result<T, FrameError> {
    Ok(envelope::decode_body(message)?)
}

/// Decodes the first part of a message, and returns the rest.
///
/// # Errors
/// The bytes do not begin with a value of this type.
pub fn decode_first<T: DeserializeOwned>(message: &[u8]) -> Result<(T, &[u8]), FrameError> {
    Ok(envelope::decode_first(message)?)
}

/// Reads the length of the message from a header.
fn message_length(header: [u8; HEADER_BYTES], versions: ProtocolVersions) -> Result<usize, FrameError> {
    let [a, b, c, d, version] = header;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if !versions.contains(version) {
        return Err(FrameError::Version(version));
    }
    if length > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong(length));
    }
    Ok(length)
}

/// Splits a stream of bytes into messages.
///
/// Buffers at most one incomplete frame and the last [`Deframer::push`], since it checks a header
/// before it waits for the message.
#[derive(Debug)]
pub struct Deframer {
    buffer: BytesMut,
    /// The versions that are read.
    versions: ProtocolVersions,
    /// The version of the last message.
    version: u8,
    /// The most bytes of a message that are kept.
    kept_max: usize,
    /// The bytes of the last message that are still to be skipped.
    skipping: usize,
    /// The most bytes that were buffered since the buffer was made.
    buffered_max: usize,
}

impl Default for Deframer {
    fn default() -> Self {
        Self {
            buffer: BytesMut::new(),
            versions: ProtocolVersions::OWN,
            version: FRAME_VERSION,
            kept_max: FRAME_BYTES_MAX,
            skipping: 0,
            buffered_max: 0,
        }
    }
}

impl Deframer {
    /// Sets whether the next message is the first one of the other side, whose version is fixed.
    pub fn set_first(&mut self, is_first: bool) {
        self.set_versions(if is_first { FIRST } else { ProtocolVersions::OWN });
    }

    fn set_versions(&mut self, versions: ProtocolVersions) {
        self.versions = versions;
    }

    /// Returns the version of the last message.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// Cuts later messages to their first `kept_max` bytes. The rest is skipped as it arrives: it
    /// takes no memory.
    pub fn set_kept_max(&mut self, kept_max: usize) {
        self.kept_max = kept_max;
    }

    /// Adds bytes from the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        let skipped = self.skipping.min(bytes.len());
        self.skipping -= skipped;
        self.buffer.extend_from_slice(&bytes[skipped..]);
        self.buffered_max = self.buffered_max.max(self.buffer.len());
    }

    /// Returns how many bytes the incomplete frame takes once it is complete; 0 if its length is not
    /// known yet.
    pub fn expected(&self) -> usize {
        let header = self.buffer.first_chunk::<HEADER_BYTES>();
        let length = header.and_then(|header| message_length(*header, self.versions).ok());
        length.map_or(0, |length| HEADER_BYTES + length.min(self.kept_max))
    }

    /// Returns whether the header of the incomplete frame and as many bytes of its message are there.
    pub fn has_begun_with(&self, bytes: usize) -> bool {
        self.buffer.len() >= HEADER_BYTES + bytes
    }

    /// Returns the next complete message, if there is one.
    ///
    /// # Errors
    /// The next header is not valid.
    pub fn next_message(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let length = message_length(*header, self.versions)?;
        let version = header[HEADER_BYTES - 1];
        let kept = length.min(self.kept_max);
        if self.buffer.len() < HEADER_BYTES + kept {
            return Ok(None);
        }
        self.version = version;
        self.buffer.advance(HEADER_BYTES);
        let message = self.buffer.split_to(kept).freeze();
        let skipped = (length - kept).min(self.buffer.len());
        self.buffer.advance(skipped);
        self.skipping = length - kept - skipped;
        if self.buffer.is_empty() && self.buffered_max > IDLE_BYTES_MAX {
            // A stream on which nothing is sent keeps no large buffer.
            (self.buffer, self.buffered_max) = (BytesMut::new(), 0);
        }
        Ok(Some(message))
    }

    /// Returns whether the stream may end here, without an incomplete frame.
    pub fn is_at_boundary(&self) -> bool {
        self.buffer.is_empty() && self.skipping == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_is_a_length_a_version_and_a_message() {
        assert_eq!(encode(&("ab", 7u8)).expect("encodes").as_ref(), [4, 0, 0, 0, 1, 2, b'a', b'b', 7]);
    }

    #[test]
    fn frames_are_appended_whole_or_not_at_all() {
        let mut frames = Vec::new();
        append(1, &mut frames, &"one").expect("encodes");
        assert!(append(1, &mut frames, &vec![0u16; FRAME_BYTES_MAX + 1]).is_err());
        append(1, &mut frames, &2u8).expect("encodes");
        let expected = [encode(&"one").expect("encodes"), encode(&2u8).expect("encodes")].concat();
        assert_eq!(frames, expected);
    }

    #[test]
    fn a_bad_header_is_judged_before_its_message_is_there() {
        let mut long = Deframer::default();
        long.push(&[0xff, 0xff, 0xff, 0xff, FRAME_VERSION]);
        assert_eq!(long.next_message(), Err(FrameError::TooLong(u32::MAX as usize)));
        let mut newer = Deframer::default();
        newer.push(&[1, 0, 0, 0, 9]);
        assert_eq!(newer.next_message(), Err(FrameError::Version(9)));
    }

    #[test]
    fn messages_are_read_in_the_versions_of_this_side_after_the_first_one() {
        let (first, second) = (encode(&"hello").expect("encodes"), encode_as(3, &7u8).expect("encodes"));
        let mut deframer = Deframer::default();
        deframer.push(&[first, second.clone(), second].concat());
        deframer.set_first(true);
        assert!(deframer.next_message().expect("is read").is_some());
        assert_eq!(deframer.version(), FRAME_VERSION);
        for (min, max, read) in [(1, 1, false), (4, 5, false), (2, 3, true), (3, 5, true)] {
            deframer.set_versions(ProtocolVersions { min, max });
            match deframer.next_message() {
                Ok(Some(_)) => assert!(read && deframer.version() == 3, "{min} to {max}"),
                refused => assert!(!read && refused == Err(FrameError::Version(3)), "{min} to {max}"),
            }
        }
    }

    #[test]
    fn the_rest_of_a_long_message_is_skipped() {
        let frames = [encode_raw(&[1; 100]), encode_raw(&[2; 7]), encode_raw(&[3; 30]), encode_raw(&[4; 10])];
        let stream: Vec<u8> = frames.into_iter().flat_map(|frame| frame.expect("encodes")).collect();
        for piece in [1, 9, 64, stream.len()] {
            let mut deframer = Deframer::default();
            deframer.set_kept_max(10);
            let mut seen = Vec::new();
            for bytes in stream.chunks(piece) {
                deframer.push(bytes);
                while let Some(message) = deframer.next_message().expect("well-formed") {
                    seen.push(message.to_vec());
                }
                assert!(deframer.buffer.len() < HEADER_BYTES + 10, "it keeps no more");
            }
            assert_eq!(seen, [vec![1; 10], vec![2; 7], vec![3; 10], vec![4; 10]]);
            assert!(deframer.is_at_boundary());
        }
        let mut ends_early = Deframer::default();
        ends_early.set_kept_max(10);
        ends_early.push(&stream[..60]);
        assert!(ends_early.next_message().expect("well-formed").is_some());
        assert!(!ends_early.is_at_boundary());
    }

    #[test]
    fn fields_of_a_newer_version_are_skipped_and_those_of_an_older_one_are_zero() {
        assert_eq!(decode::<(u8, String)>(&[1, 1, b'a', 7]), Ok((1, "a".to_owned())));
        assert_eq!(decode::<(u8, String)>(&[1]), Ok((1, String::new())));
        assert_eq!(decode::<(u8, String)>(&[1, 1]), Err(FrameError::Malformed(DecodeError::Short)));
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8), cut in 1usize..64) {
            let stream: Vec<u8> = messages.iter().flat_map(|m| encode(m).expect("encodes")).collect();
            let mut deframer = Deframer::default();
            let mut seen = Vec::new();
            for piece in stream.chunks(cut) {
                deframer.push(piece);
                while let Some(message) = deframer.next_message().expect("well-formed") {
                    seen.push(decode::<Vec<u8>>(&message).expect("well-formed"));
                }
            }
            prop_assert!(deframer.is_at_boundary());
            prop_assert_eq!(seen, messages);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let mut deframer = Deframer::default();
            deframer.push(&bytes);
            while let Ok(Some(message)) = deframer.next_message() {
                let _ = decode::<crate::protocol::Request>(&message);
            }
            let _ = decode::<crate::command::Proposal>(&bytes);
            let _ = decode::<crate::protocol::ServerMessage>(&bytes);
        }
    }
}
