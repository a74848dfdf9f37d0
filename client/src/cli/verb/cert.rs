//! `cert`: makes, renews and lists certificates. Asks no node.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    cert::{self, CertificateInfo, Existing, Holder, Issued},
    cli::{
        args::CertVerb,
        context::Context,
        credentials, dates,
        exit::ExitCode,
        failure::Failure,
        printer::{Report, escape, table::Table},
        wording,
    },
};

pub(crate) fn run(verb: &CertVerb, context: &mut Context<'_>) -> Result<ExitCode, Failure> {
    let folder = credentials::folder(context.session.connection().certs.as_ref())?;
    let (issued, note) = match verb {
        CertVerb::Ca(arguments) => (
            cert::create_ca(folder, existing(arguments.replace))?,
            "ca.key signs for anybody: it stays here, and nowhere else",
        ),
        CertVerb::Node(arguments) => {
            let making = &arguments.making;
            let replace = existing(making.replace);
            (
                cert::issue_node(folder, &arguments.name, &arguments.host, making.days, replace)?,
                "take it to the node, with its key and ca.crt; ca.key stays here",
            )
        }
        CertVerb::Client(arguments) => {
            let making = &arguments.making;
            let replace = existing(making.replace);
            (
                cert::issue_client(folder, arguments.role.into(), &arguments.name, making.days, replace)?,
                "take it to the client, with its key and ca.crt; ca.key stays here",
            )
        }
        CertVerb::Renew(arguments) => (
            cert::renew(folder, &certificate(folder, &arguments.name), arguments.days)?,
            "take it where the old one is; the key is the same",
        ),
        CertVerb::List => return list(folder, context),
    };
    context.printer.report(&Certificate::new(&issued, Some(true)));
    context.printer.note(&format!("note: {note}"));
    Ok(ExitCode::Done)
}

fn existing(replace: bool) -> Existing {
    if replace { Existing::Replace } else { Existing::Keep }
}

/// The file of a certificate: its name in the folder, or a path of its own.
fn certificate(folder: &Path, name: &str) -> PathBuf {
    match name.strip_suffix(".crt") {
        Some(_) => PathBuf::from(name),
        None => folder.join(format!("{name}.crt")),
    }
}

fn list(folder: &Path, context: &mut Context<'_>) -> Result<ExitCode, Failure> {
    let issued = cert::list(folder)?;
    context
        .printer
        .report(&Certificates { certificates: issued.iter().map(|i| Certificate::new(i, None)).collect() });
    Ok(ExitCode::Done)
}

#[derive(Serialize)]
struct Certificates {
    certificates: Vec<Certificate>,
}

#[derive(Serialize)]
struct Certificate {
    name: String,
    role: Option<&'static str>,
    holder: Option<String>,
    valid_until: Option<String>,
    days_left: Option<i64>,
    serial: Option<String>,
    certificate: PathBuf,
    key: Option<PathBuf>,
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
}

impl Certificate {
    fn new(issued: &Issued, changed: Option<bool>) -> Self {
        let info = issued.info.as_ref().ok();
        let (role, holder) = info.map_or((None, None), |info| holder(&info.holder));
        let problem = issued.info.as_ref().map_or_else(|error| Some(error.to_string()), problem);
        Self {
            name: issued.certificate.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            role,
            holder,
            valid_until: info.map(|info| dates::utc(info.not_after)),
            days_left: info.map(CertificateInfo::days_left),
            serial: info.map(|info| info.serial.clone()),
            certificate: issued.certificate.clone(),
            key: issued.key.clone(),
            problem,
            changed,
        }
    }

    fn cells(&self) -> [String; 6] {
        [
            escape::field(&self.name),
            wording::or_nothing(self.role),
            wording::or_nothing(self.holder.as_ref()),
            wording::or_nothing(self.valid_until.as_ref()),
            wording::or_nothing(self.days_left),
            if self.key.is_some() { "here" } else { wording::NOTHING }.to_owned(),
        ]
    }
}

fn holder(holder: &Holder) -> (Option<&'static str>, Option<String>) {
    match holder {
        Holder::Ca => (Some("ca"), None),
        Holder::Leaf(identity) => (Some(identity.role.as_str()), Some(identity.name.to_string())),
        Holder::Unknown(_) => (None, None),
    }
}

fn problem(info: &CertificateInfo) -> Option<String> {
    match &info.holder {
        Holder::Unknown(error) => Some(error.to_string()),
        _ if info.days_left() < 0 => Some("expired".to_owned()),
        _ => None,
    }
}

impl Report for Certificate {
    fn table(&self) -> String {
        let days = wording::or_nothing(self.days_left);
        format!("{}: valid for {days} days\n", escape::shown(&self.certificate.to_string_lossy()))
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![self.cells().into()]
    }
}

impl Report for Certificates {
    fn table(&self) -> String {
        let mut table =
            Table::new(["NAME", "ROLE", "HOLDER", "VALID UNTIL", "DAYS", "KEY", "PROBLEM"]).right([4]);
        for certificate in &self.certificates {
            let [name, role, holder, until, days, key] = certificate.cells();
            let problem = certificate.problem.as_deref().map(escape::shown).unwrap_or_default();
            table.row([name, role, holder, until, days, key, problem]);
        }
        table.render()
    }

    fn plain(&self) -> Vec<Vec<String>> {
        self.certificates.iter().map(|certificate| certificate.cells().into()).collect()
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{id::NodeName, protocol::Role};

    use super::*;
    use crate::cli::printer::{Format, tests::printed};

    #[test]
    fn a_folder_as_it_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let name = |text| NodeName::new(text).unwrap();
        cert::create_ca(folder.path(), Existing::Keep).unwrap();
        cert::issue_node(folder.path(), &name("ming"), &[], 365, Existing::Keep).unwrap();
        cert::issue_client(folder.path(), Role::Admin, &name("ops"), 30, Existing::Keep).unwrap();
        std::fs::write(folder.path().join("torn.crt"), "not PEM").unwrap();
        std::fs::remove_file(folder.path().join("node-ming.key")).unwrap();
        let issued = cert::list(folder.path()).unwrap();
        let list = Certificates { certificates: issued.iter().map(|i| Certificate::new(i, None)).collect() };

        let plain = printed(Format::Plain, &list);
        let rows: Vec<Vec<&str>> = plain.lines().map(|line| line.split('\t').collect()).collect();
        let picked: Vec<_> = rows.iter().map(|row| (row[0], row[1], row[2], row[5])).collect();
        let expected = [
            ("admin-ops", "admin", "ops", "here"),
            ("ca", "ca", "-", "here"),
            ("node-ming", "node", "ming", "-"),
            ("torn", "-", "-", "-"),
        ];
        assert_eq!(picked, expected);
        let table = printed(Format::Table, &list);
        assert!(table.starts_with("NAME       ROLE   HOLDER  VALID UNTIL"), "{table}");
        assert!(table.lines().last().is_some_and(|line| line.contains("no certificate")), "{table}");
        let json = printed(Format::Json, &list);
        assert!(json.starts_with(r#"{"apiVersion":"coffee/v1","certificates":[{"name":"admin-ops","role":"admin","holder":"ops","valid_until":""#), "{json}");
    }

    #[test]
    fn a_certificate_is_named_or_has_a_path() {
        assert_eq!(certificate(Path::new("c"), "node-ming"), Path::new("c/node-ming.crt"));
        assert_eq!(certificate(Path::new("c"), "/etc/coffee/ming.crt"), Path::new("/etc/coffee/ming.crt"));
    }
}
