//! What the manual of `coffeed` says beyond its flags; and that the files in
//! `deploy` are those of today's parser.

use coffee_client::cli::pages::{Block, Section, completions, keep, manual, quoted};

use crate::{cli, exit};

fn text(text: &str) -> Block {
    Block::Text(text.replace('\n', " "))
}

fn item(term: &str, text: &str) -> Block {
    Block::Item(term.into(), text.replace('\n', " "))
}

fn sections() -> Vec<Section> {
    let mut command = cli::command();
    command.build();
    vec![
        Section::new("CONFIGURATION", configuration()),
        Section::new("SIGNALS", signals()),
        exit_status(),
        Section::environment(&command),
        Section::new("FILES", files()),
        Section::new("EXAMPLES", examples()),
        Section::new("SEE ALSO", [text("coffeectl(1)")]),
    ]
}

fn configuration() -> Vec<Block> {
    vec![
        text(
            "Every setting of the configuration file is also a flag and a variable of the same name:
data_dir, --data-dir and COFFEED_DATA_DIR; in the section [timers] heartbeat_interval_ms,
--timers-heartbeat-interval-ms and COFFEED_TIMERS_HEARTBEAT_INTERVAL_MS. A flag comes before its
variable, the variable before the file, the file before the default. Relative paths of the file
are seen from its folder. The example configuration explains every setting.",
        ),
        text(
            "A node without data starts a new cluster (bootstrap), asks members to be let in (join), or
waits until an operator calls it (coffeectl boot). A node with data goes on as what it was,
whatever these two say.",
        ),
    ]
}

fn signals() -> Vec<Block> {
    let stop = item(
        "SIGTERM, SIGINT",
        "Stop in good order: hand leadership over, finish what is in flight, and end with 0.
The membership stays as it is. A second one ends the process at once.",
    );
    let reload = item(
        "SIGHUP",
        "Reload: take up certificate, key, CAs, revocation list, limits and log level, without a
lost connection. The log says what was taken up, and what counts only after a restart. If
anything is wrong, nothing changes.",
    );
    vec![stop, reload]
}

fn exit_status() -> Section {
    let rows = exit::rows();
    let items = rows.map(|(number, meaning)| Block::Item(number.to_string(), format!("{meaning}.")));
    Section::new("EXIT STATUS", items.collect::<Vec<_>>())
}

fn files() -> Vec<Block> {
    vec![
        item("/etc/coffeed/coffeed.toml", "The configuration, where the service is run by systemd."),
        item("DATA/LOCK", "Held while the data directory is in use."),
        item("DATA/identity.toml", "Which node of which cluster the data is of."),
        item("DATA/log.wal", "The log of Raft, and the node's vote."),
        item("DATA/state.redb", "Keys and values, and what the cluster knows of its nodes."),
        item("DATA/damaged-N", "What 'coffeed rebuild' has set aside."),
    ]
}

fn examples() -> Vec<Block> {
    vec![
        text("See whether a configuration and its certificates will do, and start the node:"),
        Block::Example(
            "coffeed --config /etc/coffeed/coffeed.toml --check-config\ncoffeed --config /etc/coffeed/coffeed.toml"
                .into(),
        ),
        text("A file of the node is damaged; get everything from the others:"),
        Block::Example("coffeed --config /etc/coffeed/coffeed.toml rebuild".into()),
    ]
}

#[test]
fn the_manual_is_up_to_date() {
    keep("deploy/man", &manual(&cli::command(), "8", &sections()), |name| name.starts_with("coffeed"));
}

#[test]
fn the_completions_are_up_to_date() {
    let ours = |name: &str| name.trim_start_matches('_').starts_with("coffeed");
    keep("deploy/completions", &completions(&cli::command()), ours);
}

#[test]
fn every_command_in_the_documents_can_be_read() {
    let commands = quoted("coffeed");
    assert!(commands.len() > 5, "too few to be all: {}", commands.len());
    for command in commands {
        let words = command.words.iter().map(Into::into);
        if let Err(error) = cli::parse(words) {
            panic!("{}: {}: {error:?}", command.place, command.words.join(" "));
        }
    }
}
