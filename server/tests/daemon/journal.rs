//! What goes to systemd's journal, by the journal's own protocol.
//!
//! A socket of ours stands where the journal's would, in a mount namespace
//! that only the daemon sees. Skipped where such a one cannot be made.

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

/// Mounts `$1` where the journal's socket is looked for, and goes on as the rest of the words.
const WITHIN: &str = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal \
    && mount --bind \"$1\" /run/systemd/journal && shift && exec \"$@\"";

/// One entry as it was sent: `NAME=value`, or a name, a length, and a value of any bytes.
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

/// Runs `coffeed` with these words as systemd would; `None` where that cannot be.
fn run(fixture: &DaemonFixture, words: &[&str]) -> Option<(Output, String, Vec<JournalEntry>)> {
    let folder = fixture.file("journal");
    fs::create_dir_all(&folder).expect("made");
    let within = |program: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", WITHIN, "sh"]).arg(&folder).args(program);
        command
    };
    if !within(&["true"]).output().is_ok_and(|output| output.status.success()) {
        #[expect(clippy::print_stderr, reason = "who reads the result is to know what was not tested")]
        {
            eprintln!("skipped: a mount namespace cannot be made here");
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
                // An empty one asks whether anybody is there.
                Ok(0) => {}
                Ok(length) => entries.push(entry(&bytes[..length])),
                // Nothing came for a while: enough, once the daemon is gone.
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
    over.send(()).expect("somebody reads");
    let lines = fs::read_to_string(fixture.file("stderr")).expect("readable");
    Some((output, lines, reading.join().expect("no panic")))
}

/// A fixture whose port is taken, so that its daemon has something to say and ends.
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
    assert_eq!((output.status.code(), lines.as_str()), (Some(1), ""), "nothing is said twice");
    let failure = entries.iter().find(|entry| entry["PRIORITY"] == "3").expect("a failure is logged");
    assert!(failure["MESSAGE"].contains("in use"), "{failure:#?}");
    assert!(failure.contains_key("COFFEED_HINT"), "{failure:#?}");
    assert_eq!(failure["COFFEED_NODE"], "ming");
    assert_eq!(failure["SYSLOG_IDENTIFIER"], "coffeed");
    assert!(failure["TARGET"].starts_with("coffeed"), "{failure:#?}");
}

#[test]
fn who_asks_for_json_gets_lines_of_it() {
    let (fixture, _taken) = unlucky();
    let Some((_, lines, entries)) = run(&fixture, &["--log-format", "json"]) else { return };
    assert!(entries.is_empty(), "{entries:#?}");
    assert!(lines.lines().all(|line| line.starts_with('{')) && lines.contains("in use"), "{lines}");
}
