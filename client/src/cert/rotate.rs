//! CA rotation: one CA replaces another while both are trusted.
//!
//! Two steps, with time in between to distribute certificates: [`rotate_ca`]
//! creates the new CA and trusts both, [`drop_old_ca`] ends the trust in the old
//! one once nothing needs it. Guards: the key of the first CA in `ca.crt` is never
//! lost, not even by a crash; no certificate in use becomes invalid.

use std::{fs, path::Path};

use super::{
    CA_NAME, Ca, CaFolder, CertError, CertificateInfo, Existing, Holder, Issued, OLD_CA_NAME,
    REVOCATIONS_FILE, Signer, passphrase,
    revoke::Lists,
    store::list,
    write::{Prepared, Secrecy, sync_folder},
};

/// Creates a new CA, which signs from now on. `ca.crt` trusts both, and the old
/// one's files become `ca-old.crt` and `ca-old.key`. The cluster stays the same.
///
/// # Errors
/// [`CertError::Rotating`] if a rotation is in progress; otherwise as
/// [`super::create_ca`].
pub fn rotate_ca<'a>(folder: impl Into<CaFolder<'a>>) -> Result<Issued, CertError> {
    let folder = folder.into();
    let old = folder.load(CA_NAME)?;
    match folder.load(OLD_CA_NAME) {
        // An interrupted rotation without a new key: no one has seen the new CA.
        Ok(before) if before.is(&old) => {}
        Err(CertError::NoCa(_)) if old.others().is_empty() => {}
        Ok(_) | Err(CertError::NoCa(_)) => return Err(CertError::Rotating),
        Err(error) => return Err(error),
    }
    // As it is: it may have a passphrase, and then the new one gets the same.
    let old_key = folder.key_text(CA_NAME)?;
    let is_locked = passphrase::is_locked(&old_key);
    let place = folder.path;
    put(place, &format!("{OLD_CA_NAME}.key"), &old_key, Secrecy::Private)?;
    put(place, &format!("{OLD_CA_NAME}.crt"), &old.pair().certificate, Secrecy::Public)?;
    let new = Ca::create(old.cluster())?.beside(&old.pair().certificate)?;
    // The old key still finds its certificate in there.
    put(place, &format!("{CA_NAME}.crt"), new.certificate(), Secrecy::Public)?;
    let new_key = new.pair().key.clone();
    let new_key = if is_locked { folder.new_key_text(&new_key)? } else { new_key };
    put(place, &format!("{CA_NAME}.key"), &new_key, Secrecy::Private)?;
    Ok(Issued::at(place.join(format!("{CA_NAME}.crt"))))
}

/// Returns whether there is an old CA that [`drop_old_ca`] would drop. Changes
/// nothing.
///
/// # Errors
/// As [`drop_old_ca`].
pub fn can_drop_old_ca<'a>(folder: impl Into<CaFolder<'a>>) -> Result<bool, CertError> {
    let folder = folder.into();
    let ca = folder.load(CA_NAME)?;
    let old = match folder.load(OLD_CA_NAME) {
        Ok(old) if old.is(&ca) => return Err(CertError::Rotating),
        Ok(_) => true,
        Err(CertError::NoCa(_)) => false,
        Err(error) => return Err(error),
    };
    if !old && ca.others().is_empty() {
        return Ok(false);
    }
    let needed = still_needed(folder.path)?;
    if needed.is_empty() { Ok(true) } else { Err(CertError::StillNeeded(needed)) }
}

/// Returns the certificate of the directory's current CA alone, in PEM.
///
/// # Errors
/// [`CertError::NoCa`] if there is none.
pub fn current_ca<'a>(folder: impl Into<CaFolder<'a>>) -> Result<String, CertError> {
    Ok(folder.into().load(CA_NAME)?.pair().certificate.clone())
}

/// Ends the trust in the old CA: `ca.crt` and the revocation list keep only the new
/// one, and the old key is removed. Returns `None` without an old CA.
///
/// # Errors
/// [`CertError::StillNeeded`] while the directory has a valid certificate of the
/// old CA.
pub fn drop_old_ca<'a>(folder: impl Into<CaFolder<'a>>) -> Result<Option<Issued>, CertError> {
    let folder = folder.into();
    if !can_drop_old_ca(folder)? {
        return Ok(None);
    }
    let ca = folder.load(CA_NAME)?;
    let folder = folder.path;
    let crl = folder.join(REVOCATIONS_FILE);
    if crl.symlink_metadata().is_ok() {
        let (lists, _) = Lists::load(folder)?.revoke(std::slice::from_ref(&ca), &[])?;
        put(folder, REVOCATIONS_FILE, &lists, Secrecy::Public)?;
    }
    put(folder, &format!("{CA_NAME}.crt"), &ca.pair().certificate, Secrecy::Public)?;
    for name in [format!("{OLD_CA_NAME}.key"), format!("{OLD_CA_NAME}.crt")] {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(CertError::io("remove", &path)(error));
            }
            _ => {}
        }
    }
    let place = folder.join(format!("{CA_NAME}.crt"));
    sync_folder(&place).map_err(CertError::io("sync the directory of", &place))?;
    Ok(Some(Issued::at(place)))
}

/// Returns the names of certificates in use that the current CA did not sign.
fn still_needed(folder: &Path) -> Result<Vec<String>, CertError> {
    let is_needed = |issued: &Issued| {
        let in_use = |info: &CertificateInfo| matches!(info.holder, Holder::Leaf(_)) && info.days_left() >= 0;
        issued.info.as_ref().is_ok_and(in_use) && !issued.revoked && issued.signer != Some(Signer::Current)
    };
    Ok(list(folder)?.iter().filter(|issued| is_needed(issued)).map(Issued::name).collect())
}

fn put(folder: &Path, name: &str, text: &str, secrecy: Secrecy) -> Result<(), CertError> {
    Prepared::new(&folder.join(name), text.as_bytes(), secrecy)?.publish(Existing::Replace)
}
