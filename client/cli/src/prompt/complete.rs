//! What a word at the prompt can become: verbs, flags, choices, names of nodes.
//!
//! Everything but the names is read off the parser itself.

use std::sync::PoisonError;

use clap::{Arg, Command};

use crate::{args, session::Names};

/// The value name of what is the name of a node.
const NODE: &str = "NODE";

/// Completes words.
pub(super) struct Completion {
    command: Command,
    names: Names,
}

impl Completion {
    pub(super) fn new(names: Names) -> Self {
        let mut command = args::line_command();
        command.build();
        Self { command, names }
    }

    /// Where the last word of `text` starts, and what it can become.
    pub(super) fn at(&self, text: &str) -> (usize, Vec<String>) {
        let start = text
            .rfind(char::is_whitespace)
            .map_or(0, |blank| blank + text[blank..].chars().next().map_or(0, char::len_utf8));
        let word = &text[start..];
        let mut found: Vec<String> =
            self.candidates(&text[..start], word).into_iter().filter(|c| c.starts_with(word)).collect();
        found.sort();
        (start, found.into_iter().map(|candidate| candidate + " ").collect())
    }

    fn candidates(&self, before: &str, word: &str) -> Vec<String> {
        let command =
            before.split_whitespace().fold(&self.command, |at, word| at.find_subcommand(word).unwrap_or(at));
        let flag = before.split_whitespace().last().and_then(|last| flag(command, last));
        if let Some(flag) = flag {
            self.values(flag)
        } else if word.starts_with('-') {
            let flags = command.get_arguments().filter_map(Arg::get_long);
            flags.map(|long| format!("--{long}")).collect()
        } else if command.has_subcommands() {
            let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
            verbs.map(|verb| verb.get_name().to_owned()).collect()
        } else {
            command.get_positionals().flat_map(|arg| self.values(arg)).collect()
        }
    }

    /// What can stand for the value of an argument.
    fn values(&self, arg: &Arg) -> Vec<String> {
        if arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == NODE)) {
            return self.names.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        }
        arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect()
    }
}

/// The flag that a word is, if it waits for a value.
fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let long = word.strip_prefix("--");
    let short = word.strip_prefix('-').and_then(|rest| rest.chars().next()).filter(|_| word.len() == 2);
    command.get_arguments().filter(|arg| arg.get_action().takes_values() && !arg.is_positional()).find(
        |arg| (long.is_some() && arg.get_long() == long) || (short.is_some() && arg.get_short() == short),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(text: &str) -> (usize, Vec<String>) {
        let names = Names::default();
        names.lock().unwrap().extend(["ming".to_owned(), "hong".to_owned(), "hu".to_owned()]);
        Completion::new(names).at(text)
    }

    fn words(text: &str) -> Vec<String> {
        complete(text).1.into_iter().map(|word| word.trim_end().to_owned()).collect()
    }

    #[test]
    fn verbs() {
        assert_eq!(complete("st"), (0, vec!["status ".to_owned()]));
        assert_eq!(words("c"), ["can-stop", "cert", "completion", "context"]);
        assert_eq!(words("q"), ["quit"]);
        assert_eq!(complete("cert ren"), (5, vec!["renew ".to_owned()]));
        assert!(words("").len() > 10);
    }

    #[test]
    fn flags_and_their_choices() {
        assert_eq!(words("set k v --if"), ["--if-absent", "--if-rev"]);
        assert_eq!(words("wait --for "), ["leader", "quorum", "synced", "voter"]);
        assert_eq!(words("list -o j"), ["json"]);
    }

    #[test]
    fn names_of_nodes() {
        assert_eq!(words("down h"), ["hong", "hu"]);
        assert_eq!(words("transfer --to m"), ["ming"]);
        assert_eq!(words("node remove "), ["hong", "hu", "ming"]);
        assert_eq!(words("get h"), Vec::<String>::new(), "keys are not known");
    }

    #[test]
    fn nonsense_completes_to_nothing() {
        assert_eq!(words("brew "), words(""), "still at the verbs");
        assert_eq!(words("set \u{3000}☕"), Vec::<String>::new());
    }
}
