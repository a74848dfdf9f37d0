//! The certificates of the demo: made the first time, renewed in time.

use std::path::Path;

use coffee_client::{
    cert::{self, CertError, Existing, LEAF_DAYS},
    cli::failure::Failure,
};
use coffee_common::{
    id::NodeName,
    protocol::{Identity, Role},
    tls::{CredentialFiles, WARN_DAYS},
};

/// The files of a node or client in a folder.
pub(super) fn files(folder: &Path, identity: &Identity) -> CredentialFiles {
    let name = cert::file_name(identity);
    let file = |name: String| folder.join(name);
    CredentialFiles::new(folder.join("ca.crt"), file(format!("{name}.crt")), file(format!("{name}.key")))
}

/// Sees to it that the folder has a CA, and good certificates of the nodes and the client.
pub(super) fn prepare(folder: &Path, nodes: &[NodeName], client: &NodeName) -> Result<(), Failure> {
    keep(cert::create_ca(folder, Existing::Keep))?;
    for node in nodes {
        keep(cert::issue_node(folder, node, &[], LEAF_DAYS, Existing::Keep))?;
    }
    keep(cert::issue_client(folder, Role::Admin, client, LEAF_DAYS, Existing::Keep))?;
    renew(folder)
}

/// One that is there already is as good.
fn keep<T>(made: Result<T, CertError>) -> Result<(), Failure> {
    match made {
        Ok(_) | Err(CertError::Exists(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn renew(folder: &Path) -> Result<(), Failure> {
    for issued in cert::list(folder)? {
        if issued.info.as_ref().is_ok_and(|info| info.days_left() < WARN_DAYS) {
            cert::renew(folder, &issued.certificate, LEAF_DAYS)?;
        }
    }
    Ok(())
}
