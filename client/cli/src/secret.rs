//! Reads a passphrase: from a file, or from the terminal without showing it.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use coffee_client::cert::{self, Passphrase};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::{exit::ExitCode, failure::Failure, invocation::Invocation, printer::escape};

/// The most bytes of a passphrase.
const BYTES_MAX: u64 = 4096;

/// Reads the first line of a file, or of standard input for `-`.
pub(crate) fn from_file(path: &Path) -> Result<Passphrase, Failure> {
    let unreadable = |error: io::Error| {
        Failure::usage(format!("the passphrase in {} cannot be read: {error}", escape::path(path)))
            .hint("name a file whose first line is the passphrase, or - for standard input")
    };
    let line = match path.as_os_str().as_encoded_bytes() {
        b"-" => first_line(io::stdin().lock()),
        _ => File::open(path).and_then(|file| first_line(BufReader::new(file))),
    };
    Ok(Passphrase::new(&line.map_err(unreadable)?)?)
}

fn first_line(reader: impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    reader.take(BYTES_MAX).read_until(b'\n', &mut line)?;
    Ok(line)
}

/// Asks for a passphrase at the terminal.
pub(crate) async fn ask(question: &str, invocation: &mut Invocation<'_>) -> Result<Passphrase, Failure> {
    invocation.printer.aside(&format!("{question}: "));
    let hidden = Hidden::start();
    // On another thread, so that Ctrl-C still works.
    let line = tokio::task::spawn_blocking(|| first_line(io::stdin().lock())).await;
    drop(hidden);
    invocation.printer.note("");
    let unreadable = |error: String| Failure::new(ExitCode::Refused, format!("nothing was changed: {error}"));
    let line = line.map_err(|error| unreadable(error.to_string()))?;
    Ok(Passphrase::new(&line.map_err(|error| unreadable(error.to_string()))?)?)
}

/// Returns the passphrase of the directory's CA, from this file or from the terminal; `None` if its
/// key has none.
pub(crate) async fn of_ca(
    folder: &Path,
    file: Option<&Path>,
    invocation: &mut Invocation<'_>,
) -> Result<Option<Passphrase>, Failure> {
    if !cert::is_locked(folder) {
        return Ok(None);
    }
    match file {
        Some(file) => from_file(file).map(Some),
        None if invocation.can_ask => {
            let key = escape::path(&folder.join("ca.key"));
            ask(&format!("passphrase of {key}"), invocation).await.map(Some)
        }
        // The error says what to do.
        None => Ok(None),
    }
}

/// Asks for a new passphrase, twice.
pub(crate) async fn ask_new(invocation: &mut Invocation<'_>) -> Result<Passphrase, Failure> {
    let first = ask("new passphrase", invocation).await?;
    match ask("the same again", invocation).await? == first {
        true => Ok(first),
        false => Err(Failure::new(ExitCode::Refused, "nothing was changed: the passphrases differ")),
    }
}

/// A terminal that does not show typed characters, until this is dropped.
struct Hidden(Option<Termios>);

impl Hidden {
    fn start() -> Self {
        let stdin = io::stdin();
        let Ok(before) = tcgetattr(&stdin) else { return Self(None) };
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // If this fails, the passphrase is seen as it is typed.
        let _ = tcsetattr(&stdin, OptionalActions::Flush, &hidden);
        Self(Some(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // Nothing else can be done about a terminal that is gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        for text in ["one two", "one two\n", "one two\r\nthree\n"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(from_file(&path), Ok(Passphrase::new(b"one two").unwrap()), "{text:?}");
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(from_file(&path).is_err_and(|failure| failure.message().contains("empty")));
        let failure = from_file(folder.path()).unwrap_err();
        assert_eq!(failure.code(), ExitCode::Usage);
    }
}
