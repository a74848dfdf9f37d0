//! Sealed files: written for a public key, read with the private one. A machine that takes
//! backups cannot read older ones.
//!
//! A format on disk, guarded by golden bytes:
//!
//! ```text
//! file     magic 14 | format 1 | recipient 8 | ephemeral key 32 | chunk ...
//! chunk    ciphertext, 64 KiB or less in the last one | tag 16
//! ```
//!
//! The recipient is the start of the SHA-256 of its public key: it tells whose key opens the file. The
//! chunks are encrypted with ChaCha20-Poly1305 (RFC 8439) under a key derived with HKDF-SHA-256 (RFC
//! 5869) from the X25519 (RFC 7748) agreement of the ephemeral and the recipient's key; the salt is
//! everything before the chunks, then the recipient's public key. The nonce of a chunk is its number (11
//! bytes, big endian) and 1 if it is the last one, else 0: the STREAM construction (Hoang, Reyhanitabar,
//! Rogaway and Vizár, CRYPTO 2015). A missing, repeated or moved chunk, or one more after the last,
//! is therefore refused like a changed bit. Each file has its own key, so no nonce is used twice.
//!
//! Holds one chunk at a time. Anyone with the public key can seal: this is secrecy, and integrity
//! against those who do not know the content, not proof of origin.

mod key;
mod open;

pub use key::{SealKeyError, SealingKey, UnsealingKey, create_keys};
pub use open::UnsealedReader;

use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
};
use x25519_dalek::{PublicKey, StaticSecret};

const MAGIC: [u8; 14] = *b"coffee sealed\n";

/// The format version that this build writes and reads.
const FORMAT: u8 = 1;

const RECIPIENT_BYTES: usize = 8;
const KEY_BYTES: usize = 32;
const HEADER_BYTES: usize = MAGIC.len() + 1 + RECIPIENT_BYTES + KEY_BYTES;

/// The plaintext in every chunk but the last.
const CHUNK_BYTES: usize = 64 << 10;

const TAG_BYTES: usize = 16;

/// The purpose of the derived key.
const PURPOSE: &[&[u8]] = &[b"coffee sealed file"];

/// Why a file is not sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The file does not start as a sealed one.
    #[error("it is not sealed")]
    NotSealed,
    /// Another version of this program sealed it.
    #[error("it is sealed in format {0}; this build knows format {FORMAT}")]
    Format(u8),
    /// Another key opens it.
    #[error("it is sealed to another key")]
    OtherKey,
    /// A chunk is not what was written.
    #[error("it is damaged or cut short in its chunk {0}")]
    Damaged(u64),
    /// A file does not hold a key of this kind.
    #[error("it is not the {0} key of a pair for backups (X25519, in PEM)")]
    NotAKey(&'static str),
    /// The system provides no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
}

/// Returns whether a file with these first bytes is sealed.
pub fn is_sealed(start: &[u8]) -> bool {
    start.starts_with(&MAGIC)
}

/// The cipher of one file.
struct FileCipher {
    key: LessSafeKey,
    /// The number of the next chunk.
    next: u64,
}

impl FileCipher {
    /// Derives the key of a file from the secret of an agreement; `None` for a public key that gives
    /// the same secret to everyone.
    fn new(
        header: &[u8; HEADER_BYTES],
        recipient: &PublicKey,
        secret: &x25519_dalek::SharedSecret,
    ) -> Option<Self> {
        let salt = Salt::new(HKDF_SHA256, &[&header[..], recipient.as_bytes()].concat());
        let derived = secret.was_contributory().then(|| salt.extract(secret.as_bytes()))?;
        let key = UnboundKey::from(derived.expand(PURPOSE, &CHACHA20_POLY1305).ok()?);
        Some(Self { key: LessSafeKey::new(key), next: 0 })
    }

    fn nonce(&mut self, is_last: bool) -> Nonce {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&self.next.to_be_bytes());
        nonce[11] = u8::from(is_last);
        self.next += 1;
        Nonce::assume_unique_for_key(nonce)
    }

    /// Encrypts a chunk in place, and appends its tag.
    fn seal(&mut self, chunk: &mut Vec<u8>, is_last: bool) {
        let nonce = self.nonce(is_last);
        // Fails only for more bytes than a chunk has.
        let sealed = self.key.seal_in_place_append_tag(nonce, Aad::empty(), chunk);
        debug_assert!(sealed.is_ok(), "a chunk is short");
    }

    /// Decrypts a chunk with its tag in place, and removes the tag.
    fn open(&mut self, chunk: &mut Vec<u8>, is_last: bool) -> Result<(), SealError> {
        let number = self.next;
        let nonce = self.nonce(is_last);
        let opened = self.key.open_in_place(nonce, Aad::empty(), chunk).map(|plain| plain.len());
        chunk.truncate(opened.map_err(|_| SealError::Damaged(number))?);
        Ok(())
    }
}

/// Seals a stream of bytes.
pub struct Sealer {
    cipher: FileCipher,
    /// The bytes of the next chunk. One is complete only when more follows: the last is marked.
    pending: Vec<u8>,
}

impl Sealer {
    /// Starts a file for this key, and returns its first bytes.
    ///
    /// # Errors
    /// [`SealError::Random`] without random numbers, [`SealError::NotAKey`] for a key that hides nothing.
    pub fn begin(to: &SealingKey) -> Result<(Self, Vec<u8>), SealError> {
        let mut secret = [0; KEY_BYTES];
        getrandom::fill(&mut secret).map_err(|error| SealError::Random(error.to_string()))?;
        Self::with_ephemeral(to, &StaticSecret::from(secret))
    }

    fn with_ephemeral(to: &SealingKey, own: &StaticSecret) -> Result<(Self, Vec<u8>), SealError> {
        let mut header = [0; HEADER_BYTES];
        let parts = [&MAGIC[..], &[FORMAT], &to.mark(), PublicKey::from(own).as_bytes()].concat();
        header.copy_from_slice(&parts);
        let cipher = FileCipher::new(&header, to.public(), &own.diffie_hellman(to.public()));
        let cipher = cipher.ok_or(SealError::NotAKey("public"))?;
        Ok((Self { cipher, pending: Vec::new() }, parts))
    }

    /// Adds bytes, and returns those of the file that are complete.
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        while self.pending.len() + bytes.len() > CHUNK_BYTES {
            let (now, rest) = bytes.split_at(CHUNK_BYTES - self.pending.len());
            self.pending.extend_from_slice(now);
            bytes = rest;
            self.cipher.seal(&mut self.pending, false);
            sealed.append(&mut self.pending);
        }
        self.pending.extend_from_slice(bytes);
        sealed
    }

    /// Returns the last bytes of the file.
    pub fn finish(mut self) -> Vec<u8> {
        self.cipher.seal(&mut self.pending, true);
        self.pending
    }
}

#[cfg(test)]
mod tests;
