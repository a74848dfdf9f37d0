//! The passphrase of the CA's key: asked for, set and removed.

use std::path::{Path, PathBuf};

use coffee_client::cert::{self, CaFolder, Passphrase};
use serde::Serialize;

use super::arguments::CertPassphraseArguments;
use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, escape},
    secret,
};

/// Returns the passphrase for a new CA: from this file, or from the terminal if `asks`.
pub(super) async fn new(
    file: Option<&Path>,
    asks: bool,
    invocation: &mut Invocation<'_>,
) -> Result<Option<Passphrase>, Failure> {
    match (file, asks) {
        (Some(file), _) => secret::from_file(file).map(Some),
        (None, true) if invocation.can_ask => secret::ask_new(invocation).await.map(Some),
        (None, true) => Err(Failure::usage("there is no terminal to ask for a passphrase")
            .hint("name a file with it: --passphrase-file FILE")),
        (None, false) => Ok(None),
    }
}

/// Returns the passphrase for a new PKCS #12 file: from this file, or from the terminal.
pub(super) async fn of_p12(
    file: Option<&Path>,
    invocation: &mut Invocation<'_>,
) -> Result<Passphrase, Failure> {
    match file {
        Some(file) => secret::from_file(file),
        None if invocation.can_ask => secret::ask_new(invocation).await,
        None => Err(Failure::usage("there is no terminal to ask for the passphrase of the PKCS #12 file")
            .hint("name a file with it: --p12-passphrase-file FILE")),
    }
}

/// Sets, changes or removes the passphrase.
pub(super) async fn change(
    folder: &Path,
    arguments: &CertPassphraseArguments,
    file: Option<&Path>,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let present = secret::of_ca(folder, file, invocation).await?;
    // Without one at present, both options mean the new one.
    let file = arguments.new_passphrase_file.as_deref().or(file.filter(|_| !cert::is_locked(folder)));
    let new = if arguments.remove { None } else { new(file, true, invocation).await? };
    let written = cert::set_passphrase(CaFolder::unlocked(folder, present.as_ref()), new.as_ref())?;
    invocation.printer.report(&PassphraseReport { keys: written, locked: new.is_some(), changed: true });
    Ok(ExitCode::Done)
}

#[derive(Serialize)]
struct PassphraseReport {
    keys: Vec<PathBuf>,
    /// Whether the keys have a passphrase now.
    locked: bool,
    changed: bool,
}

impl Printable for PassphraseReport {
    fn table(&self) -> String {
        let has = if self.locked { "has this passphrase now" } else { "has no passphrase now" };
        self.keys.iter().map(|key| format!("{} {has}\n", escape::path(key))).collect()
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let locked = if self.locked { "locked" } else { "open" };
        let row = |key: &PathBuf| vec![escape::field(&key.to_string_lossy()), locked.to_owned()];
        self.keys.iter().map(row).collect()
    }
}
