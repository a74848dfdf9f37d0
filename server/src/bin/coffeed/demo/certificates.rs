//! The certificates of the demo: made on the first run, renewed before they expire.

use std::path::Path;

use coffee_client::cert::{self, CertError, Existing, LEAF_DAYS};
use coffee_common::{
    id::NodeName,
    protocol::{Identity, Role},
    tls::{CredentialFiles, WARN_DAYS},
};
use coffeectl::failure::Failure;

/// Returns the certificate files of a node or client in a directory.
pub(super) fn files(folder: &Path, identity: &Identity) -> CredentialFiles {
    let name = cert::file_name(identity);
    let file = |name: String| folder.join(name);
    CredentialFiles::new(folder.join("ca.crt"), file(format!("{name}.crt")), file(format!("{name}.key")))
}

/// Makes sure that the directory has a CA and valid certificates for the nodes and the client.
pub(super) fn prepare(folder: &Path, nodes: &[NodeName], client: &NodeName) -> Result<(), Failure> {
    keep(cert::create_ca(folder, None, Existing::Keep))?;
    for node in nodes {
        keep(cert::issue_node(folder, node, &[], LEAF_DAYS, Existing::Keep))?;
    }
    keep(cert::issue_client(folder, Role::Admin, client, LEAF_DAYS, Existing::Keep))?;
    renew(folder)
}

/// Accepts a certificate that already exists.
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
