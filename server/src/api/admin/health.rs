//! Answers of `/livez` and `/readyz`, as operators know them from Kubernetes
//! and etcd: 200 or 503; a line for each check where `?verbose` asks for it or
//! one has failed; `?exclude=CHECK` leaves one out; `/readyz/CHECK` asks for one.

use std::{fmt::Write, time::Duration};

use tokio::time::timeout;

use super::{answer::Answer, head::Head};
use crate::{node::Node, ops::status::ready::ReadinessResult};

/// How long consensus has to answer, before the node counts as hung.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) name: &'static str,
    pub(super) ok: bool,
    pub(super) reason: String,
}

impl From<ReadinessResult> for Checked {
    fn from(finding: ReadinessResult) -> Self {
        Self { name: finding.check.name(), ok: finding.ok, reason: finding.reason }
    }
}

/// Whether the node lives: it answers at all, and its consensus does. That it
/// has no quorum is no reason to restart it.
pub(super) async fn liveness(node: &Node) -> Vec<Checked> {
    let ping = Checked { name: "ping", ok: true, reason: "it answers".to_owned() };
    let verdict = match node.replica() {
        None => Ok("it has none: it belongs to no cluster"),
        // Whatever it answers, it answers.
        Some(replica) => match timeout(ANSWER_WITHIN, replica.silence()).await {
            Ok(_) => Ok("it answers"),
            Err(_) => Err("it does not answer"),
        },
    };
    let ok = verdict.is_ok();
    let reason = verdict.unwrap_or_else(|reason| reason).to_owned();
    vec![ping, Checked { name: "consensus", ok, reason }]
}

/// Answers for the checks of an endpoint: for all, or for `only` one.
pub(super) fn answer(endpoint: &str, checks: &[Checked], only: Option<&str>, head: &Head) -> Answer {
    let values = |wanted: &str| {
        let named = head.query.iter().filter(move |(name, _)| name == wanted);
        named.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    let checks: Vec<&Checked> =
        checks.iter().filter(|check| only.is_none_or(|name| check.name == name)).collect();
    if checks.is_empty() {
        return Answer::text(404, "there is no such check\n".to_owned());
    }
    let excluded = values("exclude");
    let mut lines = String::new();
    let mut passed = true;
    for Checked { name, ok, reason } in &checks {
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
        let _ = writeln!(lines, "warn: there is no check {:?} to exclude", name.escape_default().to_string());
    }
    let verdict = if passed { "passed" } else { "failed" };
    let _ = writeln!(lines, "{endpoint} check {verdict}");
    match passed {
        true if values("verbose").is_empty() => Answer::text(200, "ok".to_owned()),
        true => Answer::text(200, lines),
        false => Answer::text(503, lines),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<Checked> {
        let check = |name, ok, reason: &str| Checked { name, ok, reason: reason.to_owned() };
        vec![check("quorum", true, "it leads"), check("disk", false, "1 MiB is free")]
    }

    fn asked(query: &[(&str, &str)]) -> Head {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Head { head_only: false, path: "/readyz".to_owned(), query }
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
        assert!(verbose.body.contains("warn: there is no check"), "{}", verbose.body);
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
