//! The lines of an import, in batches.

use std::io::{self, BufRead, Read};

use coffee_common::{
    command::{Batch, Operation},
    limits::BATCH_OPERATIONS_MAX,
};

use super::line::LINE_BYTES_MAX;

/// The size from which a batch takes no more lines, in bytes of keys and values.
const BATCH_BYTES: usize = 256 << 10;

/// Reads a line without its newline; `None` if there is nothing to do. An error is for people.
pub(crate) type ParseLine = fn(&[u8]) -> Result<Option<Operation>, String>;

/// Lines of a file or of standard input.
pub(super) struct ImportLines<R> {
    reader: R,
    parse: ParseLine,
    /// The number of the last line that was read, counted from 1.
    number: u64,
    line: Vec<u8>,
}

/// Why lines cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("line {0}: {1}")]
    Malformed(u64, String),
}

/// Lines that are written together.
pub(super) struct LineBatch {
    pub(super) batch: Batch,
    /// The number of its first line, and of its last one.
    pub(super) first: u64,
    pub(super) last: u64,
}

impl<R: BufRead> ImportLines<R> {
    /// Reads from the line with number `from` on, counted from 1. Earlier ones are skipped unread.
    pub(super) fn new(reader: R, from: u64, parse: ParseLine) -> Result<Self, LineError> {
        let mut lines = Self { reader, parse, number: 0, line: Vec::new() };
        while lines.number + 1 < from && lines.read_line()? {}
        Ok(lines)
    }

    /// Reads the next batch; `None` at the end. Empty lines are skipped.
    pub(super) fn next_batch(&mut self) -> Result<Option<LineBatch>, LineError> {
        let mut batch = Batch::default();
        let mut first = None;
        while batch.operations.len() < BATCH_OPERATIONS_MAX && batch.bytes() < BATCH_BYTES {
            if !self.read_line()? {
                break;
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            let parsed = (self.parse)(&self.line).map_err(|why| LineError::Malformed(self.number, why))?;
            let Some(operation) = parsed else { continue };
            first.get_or_insert(self.number);
            batch.operations.push(operation);
        }
        Ok(first.map(|first| LineBatch { batch, first, last: self.number }))
    }

    /// Reads a line into the buffer. Returns `false` at the end.
    fn read_line(&mut self) -> Result<bool, LineError> {
        self.line.clear();
        let limit = LINE_BYTES_MAX as u64 + 1;
        self.reader.by_ref().take(limit).read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Ok(false);
        }
        self.number += 1;
        if self.line.len() > LINE_BYTES_MAX {
            let why = format!("it has more than {LINE_BYTES_MAX} bytes");
            return Err(LineError::Malformed(self.number, why));
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verb::import::parse;

    fn line(n: usize, value: &str) -> String {
        format!("{{\"key\":\"k/{n}\",\"value\":\"{value}\"}}\n")
    }

    fn batches(text: &str, from: u64) -> Vec<(u64, u64, usize)> {
        let mut lines = ImportLines::new(text.as_bytes(), from, parse).unwrap();
        std::iter::from_fn(|| lines.next_batch().unwrap())
            .map(|batch| (batch.first, batch.last, batch.batch.operations.len()))
            .collect()
    }

    #[test]
    fn lines_come_in_batches_that_the_cluster_takes() {
        let small: String = (0..300).map(|n| line(n, "x")).collect();
        assert_eq!(batches(&small, 1), [(1, 128, 128), (129, 256, 128), (257, 300, 44)]);
        assert_eq!(batches(&small, 290), [(290, 300, 11)]);
        assert_eq!(batches(&small, 301), []);
        let large: String = (0..3).map(|n| line(n, &"x".repeat(1 << 20))).collect();
        assert_eq!(batches(&large, 0), [(1, 1, 1), (2, 2, 1), (3, 3, 1)]);
        let spaced = format!("\n{}\n  \n{}", line(1, "x"), line(2, "y").trim_end());
        assert_eq!(batches(&spaced, 1), [(2, 5, 2)]);
        for text in [small, large] {
            let mut lines = ImportLines::new(text.as_bytes(), 1, parse).unwrap();
            while let Some(batch) = lines.next_batch().unwrap() {
                assert_eq!(batch.batch.check(), Ok(()));
            }
        }
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        let text = format!("{}{}oops\n", line(1, "x"), line(2, "y"));
        let error = ImportLines::new(text.as_bytes(), 1, parse).unwrap().next_batch().map(drop).unwrap_err();
        assert_eq!(error.to_string(), "line 3: expected value");
        let endless = ImportLines::new(io::BufReader::new(io::repeat(b'x')), 1, parse).unwrap().next_batch();
        assert!(endless.map(drop).unwrap_err().to_string().starts_with("line 1: it has more than "));
        let skipped = ImportLines::new(&b"oops\n"[..], 2, parse).unwrap().next_batch().unwrap();
        assert!(skipped.is_none(), "lines before the first one are not judged");
    }
}
