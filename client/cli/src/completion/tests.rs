//! The candidates at each place of a command line.

use super::*;
use crate::args::PARSERS;

fn offer(line: &str) -> Offer {
    let words: Vec<&str> = line.split(' ').collect();
    let (word, before) = words.split_last().unwrap();
    Completion::new((PARSERS.command_line)()).offer(before, word)
}

fn words(line: &str) -> Vec<String> {
    offer(line).with([]).into_iter().map(|candidate| candidate.text).collect()
}

#[test]
fn verbs() {
    assert_eq!(words("st"), ["status"]);
    assert_eq!(words("c"), ["can-stop", "cert", "compact", "completion", "context"]);
    assert_eq!(words("cert ren"), ["renew"]);
    assert_eq!(words("--yes --timeout 5s cert ren"), ["renew"]);
    assert!(words("").len() > 10);
    assert!(!words("").iter().any(|word| word.starts_with('-')));
}

#[test]
fn flags_and_their_choices() {
    assert_eq!(words("set k v --if"), ["--if-absent", "--if-rev"]);
    assert_eq!(words("wait --for "), ["leader", "level", "quorum", "synced", "voter"]);
    assert_eq!(words("wait --for=l"), ["--for=leader", "--for=level"]);
    assert_eq!(words("list -o j"), ["json"]);
    assert_eq!(words("list --output "), ["json", "plain", "table"]);
    assert_eq!(words("get -- --i"), [""; 0], "a key may look like a flag");
}

#[test]
fn each_value_has_its_kind() {
    for line in [
        "down ",
        "boot ",
        "can-stop ",
        "node remove ",
        "reload ",
        "status ",
        "status ming ",
        "transfer ",
        "transfer --to ",
        "wait --for voter --node ",
        "rolling restart --nodes ming,h",
        "log-level --node ",
        "events --node ",
        "down --dry-run ",
    ] {
        assert_eq!(offer(line).kind, Some(ValueKind::Node), "{line}");
    }
    for line in ["--context ", "list --context ", "context use ", "context show ", "context remove "] {
        assert_eq!(offer(line).kind, Some(ValueKind::Context), "{line}");
    }
    assert_eq!(offer("list --as ").kind, Some(ValueKind::Client));
    assert_eq!(offer("cert renew ").kind, Some(ValueKind::Certificate));
    assert_eq!(offer("cert revoke ").kind, Some(ValueKind::Certificate));
    assert_eq!(offer("revoke ").kind, Some(ValueKind::Certificate));
    assert_eq!(offer("--certs ").kind, Some(ValueKind::Folder));
    assert_eq!(offer("set k --file ").kind, Some(ValueKind::File));
    assert_eq!(offer("backup ").kind, Some(ValueKind::File));
    for line in
        ["get ", "set ", "del --prefix ", "watch ", "history k", "next-id ", "keys ", "undo 7 ", "get -- -"]
    {
        assert_eq!(offer(line).kind, Some(ValueKind::Key), "{line}");
    }
    for line in ["set k ", "undo ", "list ", "down ming ", "cert client "] {
        assert_eq!(offer(line).kind, None, "{line}");
    }
}

#[test]
fn the_begun_part_of_a_word_stays() {
    let names = || ["ming", "hong", "hu"].map(str::to_owned);
    let with = |line| offer(line).with(names()).into_iter().map(|c| c.text).collect::<Vec<_>>();
    assert_eq!(with("down h"), ["hong", "hu"]);
    assert_eq!(with("transfer --to=m"), ["--to=ming"]);
    assert_eq!(with("rolling restart --nodes ming,h"), ["ming,hong", "ming,hu"]);
    assert_eq!(with("rolling restart --nodes=ming,hu"), ["--nodes=ming,hu"]);
}

#[test]
fn help_explains_verbs() {
    assert_eq!(words("help no"), ["node"]);
    assert_eq!(words("help node "), ["move", "remove"]);
    assert_eq!(words("help exi"), ["exit-codes"]);
    assert_eq!(words("help o"), ["options"]);
}

#[test]
fn nonsense_completes_to_nothing() {
    assert_eq!(words("set k \u{3000}☕"), [""; 0]);
    assert_eq!(words("list --brew=l"), [""; 0]);
    assert_eq!(words("down ming hong h"), [""; 0]);
}

#[test]
fn words_that_bash_split_are_rejoined() {
    let joined = |line: &str| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        rejoined(&words).join(" ")
    };
    assert_eq!(joined("transfer --to = h"), "transfer --to h");
    assert_eq!(joined("transfer --to ="), "transfer --to ");
    assert_eq!(joined("set k = v"), "set k = v");
}
