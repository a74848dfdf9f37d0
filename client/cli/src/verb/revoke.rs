//! `revoke`: revokes certificates, and gives the cluster the list.

use std::path::{Path, PathBuf};

use clap::Args;
use coffee_client::{
    Client, ClusterList,
    cert::{self, CaFolder, Passphrase},
};
use coffee_common::{
    limits::REVOCATION_LIST_BYTES_MAX,
    tls::{CredentialFile, lists_in_pem, read_file},
};
use serde::Serialize;

use crate::{
    confirm, credentials,
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, escape},
    secret,
};

pub(crate) const AFTER_HELP: &str = "\
Writes the list to ca.crl in the certificates directory, where the CA's key is,
and sends it to the cluster. Every node puts it to use at once, and again when it
starts: sessions with revoked certificates end, and no new one begins.

With --list it sends a list that 'coffeectl cert revoke' has made elsewhere.
Without NAME and --list it sends the present list again, under a new number.
The cluster refuses a list that is older than its own.";

/// `revoke`.
#[derive(Debug, Args)]
pub(crate) struct RevokeArguments {
    /// Name of the certificates in `cert list`: node-ming, admin-ops
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Send this list, and revoke nothing else
    #[arg(long, value_name = "FILE", conflicts_with = "name", value_hint = clap::ValueHint::FilePath)]
    list: Option<PathBuf>,
    /// File whose first line is the passphrase of the CA's key, - for standard input [default: ask]
    #[arg(long, value_name = "FILE", env = "COFFEECTL_CA_PASSPHRASE_FILE", hide_env_values = true)]
    passphrase_file: Option<PathBuf>,
}

pub(crate) async fn run(
    RevokeArguments { name, list, passphrase_file }: &RevokeArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let sent = match list {
        Some(list) => {
            let client = invocation.client(invocation.usual_timeout())?;
            send(&client, list.clone()).await?
        }
        None => {
            let revocation =
                Revocation::prepare(name.clone(), passphrase_file.as_deref(), invocation).await?;
            if let (Some(name), false) = (name, invocation.options.yes) {
                let name = escape::shown(name);
                let plan =
                    format!("revoke every certificate of {name} in the cluster; this cannot be undone\n");
                confirm::confirm(&plan, invocation).await?;
            }
            revocation.carry_out().await?
        }
    };
    invocation.printer.report(&sent);
    Ok(ExitCode::Done)
}

/// A revocation that nothing is known to prevent.
pub(super) struct Revocation {
    client: Client,
    folder: PathBuf,
    passphrase: Option<Passphrase>,
    /// Name of the certificates; `None` only rewrites the list.
    name: Option<String>,
}

impl Revocation {
    /// Opens the CA's key, and looks the certificates up. Changes nothing.
    pub(super) async fn prepare(
        name: Option<String>,
        passphrase_file: Option<&Path>,
        invocation: &mut Invocation<'_>,
    ) -> Result<Self, Failure> {
        // Before the list is written: it may revoke the certificate in use, which then opens no connection.
        let client = invocation.client(invocation.usual_timeout())?;
        let folder = credentials::folder(invocation.session.connection().certs.as_ref())?.to_owned();
        let passphrase = secret::of_ca(&folder, passphrase_file, invocation).await?;
        if let Some(name) = &name {
            cert::can_revoke(CaFolder::unlocked(&folder, passphrase.as_ref()), name)?;
        }
        Ok(Self { client, folder, passphrase, name })
    }

    /// Writes the list, and sends it.
    pub(super) async fn carry_out(self) -> Result<SentLists, Failure> {
        let Self { client, folder, passphrase, name } = self;
        let unlocked = CaFolder::unlocked(&folder, passphrase.as_ref());
        let revoked = cert::revoke(unlocked, name.as_deref())?;
        let sent = send(&client, revoked.file).await?;
        Ok(SentLists { name, serials: revoked.serials, ..sent })
    }
}

/// Sends the lists in a file.
async fn send(client: &Client, file: PathBuf) -> Result<SentLists, Failure> {
    let lists = lists_in_pem(&read_file(CredentialFile::Revocations, &file)?);
    if lists.is_empty() {
        return Err(Failure::usage(format!("{} has no revocation list", file.display()))
            .hint("'coffeectl cert revoke NAME' makes one"));
    }
    let unsent = |failure: Failure| match failure.code() {
        // The refusal says what to do.
        ExitCode::Refused => failure,
        _ => {
            let file = file.display();
            let again = "sends it again, and does no harm if it arrived";
            failure.hint(format!("the list is in {file}: 'coffeectl revoke --list {file}' {again}"))
        }
    };
    let mut sent = Vec::new();
    for list in lists {
        if list.len() > REVOCATION_LIST_BYTES_MAX {
            let most = REVOCATION_LIST_BYTES_MAX;
            return Err(Failure::usage(format!(
                "the list has {} bytes, more than the limit of {most}",
                list.len()
            ))
            .hint("rotate the CA: certificates of the old one need no list ('coffeectl cert ca --rotate')"));
        }
        sent.push(client.revoke(list).await.map_err(|error| unsent(error.into()))?);
    }
    Ok(SentLists {
        name: None,
        changed: sent.iter().any(|list| list.changed),
        numbers: sent.iter().map(|list: &ClusterList| list.number).collect(),
        serials: Vec::new(),
        file,
    })
}

/// The lists that the cluster has now.
#[derive(Serialize)]
pub(super) struct SentLists {
    name: Option<String>,
    changed: bool,
    /// One per CA.
    numbers: Vec<u64>,
    serials: Vec<String>,
    file: PathBuf,
}

impl Printable for SentLists {
    fn table(&self) -> String {
        let numbers = self.numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" and ");
        let when = if self.changed { "now" } else { "already" };
        let list = format!("the cluster has list {numbers} {when}\n");
        match &self.name {
            Some(name) => format!("{} is revoked: {list}", escape::shown(name)),
            None => list,
        }
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let row = |number: &u64| {
            vec![
                self.name.as_deref().map(escape::field).unwrap_or_default(),
                number.to_string(),
                self.changed.to_string(),
            ]
        };
        self.numbers.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Format, tests::printed};

    #[test]
    fn golden() {
        let sent = |name: Option<&str>, changed| SentLists {
            name: name.map(str::to_owned),
            changed,
            numbers: vec![3, 7],
            serials: vec!["4a5b".to_owned()],
            file: "certs/ca.crl".into(),
        };
        let revoked = sent(Some("node-hong"), true);
        assert_eq!(
            printed(Format::Table, &revoked),
            "node-hong is revoked: the cluster has list 3 and 7 now\n"
        );
        assert_eq!(printed(Format::Table, &sent(None, false)), "the cluster has list 3 and 7 already\n");
        assert_eq!(printed(Format::Plain, &revoked), "node-hong\t3\ttrue\nnode-hong\t7\ttrue\n");
        assert_eq!(
            printed(Format::Json, &revoked),
            "{\"apiVersion\":\"coffee/v1\",\"name\":\"node-hong\",\"changed\":true,\"numbers\":[3,7],\
             \"serials\":[\"4a5b\"],\"file\":\"certs/ca.crl\"}\n"
        );
    }
}
