//! Text from other machines, before it is logged or shown.
//!
//! A node or server may be hostile: its text must not control the terminal of an operator, forge
//! lines of a log, or fill either.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

/// The longest version, serial number or other word, in bytes.
pub const WORD_BYTES_MAX: usize = 80;

/// The longest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 2048;

/// The most words in a list.
const WORDS_MAX: usize = 256;

/// Returns the text, cut to `max` bytes, on one line and without characters that control a
/// terminal or change the direction of what follows (Unicode categories Cc, Zl and Zp, and the
/// bidirectional controls of UAX 9).
pub fn harmless(text: &str, max: usize) -> Cow<'_, str> {
    let cut = &text[..text.floor_char_boundary(max)];
    if cut.contains(controls) {
        let mut text: String = cut.chars().map(|c| if controls(c) { replacement(c) } else { c }).collect();
        // A replacement may be longer than the character.
        text.truncate(text.floor_char_boundary(max));
        return Cow::Owned(text);
    }
    Cow::Borrowed(cut)
}

fn controls(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn replacement(c: char) -> char {
    if c.is_ascii_whitespace() { ' ' } else { char::REPLACEMENT_CHARACTER }
}

fn owned(text: String, max: usize) -> String {
    match harmless(&text, max) {
        Cow::Borrowed(same) if same.len() == text.len() => text,
        harmless => harmless.into_owned(),
    }
}

/// Decodes a word (see [`harmless`]), for `serde(deserialize_with)`.
///
/// # Errors
/// It is not a text.
pub fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| owned(text, WORD_BYTES_MAX))
}

/// Decodes a word that may be absent.
///
/// # Errors
/// It is not a text.
pub fn word_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(|text| owned(text, WORD_BYTES_MAX)))
}

/// Decodes a list of words.
///
/// # Errors
/// It is not a list of texts, or too long.
pub fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts: Vec<String> = crate::bounded::at_most::<_, _, WORDS_MAX>(deserializer)?;
    Ok(texts.into_iter().map(|text| owned(text, WORD_BYTES_MAX)).collect())
}

/// Decodes a message.
///
/// # Errors
/// It is not a text.
pub fn message<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| owned(text, MESSAGE_BYTES_MAX))
}

/// Decodes a message that may be absent.
///
/// # Errors
/// It is not a text.
pub fn message_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(|text| owned(text, MESSAGE_BYTES_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_control_a_terminal() {
        for (hostile, shown) in [
            ("ming at 10.0.0.1:7400", "ming at 10.0.0.1:7400"),
            ("café ☕", "café ☕"),
            ("\u{1b}]0;title\u{7}\u{1b}[2J", "\u{fffd}]0;title\u{fffd}\u{fffd}[2J"),
            ("a\u{9b}31mb", "a\u{fffd}31mb"),
            ("done\r\nerror: forged", "done  error: forged"),
            ("a\tb", "a b"),
            ("ok\u{202e}ko", "ok\u{fffd}ko"),
            ("ok\u{61c}ko", "ok\u{fffd}ko"),
        ] {
            assert_eq!(harmless(hostile, 100), shown);
        }
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(harmless("ééé", 3), "é");
        assert_eq!(harmless("\u{1b}\u{1b}x", 5), "\u{fffd}");
        assert_eq!(owned("x".repeat(5000), MESSAGE_BYTES_MAX).len(), MESSAGE_BYTES_MAX);
    }
}
