//! Failures that waiting does not mend: each endpoint rejects the client, or reaches no quorum.

use std::time::Duration;

use coffee_common::{id::Address, protocol::Rejection};

use super::{Retry, RetryContext, RetryStep};
use crate::{
    error::{Error, NotSentReason},
    routing::RouteTarget,
};

/// How long a dial over a long line may take before its node counts as unreachable. A connection
/// takes two round trips, or three to a busy node, and a lost packet is sent again after 300 ms.
const SLOW_DIAL_MAX: Duration = Duration::from_millis(700);

impl Retry {
    /// Retries, unless no endpoint reaches a quorum and the caller does not wait for one.
    pub(super) fn without_quorum(
        &mut self,
        target: &RouteTarget,
        rejection: Rejection,
        context: &RetryContext<'_>,
    ) -> RetryStep {
        self.last_failure = Some(rejection.to_string());
        let (addresses, last) = &mut self.no_quorum;
        addresses.push(target.address.clone());
        *last = Some(rejection);
        match self.quorum_failure(context) {
            Some(error) => RetryStep::Fail(error),
            None => self.again(context),
        }
    }

    /// Records that a node did anything else than to say that it reaches no quorum: what it, or
    /// another one, said about that before is no longer certain.
    pub(super) fn has_quorum(&mut self, target: &RouteTarget) {
        let (addresses, last) = &mut self.no_quorum;
        addresses.retain(|address| *address != target.address);
        *last = None;
    }

    /// The error of a call that does not wait for a quorum, once each endpoint has none or cannot
    /// be reached.
    pub(super) fn quorum_failure(&self, context: &RetryContext<'_>) -> Option<Error> {
        let (addresses, last) = &self.no_quorum;
        let rejection = last.as_ref().filter(|_| self.needs_quorum)?;
        let is_without = |address: &Address| {
            addresses.contains(address) || self.not_sent_reasons.iter().any(|(at, _)| at == address)
        };
        let dialled = !self.dials_slowly || context.now >= self.begin + SLOW_DIAL_MAX;
        let certain = dialled && !self.is_in_doubt(context) && context.in_flight.targets.is_empty();
        (certain && context.routes.all_in(is_without)).then(|| Error::rejected(rejection.clone()))
    }

    /// Certificates, clusters and versions do not change within a call: if they alone keep every endpoint
    /// from being used, waiting is pointless.
    pub(super) fn identity_failure(&self, context: &RetryContext<'_>) -> Option<Error> {
        let lasts = |reason: &_| {
            use NotSentReason::{Identity, OtherCluster, Version};
            matches!(reason, Identity(_) | OtherCluster(_) | Version(_))
        };
        let is_lasting = |address: &Address| {
            self.not_sent_reasons.iter().any(|(at, reason)| at == address && lasts(reason))
        };
        if self.is_in_doubt(context) || !context.routes.all_in(is_lasting) {
            return None;
        }
        match self.not_sent_reasons.last()? {
            (_, NotSentReason::OtherCluster(reason)) => Some(Error::OtherCluster(reason.clone())),
            (_, NotSentReason::Version(reason)) => Some(Error::Unsupported(reason.clone())),
            (_, reason) => Some(Error::Identity(reason.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::retry::{
        RetryPolicy,
        tests::{ScriptedCall, fresh, given, in_flight, table},
    };

    #[test]
    fn an_old_word_about_the_quorum_is_not_the_last() {
        table(
            RetryPolicy::ReadOnly,
            &[
                ("begin noquorum noquorum noquorum resume overloaded late", "a b c 10ms a 20ms UNAVAILABLE"),
                ("begin noquorum noquorum noquorum resume lost late", "a b c 10ms a 20ms UNAVAILABLE"),
                ("begin noquorum noquorum noquorum resume notsent late", "a b c 10ms a 20ms NOQUORUM"),
            ],
        );
        let mut call = ScriptedCall::new(RetryPolicy::ReadOnly);
        call.play("begin noquorum noquorum noquorum resume");
        call.in_flight = in_flight("a", true);
        assert_eq!(call.play("late"), "UNAVAILABLE", "a works on the request");
        call.in_flight = in_flight("a", false);
        assert_eq!(call.play("late"), "NOQUORUM", "a is being dialled only");
    }

    #[test]
    fn a_node_of_another_version_settles_a_call_at_once() {
        let idempotent = RetryPolicy::Idempotent;
        for policy in [fresh(), RetryPolicy::ReadOnly, idempotent, RetryPolicy::AtMostOnce] {
            table(policy, &[("begin unsupported", "a UNSUPPORTED")]);
            let unreadable = if policy == RetryPolicy::ReadOnly { "a UNSUPPORTED" } else { "a UNKNOWN" };
            table(policy, &[("begin unreadable", unreadable)]);
        }
        // An earlier attempt may have been executed.
        table(
            fresh(),
            &[("begin lost unsupported", "a b UNKNOWN"), ("begin lost unreadable", "a b UNKNOWN")],
        );
        table(given(), &[("begin unsupported", "a UNKNOWN")]);
    }

    #[test]
    fn a_call_waits_for_a_quorum_unless_it_needs_one_now() {
        table(fresh(), &[("begin noquorum noquorum noquorum late", "a b c 10ms NOQUORUM")]);
        table(
            fresh(),
            &[("begin noquorum noquorum noquorum resume unavailable late", "a b c 10ms a 20ms UNAVAILABLE")],
        );
        for (policy, events, expected) in [
            (fresh(), "begin noquorum noquorum noquorum", "a b c NOQUORUM"),
            (fresh(), "begin notsent noquorum notsent", "a b c NOQUORUM"),
            (fresh(), "begin slowdial noquorum noquorum", "a b c 10ms"),
            (fresh(), "begin noquorum unavailable noquorum", "a b c 10ms"),
            (RetryPolicy::ReadOnly, "begin lost noquorum noquorum resume noquorum", "a b c 10ms a NOQUORUM"),
            (RetryPolicy::AtMostOnce, "begin noquorum noquorum noquorum", "a b c NOQUORUM"),
            // The former word of a is outdated by its latest one.
            (
                fresh(),
                "begin noquorum unavailable noquorum resume unavailable resume noquorum",
                "a b c 10ms a 20ms b 40ms",
            ),
            // Once in doubt, only an outcome settles it.
            (fresh(), "begin lost noquorum noquorum resume noquorum late", "a b c 10ms a 20ms UNKNOWN"),
            (given(), "begin noquorum noquorum noquorum late", "a b c 10ms UNKNOWN"),
        ] {
            let mut call = ScriptedCall::new(policy);
            call.retry = call.retry.needing_quorum(true);
            assert_eq!(call.play(events), expected, "{policy:?}: {events}");
        }
    }
}
