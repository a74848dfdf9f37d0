//! `doctor`: checks a cluster, and says for each problem what to do next.
//!
//! Asks each node itself over a new connection, so that it works without a leader and shows which
//! nodes this machine reaches. The nodes' reports are judged by [`crate::warnings`], as `list` does;
//! what only this verb can see is judged below.

mod clocks;
mod judge;
mod links;
mod own;
mod probe;
mod report;

use coffee_common::quic::{ETHERNET_PAYLOAD, Endpoint, EndpointOptions};
use tokio::time::Instant;

use self::report::{CheckRow, DoctorReport};
use crate::{
    cluster_ref::ClusterRef, exit::ExitCode, failure::Failure, invocation::Invocation, warnings::Topic,
};

pub(super) const AFTER_HELP: &str = "\
Each endpoint, and each node that the cluster lists, is asked over a new
connection. Below each line that is not PASS is a hint: what to do next.

  certificate  own certificate and those of the nodes; ca: the CAs in use
  quorum       voters in reach, leader; membership: how many may be lost
  state        phase, role and lag of each node
  reach        each node answers over UDP; packets: larger ones pass, too
  clock        the clocks of the nodes and of this machine
  links        the nodes reach each other, and their timers suit the links
  fsync        syncs of the log; space: free disk space; pauses: load
  writes       writes are accepted; timers: the same on all nodes
  version      the same on all nodes; level: the upgrade is finished
  revocation   all nodes have the newest revocation lists
  cluster      all nodes belong to the same cluster

The exit code is 0 if no check says FAIL, otherwise 1. WARN: it works now, but
needs attention. With -o plain a line is check, node, result, detail, hint.";

pub(crate) async fn run(invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    let deadline = Instant::now() + invocation.usual_timeout();
    let checks = match own::load(invocation) {
        Ok(own) => {
            let options =
                EndpointOptions { udp_payload_bytes_max: ETHERNET_PAYLOAD, ..EndpointOptions::default() };
            let endpoint = Endpoint::dial_only(&own.credentials, &options)
                .map_err(|error| Failure::new(ExitCode::Failed, error.to_string()))?;
            let connection = invocation.session.connection();
            let survey = probe::survey(&endpoint, &connection.endpoints, deadline);
            let survey = invocation.printer.progress().during(survey, || "asking the nodes".to_owned()).await;
            endpoint.close("done").await;
            if let Some(view) = survey.view() {
                invocation.session.remember_names(view);
            }
            let wanted = match invocation.session.connection().cluster {
                Some(ClusterRef::Id(cluster)) => Some(cluster),
                Some(ClusterRef::Name(_)) | None => None,
            };
            let mut checks = own::judge(&own);
            checks.extend(judge::judge(&survey, wanted));
            checks
        }
        // Not a result of the checks: there is nothing to check with.
        Err(failure) if failure.code() == ExitCode::Usage => return Err(failure),
        Err(failure) => {
            let hint = failure.hints().first().cloned().unwrap_or_default();
            vec![CheckRow::fail(Topic::Certificate, None, failure.message(), hint)]
        }
    };
    let report = DoctorReport::new(checks);
    invocation.printer.report(&report);
    Ok(if report.fails() { ExitCode::Failed } else { ExitCode::Done })
}

#[cfg(test)]
mod tests;
