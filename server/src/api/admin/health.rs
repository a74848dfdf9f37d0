//! `/livez` and `/readyz`, as operators know them from Kubernetes and etcd.
//!
//! The status is 200 or 503. With `?verbose`, or if a check fails, the body has one line per check.
//! `?exclude=CHECK` ignores a check, and `/readyz/CHECK` runs one alone.

use std::{fmt::Write, time::Duration};

use hyper::StatusCode;
use tokio::time::timeout;

use super::response::AdminResponse;
use crate::{node::Node, ops::status::ready::ReadinessResult};

/// The node counts as hung if its consensus does not respond within this time.
const CONSENSUS_TIMEOUT: Duration = Duration::from_secs(2);

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HealthCheck {
    pub(super) name: &'static str,
    pub(super) ok: bool,
    pub(super) reason: String,
}

impl From<ReadinessResult> for HealthCheck {
    fn from(finding: ReadinessResult) -> Self {
        Self { name: finding.check.name(), ok: finding.ok, reason: finding.reason }
    }
}

/// Checks that the node responds and that its consensus does. A node without a quorum is alive:
/// restarting it would not help.
pub(super) async fn liveness(node: &Node) -> Vec<HealthCheck> {
    let ping = HealthCheck { name: "ping", ok: true, reason: "the node responds".to_owned() };
    let verdict = match node.replica() {
        None => Ok("not running: the node belongs to no cluster"),
        // Any response will do.
        Some(replica) => match timeout(CONSENSUS_TIMEOUT, replica.silence()).await {
            Ok(_) => Ok("consensus responds"),
            Err(_) => Err("consensus does not respond"),
        },
    };
    let ok = verdict.is_ok();
    let reason = verdict.unwrap_or_else(|reason| reason).to_owned();
    vec![ping, HealthCheck { name: "consensus", ok, reason }]
}

/// Returns the response of an endpoint for all checks, or for `only` one.
pub(super) fn answer(
    endpoint: &str,
    checks: &[HealthCheck],
    only: Option<&str>,
    query: Option<&str>,
) -> AdminResponse {
    let values = |wanted: &str| {
        let named = parameters(query).filter(|(name, _)| *name == wanted);
        named.map(|(_, value)| value).collect::<Vec<_>>()
    };
    let checks: Vec<&HealthCheck> =
        checks.iter().filter(|check| only.is_none_or(|name| check.name == name)).collect();
    if checks.is_empty() {
        return AdminResponse::text(StatusCode::NOT_FOUND, "no such check\n");
    }
    let excluded = values("exclude");
    let mut lines = String::new();
    let mut passed = true;
    for HealthCheck { name, ok, reason } in &checks {
        let (sign, verdict) = match ok {
            _ if excluded.contains(name) => ("+", "excluded"),
            true => ("+", "ok"),
            false => ("-", "failed"),
        };
        passed &= sign == "+";
        let _ = writeln!(lines, "[{sign}]{name} {verdict}: {reason}");
    }
    let known = |name: &&str| checks.iter().any(|check| check.name == *name);
    for name in excluded.iter().filter(|name| !known(name)) {
        let _ = writeln!(lines, "warn: no check {:?} to exclude", name.escape_default().to_string());
    }
    let verdict = if passed { "passed" } else { "failed" };
    let _ = writeln!(lines, "{endpoint} check {verdict}");
    match passed {
        true if values("verbose").is_empty() => AdminResponse::text(StatusCode::OK, "ok"),
        true => AdminResponse::text(StatusCode::OK, lines),
        false => AdminResponse::text(StatusCode::SERVICE_UNAVAILABLE, lines),
    }
}

/// Splits `a=b&c` into names and values. A parameter without a value has an empty one; none here needs
/// percent-decoding.
fn parameters(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let parts = query.unwrap_or_default().split('&').filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap_or((part, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<HealthCheck> {
        let check = |name, ok, reason: &str| HealthCheck { name, ok, reason: reason.to_owned() };
        vec![check("quorum", true, "it leads"), check("disk", false, "1 MiB is free")]
    }

    #[test]
    fn a_check_that_fails_fails_all_and_says_why() {
        let answer = answer("readyz", &checks(), None, None);
        assert_eq!(answer.status.as_u16(), 503);
        assert_eq!(
            answer.body(),
            "[+]quorum ok: it leads\n[-]disk failed: 1 MiB is free\nreadyz check failed\n"
        );
    }

    #[test]
    fn a_check_that_is_left_out_fails_nothing() {
        let brief = answer("readyz", &checks(), None, Some("exclude=disk&"));
        assert_eq!((brief.status.as_u16(), brief.body()), (200, "ok"));
        let query = "verbose&exclude=disk&exclude=q\u{1b}";
        let verbose = answer("readyz", &checks(), None, Some(query));
        assert_eq!(verbose.status.as_u16(), 200);
        assert!(verbose.body().contains("[+]disk excluded: 1 MiB is free\n"), "{}", verbose.body());
        assert!(verbose.body().contains("warn: no check"), "{}", verbose.body());
        assert!(!verbose.body().contains('\u{1b}'), "{}", verbose.body());
        assert!(verbose.body().ends_with("readyz check passed\n"), "{}", verbose.body());
    }

    #[test]
    fn one_check_can_be_asked_for_alone() {
        assert_eq!(answer("readyz", &checks(), Some("quorum"), None).status.as_u16(), 200);
        assert_eq!(answer("readyz", &checks(), Some("disk"), None).status.as_u16(), 503);
        assert_eq!(answer("readyz", &checks(), Some("coffee"), None).status.as_u16(), 404);
    }
}
