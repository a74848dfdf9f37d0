//! Splits a line into words and joins words into a line: the prompt's quoting.
//!
//! The rules are a shell's, without its expansions: blanks separate words,
//! quotes and backslashes keep them together. A shell reads the output of
//! [`join`] as the same words, and so does [`split`] if no word has control
//! characters. Knows no verbs.
//!
//! Not the crate `shlex`: it does not report which quote is open, and it writes
//! control characters and bytes that are not UTF-8 raw between single quotes.
//! A hint goes to a terminal, so [`join`] writes them as `$'\x1b'`.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use crate::printer::escape;

/// A line that cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SplitError {
    /// A quote is not closed.
    #[error("the line ends within {0} quotes")]
    Open(&'static str),
    /// The line ends with a backslash.
    #[error("the line ends with a backslash")]
    Backslash,
}

/// Returns the words of a line: none for a blank line or a comment.
pub(crate) fn split(line: &str) -> Result<Vec<String>, SplitError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            c if c.is_whitespace() => words.extend(word.take()),
            '#' if word.is_none() => break,
            '\'' => single_quoted(&mut characters, word.get_or_insert_default())?,
            '"' => double_quoted(&mut characters, word.get_or_insert_default())?,
            '\\' => {
                let next = characters.next().ok_or(SplitError::Backslash)?;
                word.get_or_insert_default().push(next);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Returns where the last word of a line that is still typed begins, and its text so far: none after a blank.
pub(crate) fn last(line: &str) -> (usize, String) {
    let (mut start, mut word) = (None, String::new());
    let mut characters = line.chars();
    loop {
        let at = line.len() - characters.as_str().len();
        let Some(character) = characters.next() else { return (start.unwrap_or(at), word) };
        if character.is_whitespace() {
            (start, word) = (None, String::new());
            continue;
        }
        start.get_or_insert(at);
        // Quotes that are open, or a backslash at the end, are closed by what is typed next.
        match character {
            '\'' => _ = single_quoted(&mut characters, &mut word),
            '"' => _ = double_quoted(&mut characters, &mut word),
            '\\' => word.extend(characters.next()),
            c => word.push(c),
        }
    }
}

fn single_quoted(characters: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), SplitError> {
    for character in characters {
        match character {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
    Err(SplitError::Open("single"))
}

/// Within double quotes, a backslash quotes `"` and `\` and is literal elsewhere.
fn double_quoted(characters: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), SplitError> {
    while let Some(character) = characters.next() {
        match character {
            '"' => return Ok(()),
            '\\' => match characters.next() {
                Some(c @ ('"' | '\\')) => word.push(c),
                Some(c) => word.extend(['\\', c]),
                None => break,
            },
            c => word.push(c),
        }
    }
    Err(SplitError::Open("double"))
}

/// Returns the line that splits into these words.
pub(crate) fn join<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> String {
    words.into_iter().map(|word| quote(word.as_ref())).collect::<Vec<_>>().join(" ")
}

fn quote(word: &OsStr) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:,@%+=".contains(&b);
    match word.to_str() {
        Some(text) if !text.is_empty() && text.bytes().all(plain) => text.to_owned(),
        Some(text) if !text.contains(is_escaped) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => format!("$'{}'", word.as_bytes().iter().map(|byte| quoted_byte(*byte)).collect::<String>()),
    }
}

/// Whether a terminal would obey a character, or show it as another text.
fn is_escaped(character: char) -> bool {
    character.is_control() || escape::reorders(character)
}

fn quoted_byte(byte: u8) -> String {
    match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    }
}

/// A command as it was typed, for hints that show it again with other flags.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spoken(Vec<OsString>);

impl Spoken {
    pub(crate) fn new<W: Into<OsString>>(words: impl IntoIterator<Item = W>) -> Self {
        Self(words.into_iter().map(Into::into).collect())
    }

    /// Returns the words as they were typed.
    pub(crate) fn words(&self) -> &[OsString] {
        &self.0
    }

    /// Returns the command with this value of a flag, instead of the one that it has.
    pub(crate) fn instead(&self, flag: &str, value: &str) -> String {
        let flags_end = self.0.iter().position(|word| word == "--").unwrap_or(self.0.len());
        let (before, after) = self.0.split_at(flags_end);
        Self([without(before, flag), after.into()].concat()).with(&[flag, value])
    }

    /// Returns the command with `arguments`, and without the arguments in `given`.
    ///
    /// A word after a flag may be the flag's value, so it stays.
    pub(crate) fn with_arguments(&self, given: &[&str], arguments: &[String]) -> String {
        let flags_end = self.0.iter().position(|word| word == "--").unwrap_or(self.0.len());
        let (before, after) = self.0.split_at(flags_end);
        let mut kept: Vec<&OsStr> = Vec::new();
        for word in before.iter().map(OsString::as_os_str) {
            let after_flag = kept.last().is_some_and(|last| last.as_bytes().starts_with(b"-"));
            if after_flag || !given.iter().any(|name| word == *name) {
                kept.push(word);
            }
        }
        let after =
            after.iter().map(OsString::as_os_str).filter(|word| !given.iter().any(|name| word == name));
        join(kept.into_iter().chain(arguments.iter().map(OsStr::new)).chain(after))
    }

    /// Returns the command with these words added before a `--`, or at the end.
    /// If it has the first of them already, it is unchanged.
    pub(crate) fn with(&self, flag: &[&str]) -> String {
        let flags_end = self.0.iter().position(|word| word == "--").unwrap_or(self.0.len());
        let (before, after) = self.0.split_at(flags_end);
        let has = flag.first().is_none_or(|first| before.iter().any(|word| names(word, first)));
        let added = if has { &[][..] } else { flag };
        let words = before.iter().map(OsString::as_os_str).chain(added.iter().map(OsStr::new));
        join(words.chain(after.iter().map(OsString::as_os_str)))
    }
}

/// Returns the words without a flag and its value.
fn without(words: &[OsString], flag: &str) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.to_str() {
            Some(word) if word == flag => _ = words.next(),
            _ if names(word, flag) => {}
            _ => kept.push(word.clone()),
        }
    }
    kept
}

/// Returns whether a word is this flag, alone or with `=VALUE`.
fn names(word: &OsStr, flag: &str) -> bool {
    word.as_bytes()
        .strip_prefix(flag.as_bytes())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"="))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_into_words() {
        let cases: [(&str, &[&str]); 12] = [
            ("", &[]),
            (" \t ", &[]),
            ("# a comment", &[]),
            ("list # the nodes", &["list"]),
            ("set order/1 latte", &["set", "order/1", "latte"]),
            ("set k ''", &["set", "k", ""]),
            ("set k 'two words'", &["set", "k", "two words"]),
            (r#"set k "say \"hi\" \n""#, &["set", "k", r#"say "hi" \n"#]),
            (r"set k two\ words", &["set", "k", "two words"]),
            ("set k a'b c'd", &["set", "k", "ab cd"]),
            ("set k order#7", &["set", "k", "order#7"]),
            ("set ähre ☕", &["set", "ähre", "☕"]),
        ];
        for (line, words) in cases {
            assert_eq!(
                split(line).as_deref(),
                Ok(&words.iter().map(ToString::to_string).collect::<Vec<_>>()[..])
            );
        }
    }

    #[test]
    fn lines_that_do_not_end() {
        assert_eq!(split("set k 'latte"), Err(SplitError::Open("single")));
        assert_eq!(split("set k \"latte"), Err(SplitError::Open("double")));
        assert_eq!(split("set k \"latte\\"), Err(SplitError::Open("double")));
        assert_eq!(split("set k \\"), Err(SplitError::Backslash));
    }

    #[test]
    fn the_last_word_of_a_line_that_is_still_typed() {
        for (line, start, word) in [
            ("", 0, ""),
            ("get", 0, "get"),
            ("get ", 4, ""),
            ("get order/1", 4, "order/1"),
            ("get 'two w", 4, "two w"),
            ("get 'a b' \"c d", 10, "c d"),
            (r"get two\ w", 4, "two w"),
            (r"get a\", 4, "a"),
            ("get \u{3000}ä'b'c", 7, "äbc"),
        ] {
            assert_eq!(last(line), (start, word.to_owned()), "{line}");
        }
    }

    #[test]
    fn words_into_lines() {
        assert_eq!(join(["set", "order/1", "latte"]), "set order/1 latte");
        assert_eq!(join(["set", "", "it's two"]), r"set '' 'it'\''s two'");
        assert_eq!(join([OsStr::from_bytes(b"a\n\xff'\\")]), r"$'a\x0a\xff\'\\'");
        assert_eq!(join(["☕\u{202e}"]), r"$'\xe2\x98\x95\xe2\x80\xae'");
    }

    #[test]
    fn a_flag_is_added_where_it_counts() {
        let flag = ["--request-id", "x-1-2"];
        assert_eq!(Spoken::new(["set", "k", "v"]).with(&flag), "set k v --request-id x-1-2");
        assert_eq!(Spoken::new(["set", "--", "-k", "v"]).with(&flag), "set --request-id x-1-2 -- -k v");
        assert_eq!(Spoken::new(["set", "k", "v", "--request-id=a"]).with(&flag), "set k v --request-id=a");
        assert_eq!(Spoken::new(["down"]).with(&["--yes"]), "down --yes");
        assert_eq!(Spoken::new(["set", "--", "k", "--yes"]).with(&["--yes"]), "set --yes -- k --yes");
    }

    #[test]
    fn a_flag_is_replaced() {
        let instead = |words: &[&str]| Spoken::new(words).instead("--nodes", "b,c");
        assert_eq!(instead(&["x", "--nodes", "a,b", "--yes"]), "x --yes --nodes b,c");
        assert_eq!(instead(&["x", "--nodes=a,b", "--", "--nodes", "d"]), "x --nodes b,c -- --nodes d");
        assert_eq!(instead(&["x"]), "x --nodes b,c");
    }

    proptest! {
        #[test]
        fn what_is_joined_splits_again(words in proptest::collection::vec("[ -~äß☕]{0,8}", 0..5)) {
            prop_assert_eq!(split(&join(&words)), Ok(words));
        }
    }
}
