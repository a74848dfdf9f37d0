//! Command lines that parse, and command lines that are rejected.

use std::time::Duration;

use super::*;
use crate::{
    exit::ExitCode,
    failure::Failure,
    printer::Format,
    usage::{Unparsed, unparsed},
    words,
};

/// Parses a command line without the variables of the machine that runs the tests.
fn parse(line: &str) -> Result<CtlArguments, clap::Error> {
    let words = words::split(line).expect("the line has words");
    let command = command().mut_args(|arg| arg.env(Resettable::Reset));
    let matches = command.try_get_matches_from(std::iter::once("coffeectl".to_owned()).chain(words))?;
    CtlArguments::from_arg_matches(&matches)
}

fn verb(line: &str) -> CtlVerb {
    parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).verb.expect("there is a verb")
}

fn failure(line: &str) -> Failure {
    match unparsed(&parse(line).expect_err(line), "coffeectl") {
        Unparsed::Failure(failure) => failure,
        Unparsed::Shown(text) => panic!("{line}: {text}"),
    }
}

/// Returns the value argument of `set`.
fn value(line: &str) -> Option<OsString> {
    match verb(line) {
        CtlVerb::Set(arguments) => arguments.value,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn every_verb_parses() {
    for line in [
        "list",
        "boot hong",
        "boot hong --address 10.0.0.2:7400",
        "set order/1 latte",
        "set order/1 -",
        "set order/1 --file order.bin",
        "set order/1 latte --if-rev 7",
        "set order/1 latte --if-absent",
        "set order/1 latte --request-id 00000000000000000000000000c0ffee-7-4711",
        "get order/1",
        "get order/1 --consistency local",
        "get order/1 --revision",
        "get order/1 --rev 7",
        "del order/1",
        "del order/1 --if-rev 7",
        "keys",
        "keys order/ --limit 10 --values",
        "keys order/ --rev 7",
        "history order/1",
        "history order/1 --limit 10 --before 7",
        "compact 7",
        "export",
        "export menu/ --after menu/latte",
        "import menu.jsonl",
        "import - --from-line 129 --dry-run",
        "bench",
        "bench get --clients 1 --connections 2 --keys 10 --key-size 64 --value-size 0",
        "bench mixed --reads 90 --rate 1000 --seconds 3 --warm-up 0",
        "bench put --min-rate 1 --max-p99 1s --max-gap 2s",
        "bench clean",
        "transfer",
        "transfer --to hong",
        "transfer hong",
        "down",
        "down hong --dry-run",
        "down hong --yes",
        "node remove hong --dry-run",
        "rolling restart --exec 'ssh {host} systemctl restart coffeed'",
        "rolling restart --exec 'x {node}' --nodes ming,hong --node-timeout 60s --skip-down --yes",
        "rolling restart --exec 'x {address}' --dry-run",
        "can-stop hong",
        "wait --for leader",
        "wait --for level --level 2",
        "wait --for leader --node hong",
        "wait --for quorum",
        "wait --for synced",
        "wait --for voter --node hong --timeout 2m",
        "status",
        "status ming hong",
        "status -v",
        "status --verbose ming",
        "top",
        "top --interval 500ms",
        "top --once -o json",
        "events",
        "events --since 03:00 -n 100",
        "events --node ming --node hong --since 2026-12-01T03:00:00Z --limit 7",
        "events -f --since 15m",
        "timers suggest",
        "timers suggest --round-trip 200",
        "log-level",
        "log-level debug --node ming --node hong",
        "cert ca",
        "cert ca --replace",
        "cert node hong --days 30 --host shop-2.example.net --host 10.0.0.2",
        "cert client writer anna --replace",
        "cert renew node-hong",
        "cert list",
        "revoke node-hong --yes",
        "revoke --list ca.crl",
        "revoke",
        "upgrade status",
        "upgrade finish --dry-run",
        "upgrade finish --yes",
        "settings",
        "settings show",
        "settings show data_bytes_max",
        "settings set data_bytes_max 64GiB",
        "settings unset data_bytes_max",
        "context list",
        "context show",
        "context show shops",
        "context use shops",
        "context set shops --endpoints 10.0.0.1:7400,10.0.0.2:7400 --certs certs --as ops --timeout 5s",
        "context remove shops",
        "list --context shops",
        "list --context ''",
        "help",
        "help exit-codes",
        "help options",
        "help node remove",
        "completion bash",
    ] {
        verb(line);
    }
    assert!(parse("").unwrap().verb.is_none());
}

#[test]
fn what_makes_no_sense_is_refused_with_a_hint() {
    for (line, says) in [
        ("brew", "there is no verb 'brew'"),
        ("lst", "did you mean list?"),
        ("set k", "<VALUE>"),
        ("set k v --file f", "--file"),
        ("set k v --if-rev 1 --if-absent", "--if-absent"),
        ("set k v --if-rev x", "--if-rev"),
        ("set k v --request-id 7", "coffeectl printed"),
        ("set '' v", "cannot be empty"),
        ("get", "<KEY>"),
        ("get a b", "'b'"),
        ("keys a b", "'b'"),
        ("keys --limit 0", "--limit"),
        ("boot", "<NODE>"),
        ("boot Hong", "not a valid name"),
        ("boot hong --address hong", "not a valid address"),
        ("transfer hong --to peng", "--to"),
        ("put k v", "'coffeectl set'"),
        ("member list", "'coffeectl list'"),
        ("lock order/", "there is none yet"),
        ("context delete shops", "there is no verb 'delete'"),
        ("node", "a verb is missing: remove"),
        ("node remove", "<NODE>"),
        ("rolling restart", "--exec <CMD>"),
        ("rolling restart --exec x --nodes Ming", "not a valid name"),
        ("rolling", "a verb is missing: restart"),
        ("can-stop", "<NODE>"),
        ("wait", "--for"),
        ("wait --for coffee", "leader, quorum, synced, voter, level"),
        ("wait --for level", "--level"),
        ("wait --for level --level coffee", "level"),
        ("wait --for voter", "--node"),
        ("cert client anna", "reader, writer, admin"),
        ("cert client node anna", "reader, writer, admin"),
        ("cert node hong --host 'a b'", "a b"),
        ("cert node hong --days 0", "--days"),
        ("list -o yaml", "table, json, plain"),
        ("list --timeout 5", "unit"),
        ("list --timeout 5h", "ms, s or m"),
        ("list --timeout 0s", "from 1ms to 600s"),
        ("list --timeout 11m", "from 1ms to 600s"),
        ("list --timeout 99999999999999999999s", "from 1ms to 600s"),
        ("list --endpoints nowhere", "not a valid address"),
        ("get k --consistency maybe", "linearizable, local"),
        ("context", "a verb is missing: list, show"),
        ("context use", "<NAME>"),
        ("context use 'a b'", "not a valid context name"),
        ("list --context 'a/b'", "not a valid context name"),
        ("completion tcsh", "bash"),
    ] {
        let failure = failure(line);
        assert_eq!(failure.code(), ExitCode::Usage, "{line}");
        assert!(!failure.hints().is_empty(), "{line}: no hint");
        let text = format!("{} {}", failure.message(), failure.hints().join(" "));
        assert!(text.contains(says), "{line}: {text}");
        assert!(
            !failure.message().starts_with("error") && !failure.message().contains('\n'),
            "{line}: {text}"
        );
    }
}

#[test]
fn values_are_taken_as_they_are() {
    assert_eq!(value("set k -5"), Some("-5".into()));
    assert_eq!(value("set k ''"), Some("".into()));
    assert_eq!(value("set -- -k --v"), Some("--v".into()));
    assert_eq!(value("set k -"), Some("-".into()));
    assert_eq!(failure("set k --if-abset").code(), ExitCode::Usage, "a typing error is not a value");
}

#[test]
fn flags_stand_before_or_after_the_verb() {
    for line in ["-o json --timeout 2s get k", "get k -o json --timeout 2s", "get -o json k --timeout=2000ms"]
    {
        let common = parse(line).unwrap().common;
        assert_eq!(
            (common.output, common.timeout),
            (Some(Format::Json), Some(Duration::from_secs(2))),
            "{line}"
        );
    }
    let connection =
        parse("list --endpoints 10.0.0.1:7400,10.0.0.2:7400 --certs c --as anna").unwrap().connection;
    assert_eq!(connection.endpoints.len(), 2);
    assert_eq!((connection.certs, connection.as_name), (Some("c".into()), Some("anna".into())));
}

#[test]
fn a_line_of_the_prompt_has_the_same_verbs_and_quit() {
    let words = |text: &str| words::split(text).unwrap();
    assert!(matches!(line(&words("set k v -o json")).unwrap().verb, LineVerb::Verb(CtlVerb::Set(_))));
    assert!(matches!(line(&words("quit")).unwrap().verb, LineVerb::Quit));
    assert!(matches!(line(&words("exit")).unwrap().verb, LineVerb::Quit));
    for bad in ["brew", "list --endpoints 10.0.0.1:7400", "set k"] {
        let error = line(&words(bad)).expect_err(bad);
        let Unparsed::Failure(failure) = unparsed(&error, "") else { panic!("{bad}: help") };
        assert!(!failure.hints().is_empty(), "{bad}");
        assert!(!failure.hints().join(" ").contains("coffeectl"), "{bad}: {failure:?}");
    }
}

#[test]
fn the_parsers_are_sound() {
    command().debug_assert();
    line_command().debug_assert();
}
