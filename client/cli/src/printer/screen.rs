//! A terminal that one report fills, drawn again and again.
//!
//! Guards that the terminal is as before afterwards, however the command ends: the future that draws
//! is dropped, also at a signal.

use std::io::{self, Write};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

/// Switches to the other screen and hides the cursor, and back (xterm's control sequences).
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";

/// Moves the cursor home; erases to the end of the line, and to that of the screen (ECMA-48).
const HOME: &str = "\x1b[H";
const ERASE_LINE: &str = "\x1b[K";
const ERASE_REST: &str = "\x1b[J";

/// The size of a terminal that does not tell its own.
const SIZE_DEFAULT: ScreenSize = ScreenSize { columns: 80, rows: 24 };

/// The longest that a read of the keyboard takes, in tenths of a second.
const READ_TENTHS: u8 = 1;

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScreenSize {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

impl ScreenSize {
    /// No terminal: lines follow each other, however many and long.
    pub(crate) const UNBOUNDED: Self = Self { columns: usize::MAX, rows: usize::MAX };

    /// Returns the text that draws these lines over those before. They must fit.
    pub(crate) fn draw(self, lines: &[String]) -> String {
        if self == Self::UNBOUNDED {
            return lines.iter().map(|line| format!("{line}\n")).collect();
        }
        let lines: String = lines.iter().map(|line| format!("{line}{ERASE_LINE}\n")).collect();
        format!("{HOME}{lines}{ERASE_REST}")
    }
}

/// The terminal, from now on until this is dropped.
pub(crate) struct FullScreen {
    before: Termios,
}

impl FullScreen {
    /// Takes the terminal. `None` if standard input is not one.
    pub(super) fn enter() -> Option<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin).ok()?;
        let mut keys = before.clone();
        // Ctrl-C still is a signal. A stopped process could not restore the terminal.
        keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        for (code, value) in [
            (SpecialCodeIndex::VMIN, 0),
            (SpecialCodeIndex::VTIME, READ_TENTHS),
            (SpecialCodeIndex::VSUSP, 0),
            (SpecialCodeIndex::VQUIT, 0),
        ] {
            keys.special_codes[code] = value;
        }
        tcsetattr(&stdin, OptionalActions::Now, &keys).ok()?;
        write(ENTER);
        Some(Self { before })
    }

    /// Returns the present size.
    pub(crate) fn size(&self) -> ScreenSize {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                ScreenSize { columns: size.ws_col.into(), rows: size.ws_row.into() }
            }
            _ => SIZE_DEFAULT,
        }
    }

    /// Waits until q is typed.
    pub(crate) async fn quit(&self) {
        loop {
            let read = tokio::task::spawn_blocking(|| {
                let mut key = [0; 1];
                rustix::io::read(io::stdin(), &mut key).map(|count| (count, key[0]))
            });
            match read.await {
                Ok(Ok((1, b'q' | b'Q'))) => return,
                Ok(Ok(_)) => {}
                // The keyboard is gone; a signal ends the command.
                Ok(Err(_)) | Err(_) => std::future::pending().await,
            }
        }
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        write(LEAVE);
        // Nothing else can be done about a terminal that is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}

fn write(sequence: &[u8]) {
    let mut out = io::stdout();
    // A terminal that is gone shows nothing.
    let _ = out.write_all(sequence).and_then(|()| out.flush());
}
