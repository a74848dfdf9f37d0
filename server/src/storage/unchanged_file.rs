//! A file that is read as it is: changes to it stay in memory.
//!
//! Opening a database writes to it, for example to repair it after a crash. An
//! inspection sees the repaired data, and leaves the file as it was.

use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use redb::StorageBackend;

use super::private_file;

const PAGE_BYTES: u64 = 4096;

type FilePage = [u8; PAGE_BYTES as usize];

/// An open, locked file with changes in memory.
#[derive(Debug)]
pub(super) struct UnchangedFile {
    file: File,
    changes: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    len: u64,
    /// The bytes of the file that still count; the rest was cut off.
    of_file: u64,
    pages: BTreeMap<u64, Box<FilePage>>,
}

impl UnchangedFile {
    /// Opens and locks an existing file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = private_file::open_to_read(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::ResourceBusy.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let len = file.metadata()?.len();
        Ok(Self { file, changes: Mutex::new(Changes { len, of_file: len, pages: BTreeMap::new() }) })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the content of a page, with zeros after the end.
    fn page(&self, changes: &Changes, number: u64) -> io::Result<Box<FilePage>> {
        if let Some(page) = changes.pages.get(&number) {
            return Ok(page.clone());
        }
        let mut page = Box::new([0; PAGE_BYTES as usize]);
        let start = number * PAGE_BYTES;
        let there = changes.of_file.saturating_sub(start).min(PAGE_BYTES) as usize;
        self.file.read_exact_at(&mut page[..there], start)?;
        Ok(page)
    }
}

/// The part of a page that a range of bytes covers, and where in the range it is.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize, usize)> {
    let end = offset + length as u64;
    (offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES)).map(move |number| {
        let start = offset.max(number * PAGE_BYTES);
        let stop = end.min((number + 1) * PAGE_BYTES);
        let within = (start % PAGE_BYTES) as usize;
        (number, within, (stop - start) as usize, (start - offset) as usize)
    })
}

impl StorageBackend for UnchangedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > changes.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, within, length, at) in parts(offset, out.len()) {
            let page = self.page(&changes, number)?;
            out[at..at + length].copy_from_slice(&page[within..within + length]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changes = self.changes();
        if len < changes.len {
            changes.of_file = changes.of_file.min(len);
            changes.pages.retain(|number, _| number * PAGE_BYTES < len);
            if let Some(last) = changes.pages.get_mut(&(len / PAGE_BYTES)) {
                last[(len % PAGE_BYTES) as usize..].fill(0);
            }
        }
        changes.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes();
        for (number, within, length, at) in parts(offset, data.len()) {
            let mut page = self.page(&changes, number)?;
            page[within..within + length].copy_from_slice(&data[at..at + length]);
            changes.pages.insert(number, page);
        }
        if !data.is_empty() {
            changes.len = changes.len.max(offset + data.len() as u64);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum FileStep {
        Write(u64, Vec<u8>),
        SetLen(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<FileStep>> {
        let write = (0..20_000_u64, prop::collection::vec(any::<u8>(), 0..9_000));
        let step = prop_oneof![
            write.prop_map(|(offset, data)| FileStep::Write(offset, data)),
            (0..25_000_u64).prop_map(FileStep::SetLen),
        ];
        prop::collection::vec(step, 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_reads_what_a_file_would_and_changes_nothing(len in 0..20_000_usize, steps in steps()) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("file");
            let content: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            fs::write(&path, &content).expect("writes");
            let file = UnchangedFile::open(&path).expect("opens");
            let mut model = content.clone();
            for step in steps {
                match step {
                    FileStep::SetLen(len) => {
                        file.set_len(len).expect("sets");
                        model.resize(len as usize, 0);
                    }
                    FileStep::Write(offset, data) => {
                        file.write(offset, &data).expect("writes");
                        let end = offset as usize + data.len();
                        if !data.is_empty() {
                            model.resize(model.len().max(end), 0);
                            model[offset as usize..end].copy_from_slice(&data);
                        }
                    }
                }
                prop_assert_eq!(file.len().expect("known"), model.len() as u64);
                let mut found = vec![0; model.len()];
                file.read(0, &mut found).expect("reads");
                prop_assert!(found == model);
            }
            prop_assert!(file.read(file.len().expect("known"), &mut [0]).is_err());
            prop_assert!(fs::read(&path).expect("reads") == content);
        }
    }
}
