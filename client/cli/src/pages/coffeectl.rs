//! The manual of `coffeectl` beyond its flags; tests keep the files in `deploy`
//! up to date.

use clap::{builder::Resettable, error::ErrorKind};

use super::{ManualBlock, Section, completion_files, keep, manual, quoted};
use crate::{args, completion::script};

fn text(text: &str) -> ManualBlock {
    ManualBlock::Text(text.replace('\n', " "))
}

fn item(term: &str, text: &str) -> ManualBlock {
    ManualBlock::Item(term.into(), text.replace('\n', " "))
}

fn sections() -> Vec<Section> {
    let mut command = args::command();
    command.build();
    vec![
        Section::new("OUTPUT", output()),
        Section::exit_status(),
        Section::environment(&command),
        Section::new("FILES", files()),
        Section::new("EXAMPLES", examples()),
        Section::new("SEE ALSO", [text("coffeed(8)")]),
    ]
}

fn output() -> Vec<ManualBlock> {
    vec![
        text(
            "Data goes to standard output, everything else to standard error. An error is a line that
starts with 'error:'; lines that start with 'hint:' name the next command.",
        ),
        item("table", "For people. May change from one version to the next."),
        item(
            "plain",
            "For scripts: tab-separated fields, one record per line, no header. New fields are added at the end.",
        ),
        item("json", "For programs: one document, with an apiVersion. Fields are only added."),
        text(
            "On a terminal, output has colours, and a command that takes longer than a second shows what it
waits for. NO_COLOR, set to anything, or TERM=dumb turns colours off.",
        ),
        text(
            "Without a verb, coffeectl opens a prompt with the same verbs. If standard input is not a
terminal, it reads lines from there, and the first line that failed sets the exit status.",
        ),
    ]
}

fn files() -> Vec<ManualBlock> {
    vec![
        item(
            "DIR/ca.crt, DIR/ca.key",
            "The certificate authority, in the folder of --certs. The key only signs new certificates:
keep it off the nodes.",
        ),
        item("DIR/node-NODE.crt, DIR/node-NODE.key", "Certificate and key of a node."),
        item(
            "DIR/ROLE-NAME.crt, DIR/ROLE-NAME.key",
            "Certificate and key of a client. ROLE is reader, writer or admin. A key that other
users can read is rejected.",
        ),
        item(
            "$XDG_CONFIG_HOME/coffeectl/contexts.toml",
            "The contexts; by default in ~/.config. COFFEECTL_CONTEXT_FILE names another file. It
contains paths of certificates and keys, never a key.",
        ),
        item("$XDG_STATE_HOME/coffeectl/history", "The history of the prompt; by default in ~/.local/state."),
    ]
}

fn examples() -> Vec<ManualBlock> {
    vec![
        text("Make the certificates of a cluster and its operator:"),
        ManualBlock::Example(
            "coffeectl --certs certs cert ca --cluster shops\ncoffeectl --certs certs cert node ming\n\
             coffeectl --certs certs cert client admin ops"
                .into(),
        ),
        text("Write, read, and write again only if the key has not changed since:"),
        ManualBlock::Example(
            "coffeectl set order/1 latte\ncoffeectl get order/1\ncoffeectl set order/1 mocha --if-rev 4711"
                .into(),
        ),
        text("Keep these settings as a context, and use it:"),
        ManualBlock::Example(
            "coffeectl context set shops --certs certs --as ops --endpoints ming:7400,hong:7400\n\
             coffeectl context use shops"
                .into(),
        ),
        text("Restart all nodes, one after another:"),
        ManualBlock::Example(
            "coffeectl rolling restart --exec 'ssh {host} systemctl restart coffeed' --dry-run\n\
             coffeectl rolling restart --exec 'ssh {host} systemctl restart coffeed'"
                .into(),
        ),
        text("Restart a node if the quorum survives without it:"),
        ManualBlock::Example(
            "coffeectl can-stop hong && ssh hong systemctl restart coffeed\n\
             coffeectl wait --for synced --node hong"
                .into(),
        ),
    ]
}

#[test]
fn the_manual_is_up_to_date() {
    let ours = |name: &str| name.starts_with("coffeectl");
    keep("deploy/man", &manual(&args::command(), "1", &sections()), ours);
}

#[test]
fn the_completions_are_up_to_date() {
    let ours = |name: &str| name.trim_start_matches('_').starts_with("coffeectl");
    let files = completion_files("coffeectl", |shell| script::of(shell, args::command()));
    keep("deploy/completions", &files, ours);
}

#[test]
fn every_command_in_the_documents_can_be_read() {
    let commands = quoted("coffeectl");
    assert!(commands.len() > 20, "too few to be all: {}", commands.len());
    for command in commands {
        let parser = args::command().mut_args(|arg| arg.env(Resettable::Reset));
        let Err(error) = parser.try_get_matches_from(&command.words) else { continue };
        let short_of =
            matches!(error.kind(), ErrorKind::MissingSubcommand | ErrorKind::MissingRequiredArgument);
        if !(command.in_prose && short_of) {
            panic!("{}: {}: {error}", command.place, command.words.join(" "));
        }
    }
}
