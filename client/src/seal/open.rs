//! Reads a sealed file.

use std::io::{self, Read, Seek, SeekFrom};

use x25519_dalek::PublicKey;

use super::{
    CHUNK_BYTES, FORMAT, FileCipher, HEADER_BYTES, KEY_BYTES, MAGIC, RECIPIENT_BYTES, SealError, TAG_BYTES,
    UnsealingKey,
};

/// The content of a sealed file. All bytes that it returns were verified, but only the end of the file
/// tells that nothing is missing: a reader that needs all of it reads to the end.
pub struct UnsealedReader<R> {
    sealed: R,
    key: UnsealingKey,
    cipher: FileCipher,
    /// The first bytes of the next chunk: whether there are any tells if this one is the last.
    ahead: Vec<u8>,
    chunk: Vec<u8>,
    /// How much of the chunk was returned.
    at: usize,
    ended: bool,
}

impl<R: Read> UnsealedReader<R> {
    /// Reads the start of a sealed file.
    ///
    /// # Errors
    /// The file cannot be read, is not sealed, or not to this key: a [`SealError`] within.
    pub fn begin(mut sealed: R, key: UnsealingKey) -> io::Result<Self> {
        let cipher = begin(&mut sealed, &key)?;
        Ok(Self { sealed, key, cipher, ahead: Vec::new(), chunk: Vec::new(), at: 0, ended: false })
    }

    /// Decrypts the next chunk.
    fn next(&mut self) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.ahead);
        let full = CHUNK_BYTES + TAG_BYTES;
        let wanted = full + 1 - bytes.len();
        (&mut self.sealed).take(wanted as u64).read_to_end(&mut bytes)?;
        let is_last = bytes.len() <= full;
        if !is_last {
            self.ahead = bytes.split_off(full);
        }
        self.cipher.open(&mut bytes, is_last).map_err(invalid)?;
        (self.chunk, self.at, self.ended) = (bytes, 0, is_last);
        Ok(())
    }
}

fn begin(sealed: &mut impl Read, key: &UnsealingKey) -> io::Result<FileCipher> {
    let mut header = Vec::new();
    sealed.take(HEADER_BYTES as u64).read_to_end(&mut header)?;
    let header: [u8; HEADER_BYTES] = match header.try_into() {
        Ok(header) => header,
        Err(short) if super::is_sealed(&short) => return Err(invalid(SealError::Damaged(0))),
        Err(_) => return Err(invalid(SealError::NotSealed)),
    };
    let (start, ephemeral) = header.split_at(HEADER_BYTES - KEY_BYTES);
    let (start, recipient) = start.split_at(start.len() - RECIPIENT_BYTES);
    if !super::is_sealed(start) {
        return Err(invalid(SealError::NotSealed));
    }
    if start[MAGIC.len()] != FORMAT {
        return Err(invalid(SealError::Format(start[MAGIC.len()])));
    }
    let own = key.sealing_key();
    if recipient != own.mark() {
        return Err(invalid(SealError::OtherKey));
    }
    let mut public = [0; KEY_BYTES];
    public.copy_from_slice(ephemeral);
    let secret = key.secret().diffie_hellman(&PublicKey::from(public));
    FileCipher::new(&header, own.public(), &secret).ok_or_else(|| invalid(SealError::Damaged(0)))
}

fn invalid(error: SealError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl<R: Read> Read for UnsealedReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            if self.ended {
                return Ok(0);
            }
            self.next()?;
        }
        let length = out.len().min(self.chunk.len() - self.at);
        out[..length].copy_from_slice(&self.chunk[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

impl<R: Read + Seek> Seek for UnsealedReader<R> {
    /// Goes back to the start; other positions are not supported.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if to != SeekFrom::Start(0) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.sealed.rewind()?;
        self.cipher = begin(&mut self.sealed, &self.key)?;
        self.ahead.clear();
        (self.chunk, self.at, self.ended) = (Vec::new(), 0, false);
        Ok(0)
    }
}
