//! Colours for a terminal.
//!
//! Text is painted where it is made; the printer strips the colours of a stream
//! that must not have them. A stream has colours if it is a terminal, TERM is
//! not `dumb`, and NO_COLOR is unset or empty (no-color.org).

use std::{env, ffi::OsStr};

use clap::builder::styling::AnsiColor;

/// The start of an escape sequence that selects a colour (ECMA-48, SGR).
const SEQUENCE_START: &str = "\x1b[";

/// The end of such a sequence.
const SEQUENCE_END: char = 'm';

/// Whether a stream of this process gets colours.
pub(super) fn is_wanted(is_terminal: bool) -> bool {
    decide(is_terminal, env::var_os("NO_COLOR").as_deref(), env::var_os("TERM").as_deref())
}

fn decide(is_terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty) && term.is_some_and(|term| term != "dumb")
}

/// Paints failures and what is down.
pub(crate) fn red(text: &str) -> String {
    paint(text, AnsiColor::Red)
}

/// Paints what passed.
pub(crate) fn green(text: &str) -> String {
    paint(text, AnsiColor::Green)
}

/// Paints the result of a check.
pub(crate) fn result(word: &str) -> String {
    match word {
        "PASS" => green(word),
        "WARN" => paint(word, AnsiColor::Yellow),
        _ => red(word),
    }
}

/// Paints the name of a node's state: red if the node is down, yellow if it is
/// on its way up or down.
pub(super) fn state(name: &str) -> String {
    match name {
        "unreachable" | "other cluster" => red(name),
        "shutdown" | "joining" | "waiting" | "starting" | "stopping" => paint(name, AnsiColor::Yellow),
        _ => name.to_owned(),
    }
}

/// Paints the label at the start of each line, such as `error:`.
pub(super) fn labels(text: &str) -> String {
    text.split_inclusive('\n').map(label).collect()
}

fn label(line: &str) -> String {
    let colours = [("error:", AnsiColor::Red), ("warning:", AnsiColor::Yellow), ("hint:", AnsiColor::Cyan)];
    let found =
        colours.into_iter().find_map(|(label, colour)| Some((label, line.strip_prefix(label)?, colour)));
    found.map_or_else(|| line.to_owned(), |(label, rest, colour)| paint(label, colour) + rest)
}

fn paint(text: &str, colour: AnsiColor) -> String {
    let style = colour.on_default();
    format!("{}{text}{}", style.render(), style.render_reset())
}

/// The text without colours.
pub(super) fn strip(text: &str) -> String {
    let mut parts = text.split(SEQUENCE_START);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| match sequence(part) {
        Some((_, rest)) => plain + rest,
        None => plain + SEQUENCE_START + part,
    })
}

/// Splits the text after `SEQUENCE_START` into the sequence's numbers and the rest.
fn sequence(text: &str) -> Option<(&str, &str)> {
    let (numbers, rest) = text.split_once(SEQUENCE_END)?;
    numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b';').then_some((numbers, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_capable_terminal_gets_colours() {
        let on = |is_terminal, no_color: Option<&str>, term: Option<&str>| {
            decide(is_terminal, no_color.map(OsStr::new), term.map(OsStr::new))
        };
        assert!(on(true, None, Some("xterm")));
        assert!(on(true, Some(""), Some("xterm")), "an empty NO_COLOR does not count");
        assert!(!on(true, Some("0"), Some("xterm")), "any other value of NO_COLOR does");
        assert!(!on(true, None, Some("dumb")));
        assert!(!on(true, None, None));
        assert!(!on(false, None, Some("xterm")));
    }

    #[test]
    fn labels_are_painted_at_the_start_of_a_line() {
        let painted = labels("error: no hint: here\nhint: wait\nwarning: late\nplain\n");
        assert_eq!(
            painted,
            "\x1b[31merror:\x1b[0m no hint: here\n\x1b[36mhint:\x1b[0m wait\n\x1b[33mwarning:\x1b[0m late\nplain\n"
        );
        assert_eq!(strip(&painted), "error: no hint: here\nhint: wait\nwarning: late\nplain\n");
    }

    #[test]
    fn stripping_leaves_other_escapes() {
        assert_eq!(strip("\x1b[31mred\x1b[0m"), "red");
        assert_eq!(strip("a\x1b[2Jb"), "a\x1b[2Jb");
        assert_eq!(strip("a\x1b["), "a\x1b[");
    }
}
