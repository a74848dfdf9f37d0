//! Irreversible changes: revocation, and the end of trust in the old CA.

use std::path::PathBuf;

use coffee_client::cert::{self, CaFolder};
use serde::Serialize;

use super::{arguments::CertRevokeArguments, report::CertificateRow, shown};
use crate::{
    confirm,
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, escape},
};

/// Finishes a CA rotation: ends the trust in the old CA.
pub(super) async fn drop_old(
    folder: CaFolder<'_>,
    unchecked: bool,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    // Before the question: a plan that cannot be carried out needs no confirmation.
    if !cert::can_drop_old_ca(folder)? {
        invocation.printer.note("note: there is no old CA");
        return Ok(ExitCode::Done);
    }
    if !unchecked {
        shown::check(folder, invocation).await?;
    }
    if !invocation.options.yes {
        let plan =
            "stop trusting the old CA and remove its key: certificates that it signed become invalid\n";
        confirm::confirm(plan, invocation).await?;
    }
    match cert::drop_old_ca(folder)? {
        Some(issued) => {
            invocation.printer.report(&CertificateRow::new(&issued, Some(true)));
            invocation.printer.note(
                "note: install ca.crt (and ca.crl) on every node and client, then 'coffeectl reload' the nodes",
            );
        }
        None => invocation.printer.note("note: there is no old CA"),
    }
    Ok(ExitCode::Done)
}

/// Revokes all certificates of a name.
pub(super) async fn revoke(
    folder: CaFolder<'_>,
    arguments: &CertRevokeArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    if let (Some(name), false) = (&arguments.name, invocation.options.yes) {
        let plan = format!("revoke every certificate of {}; this cannot be undone\n", escape::shown(name));
        confirm::confirm(&plan, invocation).await?;
    }
    let revoked = cert::revoke(folder, arguments.name.as_deref())?;
    let file = revoked.file.clone();
    invocation.printer.report(&RevocationReport {
        name: arguments.name.clone(),
        serials: revoked.serials.clone(),
        changed: !revoked.serials.is_empty(),
        file: revoked.file,
    });
    invocation
        .printer
        .note(&format!("note: 'coffeectl revoke --list {}' gives it to all nodes", file.display()));
    Ok(ExitCode::Done)
}

#[derive(Serialize)]
struct RevocationReport {
    name: Option<String>,
    serials: Vec<String>,
    changed: bool,
    file: PathBuf,
}

impl Printable for RevocationReport {
    fn table(&self) -> String {
        let file = escape::shown(&self.file.to_string_lossy());
        match (&self.name, self.serials.len()) {
            (None, _) => format!("{file} was rewritten\n"),
            (Some(name), 0) => format!("{} was already revoked in {file}\n", escape::shown(name)),
            (Some(name), count) => {
                format!("{} revoked in {file}: {count} certificates\n", escape::shown(name))
            }
        }
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let name = self.name.as_deref().map(escape::field);
        let row = |serial: &String| vec![name.clone().unwrap_or_default(), serial.clone()];
        self.serials.iter().map(row).collect()
    }
}
