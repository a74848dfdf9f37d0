//! What the manual of `coffeectl` says beyond its flags; and that the files
//! in `deploy` are those of today's parser.

use clap::{builder::Resettable, error::ErrorKind};

use super::{ManualBlock, Section, completions, keep, manual, quoted};
use crate::args;

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
            "Data goes to standard output, all else to standard error. An error is a line that
begins with 'error:'; lines that begin with 'hint:' say what to type next.",
        ),
        item("table", "For eyes. May change from one version to the next."),
        item(
            "plain",
            "For scripts: lines of fields parted by tabs, without a heading. Fields are only ever added, at the end.",
        ),
        item("json", "For programs: one document, with an apiVersion. Fields are only ever added."),
        text(
            "Without a verb, coffeectl opens a prompt with the same verbs; where standard input is
no terminal, it reads lines from there. The first line that failed decides the exit status.",
        ),
    ]
}

fn files() -> Vec<ManualBlock> {
    vec![
        item(
            "DIR/ca.crt, DIR/ca.key",
            "The certificate authority, in the folder that --certs names. The key signs new
certificates, and is needed for nothing else: keep it off the nodes.",
        ),
        item("DIR/node-NODE.crt, DIR/node-NODE.key", "Certificate and key of a node."),
        item(
            "DIR/ROLE-NAME.crt, DIR/ROLE-NAME.key",
            "Certificate and key of a client, its role being reader, writer or admin. A key
that others can read is refused.",
        ),
        item(
            "$XDG_CONFIG_HOME/coffeectl/contexts.toml",
            "The contexts; by default below ~/.config. COFFEECTL_CONTEXT_FILE names another
file. It holds paths of certificates and keys, and never a key.",
        ),
        item(
            "$XDG_STATE_HOME/coffeectl/history",
            "The lines of the prompt; by default below ~/.local/state.",
        ),
    ]
}

fn examples() -> Vec<ManualBlock> {
    vec![
        text("The certificates that a cluster and its operator need:"),
        ManualBlock::Example(
            "coffeectl --certs certs cert ca\ncoffeectl --certs certs cert node ming\n\
             coffeectl --certs certs cert client admin ops"
                .into(),
        ),
        text("Write, read, and write again only if nobody else has meanwhile:"),
        ManualBlock::Example(
            "coffeectl set order/1 latte\ncoffeectl get order/1\ncoffeectl set order/1 mocha --if-rev 4711"
                .into(),
        ),
        text("Give all that a name, and use it from now on:"),
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
        text("Restart a node, if the others can do without it:"),
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
    keep("deploy/completions", &completions(&args::command()), ours);
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
