//! `cert request` and `cert sign`: a key stays where it was made, and the CA signs its public half.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use coffee_client::cert::{self, AltName, CaFolder, CertificateRequest, Existing};
use coffee_common::{id::ClusterName, protocol::Role};
use serde::Serialize;

use super::{
    arguments::{CertRequestVerb, CertSignArguments},
    report::CertificateRow,
};
use crate::{
    confirm,
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, escape},
};

/// Makes a key and a request. Without a named cluster it is that of the directory's `ca.crt`, or the
/// default one.
pub(super) fn make(
    folder: &Path,
    cluster: Option<ClusterName>,
    wanted: &CertRequestVerb,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let (subject, replace) = wanted.subject()?;
    let cluster = cluster.or_else(|| cert::cluster(folder).ok()).unwrap_or_default();
    let existing = if replace { Existing::Replace } else { Existing::Keep };
    let made = cert::request(folder, &cluster, &subject, existing)?;
    invocation.printer.report(&RequestReport {
        name: cert::file_name(&subject.identity),
        cluster,
        fingerprint: made.fingerprint,
        request: made.request,
        key: made.key,
        changed: true,
    });
    invocation
        .printer
        .note("note: bring the request to the CA, where 'coffeectl cert sign' signs it; the key stays here");
    Ok(ExitCode::Done)
}

/// Shows a request, and signs it once that is confirmed: of what it asks for, no more than is shown, and
/// without a question only keys and hosts that are stated.
pub(super) async fn sign(
    folder: CaFolder<'_>,
    arguments: &CertSignArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let request = CertificateRequest::load(&arguments.request)?;
    let name = cert::file_name(&request.subject().identity);
    if let Some(only) = arguments.only.as_ref().filter(|only| **only != name) {
        let message = format!("the request is for {name}, not for {}", escape::shown(only));
        return Err(Failure::new(ExitCode::Refused, message)
            .hint("nothing was signed: ask its sender which certificate it is for"));
    }
    let days = arguments.making.days;
    let is_asked = !invocation.options.yes && invocation.can_ask;
    let request = match arguments.stated_keys()? {
        Some(keys) => request.narrowed(keys)?,
        None if is_restrictable(&request) && !is_asked => {
            invocation.printer.aside(&plan(&request, days));
            return Err(keys_not_stated(&request, invocation));
        }
        None => request,
    };
    let request = match &arguments.host[..] {
        [] if !request.subject().alt_names.is_empty() && !is_asked => {
            invocation.printer.aside(&plan(&request, days));
            return Err(hosts_not_stated(&request, invocation));
        }
        [] => request,
        hosts => request.narrowed_to_hosts(hosts)?,
    };
    let plan = plan(&request, days);
    if invocation.options.yes {
        invocation.printer.aside(&plan);
    } else {
        confirm::confirm(&plan, invocation).await?;
    }
    let existing = if arguments.making.replace { Existing::Replace } else { Existing::Keep };
    let issued = cert::sign(folder, &request, days, existing)?;
    invocation.printer.report(&CertificateRow::new(&issued, Some(true)));
    invocation.printer.note("note: bring it to the key, with ca.crt");
    Ok(ExitCode::Done)
}

/// Whether the certificate may be for some keys only.
fn is_restrictable(request: &CertificateRequest) -> bool {
    matches!(request.subject().identity.role, Role::Reader | Role::Writer)
}

fn keys_not_stated(request: &CertificateRequest, invocation: &Invocation<'_>) -> Failure {
    let keys = &request.subject().identity.keys;
    let failure = Failure::new(ExitCode::Refused, "nothing was signed: its keys are not stated");
    if keys.is_all() {
        return failure
            .hint("state them, since it asks for all: --keys PREFIX for some of them, or --all-keys");
    }
    let words: Vec<&str> = keys.prefixes().flat_map(|prefix| ["--keys", prefix]).collect();
    failure.hint(format!("to sign for these keys: {}", invocation.spoken.with(&words)))
}

fn hosts_not_stated(request: &CertificateRequest, invocation: &Invocation<'_>) -> Failure {
    let hosts: Vec<String> = request.subject().alt_names.iter().map(AltName::to_string).collect();
    let words: Vec<&str> = hosts.iter().flat_map(|host| ["--host", host]).collect();
    Failure::new(ExitCode::Refused, "nothing was signed: its hosts are not stated")
        .hint(format!("to sign for these hosts: {}", invocation.spoken.with(&words)))
}

/// Describes the certificate: all that the CA takes from a request.
fn plan(request: &CertificateRequest, days: u32) -> String {
    let subject = request.subject();
    let identity = &subject.identity;
    let mut plan = format!(
        "sign for {days} days: {role} {name} of cluster {cluster}\n",
        role = identity.role.as_str(),
        name = identity.name,
        cluster = request.cluster(),
    );
    if is_restrictable(request) {
        let _ = writeln!(plan, "  {}", escape::shown(&identity.keys.to_string()));
    }
    for name in &subject.alt_names {
        let _ = writeln!(plan, "  host {}", escape::shown(&name.to_string()));
    }
    let _ = writeln!(plan, "  public key {}", request.fingerprint());
    plan
}

#[derive(Serialize)]
struct RequestReport {
    name: String,
    cluster: ClusterName,
    /// The digest of the public key.
    fingerprint: String,
    request: PathBuf,
    key: PathBuf,
    changed: bool,
}

impl Printable for RequestReport {
    fn table(&self) -> String {
        let file = escape::shown(&self.request.to_string_lossy());
        format!("{file}: request of cluster {}, public key {}\n", self.cluster, self.fingerprint)
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let path = |path: &Path| escape::field(&path.to_string_lossy());
        vec![vec![
            escape::field(&self.name),
            self.cluster.to_string(),
            path(&self.request),
            path(&self.key),
            self.fingerprint.clone(),
        ]]
    }
}
