//! Reports on certificates.

use std::path::PathBuf;

use coffee_client::cert::{CertificateInfo, Holder, Issued, Signer};
use coffee_common::key_scope::KeyScope;
use serde::Serialize;

use crate::{
    dates,
    printer::{Printable, escape, table::TextTable},
    wording,
};

#[derive(Serialize)]
pub(super) struct CertificateList {
    pub(super) certificates: Vec<CertificateRow>,
}

#[derive(Serialize)]
pub(super) struct CertificateRow {
    name: String,
    role: Option<&'static str>,
    holder: Option<String>,
    cluster: Option<String>,
    /// The prefixes of the keys that it is for; absent for all keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<KeyScope>,
    valid_until: Option<String>,
    days_left: Option<i64>,
    serial: Option<String>,
    /// The CA that signed it: `ca`, `ca-old` or `other`.
    signed_by: Option<&'static str>,
    certificate: PathBuf,
    key: Option<PathBuf>,
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
}

impl CertificateRow {
    pub(super) fn new(issued: &Issued, changed: Option<bool>) -> Self {
        let info = issued.info.as_ref().ok();
        let (role, holder) = info.map_or((None, None), |info| holder(&info.holder));
        let problem = match &issued.info {
            Err(error) => Some(error.to_string()),
            Ok(_) if issued.revoked => Some("revoked".to_owned()),
            Ok(info) => problem(info),
        };
        Self {
            name: issued.name(),
            role,
            holder,
            keys: info.and_then(|info| keys(&info.holder)),
            cluster: info.and_then(|info| info.cluster.as_ref()).map(ToString::to_string),
            valid_until: info.map(|info| dates::utc(info.not_after)),
            days_left: info.map(CertificateInfo::days_left),
            serial: info.map(|info| info.serial.clone()),
            signed_by: issued.signer.map(Signer::as_str),
            certificate: issued.certificate.clone(),
            key: issued.key.clone(),
            problem,
            changed,
        }
    }

    fn cells(&self) -> [String; 9] {
        [
            escape::field(&self.name),
            wording::or_nothing(self.role),
            wording::or_nothing(self.holder.as_ref()),
            wording::or_nothing(self.valid_until.as_ref()),
            wording::or_nothing(self.days_left),
            if self.key.is_some() { "here" } else { wording::NOTHING }.to_owned(),
            wording::or_nothing(self.signed_by),
            wording::or_nothing(self.serial.as_ref()),
            wording::or_nothing(self.cluster.as_ref()),
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

fn keys(holder: &Holder) -> Option<KeyScope> {
    match holder {
        Holder::Leaf(identity) => Some(identity.keys.clone()).filter(|keys| !keys.is_all()),
        Holder::Ca | Holder::Unknown(_) => None,
    }
}

fn problem(info: &CertificateInfo) -> Option<String> {
    match &info.holder {
        Holder::Unknown(error) => Some(error.to_string()),
        _ if info.days_left() < 0 => Some("expired".to_owned()),
        _ => None,
    }
}

impl Printable for CertificateRow {
    fn table(&self) -> String {
        let days = wording::or_nothing(self.days_left);
        format!("{}: valid for {days} days\n", escape::shown(&self.certificate.to_string_lossy()))
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![self.cells().into()]
    }
}

impl Printable for CertificateList {
    fn table(&self) -> String {
        let mut table = TextTable::new([
            "NAME",
            "ROLE",
            "HOLDER",
            "CLUSTER",
            "VALID UNTIL",
            "DAYS",
            "KEY",
            "SIGNED BY",
            "SERIAL",
            "REMARKS",
        ])
        .right([5]);
        for certificate in &self.certificates {
            let [name, role, holder, until, days, key, ca, serial, cluster] = certificate.cells();
            let keys = certificate.keys.as_ref().map(|keys| escape::shown(&keys.to_string()));
            let problem = certificate.problem.as_deref().map(escape::shown);
            let remarks: Vec<_> = problem.into_iter().chain(keys).collect();
            table.row([name, role, holder, cluster, until, days, key, ca, serial, remarks.join("; ")]);
        }
        table.render()
    }

    fn plain(&self) -> Vec<Vec<String>> {
        self.certificates.iter().map(|certificate| certificate.cells().into()).collect()
    }
}
