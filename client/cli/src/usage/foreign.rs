//! Verbs of other tools, and what to type here instead.
//!
//! The words are those of etcdctl, consul, nats, cockroach, redis-cli, kubectl
//! and of a Unix shell.

/// Words, and the hint for them. `@` stands for the program's name and a blank.
const HINTS: [(&[&str], &str); 24] = [
    (&["increment", "incrby", "decr"], "did you mean '@incr'?"),
    (&["multi", "transaction"], "did you mean '@txn'?"),
    (&["put", "write"], "did you mean '@set'?"),
    (&["read", "cat"], "did you mean '@get'?"),
    (&["delete", "rm", "unset"], "did you mean '@del'?"),
    (&["ls"], "did you mean '@list' (nodes) or '@keys' (keys)?"),
    (&["member", "members", "nodes"], "did you mean '@list'?"),
    (
        &["health", "endpoint", "check", "ping"],
        "'@wait --for quorum' checks the cluster, '@status' each endpoint",
    ),
    (&["info", "describe"], "'@status -v' prints everything a node reports"),
    (&["move-leader", "step-down", "stepdown"], "did you mean '@transfer'?"),
    (&["elect", "promote"], "'@boot NODE' adds a voter, '@transfer NODE' moves the leader"),
    (&["snapshot", "save", "dump"], "did you mean '@backup'?"),
    (&["join", "add"], "did you mean '@boot'?"),
    (&["decommission", "leave"], "did you mean '@down'?"),
    (&["remove", "forget"], "did you mean '@node remove' (a node) or '@del' (a key)?"),
    (&["drain"], "'@transfer' moves the leader away, '@can-stop NODE' checks whether a node can stop"),
    (
        &["restart", "stop", "start"],
        "coffeed is started and stopped by systemctl; '@rolling restart' restarts all nodes",
    ),
    (&["version"], "'coffeectl --version' prints the version, '@list' those of the nodes"),
    (&["logs", "log"], "journalctl -u coffeed"),
    (&["stats", "metrics"], "did you mean '@top'? /metrics of each node has all figures"),
    (&["lock", "lease"], "there is none yet: '@set --if-rev' and '@set --if-absent' write under a condition"),
    (&["subscribe", "follow", "sub"], "did you mean '@watch'?"),
    (&["revert", "rollback"], "did you mean '@undo'?"),
    (&["?", "man"], "did you mean '@help'?"),
];

/// Returns the hint for a word of another tool.
pub(super) fn hint(word: &str, program: &str) -> Option<String> {
    let (_, hint) = HINTS.iter().find(|(words, _)| words.contains(&word))?;
    let program = if program.is_empty() { String::new() } else { format!("{program} ") };
    Some(hint.replace('@', &program))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{args, words};

    #[test]
    fn words_of_other_tools_have_a_hint() {
        for (word, says) in [
            ("put", "'coffeectl set'"),
            ("delete", "'coffeectl del'"),
            ("rm", "'coffeectl del'"),
            ("ls", "'coffeectl keys'"),
            ("member", "'coffeectl list'"),
            ("members", "'coffeectl list'"),
            ("nodes", "'coffeectl list'"),
            ("health", "'coffeectl wait --for quorum'"),
            ("endpoint", "'coffeectl wait --for quorum'"),
            ("move-leader", "'coffeectl transfer'"),
            ("snapshot", "'coffeectl backup'"),
            ("decommission", "'coffeectl down'"),
            ("leave", "'coffeectl down'"),
            ("drain", "'coffeectl can-stop NODE'"),
            ("promote", "'coffeectl boot NODE'"),
            ("version", "'coffeectl --version'"),
            ("logs", "journalctl -u coffeed"),
            ("stats", "'coffeectl top'"),
            ("lock", "'coffeectl set --if-rev'"),
            ("incrby", "'coffeectl incr'"),
            ("multi", "'coffeectl txn'"),
            ("subscribe", "'coffeectl watch'"),
            ("rollback", "'coffeectl undo'"),
            ("?", "'coffeectl help'"),
        ] {
            let hint = hint(word, "coffeectl").unwrap_or_else(|| panic!("{word}"));
            assert!(hint.contains(says), "{word}: {hint}");
        }
        assert_eq!(hint("put", "").as_deref(), Some("did you mean 'set'?"));
        assert_eq!(hint("brew", "coffeectl"), None);
    }

    #[test]
    fn no_word_is_a_verb_and_none_has_two_hints() {
        let own: BTreeSet<String> =
            args::line_command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        let mut seen = BTreeSet::new();
        for word in HINTS.iter().flat_map(|(words, _)| *words) {
            assert!(!own.contains(*word), "{word} is a verb");
            assert!(seen.insert(word), "{word} has two hints");
        }
    }

    /// Every verb and flag that a hint quotes exists.
    #[test]
    fn the_hints_name_verbs_that_exist() {
        for (_, hint) in &HINTS {
            for command in hint.split('\'').skip(1).step_by(2).filter_map(|quoted| quoted.strip_prefix('@')) {
                let words = words::split(&command.replace("NODE", "hong")).unwrap();
                if let Err(error) = args::line(&words) {
                    let text = error.to_string();
                    assert!(
                        text.contains("required arguments") || text.contains("a value is required"),
                        "{command}: {text}"
                    );
                }
            }
        }
    }
}
