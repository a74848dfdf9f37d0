//! Completes the last word of a line at the prompt.

use std::{path::PathBuf, sync::PoisonError};

use crate::{
    args,
    completion::{Completion, ValueKind, names},
    session::Names,
};

/// Completes words, with the names known at the prompt.
pub(super) struct LineCompletion {
    completion: Completion,
    names: Names,
    certs: Option<PathBuf>,
}

impl LineCompletion {
    /// `names` are the nodes, `certs` is the certificate folder.
    pub(super) fn new(names: Names, certs: Option<PathBuf>) -> Self {
        Self { completion: Completion::new(args::line_command()), names, certs }
    }

    /// Returns the start of the last word of `text`, and its candidates.
    pub(super) fn at(&self, text: &str) -> (usize, Vec<String>) {
        let start = text
            .rfind(char::is_whitespace)
            .map_or(0, |blank| blank + text[blank..].chars().next().map_or(0, char::len_utf8));
        let before: Vec<&str> = text[..start].split_whitespace().collect();
        let offer = self.completion.offer(&before, &text[start..]);
        let names = match offer.kind {
            Some(ValueKind::Node) => {
                self.names.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
            }
            Some(kind) => names::local(kind, self.certs.as_deref()),
            None => Vec::new(),
        };
        (start, offer.with(names).into_iter().map(|candidate| candidate.text + " ").collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(text: &str) -> (usize, Vec<String>) {
        let names = Names::default();
        names.lock().unwrap().extend(["ming".to_owned(), "hong".to_owned(), "hu".to_owned()]);
        LineCompletion::new(names, None).at(text)
    }

    fn words(text: &str) -> Vec<String> {
        complete(text).1.into_iter().map(|word| word.trim_end().to_owned()).collect()
    }

    #[test]
    fn verbs() {
        assert_eq!(complete("st"), (0, vec!["status ".to_owned()]));
        assert_eq!(words("c"), ["can-stop", "cert", "compact", "context"]);
        assert_eq!(words("q"), ["quit"]);
        assert_eq!(complete("cert ren"), (5, vec!["renew ".to_owned()]));
        assert!(words("").len() > 10);
    }

    #[test]
    fn flags_and_their_choices() {
        assert_eq!(words("set k v --if"), ["--if-absent", "--if-rev"]);
        assert_eq!(words("wait --for "), ["leader", "level", "quorum", "synced", "voter"]);
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
