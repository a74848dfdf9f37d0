//! `watch`: prints the changes of keys as they are made, or runs a command for each.

mod cursor;
mod previous;

use std::{
    ffi::{OsStr, OsString},
    io::Write,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use clap::Args;
use coffee_client::{
    ChangeKinds, Client, Error, KeyChange, RevisionChanges, Watch, WatchEvent, WatchOptions,
};
use coffee_common::{
    id::Revision,
    key::{Key, KeyRange},
    protocol::Consistency,
};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use self::{cursor::CursorFile, previous::PreviousValue};
use super::keys::shown_value;
use crate::{
    dates, duration,
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{
        Printable, escape,
        json::{KeyField, ValueField},
    },
};

pub(crate) const AFTER_HELP: &str = "\
Prints the changes in their order, none skipped and none twice, until Ctrl-C.

With --cursor the place is kept in a file, of one cluster and for one process at
a time: the next watch with it continues where this one ended. With --exec a
shell runs the command for each change, with the value on its standard input
and these variables:

  COFFEE_EVENT      set or del
  COFFEE_KEY        the key; not set if it has a NUL byte
  COFFEE_KEY_BASE64 the key in base64
  COFFEE_REVISION   the revision of the change
  COFFEE_PREVIOUS   the revision of the key before; empty if it did not exist
  COFFEE_AUTHOR     the role and name of the client that made the change

The cursor moves once the command has succeeded for all changes of a revision,
so after a crash those of the last revision may be told again. A command that
fails ends the watch: exit code 1, and the next watch tells them again.

With --prev each change also shows the value that it has replaced. It is left
out if it does not fit a response (1 MiB) with the changes of the same revision;
the line then says how to read it. With -o plain a deletion then has an empty
value, and two fields follow: the revision before, empty if the key did not
exist, and the value before, missing if there was none or it was left out.

Other than etcdctl's --rev, --from is the revision before the first change.";

/// The longest time between two events of a cluster that answers.
const QUIET_MAX: Duration = Duration::from_secs(15);

/// `watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    /// Watch only keys that start with this
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: OsString,
    /// Watch PREFIX alone: it is a key
    #[arg(long, requires = "prefix")]
    exact: bool,
    /// Begin after this revision, if there is no cursor yet [default: the present one]
    #[arg(long, value_name = "REVISION")]
    from: Option<u64>,
    /// Keep the place in a file, and begin there
    #[arg(long, value_name = "FILE")]
    cursor: Option<PathBuf>,
    /// Run a command for each change
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// End after this many changes, and the others of the same revision
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after this time
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    limit: Option<Duration>,
    /// Only keys that are set, or only those that are deleted
    #[arg(long, value_name = "KIND")]
    only: Option<WatchedKind>,
    /// Print the values before the changes too
    #[arg(long, conflicts_with = "exec")]
    prev: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum WatchedKind {
    /// Keys that are set
    Sets,
    /// Keys that are deleted
    Deletes,
}

/// A watch while it runs.
struct RunningWatch<'a> {
    arguments: &'a WatchArguments,
    client: Client,
    cursor: Option<CursorFile>,
    deadline: Option<Instant>,
    /// The changes that were told.
    told: u64,
}

pub(crate) async fn run(
    arguments: &WatchArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let cursor = arguments.cursor.clone().map(CursorFile::open).transpose()?;
    let after = cursor.as_ref().and_then(CursorFile::revision).or(arguments.from.map(Revision));
    let kinds = match arguments.only {
        None => ChangeKinds::All,
        Some(WatchedKind::Sets) => ChangeKinds::Sets,
        Some(WatchedKind::Deletes) => ChangeKinds::Deletes,
    };
    let prefix = arguments.prefix.as_bytes();
    let range = match arguments.exact {
        true => KeyRange::single(&Key::new(prefix).map_err(Error::from)?),
        false => KeyRange::prefix(prefix),
    };
    let local = invocation.options.consistency == Consistency::Local;
    let client = invocation.session.client(invocation.usual_timeout())?;
    let with_previous = arguments.prev;
    let options = WatchOptions { after, kinds, local, with_previous, ..WatchOptions::default() };
    let mut watch = client.watch(range, options);
    let deadline = arguments.limit.map(|limit| Instant::now() + limit);
    let mut running = RunningWatch { arguments, client, cursor, deadline, told: 0 };
    running.watch(&mut watch, invocation).await?;
    Ok(ExitCode::Done)
}

impl RunningWatch<'_> {
    /// Tells changes until there are enough of them, or the time is over.
    async fn watch(&mut self, watch: &mut Watch, invocation: &mut Invocation<'_>) -> Result<(), Failure> {
        loop {
            let event = self.next(watch, invocation).await;
            // Before an error: one may come of another cluster.
            if let Some(cursor) = &self.cursor {
                cursor.check_cluster(self.client.cluster_id())?;
            }
            let Some(event) = event? else { return self.late() };
            if let WatchEvent::Changes(changes) = event {
                for change in &changes.changes {
                    self.tell(&changes, change, invocation).await?;
                    self.told += 1;
                }
            }
            // A change that could not be printed was not told.
            if invocation.printer.is_broken() {
                return Ok(());
            }
            self.save(watch.cursor())?;
            if self.arguments.count.is_some_and(|count| self.told >= count) {
                return Ok(());
            }
        }
    }

    /// Waits for the next event. Returns `None` at the time limit. A command that runs is never cut off.
    async fn next(
        &self,
        watch: &mut Watch,
        invocation: &mut Invocation<'_>,
    ) -> Result<Option<WatchEvent>, Failure> {
        let mut quiet = Instant::now() + QUIET_MAX;
        let far = quiet + Duration::from_secs(u32::MAX.into());
        loop {
            let until = self.deadline.unwrap_or(far).min(quiet);
            match timeout_at(until, watch.next()).await {
                Ok(event) => return event.map(Some).map_err(of_watch),
                Err(_) if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Ok(None);
                }
                Err(_) => {
                    // A node may have answered that its cluster has no quorum.
                    if let Some(cursor) = &self.cursor {
                        cursor.check_cluster(self.client.cluster_id())?;
                    }
                    invocation.printer.note("no node answers; waiting");
                    quiet = far;
                }
            }
        }
    }

    /// Prints a change, or runs the command for it.
    async fn tell(
        &self,
        changes: &RevisionChanges,
        change: &KeyChange,
        invocation: &mut Invocation<'_>,
    ) -> Result<(), Failure> {
        let mut row = ChangeRow::new(changes, change);
        row.before = self.arguments.prev.then(|| PreviousValue::of(change));
        match &self.arguments.exec {
            None => invocation.printer.report(&row),
            Some(command) => execute(command, &row, changes).await.map_err(|failure| {
                failure.hint(match self.arguments.cursor {
                    Some(_) => "the next watch with the same cursor tells this change again".to_owned(),
                    None => format!("to tell it again: --from {}", row.revision.saturating_sub(1)),
                })
            })?,
        }
        Ok(())
    }

    fn save(&mut self, upto: Option<Revision>) -> Result<(), Failure> {
        match (&mut self.cursor, upto) {
            (Some(cursor), Some(upto)) => cursor.save(upto, self.client.cluster_id()),
            _ => Ok(()),
        }
    }

    /// Ends at the time limit.
    fn late(&self) -> Result<(), Failure> {
        match self.arguments.count {
            None => Ok(()),
            Some(count) => Err(Failure::new(
                ExitCode::Unavailable,
                format!("only {} of {count} changes were made in time", self.told),
            )
            .hint("give it more time with --for")),
        }
    }
}

fn of_watch(error: Error) -> Failure {
    match &error {
        Error::Compacted { floor } => Failure::new(ExitCode::NotFound, error.to_string()).hint(format!(
            "changes were missed: read the keys again with 'coffeectl keys --rev {floor}', delete the cursor, and watch \
             --from {floor}"
        )),
        _ => Failure::of_revision(error),
    }
}

/// Runs a command for a change. Its value is on the command's standard input.
async fn execute(command: &str, row: &ChangeRow<'_>, changes: &RevisionChanges) -> Result<(), Failure> {
    let failed = |why: String| {
        let (event, key, revision) = (row.event, escape::shown_bytes(row.key.0), row.revision);
        Failure::new(ExitCode::Failed, format!("{why}, for {event} {key} at revision {revision}"))
    };
    let mut shell = std::process::Command::new("/bin/sh");
    // No variable can have a NUL byte.
    match row.key.0.contains(&0) {
        true => shell.env_remove("COFFEE_KEY"),
        false => shell.env("COFFEE_KEY", OsStr::from_bytes(row.key.0)),
    };
    let mut child = shell
        .args(["-c", command])
        .env("COFFEE_EVENT", row.event)
        .env("COFFEE_KEY_BASE64", BASE64_STANDARD.encode(row.key.0))
        .env("COFFEE_REVISION", row.revision.to_string())
        .env("COFFEE_PREVIOUS", row.previous.map(|previous| previous.to_string()).unwrap_or_default())
        .env("COFFEE_AUTHOR", &changes.author)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("the command cannot be run: {error}")))?;
    let (input, value) = (child.stdin.take(), row.value.unwrap_or_default().to_vec());
    // In a thread: it takes as long as the command, and Ctrl-C has to work meanwhile.
    let waited = tokio::task::spawn_blocking(move || {
        if let Some(mut input) = input {
            // A command need not read its input.
            let _ = input.write_all(&value);
        }
        child.wait()
    });
    match waited.await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(failed(format!("the command ended with {status}"))),
        Ok(Err(error)) => Err(failed(format!("the command cannot be waited for: {error}"))),
        Err(error) => Err(failed(format!("the command cannot be waited for: {error}"))),
    }
}

#[derive(Serialize)]
struct ChangeRow<'a> {
    event: &'static str,
    #[serde(flatten)]
    key: KeyField<&'a [u8]>,
    #[serde(flatten)]
    value_field: Option<ValueField>,
    revision: u64,
    version: Option<u64>,
    previous: Option<u64>,
    #[serde(flatten)]
    before: Option<PreviousValue<'a>>,
    time: String,
    role: Option<&'a str>,
    author: Option<&'a str>,
    #[serde(skip)]
    value: Option<&'a [u8]>,
}

impl<'a> ChangeRow<'a> {
    fn new(changes: &'a RevisionChanges, change: &'a KeyChange) -> Self {
        let value = change.entry.as_ref().map(|entry| &entry.value.as_bytes()[..]);
        let (role, author) = changes.author.split_once(' ').unzip();
        Self {
            event: if value.is_some() { "set" } else { "del" },
            key: KeyField(change.key.as_bytes()),
            value_field: value.map(ValueField::new),
            revision: changes.revision.0,
            version: change.entry.as_ref().map(|entry| entry.version),
            previous: change.previous.map(|previous| previous.0),
            before: None,
            time: dates::utc(i64::try_from(changes.at_ms / 1000).unwrap_or(i64::MAX)),
            role,
            author,
            value,
        }
    }
}

impl Printable for ChangeRow<'_> {
    fn table(&self) -> String {
        let value = self.value.map(|value| format!(" {}", shown_value(value))).unwrap_or_default();
        let before = self.before.as_ref().map(|before| before.table(self.revision)).unwrap_or_default();
        format!("{} {} {}{value}{before}\n", self.revision, self.event, escape::shown_bytes(self.key.0))
    }

    /// A deletion has no value: its line is a field shorter, unless other fields follow.
    fn plain(&self) -> Vec<Vec<String>> {
        let mut fields =
            vec![self.event.to_owned(), self.revision.to_string(), escape::bytes_field(self.key.0)];
        let value = self.value.or_else(|| self.before.as_ref().map(|_| &[][..]));
        fields.extend(value.map(escape::bytes_field));
        if let Some(before) = &self.before {
            fields.push(self.previous.map(|previous| previous.to_string()).unwrap_or_default());
            fields.extend(before.value().map(escape::bytes_field));
        }
        vec![fields]
    }
}

#[cfg(test)]
mod tests;
