//! Finds and loads the client's certificate and key.
//!
//! Guards that an ambiguous choice is an error: of several certificates, none is
//! chosen.

use std::path::{Path, PathBuf};

use coffee_client::cert::{self, CertError, Holder, Issued};
use coffee_common::{
    protocol::{Identity, Role},
    tls::{CredentialFile, CredentialFiles, Credentials, TlsError, read_file},
};

use crate::{exit::ExitCode, failure::Failure, options::CredentialSource};

/// Loads the client's credentials.
pub(crate) fn load(caller: &CredentialSource) -> Result<Credentials, Failure> {
    Ok(Credentials::load(&files(caller)?)?)
}

/// Loads the client's credentials, with this CA in PEM as the only one that they trust.
pub(crate) fn load_trusting(caller: &CredentialSource, ca: &str) -> Result<Credentials, Failure> {
    let files = files(caller)?;
    let certificate = read_file(CredentialFile::Certificate, &files.cert)?;
    let key = read_file(CredentialFile::Key, &files.key)?;
    Ok(Credentials::from_pem(ca.as_bytes(), &certificate, &key)?)
}

/// Returns the files of the client's credentials.
pub(crate) fn files(caller: &CredentialSource) -> Result<CredentialFiles, Failure> {
    match caller {
        CredentialSource::Unset => {
            Err(Failure::usage("no certificates given: nodes accept only authenticated clients")
                .hint("add --certs DIR, or --ca FILE --cert FILE --key FILE (or set COFFEECTL_CERTS)"))
        }
        CredentialSource::Files(files) => Ok(files.clone()),
        CredentialSource::Folder { folder, name, ca, crl } => {
            let files = choose(folder, name.as_deref())?;
            Ok(CredentialFiles {
                ca: ca.clone().unwrap_or_else(|| files.ca.clone()),
                crl: crl.clone().or_else(|| files.crl.clone()),
                ..files
            })
        }
    }
}

/// Returns the files of the named client, or of the only client in the directory.
fn choose(folder: &Path, name: Option<&str>) -> Result<CredentialFiles, Failure> {
    if !folder.is_dir() {
        return Err(Failure::usage(format!("directory {} does not exist", folder.display()))
            .hint("give the certificates directory with --certs DIR (or set COFFEECTL_CERTS)"));
    }
    let issued = cert::list(folder)?;
    let found: Vec<_> = issued.iter().filter_map(|issued| usable(issued, name)).collect();
    match &found[..] {
        [(_, files)] => Ok(files.clone()),
        [] => Err(none(folder, name)),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            Err(Failure::usage(format!(
                "{} has the certificates of several clients: {}",
                folder.display(),
                names.join(", ")
            ))
            .hint("choose one with --as NAME"))
        }
    }
}

fn none(folder: &Path, name: Option<&str>) -> Failure {
    let folder = folder.display();
    let whose = name.map_or_else(|| "any client".to_owned(), |name| format!("{name:?}"));
    Failure::usage(format!("{folder} has no certificate with a key for {whose}"))
        .hint(format!("list its certificates: coffeectl cert list --certs {folder}"))
        .hint(format!("create one: coffeectl cert client admin ops --certs {folder}"))
}

fn usable(issued: &Issued, name: Option<&str>) -> Option<(String, CredentialFiles)> {
    let Ok(Holder::Leaf(identity)) = issued.info.as_ref().map(|info| &info.holder) else { return None };
    let fits = !issued.is_for_tcp()
        && match name {
            Some(name) => name == identity.name.as_str() || name == cert::file_name(identity),
            None => is_client(identity),
        };
    let files = issued.credential_files().filter(|_| fits)?;
    Some((cert::file_name(identity), files))
}

fn is_client(identity: &Identity) -> bool {
    identity.role != Role::Node
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        Self::new(ExitCode::Denied, error.to_string()).hint(error.hint().replace('`', "'"))
    }
}

impl From<CertError> for Failure {
    fn from(error: CertError) -> Self {
        let code = match &error {
            CertError::Exists(_)
            | CertError::Revoked(_)
            | CertError::Rotating
            | CertError::KeysNotAsked(_)
            | CertError::HostNotAsked(_)
            | CertError::StillNeeded(_) => ExitCode::Refused,
            CertError::NeverIssued(_) => ExitCode::NotFound,
            CertError::Days(_)
            | CertError::AltName(_)
            | CertError::NotAClient(_)
            | CertError::KeysOfAdmin
            | CertError::EmptyPassphrase
            | CertError::PassphraseForm => ExitCode::Usage,
            CertError::Io { .. } | CertError::Signing(_) => ExitCode::Failed,
            _ => ExitCode::Denied,
        };
        let hint = match &error {
            CertError::Exists(_) => "extend it with 'coffeectl cert renew', or add --replace".to_owned(),
            _ => error.hint().replace('`', "'"),
        };
        Self::new(code, error.to_string()).hint(hint)
    }
}

/// Returns the directory on which the certificate verbs work.
pub(crate) fn folder(certs: Option<&PathBuf>) -> Result<&Path, Failure> {
    certs.map(PathBuf::as_path).ok_or_else(|| {
        Failure::usage("no certificates directory given").hint("add --certs DIR (or set COFFEECTL_CERTS)")
    })
}

#[cfg(test)]
mod tests {
    use coffee_common::id::NodeName;

    use super::*;
    use coffee_client::cert::{Existing, LEAF_DAYS};

    fn name(text: &str) -> NodeName {
        NodeName::new(text).unwrap()
    }

    fn folder_with_clients(clients: &[(Role, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        cert::create_ca(folder.path(), None, Existing::Keep).unwrap();
        cert::issue_node(folder.path(), &name("ming"), &[], LEAF_DAYS, Existing::Keep).unwrap();
        for (role, client) in clients {
            cert::issue_client(folder.path(), *role, &name(client), LEAF_DAYS, Existing::Keep).unwrap();
        }
        folder
    }

    fn chosen(folder: &tempfile::TempDir, name: Option<&str>) -> Result<String, ExitCode> {
        let files = choose(folder.path(), name).map_err(|failure| failure.code())?;
        Ok(files.cert.file_name().unwrap().to_string_lossy().into_owned())
    }

    #[test]
    fn the_only_client_is_chosen() {
        let folder = folder_with_clients(&[(Role::Admin, "ops")]);
        assert_eq!(chosen(&folder, None), Ok("admin-ops.crt".into()));
        let caller =
            CredentialSource::Folder { folder: folder.path().into(), name: None, ca: None, crl: None };
        assert_eq!(load(&caller).unwrap().identity(), &Identity::new(Role::Admin, name("ops")));
    }

    #[test]
    fn of_several_one_must_be_named() {
        let folder = folder_with_clients(&[(Role::Admin, "ops"), (Role::Reader, "till")]);
        assert_eq!(chosen(&folder, None), Err(ExitCode::Usage));
        assert_eq!(chosen(&folder, Some("till")), Ok("reader-till.crt".into()));
        assert_eq!(chosen(&folder, Some("admin-ops")), Ok("admin-ops.crt".into()));
        assert_eq!(chosen(&folder, Some("node-ming")), Ok("node-ming.crt".into()));
        assert_eq!(chosen(&folder, Some("anna")), Err(ExitCode::Usage));
    }

    #[test]
    fn a_certificate_without_its_key_is_not_chosen() {
        let folder = folder_with_clients(&[(Role::Admin, "ops"), (Role::Reader, "till")]);
        std::fs::remove_file(folder.path().join("reader-till.key")).unwrap();
        assert_eq!(chosen(&folder, None), Ok("admin-ops.crt".into()));
    }

    #[test]
    fn a_client_without_certificates_gets_a_hint() {
        let failure = load(&CredentialSource::Unset).unwrap_err();
        assert_eq!(failure.code(), ExitCode::Usage);
        assert!(failure.hints()[0].contains("--certs DIR"), "{failure:?}");
    }

    #[test]
    fn a_file_that_is_not_there_is_a_matter_of_identity() {
        let files = CredentialFiles::new("/nowhere/ca", "/nowhere/c", "/nowhere/k");
        let failure = load(&CredentialSource::Files(files)).unwrap_err();
        assert_eq!(failure.code(), ExitCode::Denied);
        assert!(failure.message().contains("/nowhere/"), "{failure:?}");
    }
}
