//! Certificates of clients for browsers: as PKCS #12 files.

use std::path::Path;

use coffee_client::cert::{self, CaFolder, Existing};

use super::{arguments::CertClientArguments, report::CertificateRow, unlock};
use crate::{exit::ExitCode, failure::Failure, invocation::Invocation, printer::escape};

/// Creates the certificate of a client, and this PKCS #12 file with it; by default beside it.
pub(super) async fn issue(
    folder: CaFolder<'_>,
    arguments: &CertClientArguments,
    file: Option<&Path>,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let CertClientArguments { holder, p12_passphrase_file, making, .. } = arguments;
    let subject = holder.subject()?;
    let beside = folder.path().join(format!("{}.p12", cert::file_name(&subject.identity)));
    let file = file.unwrap_or(&beside);
    let passphrase = unlock::of_p12(p12_passphrase_file.as_deref(), invocation).await?;
    let existing = if making.replace { Existing::Replace } else { Existing::Keep };
    let issued = cert::issue_with_p12(folder, &subject, making.days, existing, file, &passphrase)?;
    invocation.printer.report(&CertificateRow::new(&issued, Some(true)));
    invocation.printer.note(&format!(
        "note: import {} with its passphrase where it is used, then delete it: a copy needs only the passphrase",
        escape::path(file)
    ));
    Ok(ExitCode::Done)
}
