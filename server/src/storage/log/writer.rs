//! The one writer of the log: many changes, one commit, one fsync.
//!
//! Vote, append, truncate and purge come through one queue and reach the disk
//! in its order, which is what Raft's safety rests on (a term has to be
//! durable before the entries of that term). While one batch is being synced
//! the next one gathers; nobody waits for a timer.
//!
//! The most dangerous line of the project is here: a change is reported as
//! durable only after the commit that holds it has returned from fsync. After
//! the first commit that failed nothing is reported as durable any more.

use std::{
    io,
    sync::{Arc, Mutex, mpsc},
    thread,
};

use openraft::storage::IOFlushed;
use redb::{Database, Durability};
use tokio::sync::oneshot;

use super::{
    LogError, lock,
    rows::{self, COMMITTED, ENTRIES, META, PURGED, VOTE},
    view::View,
};
use crate::{
    storage::{poison::Poison, record::LogIdRecord, soundness},
    types::{LogId, TypeConfig},
};

/// A batch stops growing at this many bytes of entries.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// One change of the log.
pub(super) enum Change {
    /// Writes sealed rows, the last of which is the entry `last`.
    Append {
        /// Index and sealed row.
        rows: Vec<(u64, Vec<u8>)>,
        /// The last entry among them, if there are any.
        last: Option<LogId>,
        /// Told once they are durable.
        done: IOFlushed<TypeConfig>,
    },
    /// Writes the vote.
    Vote {
        /// Its sealed row.
        row: Vec<u8>,
        /// Told once it is durable.
        done: oneshot::Sender<io::Result<()>>,
    },
    /// Takes away entries at the end.
    Truncate {
        /// The first index to go.
        from: u64,
        /// Told once they are durably gone.
        done: oneshot::Sender<io::Result<()>>,
    },
    /// Takes away the entries up to this index.
    Purge {
        /// The last index to go.
        upto: u64,
        /// The sealed row that says so.
        row: Vec<u8>,
    },
    /// Tells when everything before it is durable.
    Flush(oneshot::Sender<io::Result<()>>),
}

impl Change {
    fn bytes(&self) -> usize {
        match self {
            Self::Append { rows, .. } => rows.iter().map(|(_, row)| row.len()).sum(),
            _ => 0,
        }
    }
}

/// Where changes are queued.
#[derive(Debug, Clone)]
pub(super) enum Queue {
    /// A thread of its own writes them.
    Thread(mpsc::Sender<Change>),
    /// Whoever queues one writes it: everything in one thread, for simulation.
    Inline(Arc<Mutex<Writer>>),
}

impl Queue {
    /// Queues a change. Once the writer has stopped, whoever waits for the
    /// change learns so by its dropped or failed answer.
    pub(super) fn push(&self, change: Change) -> io::Result<()> {
        match self {
            Self::Thread(sender) => sender.send(change).map_err(|_| io::Error::other("the log is closed")),
            Self::Inline(writer) => {
                let mut writer = lock(writer);
                let committed = writer.committed();
                writer.write(vec![change], committed);
                Ok(())
            }
        }
    }
}

/// Commits batches of changes.
pub(super) struct Writer {
    /// Names the file in messages.
    name: String,
    database: Arc<Database>,
    /// Told after each commit how far the log is on disk.
    view: Arc<Mutex<View>>,
    poison: Poison,
    /// How far the log is committed, as the database has it.
    noted: Option<LogId>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn new(name: String, database: Arc<Database>, view: Arc<Mutex<View>>, poison: Poison) -> Self {
        let noted = lock(&view).committed;
        Self { name, database, view, poison, noted }
    }

    /// Starts the thread that writes. It ends when the last queue is dropped.
    pub(super) fn spawn(self) -> io::Result<(Queue, thread::JoinHandle<()>)> {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new().name("coffeed-log".into()).spawn(move || self.run(&receiver))?;
        Ok((Queue::Thread(sender), thread))
    }

    fn run(mut self, queue: &mpsc::Receiver<Change>) {
        while let Ok(first) = queue.recv() {
            // Before the batch is gathered: the entries that it speaks of are queued by now.
            let committed = self.committed();
            let mut bytes = first.bytes();
            let mut batch = vec![first];
            while bytes < BATCH_BYTES_MAX
                && let Ok(change) = queue.try_recv()
            {
                bytes += change.bytes();
                batch.push(change);
            }
            self.write(batch, committed);
        }
    }

    /// How far the log is committed, if the database does not have it yet. The
    /// note rides along with the next batch instead of waking the writer:
    /// losing it in a crash loses no entry.
    fn committed(&self) -> Option<LogId> {
        lock(&self.view).committed.filter(|committed| self.noted != Some(*committed))
    }

    /// Commits a batch, then answers for each of its changes.
    fn write(&mut self, batch: Vec<Change>, committed: Option<LogId>) {
        let result = self.commit_or_poison(&batch, committed);
        let result = if planted!("callback-too-early") { Ok(()) } else { result };
        for change in batch {
            self.answer(change, &result);
        }
    }

    fn answer(&self, change: Change, result: &io::Result<()>) {
        let result = match result {
            Ok(()) => Ok(()),
            Err(error) => Err(io::Error::other(error.to_string())),
        };
        match change {
            Change::Append { last, done, .. } => {
                if let (Ok(()), Some(last)) = (&result, last) {
                    lock(&self.view).wrote(last);
                }
                done.io_completed(result);
            }
            Change::Vote { done, .. } | Change::Truncate { done, .. } | Change::Flush(done) => {
                let _ = done.send(result);
            }
            Change::Purge { .. } => {}
        }
    }

    fn commit_or_poison(&mut self, batch: &[Change], committed: Option<LogId>) -> io::Result<()> {
        self.poison.check()?;
        // redb panics on some kinds of damaged pages: nobody must be left waiting then.
        match soundness::reading_unverified(|| self.commit(batch, committed)) {
            Ok(Ok(())) => {
                self.noted = committed.or(self.noted);
                Ok(())
            }
            Ok(Err(error)) => {
                let error = LogError::database(&self.name, error);
                Err(self.poison.set(format!("the log cannot be written: {error}; {}", error.hint())))
            }
            Err(soundness::Unreadable) => {
                let error =
                    LogError::Damaged { file: self.name.clone(), what: "it cannot be written to".to_owned() };
                Err(self.poison.set(format!("the log cannot be written: {error}; {}", error.hint())))
            }
        }
    }

    /// One transaction, one fsync. Returns only once the disk has it.
    fn commit(&self, batch: &[Change], committed: Option<LogId>) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(if planted!("acknowledged-before-fsync") {
            Durability::None
        } else {
            Durability::Immediate
        })?;
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            let mut meta = transaction.open_table(META)?;
            for change in batch {
                match change {
                    Change::Append { rows, .. } => {
                        for (index, row) in rows {
                            entries.insert(index, row.as_slice())?;
                        }
                    }
                    Change::Vote { .. } if planted!("vote-not-persisted") => {}
                    Change::Vote { row, .. } => {
                        meta.insert(VOTE, row.as_slice())?;
                    }
                    Change::Truncate { from, .. } => entries.retain_in(*from.., |_, _| false)?,
                    Change::Purge { upto, row } => {
                        entries.retain_in(..=*upto, |_, _| false)?;
                        meta.insert(PURGED, row.as_slice())?;
                    }
                    Change::Flush(_) => {}
                }
            }
            if let Some(row) = committed.as_ref().and_then(seal_committed) {
                meta.insert(COMMITTED, row.as_slice())?;
            }
        }
        Ok(transaction.commit()?)
    }
}

/// A log id can always be encoded; if it could not, the note would be missing, which does no harm.
fn seal_committed(committed: &LogId) -> Option<Vec<u8>> {
    rows::seal_meta(COMMITTED, &LogIdRecord::from(committed)).ok()
}
