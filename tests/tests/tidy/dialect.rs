//! Habits that make sentences hard to read, counted: the number may only shrink.
//!
//! The tree's language is plain technical English. These words and turns mark
//! sentences that a native speaker reads twice: a person where a node, client or
//! request is meant, "behind" for before, after, as of or lagging, "X is no Y"
//! for "X is not a Y", and a sentence whose subject begins with "What".

use crate::tree;

/// How many are left in the whole tree. Lower it with every one that goes.
const LEFT: usize = 1717;

/// Words, put together here so that this file does not contain them.
const WORDS: [(&str, &str); 7] = [
    ("who", "ever"),
    ("no", "body"),
    ("some", "body"),
    ("be", "hind"),
    ("a", "new"),
    ("le", "st"),
    ("par", "ted"),
];

/// What may follow "is no" in good English.
const GOOD_AFTER_NO: [&str; 4] = ["longer", "more", "other", "such"];

#[test]
fn sentences_are_plain() {
    let mut found = Vec::new();
    for source in tree::files(&[
        ".rs", ".md", ".toml", ".sh", ".service", ".timer", ".1", ".8", ".bash", ".fish", "run",
    ]) {
        for (number, line) in source.text.lines().enumerate() {
            found.extend(
                habits(line).into_iter().map(|habit| format!("{}:{}: {habit}", source.path, number + 1)),
            );
        }
    }
    let count = found.len();
    assert!(
        count <= LEFT,
        "{count} where {LEFT} were left; write these in plain English:\n{}",
        found.join("\n")
    );
}

/// The habits in a line, each as the words that show it.
fn habits(line: &str) -> Vec<String> {
    let words: Vec<&str> =
        line.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|w| !w.is_empty()).collect();
    let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let listed = |word: &&String| WORDS.iter().any(|(a, b)| **word == format!("{a}{b}"));
    let mut found: Vec<String> = lower.iter().filter(listed).cloned().collect();
    for at in 0..lower.len().saturating_sub(2) {
        let verb = matches!(lower[at].as_str(), "is" | "are" | "was" | "were") && lower[at + 1] == "no";
        let there = at > 0 && lower[at - 1] == "there";
        if verb && !there && !GOOD_AFTER_NO.contains(&lower[at + 2].as_str()) {
            found.push(lower[at..at + 3].join(" "));
        }
    }
    let sentence_starts = |at: usize| {
        let before = line[..at].trim_end();
        before.is_empty() || before.ends_with(['.', '/', '!', '#', '"', '|', '*', '-'])
    };
    let subject = |at: usize| sentence_starts(at) && !line[at..].contains('?');
    found.extend(line.match_indices("What ").filter(|(at, _)| subject(*at)).map(|_| "What ...".to_owned()));
    found
}

#[test]
fn habits_are_found() {
    let (who, be) = (["who", "ever"].concat(), ["be", "hind"].concat());
    assert_eq!(habits(&format!("/// For {who} is {be} it.")), [who, be]);
    assert_eq!(habits("\"it is no name\", there is no leader, it is no longer so"), ["is no name"]);
    assert_eq!(habits("/// What is sent. What is sent?"), ["What ..."; 0]);
    assert_eq!(habits("/// What is sent."), ["What ..."]);
}
