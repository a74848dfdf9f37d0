//! `coffeed restore`: makes the first node of a new cluster from a backup.

use std::{fs::File, path::PathBuf};

use clap::Args;
use coffee_client::seal::{UnsealedReader, UnsealingKey};
use coffee_common::{
    revocation_list::RevocationList,
    tls::{CredentialFile, Credentials, lists_in_pem, read_file, read_lists},
};
use coffeectl::{
    exit::ExitCode,
    failure::Failure,
    printer::{Format, Printer},
};
use coffeed::{
    Config,
    storage::{
        disk::load_revocation_lists,
        new_cluster::NewClusterError,
        restore::{self, Restored},
    },
};

use crate::offline;

/// Arguments of `coffeed restore`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RestoreArguments {
    /// File written by 'coffeectl backup'
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// Private key of a sealed backup, from 'coffeectl backup key'
    #[arg(long, value_name = "KEY")]
    key_file: Option<PathBuf>,
}

/// Writes the data directory and prints the next step. The node starts as usual afterwards.
pub(crate) fn run(arguments: &RestoreArguments, config: &Config) -> Result<ExitCode, Failure> {
    let backup = File::open(&arguments.backup).map_err(|error| {
        Failure::new(ExitCode::Usage, format!("cannot read {}: {error}", arguments.backup.display()))
            .hint("check that the file exists and that this user may read it")
    })?;
    let member = offline::member(config);
    let mut printer = Printer::standard(Format::default());
    let lists = known_lists(config, &mut printer);
    let Restored { summary, founded, lists } = match &arguments.key_file {
        None => offline::run(config, restore::restore(&config.data_dir, &member, backup, &lists))?,
        Some(key) => {
            let backup = UnsealedReader::begin(backup, UnsealingKey::load(key)?)
                .map_err(|error| offline::failure(NewClusterError::Unreadable(error)))?;
            offline::run(config, restore::restore(&config.data_dir, &member, backup, &lists))?
        }
    };
    let (name, address) = (&member.name, &member.address);
    for RevocationList { number, .. } in lists {
        printer.text(&format!("revocation list {number} is newer than the one in the backup, and is kept\n"));
    }
    printer.text(&format!(
        "{name} is the only member of the new cluster {cluster}: {keys} keys of {node} at revision {old}\n\
         revisions continue after {new}\n\
         next: start coffeed here. Every other node starts with an empty data directory, or sets its old data aside:\n\
         \x20 coffeed --config FILE rebuild --cluster {cluster} --from {address}\n\
         then start it, and admit it: coffeectl boot NODE\n",
        cluster = founded.cluster,
        keys = summary.end.keys,
        node = summary.header.node,
        old = summary.header.revision,
        new = founded.revision,
    ));
    printer.finish()?;
    Ok(ExitCode::Done)
}

/// Returns the revocation lists of this machine, as far as a CA that it trusts has signed them: the copy
/// in the data directory, and the configured file.
fn known_lists(config: &Config, printer: &mut Printer) -> Vec<RevocationList> {
    let credentials = match Credentials::load(&config.tls) {
        Ok(credentials) => credentials,
        Err(error) => {
            printer.note(&format!("note: only the revocation lists in the backup count: {error}"));
            return Vec::new();
        }
    };
    let copy = read_lists(&load_revocation_lists(&config.data_dir)).into_iter().map(|list| list.der);
    let file = config.tls.crl.as_ref().and_then(|file| read_file(CredentialFile::Revocations, file).ok());
    let file = file.map(|pem| lists_in_pem(&pem)).unwrap_or_default();
    copy.chain(file).filter_map(|der| credentials.check_list(&der).ok()).collect()
}
