//! Log entries in systemd's journal, in the journal's own protocol.
//!
//! A test socket replaces the journal's socket in a mount namespace that only the
//! daemon sees. Skipped if the namespace cannot be created.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::MetadataExt, net::UnixDatagram},
    process::{Command, Output, Stdio},
    sync::{Arc, Condvar, Mutex, mpsc},
    thread,
    time::Duration,
};

use crate::fixture::{CONFIG, DaemonFixture};

type JournalEntry = BTreeMap<String, String>;

const PATIENCE: Duration = Duration::from_secs(20);

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

/// The entries so far.
#[derive(Clone, Default)]
struct Journal(Arc<(Mutex<Vec<JournalEntry>>, Condvar)>);

impl Journal {
    fn add(&self, entry: JournalEntry) {
        self.0.0.lock().expect("not poisoned").push(entry);
        self.0.1.notify_all();
    }

    /// Waits for an entry; `None` if there is none in time.
    fn wait_for(&self, is_it: impl Fn(&JournalEntry) -> bool) -> Option<JournalEntry> {
        let entries = self.0.0.lock().expect("not poisoned");
        let missing = |entries: &mut Vec<JournalEntry>| !entries.iter().any(&is_it);
        let (entries, _) = self.0.1.wait_timeout_while(entries, PATIENCE, missing).expect("not poisoned");
        entries.iter().find(|entry| is_it(entry)).cloned()
    }
}

/// Runs `coffeed` with these arguments as systemd would; `None` if that is not possible here.
fn run(fixture: &DaemonFixture, words: &[&str]) -> Option<(Output, String, Vec<JournalEntry>)> {
    run_during(fixture, words, |_, _| {})
}

/// The same; `meanwhile` has the id of the process.
fn run_during(
    fixture: &DaemonFixture,
    words: &[&str],
    meanwhile: impl FnOnce(u32, &Journal),
) -> Option<(Output, String, Vec<JournalEntry>)> {
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
    let journal = Journal::default();
    let entries = journal.clone();
    let reading = thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        loop {
            match socket.recv(&mut bytes) {
                // An empty message probes for a listener.
                Ok(0) => {}
                Ok(length) => entries.add(entry(&bytes[..length])),
                // Silence for a while: done, once the daemon has ended.
                Err(_) if ended.try_recv().is_ok() => return,
                Err(_) => {}
            }
        }
    });
    let stderr = fs::File::create(fixture.file("stderr")).expect("made");
    let stream = stderr.metadata().map(|file| format!("{}:{}", file.dev(), file.ino())).expect("there");
    let mut command = within(&[env!("CARGO_BIN_EXE_coffeed"), "--config"]);
    command.arg(fixture.file("coffeed.toml")).args(words).env("JOURNAL_STREAM", stream).stderr(stderr);
    let coffeed = command.stdout(Stdio::piped()).spawn().expect("coffeed runs");
    meanwhile(coffeed.id(), &journal);
    let output = coffeed.wait_with_output().expect("it ends");
    over.send(()).expect("the reader is alive");
    reading.join().expect("no panic");
    let lines = fs::read_to_string(fixture.file("stderr")).expect("readable");
    let entries = std::mem::take(&mut *journal.0.0.lock().expect("not poisoned"));
    Some((output, lines, entries))
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

/// Who did something is in fields of its own, which a log shipper can select.
#[test]
fn an_audit_event_has_its_fields() {
    let fixture = DaemonFixture::new();
    fixture.configure(CONFIG);
    let signal = |pid: u32, signal: &str| {
        // Fails only for a process that has ended, which the assertions show.
        let _ = Command::new("kill").args([signal, &pid.to_string()]).status();
    };
    let mut event = None;
    let ran = run_during(&fixture, &[], |pid, journal| {
        journal.wait_for(|entry| entry["MESSAGE"].contains("belongs to no cluster"));
        signal(pid, "-HUP");
        event = journal.wait_for(|entry| entry["TARGET"] == "audit");
        signal(pid, "-TERM");
    });
    let Some((output, _, entries)) = ran else { return };
    assert!(output.status.success(), "{output:?}");
    let event = event.unwrap_or_else(|| panic!("{entries:#?}"));
    for (field, value) in [
        ("MESSAGE", "host reload: done"),
        ("COFFEED_VERB", "reload"),
        ("COFFEED_OUTCOME", "done"),
        ("COFFEED_ROLE", "host"),
        ("COFFEED_CHANGED", "false"),
        ("COFFEED_NODE", "ming"),
        ("PRIORITY", "5"),
    ] {
        assert_eq!(event.get(field).map(String::as_str), Some(value), "{field}: {event:#?}");
    }
}
