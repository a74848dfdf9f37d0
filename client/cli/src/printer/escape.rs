//! Makes foreign text safe to show: characters that control a terminal become
//! visible escapes.

use std::{fmt::Write, path::Path};

/// Escapes a text for a table: the result is one line without control characters.
pub(crate) fn shown(text: &str) -> String {
    escaped(text, |_| false)
}

/// Escapes bytes for a table, like [`shown`], with `\xNN` for invalid UTF-8.
pub(crate) fn shown_bytes(bytes: &[u8]) -> String {
    escaped_bytes(bytes, shown)
}

/// Escapes a path for a table, like [`shown`].
pub(crate) fn path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

/// Escapes a text for a tab-separated field. Backslashes are doubled, so the
/// text can be restored from the field.
pub(crate) fn field(text: &str) -> String {
    escaped(text, |c| c == '\\')
}

/// Escapes bytes for a tab-separated field, like [`field`], with `\xNN` for invalid UTF-8.
pub(crate) fn bytes_field(bytes: &[u8]) -> String {
    escaped_bytes(bytes, field)
}

fn escaped_bytes(bytes: &[u8], escape: fn(&str) -> String) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&escape(chunk.valid()));
        out.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    out
}

fn escaped(text: &str, also: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_ascii_control() => _ = write!(out, "\\x{:02x}", u32::from(c)),
            c if c.is_control() || reorders(c) => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
            c if also(c) => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// Whether an invisible character breaks lines or reorders others (Unicode
/// Annex 9), so that one text could look like another.
pub(crate) fn reorders(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        assert_eq!(shown("order/1 ☕ ähre"), "order/1 ☕ ähre");
        assert_eq!(shown("a\nb\tc\rd\x1b[2J"), "a\\nb\\tc\\rd\\x1b[2J");
        assert_eq!(shown("\u{9b}31m\u{202e}abc"), "\\u{9b}31m\\u{202e}abc");
        assert_eq!(shown(r"a\b"), r"a\b");
    }

    #[test]
    fn fields_tell_a_backslash_from_an_escape() {
        assert_eq!(field("a\tb"), r"a\tb");
        assert_eq!(field(r"a\tb"), r"a\\tb");
        assert_eq!(bytes_field(b"a\xff\\\x00b\xc3"), r"a\xff\\\x00b\xc3");
    }
}
