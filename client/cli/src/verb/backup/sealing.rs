//! Sealed backups: the keys, and the content on its way to the file.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use coffee_client::{
    cert::Existing,
    seal::{self, SealKeyError, Sealer, SealingKey},
};
use serde::Serialize;

use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, escape},
};

/// Seals the pieces of a backup, or passes them on.
pub(super) struct Sealing {
    /// `None` passes them on.
    sealer: Option<Sealer>,
    /// The start of a sealed file, until the first piece.
    start: Vec<u8>,
}

impl Sealing {
    /// Seals to the public key in this file; passes the backup on without one.
    pub(super) fn begin(key: Option<&Path>) -> Result<Self, Failure> {
        let Some(key) = key else { return Ok(Self { sealer: None, start: Vec::new() }) };
        let (sealer, start) = Sealer::begin(&SealingKey::load(key)?)
            .map_err(|problem| SealKeyError::Key { path: key.to_owned(), problem })?;
        Ok(Self { sealer: Some(sealer), start })
    }

    /// Returns the bytes to write for a piece.
    pub(super) fn pass(&mut self, piece: Bytes) -> Bytes {
        match &mut self.sealer {
            None => piece,
            Some(sealer) => {
                let mut bytes = std::mem::take(&mut self.start);
                bytes.extend(sealer.push(&piece));
                bytes.into()
            }
        }
    }

    /// Returns the bytes to write after the last piece.
    pub(super) fn end(&mut self) -> Bytes {
        self.sealer.take().map(Sealer::finish).unwrap_or_default().into()
    }
}

impl From<SealKeyError> for Failure {
    fn from(error: SealKeyError) -> Self {
        match error {
            SealKeyError::File(error) => error.into(),
            SealKeyError::Write(error) => error.into(),
            error @ SealKeyError::Key { .. } => {
                Self::usage(error.to_string()).hint("make a pair of keys with 'coffeectl backup key FILE'")
            }
        }
    }
}

/// Makes a pair of keys.
pub(super) fn make_keys(private: &Path, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    let public = seal::create_keys(private, Existing::Keep).map_err(|error| match error {
        SealKeyError::Write(coffee_client::cert::CertError::Exists(path)) => {
            Failure::new(ExitCode::Refused, format!("{} already exists", escape::path(&path)))
                .hint("keep it as long as there is a backup that it opens, and choose another name")
        }
        error => error.into(),
    })?;
    invocation.printer.report(&BackupKeys { private: private.to_owned(), public, changed: true });
    invocation.printer.note(
        "note: bring the public key to where backups are taken; keep the private one elsewhere, and a copy: \
         without it no sealed backup can be read",
    );
    Ok(ExitCode::Done)
}

#[derive(Serialize)]
struct BackupKeys {
    private: PathBuf,
    public: PathBuf,
    changed: bool,
}

impl Printable for BackupKeys {
    fn table(&self) -> String {
        format!(
            "{}: seals backups\n{}: opens them\n",
            escape::path(&self.public),
            escape::path(&self.private)
        )
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let path = |path: &Path| escape::field(&path.to_string_lossy());
        vec![vec![path(&self.private), path(&self.public)]]
    }
}
