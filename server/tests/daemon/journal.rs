//! Log entries in systemd's journal, in the journal's own protocol.
//!
//! A test socket replaces the journal's socket in a mount namespace that only the
//! daemon sees. Skipped if the namespace cannot be created.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::MetadataExt, net::UnixDatagram},
    process::{Command, Output},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::fixture::{CONFIG, DaemonFixture};

type JournalEntry = BTreeMap<String, String>;

/// Mounts `$1` at the path of the journal's socket, then runs the remaining arguments.
const WITHIN: &str = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal \
    && mount --bind \"$1\" /run/systemd/journal && shift && exec \"$@\"";

/// Parses an entry: lines of `NAME=value`, or a name, a length, and a value of any bytes.
fn entry(mut bytes: &[u8]) -> JournalEntry {
    let mut entry = JournalEntry::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|byte| *byte == b'\n').expect("a line ends");
        let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
        bytes = &bytes[end + 1..];
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => {
                let (length, rest) = bytes.split_first_chunk::<8>().expect("a length");
                let (value, rest) = rest.split_at(u64::from_le_bytes(*length) as usize);
                bytes = &rest[1..];
                (line, String::from_utf8_lossy(value).into_owned())
            }
        };
        entry.insert(name, value);
    }
    entry
}

/// Runs `coffeed` with these arguments as systemd would; `None` if that is not possible here.
fn run(fixture: &DaemonFixture, words: &[&str]) -> Option<(Output, String, Vec<JournalEntry>)> {
    let folder = fixture.file("journal");
    fs::create_dir_all(&folder).expect("made");
    let within = |program: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", WITHIN, "sh"]).arg(&folder).args(program);
        command
    };
    if !within(&["true"]).output().is_ok_and(|output| output.status.success()) {
        #[expect(clippy::print_stderr, reason = "the result must show what was not tested")]
        {
            eprintln!("skipped: a mount namespace cannot be created here");
        }
        return None;
    }
    let socket = UnixDatagram::bind(folder.join("socket")).expect("binds");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
    let (over, ended) = mpsc::channel::<()>();
    let reading = thread::spawn(move || {
        let (mut entries, mut bytes) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            match socket.recv(&mut bytes) {
                // An empty message probes for a listener.
                Ok(0) => {}
                Ok(length) => entries.push(entry(&bytes[..length])),
                // Silence for a while: done, once the daemon has ended.
                Err(_) if ended.try_recv().is_ok() => return entries,
                Err(_) => {}
            }
        }
    });
    let stderr = fs::File::create(fixture.file("stderr")).expect("made");
    let stream = stderr.metadata().map(|file| format!("{}:{}", file.dev(), file.ino())).expect("there");
    let mut command = within(&[env!("CARGO_BIN_EXE_coffeed"), "--config"]);
    command.arg(fixture.file("coffeed.toml")).args(words).env("JOURNAL_STREAM", stream).stderr(stderr);
    let output = command.output().expect("coffeed runs");
    over.send(()).expect("the reader is alive");
    let lines = fs::read_to_string(fixture.file("stderr")).expect("readable");
    Some((output, lines, reading.join().expect("no panic")))
}

/// A daemon whose port is in use: it logs an error and ends.
fn unlucky() -> (DaemonFixture, std::net::UdpSocket) {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("binds");
    let fixture = DaemonFixture::new();
    fixture.configure(&CONFIG.replace("127.0.0.1:0", &taken.local_addr().expect("bound").to_string()));
    (fixture, taken)
}

#[test]
fn entries_have_a_priority_and_fields() {
    let (fixture, _taken) = unlucky();
    let Some((output, lines, entries)) = run(&fixture, &[]) else { return };
    assert_eq!((output.status.code(), lines.as_str()), (Some(1), ""), "no entry is also on standard error");
    let failure = entries.iter().find(|entry| entry["PRIORITY"] == "3").expect("a failure is logged");
    assert!(failure["MESSAGE"].contains("in use"), "{failure:#?}");
    assert!(failure.contains_key("COFFEED_HINT"), "{failure:#?}");
    assert_eq!(failure["COFFEED_NODE"], "ming");
    assert_eq!(failure["SYSLOG_IDENTIFIER"], "coffeed");
    assert!(failure["TARGET"].starts_with("coffeed"), "{failure:#?}");
}

#[test]
fn with_the_json_format_the_log_goes_to_standard_error() {
    let (fixture, _taken) = unlucky();
    let Some((_, lines, entries)) = run(&fixture, &["--log-format", "json"]) else { return };
    assert!(entries.is_empty(), "{entries:#?}");
    assert!(lines.lines().all(|line| line.starts_with('{')) && lines.contains("in use"), "{lines}");
}
