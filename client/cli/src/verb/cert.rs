//! `cert`: creates, renews, revokes and lists certificates. Only the end of a CA rotation contacts nodes.

mod arguments;
mod browser;
mod change;
mod report;
mod request;
mod shown;
mod unlock;

use std::path::{Path, PathBuf};

use coffee_client::cert::{self, CaFolder, CertError, Existing, Issued};
use coffee_common::id::ClusterName;

pub(crate) use self::arguments::CertArguments;
use self::{
    arguments::{
        CertCaArguments, CertClientArguments, CertListArguments, CertNodeArguments, CertRenewArguments,
        CertVerb,
    },
    report::{CertificateList, CertificateRow},
};
use crate::{
    cluster_ref::ClusterRef, credentials, exit::ExitCode, failure::Failure, invocation::Invocation,
    printer::Printer, secret, warnings,
};

pub(crate) async fn run(
    arguments: &CertArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let CertArguments { passphrase_file, verb } = arguments;
    let path = credentials::folder(invocation.session.connection().certs.as_ref())?.to_owned();
    let cluster = cluster(verb, &path, invocation.session.connection().cluster.as_ref())?;
    let file = passphrase_file.as_deref();
    let passphrase = match verb {
        CertVerb::Request(_) | CertVerb::Passphrase(_) | CertVerb::List(_) => None,
        CertVerb::Ca(CertCaArguments { rotate: false, drop_old: false, passphrase, .. }) => {
            unlock::new(file, *passphrase, invocation).await?
        }
        _ => secret::of_ca(&path, file, invocation).await?,
    };
    let folder = CaFolder::unlocked(&path, passphrase.as_ref());
    let (issued, note) = match verb {
        CertVerb::Ca(CertCaArguments { drop_old: true, unchecked, .. }) => {
            return change::drop_old(folder, *unchecked, invocation).await;
        }
        CertVerb::Ca(CertCaArguments { rotate: true, .. }) => (
            cert::rotate_ca(folder)?,
            "ca.crt trusts both CAs: install it on every node and client before any certificate of the new CA",
        ),
        CertVerb::Ca(arguments) => (
            cert::create_ca(folder, cluster.as_ref(), existing(arguments.replace))?,
            "ca.key can sign for any identity: do not copy it elsewhere",
        ),
        CertVerb::Node(arguments) => {
            let CertNodeArguments { name, host, tcp, making } = arguments;
            let issue = if *tcp { cert::issue_node_for_tcp } else { cert::issue_node };
            (
                issue(folder, name, host, making.days, existing(making.replace))?,
                "install it on the node, with its key and ca.crt; do not copy ca.key",
            )
        }
        CertVerb::Client(arguments @ CertClientArguments { p12: Some(file), .. }) => {
            return browser::issue(folder, arguments, file.as_deref(), invocation).await;
        }
        CertVerb::Client(arguments) => {
            let making = &arguments.making;
            let replace = existing(making.replace);
            (
                cert::issue(folder, &arguments.holder.subject()?, making.days, replace)?,
                "install it on the client, with its key and ca.crt; do not copy ca.key",
            )
        }
        CertVerb::Renew(CertRenewArguments { name: Some(name), days, .. }) => {
            return renew(folder, &certificate(&path, name), *days, invocation);
        }
        CertVerb::Request(wanted) => return request::make(&path, cluster, wanted, invocation),
        CertVerb::Sign(arguments) => return request::sign(folder, arguments, invocation).await,
        CertVerb::Passphrase(arguments) => return unlock::change(&path, arguments, file, invocation).await,
        CertVerb::Renew(arguments) => return renew_all(folder, arguments.days, invocation),
        CertVerb::Revoke(arguments) => return change::revoke(folder, arguments, invocation).await,
        CertVerb::List(arguments) => return list(&path, arguments, invocation),
    };
    invocation.printer.report(&CertificateRow::new(&issued, Some(true)));
    invocation.printer.note(&format!("note: {note}"));
    Ok(ExitCode::Done)
}

/// Returns the cluster that was named. It must be that of the CA, except when a CA is created.
fn cluster(
    verb: &CertVerb,
    folder: &Path,
    named: Option<&ClusterRef>,
) -> Result<Option<ClusterName>, Failure> {
    let creates = matches!(verb, CertVerb::Ca(CertCaArguments { rotate: false, drop_old: false, .. }));
    // A request is made where there is no CA.
    let creates = creates || matches!(verb, CertVerb::Request(_));
    match named {
        Some(ClusterRef::Id(_)) if creates => {
            Err(Failure::usage("the cluster of a CA or of a request is given by name, not by id".to_owned())
                .hint("choose one with --cluster NAME; --context '' ignores the current context"))
        }
        Some(ClusterRef::Name(name)) if creates => Ok(Some(name.clone())),
        Some(ClusterRef::Name(name)) => match cert::cluster(folder)? {
            found if found == *name => Ok(Some(found)),
            found => Err(CertError::OtherCluster { folder: folder.to_owned(), found }.into()),
        },
        Some(ClusterRef::Id(_)) | None => Ok(None),
    }
}

fn existing(replace: bool) -> Existing {
    if replace { Existing::Replace } else { Existing::Keep }
}

/// Returns the path of a certificate, given its name in the directory or its path.
fn certificate(folder: &Path, name: &str) -> PathBuf {
    match name.strip_suffix(".crt") {
        Some(_) => PathBuf::from(name),
        None => folder.join(format!("{name}.crt")),
    }
}

/// Renews a certificate, and the one for TCP listeners beside it.
fn renew(
    folder: CaFolder<'_>,
    certificate: &Path,
    days: u32,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let row = CertificateRow::new(&cert::renew(folder, certificate, days)?, Some(true));
    invocation.printer.report(&row);
    if let Some(beside) = cert::for_tcp(certificate) {
        let issued = cert::renew(folder, &beside, days)?;
        invocation.printer.note(&format!("note: {} was renewed too", issued.name()));
    }
    invocation.printer.note(
        "note: install it where the old one is used, then 'coffeectl reload' the node; the key is unchanged",
    );
    Ok(ExitCode::Done)
}

fn renew_all(folder: CaFolder<'_>, days: u32, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    let issued = cert::renew_all(folder, days)?;
    let certificates = issued.iter().map(|issued| CertificateRow::new(issued, Some(true)));
    invocation.printer.report(&CertificateList { certificates: certificates.collect() });
    invocation.printer.note(
        "note: install each where the old one is used, then 'coffeectl reload' the nodes; the keys are unchanged",
    );
    Ok(ExitCode::Done)
}

fn list(
    folder: &Path,
    arguments: &CertListArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let issued = cert::list(folder)?;
    let certificates = issued.iter().map(|issued| CertificateRow::new(issued, None));
    invocation.printer.report(&CertificateList { certificates: certificates.collect() });
    warn(&issued, invocation.printer);
    match arguments.check {
        Some(days) => check(&issued, days.into()),
        None => Ok(ExitCode::Done),
    }
}

/// Warns of certificates that expire soon or have expired.
fn warn(issued: &[Issued], printer: &mut Printer) {
    for one in issued.iter().filter(|one| !one.revoked) {
        if let Some(what) = days_left(one).and_then(warnings::expiry) {
            let name = one.name();
            printer.note(&format!("warning: {name} {what}: 'coffeectl cert renew {name}'"));
        }
    }
}

fn days_left(issued: &Issued) -> Option<i64> {
    issued.info.as_ref().ok().map(cert::CertificateInfo::days_left)
}

/// Fails unless every certificate remains valid for `days` more days.
fn check(issued: &[Issued], days: i64) -> Result<ExitCode, Failure> {
    let good = |one: &&Issued| !one.revoked && days_left(one).is_some_and(|left| left >= days);
    let bad: Vec<String> = issued.iter().filter(|one| !good(one)).map(Issued::name).collect();
    match bad.is_empty() {
        true => Ok(ExitCode::Done),
        false => {
            Err(Failure::new(ExitCode::Denied, format!("not valid for {days} more days: {}", bad.join(", ")))
                .hint("renew them with 'coffeectl cert renew NAME', or remove the files that are not in use"))
        }
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{id::NodeName, protocol::Role};

    use super::*;
    use crate::printer::{
        Format,
        tests::{captured, printed},
    };

    #[test]
    fn a_folder_as_it_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let name = |text| NodeName::new(text).unwrap();
        cert::create_ca(folder.path(), None, Existing::Keep).unwrap();
        cert::issue_node(folder.path(), &name("ming"), &[], 365, Existing::Keep).unwrap();
        cert::issue_client(folder.path(), Role::Admin, &name("ops"), 30, Existing::Keep).unwrap();
        std::fs::write(folder.path().join("torn.crt"), "not PEM").unwrap();
        std::fs::remove_file(folder.path().join("node-ming.key")).unwrap();
        let issued = cert::list(folder.path()).unwrap();
        let list =
            CertificateList { certificates: issued.iter().map(|i| CertificateRow::new(i, None)).collect() };

        let plain = printed(Format::Plain, &list);
        let rows: Vec<Vec<&str>> = plain.lines().map(|line| line.split('\t').collect()).collect();
        let picked: Vec<_> = rows.iter().map(|row| (row[0], row[1], row[2], row[5], row[6])).collect();
        let expected = [
            ("admin-ops", "admin", "ops", "here", "ca"),
            ("ca", "ca", "-", "here", "-"),
            ("node-ming", "node", "ming", "-", "ca"),
            ("torn", "-", "-", "-", "-"),
        ];
        assert_eq!(picked, expected);
        let table = printed(Format::Table, &list);
        assert!(table.starts_with("NAME       ROLE   HOLDER  CLUSTER  VALID UNTIL"), "{table}");
        assert!(
            table.lines().last().is_some_and(|line| line.contains("not a usable certificate")),
            "{table}"
        );
        let json = printed(Format::Json, &list);
        assert!(json.starts_with(r#"{"apiVersion":"coffee/v1","certificates":[{"name":"admin-ops","role":"admin","holder":"ops","cluster":"shops","valid_until":""#), "{json}");
    }

    #[test]
    fn what_ends_soon_is_warned_of_and_found_by_a_check() {
        let folder = tempfile::tempdir().unwrap();
        let name = |text| NodeName::new(text).unwrap();
        cert::create_ca(folder.path(), None, Existing::Keep).unwrap();
        cert::issue_node(folder.path(), &name("ming"), &[], 365, Existing::Keep).unwrap();
        let found = || cert::list(folder.path()).unwrap();
        assert_eq!(check(&found(), 30), Ok(ExitCode::Done));
        cert::issue_node(folder.path(), &name("hong"), &[], 12, Existing::Keep).unwrap();
        let (mut printer, _, err) = captured(Format::Table);
        warn(&found(), &mut printer);
        // The day may have just begun.
        let warning =
            |days| format!("warning: node-hong expires in {days} days: 'coffeectl cert renew node-hong'\n");
        assert!([warning(11), warning(12)].contains(&err.text()), "{}", err.text());
        let failure = check(&found(), 30).unwrap_err();
        assert_eq!(failure.code(), ExitCode::Denied);
        assert!(failure.message().ends_with(": node-hong"), "{failure:?}");
        assert_eq!(check(&found(), 11), Ok(ExitCode::Done));
        cert::revoke(folder.path(), Some("node-ming")).unwrap();
        let failure = check(&found(), 11).unwrap_err();
        assert!(failure.message().ends_with(": node-ming"), "{failure:?}");
        let list =
            CertificateList { certificates: found().iter().map(|i| CertificateRow::new(i, None)).collect() };
        let table = printed(Format::Table, &list);
        assert!(
            table.lines().any(|line| line.starts_with("node-ming") && line.ends_with("revoked")),
            "{table}"
        );
    }

    #[test]
    fn a_certificate_is_named_or_has_a_path() {
        assert_eq!(certificate(Path::new("c"), "node-ming"), Path::new("c/node-ming.crt"));
        assert_eq!(certificate(Path::new("c"), "/etc/coffee/ming.crt"), Path::new("/etc/coffee/ming.crt"));
    }
}
