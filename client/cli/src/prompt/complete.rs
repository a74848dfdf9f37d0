//! Completes the last word of a line at the prompt.

use std::{path::PathBuf, sync::PoisonError};

use crate::{
    args,
    completion::{Completion, ValueKind, keys::KnownKeys, names},
    session::Names,
    words,
};

/// Looks up keys that start with a prefix.
pub(super) type KeyLookup = Box<dyn Fn(&str) -> KnownKeys + Send>;

/// Completes words, with the names known at the prompt.
pub(super) struct LineCompletion {
    completion: Completion,
    names: Names,
    certs: Option<PathBuf>,
    keys: KeyLookup,
}

/// The candidates for the last word of a line.
pub(super) struct LineOffer {
    /// Where the word begins.
    pub(super) start: usize,
    /// The candidates, as they are typed.
    pub(super) words: Vec<String>,
    /// Whether there may be others.
    pub(super) more: bool,
}

impl LineCompletion {
    /// `names` are the nodes, `certs` is the certificate folder.
    pub(super) fn new(names: Names, certs: Option<PathBuf>, keys: KeyLookup) -> Self {
        Self { completion: Completion::new(args::line_command()), names, certs, keys }
    }

    /// Returns the candidates for the last word of `text`.
    pub(super) fn at(&self, text: &str) -> LineOffer {
        let (start, word) = words::last(text);
        let before = words::split(&text[..start]).unwrap_or_default();
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        let offer = self.completion.offer(&before, &word);
        let mut more = false;
        let names = match offer.kind {
            Some(ValueKind::Node) => {
                self.names.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
            }
            Some(ValueKind::Key) => {
                let keys = (self.keys)(&word).for_prompt();
                more = keys.more;
                keys.names
            }
            Some(kind) => names::local(kind, self.certs.as_deref()),
            None => Vec::new(),
        };
        let words = offer.with(names).into_iter().map(|candidate| words::join([candidate.text]) + " ");
        LineOffer { start, words: words.collect(), more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 7] = ["-x", "\u{1b}[2J", "it's", "order/1", "order/2", "two words", "up\u{202e}down"];

    fn offer(text: &str) -> LineOffer {
        let names = Names::default();
        names.lock().unwrap().extend(["ming".to_owned(), "hong".to_owned(), "hu".to_owned()]);
        let keys = |prefix: &str| {
            let found = KEYS.iter().filter(|key| key.starts_with(prefix));
            KnownKeys { names: found.map(ToString::to_string).collect(), more: prefix == "order/" }
        };
        LineCompletion::new(names, None, Box::new(keys)).at(text)
    }

    fn complete(text: &str) -> (usize, Vec<String>) {
        let LineOffer { start, words, .. } = offer(text);
        (start, words)
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
        assert_eq!(words("get h"), Vec::<String>::new(), "a node is not a key");
    }

    #[test]
    fn keys_that_can_be_typed() {
        assert_eq!(complete("get o"), (4, vec!["order/1 ".to_owned(), "order/2 ".to_owned()]));
        assert_eq!(words("del --prefix "), ["'it'\\''s'", "order/1", "order/2", "'two words'"]);
        for line in
            ["set 'two w", "watch two\\ w", "history \"tw", "keys t", "undo 7 t", "incr t", "next-id t"]
        {
            assert_eq!(words(line), ["'two words'"], "{line}");
        }
        assert_eq!(words("set order/1 o"), Vec::<String>::new(), "a value is not a key");
        assert!(offer("get order/").more && !offer("get o").more);
    }

    #[test]
    fn nonsense_completes_to_nothing() {
        assert_eq!(words("brew "), words(""), "still at the verbs");
        assert_eq!(words("set \u{3000}☕"), Vec::<String>::new());
    }
}
