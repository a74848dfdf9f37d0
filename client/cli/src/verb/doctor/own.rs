//! The caller's own certificate, its key, and the CAs that it trusts.

use coffee_client::cert::{self, CertificateInfo};
use coffee_common::tls::{CredentialFile, Credentials, read_file};

use super::report::CheckRow;
use crate::{
    credentials,
    failure::Failure,
    invocation::Invocation,
    warnings::{self, Topic},
    wording,
};

/// The caller's credentials, and the CAs that they trust.
pub(super) struct OwnFiles {
    pub(super) credentials: Credentials,
    pub(super) cas: Vec<CertificateInfo>,
}

/// Loads the credentials: this verifies that they belong together, are valid, and that the key is
/// readable only by its owner.
pub(super) fn load(invocation: &Invocation<'_>) -> Result<OwnFiles, Failure> {
    // Compares the cluster that the caller named with that of the certificate.
    invocation.client(invocation.usual_timeout())?;
    let files = credentials::files(&invocation.session.connection().credentials)?;
    let credentials = Credentials::load(&files)?;
    let cas = read_file(CredentialFile::Ca, &files.ca)?;
    Ok(OwnFiles { credentials, cas: CertificateInfo::all_of_pem(&String::from_utf8_lossy(&cas))? })
}

pub(super) fn judge(own: &OwnFiles) -> Vec<CheckRow> {
    let credentials = &own.credentials;
    let name = cert::file_name(credentials.identity());
    let days = wording::days_until(credentials.valid_until());
    let mut rows = vec![expiry(
        Topic::Certificate,
        &format!("own: {name} of cluster {}", credentials.cluster()),
        days,
        &format!("'coffeectl cert renew {name}'"),
    )];
    rows.extend(own.cas.iter().map(|ca| {
        let id = ca.serial.get(..8).unwrap_or(&ca.serial);
        let renew = "'coffeectl cert renew ca', then copy ca.crt to all nodes and clients";
        expiry(Topic::Ca, &format!("CA {id}"), ca.days_left(), renew)
    }));
    rows
}

fn expiry(topic: Topic, of: &str, days: i64, renew: &str) -> CheckRow {
    match warnings::expiry(days) {
        None => CheckRow::pass(topic, None, format!("{of}, valid for {days} days")),
        Some(soon) if days >= 0 => CheckRow::warn(topic, None, format!("{of} {soon}"), renew),
        Some(over) => CheckRow::fail(topic, None, format!("{of} {over}"), renew),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warnings::Severity;

    #[test]
    fn a_certificate_is_judged_by_the_days_that_are_left() {
        for (days, problem) in
            [(30, None), (29, Some(Severity::Warn)), (0, Some(Severity::Warn)), (-1, Some(Severity::Fail))]
        {
            assert_eq!(expiry(Topic::Ca, "CA 4a", days, "renew").problem, problem, "{days}");
        }
    }
}
