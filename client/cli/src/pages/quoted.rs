//! Finds the command lines in the documents, so that tests can parse them.
//! Understands as much of a shell as the documents use.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::words;

/// The words between commands.
const BETWEEN: [&str; 12] = ["&&", "||", "|", ";", "&", "do", "then", "else", "if", "while", "until", "!"];

/// Placeholders in the documents, and legal values for them.
const PLACEHOLDERS: [(&str, &str); 11] = [
    ("ID", "0123456789abcdef0123456789abcdef"),
    ("HOST:PORT", "hong:7400"),
    ("NODE", "hong"),
    ("NAME", "hong"),
    ("HOST", "hong"),
    ("FILE", "file"),
    ("DIR", "dir"),
    ("KEY", "key"),
    ("VALUE", "value"),
    ("TIME", "5s"),
    (",..", ""),
];

/// A command line of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted {
    /// The document and the line.
    pub place: String,
    /// The words, the program's name first.
    pub words: Vec<String>,
    /// Whether it is part of a sentence, where it may be incomplete.
    pub in_prose: bool,
}

/// Returns all command lines of `program` in README.md and in the documents of `deploy`.
pub fn quoted(program: &str) -> Vec<Quoted> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut documents = vec![top.join("README.md")];
    documents_below(&top.join("deploy"), &mut documents);
    documents.sort();
    let of_document = |path: &PathBuf| {
        let name = path.strip_prefix(&top).unwrap_or(path).display().to_string();
        let text = fs::read_to_string(path).expect("a document can be read");
        of_text(&text, program).into_iter().map(move |(line, in_prose, words)| Quoted {
            in_prose,
            place: format!("{name}:{line}"),
            words,
        })
    };
    documents.iter().flat_map(of_document).collect()
}

fn documents_below(folder: &Path, documents: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            documents_below(&path, documents);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            documents.push(path);
        }
    }
}

/// Returns the commands of `program`, with their line counted from 1.
fn of_text(text: &str, program: &str) -> Vec<(usize, bool, Vec<String>)> {
    let mut found = Vec::new();
    let mut fence = None;
    let mut begun: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(language.to_owned()) };
            continue;
        }
        let commands = match &fence {
            Some(language) if language == "sh" => vec![line.to_owned()],
            Some(_) => Vec::new(),
            None if line.starts_with("    ") => vec![line.to_owned()],
            None => line.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        };
        let in_prose = fence.is_none() && !line.starts_with("    ");
        for command in commands {
            let (at, mut whole) = begun.take().unwrap_or((number, String::new()));
            whole.push_str(command.strip_suffix('\\').unwrap_or(&command));
            if command.ends_with('\\') {
                begun = Some((at, whole));
            } else {
                found.extend(of_line(&whole, program).into_iter().map(|words| (at, in_prose, words)));
            }
        }
    }
    found
}

fn of_line(line: &str, program: &str) -> Vec<Vec<String>> {
    // A line that no shell can read has no command of ours.
    let Ok(words) = words::split(line) else { return Vec::new() };
    let mut commands = vec![Vec::new()];
    for word in words {
        let (word, ends) = match word.strip_suffix(';') {
            Some(word) => (word.to_owned(), true),
            None => (word, false),
        };
        if BETWEEN.contains(&word.as_str()) {
            commands.push(Vec::new());
        } else if let Some(last) = commands.last_mut().filter(|_| !word.is_empty()) {
            last.push(word);
        }
        if ends {
            commands.push(Vec::new());
        }
    }
    commands.into_iter().filter_map(|words| command_of(&words, program)).collect()
}

/// Returns the part of a command that starts with `program`.
fn command_of(words: &[String], program: &str) -> Option<Vec<String>> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += match word.as_str() {
            // `sudo -u coffeed`, `ssh root@hong`, `timeout 5`
            "sudo" if words.get(at + 1).is_some_and(|next| next == "-u") => 3,
            "ssh" | "timeout" => 2,
            "sudo" | "env" | "exec" => 1,
            assigned if assigned.contains('=') => 1,
            _ => break,
        };
    }
    let first = words.get(at)?;
    if first != program && !first.ends_with(&format!("/{program}")) {
        return None;
    }
    let mut ours = vec![program.to_owned()];
    let mut rest = words[at + 1..].iter();
    while let Some(word) = rest.next() {
        match word.trim_start_matches(['1', '2']) {
            ">" | ">>" | "<" => _ = rest.next(),
            redirected if redirected.starts_with(['>', '<']) => {}
            _ => ours.push(filled_in(word)),
        }
    }
    Some(ours)
}

/// Replaces variables and placeholders in a word by legal values.
fn filled_in(word: &str) -> String {
    let mut text = String::new();
    let mut letters = word.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '$' {
            while letters.next_if(|c| c.is_alphanumeric() || "_{}".contains(*c)).is_some() {}
            text.push_str("hong");
        } else {
            text.push(letter);
        }
    }
    PLACEHOLDERS.iter().fold(text, |text, (word, meant)| text.replace(word, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_where_a_shell_would() {
        let text = "\
Run `coffeectl list`, or `list`; see `coffeectl boot NODE --address HOST:PORT`.

```text
coffeectl is not meant here
```
```sh
coffeectl can-stop hong && ssh hong systemctl restart coffeed
COFFEECTL_AS=ops sudo coffeectl set k \\
    'two words' >out 2>/dev/null
for n in a b; do coffeectl wait --for voter --node \"$n\"; done
coffeectl get k | xxd
```
    coffeectl status
";
        let found: Vec<(usize, String)> =
            of_text(text, "coffeectl").into_iter().map(|(line, _, words)| (line, words.join(" "))).collect();
        let expected = [
            (1, "coffeectl list"),
            (1, "coffeectl boot hong --address hong:7400"),
            (7, "coffeectl can-stop hong"),
            (8, "coffeectl set k two words"),
            (10, "coffeectl wait --for voter --node hong"),
            (11, "coffeectl get k"),
            (13, "coffeectl status"),
        ];
        assert_eq!(found, expected.map(|(line, words)| (line, words.to_owned())));
        assert_eq!(
            of_text("sudo: `sudo -u coffeed coffeed rebuild`", "coffeed")[0].2,
            ["coffeed", "rebuild"]
        );
        assert_eq!(of_text("`ssh hong journalctl -u coffeed -n 5`", "coffeed"), []);
        assert_eq!(of_text("`systemctl restart coffeed`", "coffeed"), []);
    }
}
