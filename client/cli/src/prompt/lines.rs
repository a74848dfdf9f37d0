//! Reads lines from a script or a pipe.

use std::io::{BufRead, Read};

use super::{LineSource, PromptEvent};

/// The longest line. The largest value fits, quoted.
const LINE_BYTES_MAX: u64 = 4 << 20;

/// Lines from a reader.
pub(super) struct Lines<R> {
    reader: R,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader }
    }

    /// Skips the rest of a line that is too long, in bounded memory.
    fn skip_line(&mut self) -> PromptEvent {
        let mut piece = Vec::new();
        while self
            .reader
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut piece)
            .is_ok_and(|read| read > 0)
        {
            if piece.ends_with(b"\n") {
                break;
            }
            piece.clear();
        }
        PromptEvent::Unreadable(format!("the line has more than {LINE_BYTES_MAX} bytes"))
    }
}

impl<R: BufRead> LineSource for Lines<R> {
    fn next(&mut self) -> PromptEvent {
        let mut bytes = Vec::new();
        match self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes) {
            Ok(0) => return PromptEvent::End,
            Ok(_) => {}
            Err(_) => return PromptEvent::End,
        }
        if !bytes.ends_with(b"\n") && bytes.len() as u64 == LINE_BYTES_MAX {
            return self.skip_line();
        }
        match String::from_utf8(bytes) {
            Ok(text) => PromptEvent::Line(text.trim_end_matches(['\n', '\r']).to_owned()),
            Err(_) => PromptEvent::Unreadable("the line is not UTF-8".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(bytes: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(bytes);
        let mut events = Vec::new();
        loop {
            match lines.next() {
                PromptEvent::End => return events,
                PromptEvent::Line(line) => events.push(line),
                PromptEvent::Unreadable(why) => events.push(format!("! {why}")),
                PromptEvent::Discarded | PromptEvent::Keys(..) => events.push("!".to_owned()),
            }
        }
    }

    #[test]
    fn lines_end_as_they_like() {
        assert_eq!(events(b"list\r\n\nset k v"), ["list", "", "set k v"]);
        assert_eq!(events(b""), Vec::<String>::new());
    }

    #[test]
    fn invalid_utf8_does_no_harm() {
        assert_eq!(events(b"\xff\xfe\nlist\n"), ["! the line is not UTF-8", "list"]);
    }

    #[test]
    fn a_line_without_end_takes_bounded_memory_and_the_next_is_read() {
        let mut bytes = vec![b'x'; 3 * LINE_BYTES_MAX as usize + 7];
        bytes.extend(b"\nlist\n");
        assert_eq!(events(&bytes), ["! the line has more than 4194304 bytes", "list"]);
    }
}
