//! Habits that make sentences hard to read: none is left, and none is allowed.
//!
//! The tree's language is plain technical English. These words and turns mark
//! sentences that a native speaker reads twice: a person where a node, client or
//! request is meant, one word for before, after, as of and lagging, a negated noun
//! in place of a negated verb, and a question as the subject of a sentence.

use crate::tree;

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

/// Begins a sentence whose subject is a question; put together for the same reason.
const QUESTION: (&str, &str) = ("Wh", "at ");

/// Words with which a negated noun is good English.
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
    assert!(found.is_empty(), "write these in plain English:\n{}", found.join("\n"));
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
    let question = format!("{}{}", QUESTION.0, QUESTION.1);
    found.extend(
        line.match_indices(&question).filter(|(at, _)| subject(*at)).map(|(_, found)| found.to_owned()),
    );
    found
}

#[test]
fn habits_are_found() {
    let (who, be) = (["who", "ever"].concat(), ["be", "hind"].concat());
    assert_eq!(habits(&format!("/// For {who} is {be} it.")), [who, be]);
    let (no, question) = (["i", "s ", "no"].concat(), [QUESTION.0, QUESTION.1].concat());
    let line = format!("\"it {no} name\", there {no} leader, it {no} longer so");
    assert_eq!(habits(&line), [format!("{no} name")]);
    assert_eq!(habits(&format!("/// {question}is sent. {question}is sent?")), [""; 0]);
    assert_eq!(habits(&format!("/// {question}is sent.")), [question]);
}
