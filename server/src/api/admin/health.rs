//! `/livez` and `/readyz`, as operators know them from Kubernetes and etcd.
//!
//! The status is 200 or 503. With `?verbose`, or if a check fails, the body has one line per check.
//! `?exclude=CHECK` ignores a check, and `/readyz/CHECK` runs one alone.

use std::{fmt::Write, time::Duration};

use tokio::time::timeout;

use super::{request::RequestHead, response::HttpResponse};
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
    head: &RequestHead,
) -> HttpResponse {
    let values = |wanted: &str| {
        let named = head.query.iter().filter(move |(name, _)| name == wanted);
        named.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    let checks: Vec<&HealthCheck> =
        checks.iter().filter(|check| only.is_none_or(|name| check.name == name)).collect();
    if checks.is_empty() {
        return HttpResponse::text(404, "no such check\n".to_owned());
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
        true if values("verbose").is_empty() => HttpResponse::text(200, "ok".to_owned()),
        true => HttpResponse::text(200, lines),
        false => HttpResponse::text(503, lines),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<HealthCheck> {
        let check = |name, ok, reason: &str| HealthCheck { name, ok, reason: reason.to_owned() };
        vec![check("quorum", true, "it leads"), check("disk", false, "1 MiB is free")]
    }

    fn asked(query: &[(&str, &str)]) -> RequestHead {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        RequestHead { head_only: false, path: "/readyz".to_owned(), query }
    }

    #[test]
    fn a_check_that_fails_fails_all_and_says_why() {
        let answer = answer("readyz", &checks(), None, &asked(&[]));
        assert_eq!(answer.status, 503);
        assert_eq!(
            answer.body,
            "[+]quorum ok: it leads\n[-]disk failed: 1 MiB is free\nreadyz check failed\n"
        );
    }

    #[test]
    fn a_check_that_is_left_out_fails_nothing() {
        let brief = answer("readyz", &checks(), None, &asked(&[("exclude", "disk")]));
        assert_eq!((brief.status, brief.body.as_str()), (200, "ok"));
        let verbose = asked(&[("verbose", ""), ("exclude", "disk"), ("exclude", "q\u{1b}")]);
        let verbose = answer("readyz", &checks(), None, &verbose);
        assert_eq!(verbose.status, 200);
        assert!(verbose.body.contains("[+]disk excluded: 1 MiB is free\n"), "{}", verbose.body);
        assert!(verbose.body.contains("warn: no check"), "{}", verbose.body);
        assert!(!verbose.body.contains('\u{1b}'), "{}", verbose.body);
        assert!(verbose.body.ends_with("readyz check passed\n"), "{}", verbose.body);
    }

    #[test]
    fn one_check_can_be_asked_for_alone() {
        assert_eq!(answer("readyz", &checks(), Some("quorum"), &asked(&[])).status, 200);
        assert_eq!(answer("readyz", &checks(), Some("disk"), &asked(&[])).status, 503);
        assert_eq!(answer("readyz", &checks(), Some("coffee"), &asked(&[])).status, 404);
    }
}
