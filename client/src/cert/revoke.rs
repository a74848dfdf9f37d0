//! Revocation lists (RFC 5280, section 5): one per CA whose key is in this
//! directory, all in one file.
//!
//! A list is valid as long as its CA. If lists expired monthly, a forgotten renewal
//! would stop the cluster.

use std::{collections::BTreeMap, path::Path};

use coffee_common::tls::{CredentialFile, read_file};
use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use rustls_pki_types::{CertificateRevocationListDer, pem::PemObject};
use time::OffsetDateTime;
use x509_parser::{prelude::FromDer, revocation_list::CertificateRevocationList};

use super::{BACKDATED_SECONDS, ca::Ca, error::CertError, now_seconds};

/// The file's name.
pub const REVOCATIONS_FILE: &str = "ca.crl";

/// A parsed list.
struct List {
    /// The CA's name in DER.
    issuer: Vec<u8>,
    number: u64,
    /// Revocation times in Unix seconds, by serial number.
    revoked: BTreeMap<Vec<u8>, i64>,
}

/// All lists of a directory.
#[derive(Default)]
pub(super) struct Lists(Vec<List>);

impl Lists {
    /// Loads the lists of a directory; empty without a file.
    pub(super) fn load(folder: &Path) -> Result<Self, CertError> {
        let path = folder.join(REVOCATIONS_FILE);
        if path.symlink_metadata().is_err() {
            return Ok(Self::default());
        }
        let pem = read_file(CredentialFile::Revocations, &path)?;
        let malformed = |why: String| CertError::Malformed(format!("{}: {why}", path.display()));
        let lists = CertificateRevocationListDer::pem_slice_iter(&pem).map(|der| {
            let der = der.map_err(|error| malformed(error.to_string()))?;
            List::parse(&der).map_err(&malformed)
        });
        Ok(Self(lists.collect::<Result<_, CertError>>()?))
    }

    /// Returns whether the CA with this name (in DER) has revoked a serial number (in
    /// hexadecimal).
    pub(super) fn revokes(&self, issuer: &[u8], serial: &str) -> bool {
        let serial = bytes(serial);
        self.0.iter().any(|list| list.issuer == issuer && list.revoked.contains_key(&serial))
    }

    /// Adds serial numbers (in hexadecimal) to the lists of these CAs and drops all
    /// other lists. Returns all lists in PEM, and the numbers that are new.
    pub(super) fn revoke(
        &mut self,
        cas: &[Ca],
        serials: &[String],
    ) -> Result<(String, Vec<String>), CertError> {
        let now = now_seconds();
        let (mut pem, mut new) = (String::new(), Vec::new());
        for ca in cas {
            let issuer = ca.name();
            let before = self.0.iter().find(|list| list.issuer == issuer);
            let mut list = List {
                issuer: issuer.to_vec(),
                number: before.map_or(1, |list| list.number.saturating_add(1)),
                revoked: before.map(|list| list.revoked.clone()).unwrap_or_default(),
            };
            for serial in serials {
                if list.revoked.insert(bytes(serial), now).is_none() && !new.contains(serial) {
                    new.push(serial.clone());
                }
            }
            pem.push_str(&list.sign(ca, now)?);
        }
        Ok((pem, new))
    }
}

impl List {
    fn parse(der: &[u8]) -> Result<Self, String> {
        let (_, list) = CertificateRevocationList::from_der(der).map_err(|error| error.to_string())?;
        let number = list.crl_number().map(|number| number.to_u64_digits());
        let revoked = list.iter_revoked_certificates();
        Ok(Self {
            issuer: list.issuer().as_raw().to_vec(),
            number: number.and_then(|digits| digits.first().copied()).unwrap_or_default(),
            revoked: revoked
                .map(|one| (bytes_of(one.raw_serial()), one.revocation_date.timestamp()))
                .collect(),
        })
    }

    fn sign(&self, ca: &Ca, now: i64) -> Result<String, CertError> {
        let at = |seconds| {
            OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| {
                CertError::Signing(
                    "the system clock shows a year that revocation lists cannot hold".to_owned(),
                )
            })
        };
        let revoked = self.revoked.iter().map(|(serial, since)| {
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from_slice(serial),
                revocation_time: at(*since)?,
                reason_code: None,
                invalidity_date: None,
            })
        });
        let params = CertificateRevocationListParams {
            this_update: at(now - BACKDATED_SECONDS)?,
            next_update: at(ca.not_after())?,
            crl_number: SerialNumber::from(self.number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect::<Result<_, CertError>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        ca.sign_list(&params)
    }
}

/// Strips leading zeros, which DER adds and hexadecimal omits.
fn bytes_of(serial: &[u8]) -> Vec<u8> {
    serial.iter().copied().skip_while(|byte| *byte == 0).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let padded = if hex.len().is_multiple_of(2) { hex.to_owned() } else { format!("0{hex}") };
    let digits = padded.as_bytes().chunks(2);
    let bytes =
        digits.map(|two| std::str::from_utf8(two).ok().and_then(|two| u8::from_str_radix(two, 16).ok()));
    bytes_of(&bytes.map(Option::unwrap_or_default).collect::<Vec<_>>())
}
