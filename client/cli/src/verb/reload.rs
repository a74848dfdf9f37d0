//! `reload`: nodes load new certificates and settings while they run.
//!
//! Reloads one node after another. A node that fails keeps its settings, and does not
//! keep the others from theirs. The failed nodes are listed, with the command that
//! tries them again.

mod left;

use clap::Args;
use coffee_common::{
    id::{Address, NodeName},
    protocol::{CertificateStatus, Identity, Reload},
};
use serde::Serialize;

use self::left::Left;
use super::status;
use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, escape},
    wording,
};

/// `reload`.
#[derive(Debug, Args)]
pub(crate) struct ReloadArguments {
    /// Nodes to reload instead of the endpoints
    #[arg(value_name = "NODE")]
    nodes: Vec<NodeName>,
    /// Take up a CA file even if it rejects the certificates of voters in reach
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(
    arguments: &ReloadArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let addresses = status::addresses(&arguments.nodes, invocation).await?;
    invocation.printer.list_start("nodes");
    let mut failures = Vec::new();
    for (nth, address) in addresses.iter().enumerate() {
        match ask(address, arguments.force, invocation).await {
            Ok(reload) => {
                let row = [Reloaded::new(&reload)];
                invocation.printer.list_page(&row, |rows| rows.iter().map(Printable::table).collect());
            }
            Err(failure) => {
                let message = format!("{address}: {}", failure.message());
                failures.push((nth, failure.with_message(message)));
            }
        }
    }
    let failed: Vec<usize> = failures.iter().map(|(nth, _)| *nth).collect();
    let left = Left::new(&arguments.nodes, &addresses, &failed, invocation).await;
    invocation.printer.list_end(&ReloadTail { not_reloaded: left.names() });
    let Some((_, last)) = failures.pop() else { return Ok(ExitCode::Done) };
    for (_, failure) in &failures {
        invocation.printer.failure(failure);
    }
    let hints = left.hints(&arguments.nodes, addresses.len(), &invocation.spoken);
    let code = failures.first().map_or(last.code(), |(_, first)| first.code());
    Err(hints.into_iter().fold(last.with_code(code), Failure::hint))
}

#[derive(Serialize)]
struct ReloadTail {
    not_reloaded: Vec<String>,
}

async fn ask(address: &Address, force: bool, invocation: &Invocation<'_>) -> Result<Reload, Failure> {
    Ok(invocation.client(invocation.usual_timeout())?.at(address.clone())?.reload(force).await?)
}

#[derive(Serialize)]
struct Reloaded<'a> {
    name: &'a str,
    changed: bool,
    settings: &'a [String],
    needs_restart: &'a [String],
    ended: Vec<String>,
    serial: &'a str,
    certificate_days_left: i64,
}

impl<'a> Reloaded<'a> {
    fn new(reload: &'a Reload) -> Self {
        let Reload { node, changed, needs_restart, ended, certificate } = reload;
        let CertificateStatus { serial, valid_until_s } = certificate;
        let who = |identity: &Identity| format!("{}-{}", identity.role.as_str(), identity.name);
        Self {
            name: node.as_str(),
            changed: !changed.is_empty(),
            settings: changed,
            needs_restart,
            ended: ended.iter().map(who).collect(),
            serial,
            certificate_days_left: wording::days_until(*valid_until_s),
        }
    }
}

/// Joins words from a node, escaped for a terminal.
fn words(words: &[String], between: &str) -> String {
    words.iter().map(|word| escape::shown(word)).collect::<Vec<_>>().join(between)
}

impl Printable for Reloaded<'_> {
    fn table(&self) -> String {
        let Self { name, settings, needs_restart, ended, .. } = self;
        let mut text = match settings.is_empty() {
            true => format!("{name}: nothing has changed\n"),
            false => format!("{name}: reloaded {}\n", words(settings, ", ")),
        };
        if !ended.is_empty() {
            text += &format!("{name}: ended the connections of {}\n", words(ended, ", "));
        }
        if !needs_restart.is_empty() {
            text += &format!("{name}: only after a restart: {}\n", words(needs_restart, ", "));
        }
        text
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let field = |all: &[String]| match all {
            [] => wording::NOTHING.to_owned(),
            all => all.iter().map(|one| escape::field(one)).collect::<Vec<_>>().join(","),
        };
        let Self { name, settings, needs_restart, ended, serial, certificate_days_left, .. } = self;
        vec![vec![
            (*name).to_owned(),
            field(settings),
            field(needs_restart),
            field(ended),
            escape::field(serial),
            certificate_days_left.to_string(),
        ]]
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::protocol::Role;

    use super::*;
    use crate::printer::{Format, tests::printed};

    #[test]
    fn golden() {
        let mut reload = Reload {
            node: "ming".parse().unwrap(),
            changed: vec!["tls.cert".into(), "tls.crl".into()],
            needs_restart: vec!["listen".into()],
            ended: vec![Identity::new(Role::Writer, "till".parse().unwrap())],
            certificate: CertificateStatus { serial: "4a5b".into(), valid_until_s: 0 },
        };
        let shown = Reloaded { certificate_days_left: 364, ..Reloaded::new(&reload) };
        assert_eq!(
            printed(Format::Table, &shown),
            "ming: reloaded tls.cert, tls.crl\nming: ended the connections of writer-till\n\
             ming: only after a restart: listen\n"
        );
        assert_eq!(
            printed(Format::Plain, &shown),
            "ming\ttls.cert,tls.crl\tlisten\twriter-till\t4a5b\t364\n"
        );
        assert_eq!(
            printed(Format::Json, &shown),
            "{\"apiVersion\":\"coffee/v1\",\"name\":\"ming\",\"changed\":true,\
             \"settings\":[\"tls.cert\",\"tls.crl\"],\"needs_restart\":[\"listen\"],\
             \"ended\":[\"writer-till\"],\"serial\":\"4a5b\",\"certificate_days_left\":364}\n"
        );
        (reload.changed, reload.needs_restart, reload.ended) = Default::default();
        assert_eq!(printed(Format::Table, &Reloaded::new(&reload)), "ming: nothing has changed\n");
    }
}
