//! The manual page of `coffeed` beyond its flags; tests keep the files in `deploy` up to date.

use coffeectl::pages::{ManualBlock, Section, completions, keep, manual, quoted};

use crate::{cli, exit};

fn text(text: &str) -> ManualBlock {
    ManualBlock::Text(text.replace('\n', " "))
}

fn item(term: &str, text: &str) -> ManualBlock {
    ManualBlock::Item(term.into(), text.replace('\n', " "))
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

fn configuration() -> Vec<ManualBlock> {
    vec![
        text(
            "Every setting of the configuration file is also a flag and a variable of the same name:
data_dir, --data-dir and COFFEED_DATA_DIR; in the section [timers] heartbeat_interval_ms,
--timers-heartbeat-interval-ms and COFFEED_TIMERS_HEARTBEAT_INTERVAL_MS. A flag overrides its
variable, the variable the file, and the file the default. Relative paths in the file are resolved
against the file's directory. The example configuration explains every setting.",
        ),
        text(
            "A node without data asks members to admit it (join), or waits until an operator adds it to a
cluster (coffeectl boot) or founds a new one with it (coffeectl init). A node with data continues
in its cluster, and join is ignored.",
        ),
    ]
}

fn signals() -> Vec<ManualBlock> {
    let stop = item(
        "SIGTERM, SIGINT",
        "Stop cleanly: hand over leadership, finish requests in flight, and exit with 0.
The membership does not change. A second signal ends the process at once.",
    );
    let reload = item(
        "SIGHUP",
        "Reload certificate, key, CAs, revocation list, limits and log level without losing
connections. The log names the reloaded settings and those that need a restart. On an error,
nothing changes.",
    );
    vec![stop, reload]
}

fn exit_status() -> Section {
    let rows = exit::rows();
    let items = rows.map(|(number, meaning)| ManualBlock::Item(number.to_string(), format!("{meaning}.")));
    Section::new("EXIT STATUS", items.collect::<Vec<_>>())
}

fn files() -> Vec<ManualBlock> {
    vec![
        item("/etc/coffeed/coffeed.toml", "Configuration of the systemd service."),
        item("DATA/LOCK", "Lock, held while the data directory is in use."),
        item("DATA/identity.toml", "Identity: the node, cluster and feature level that the data belongs to."),
        item("DATA/log.wal", "Raft log and vote."),
        item("DATA/state.redb", "Replicated state: keys, values and node records."),
        item("DATA/set-aside-N-CLUSTER", "Data set aside by 'coffeed rebuild'."),
    ]
}

fn examples() -> Vec<ManualBlock> {
    vec![
        text("Check the configuration and certificates, then start the node:"),
        ManualBlock::Example(
            "coffeed --config /etc/coffeed/coffeed.toml --check-config\ncoffeed --config /etc/coffeed/coffeed.toml"
                .into(),
        ),
        text("Replace damaged data by a copy from the other nodes:"),
        ManualBlock::Example("coffeed --config /etc/coffeed/coffeed.toml rebuild".into()),
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
