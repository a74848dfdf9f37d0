//! Requests by kind and outcome, and their durations.

use std::time::Duration;

use coffee_common::{
    command::Outcome,
    protocol::{Rejection, Request, Response},
};

use super::{Counter, Gauge, Histogram};

/// Declares the kinds of requests, in the order of their numbers, each with its exposed name.
macro_rules! request_kinds {
    ($($(#[$condition:meta])? $kind:ident $name:literal $request:pat,)*) => {
        /// The kind of a request, without its arguments.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum RequestKind {
            $($(#[$condition])? $kind,)*
            /// A newer version has it: this build knows only that it is a request.
            Unknown,
        }

        impl RequestKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$($(#[$condition])? Self::$kind,)* Self::Unknown];

            /// Returns the kind of a request.
            pub fn of(request: &Request) -> Self {
                match request {
                    $($(#[$condition])? $request => Self::$kind,)*
                }
            }

            /// Returns the kind with this number in the encoding of a request.
            pub fn of_number(number: u32) -> Self {
                Self::ALL.get(number as usize).copied().unwrap_or(Self::Unknown)
            }

            /// Returns the exposed name.
            pub fn name(self) -> &'static str {
                match self {
                    $($(#[$condition])? Self::$kind => $name,)*
                    Self::Unknown => "unknown",
                }
            }
        }
    };
}

request_kinds! {
    Status "status" Request::Status,
    List "list" Request::List,
    Write "write" Request::Write { .. },
    Get "get" Request::Get { .. },
    Range "range" Request::Range { .. },
    Boot "boot" Request::Boot { .. },
    Transfer "transfer" Request::Transfer { .. },
    Down "down" Request::Down { .. },
    Remove "remove" Request::Remove { .. },
    CanStop "can_stop" Request::CanStop { .. },
    ReadIndex "read_index" Request::ReadIndex,
    Join "join" Request::Join { .. },
    Promote "promote" Request::Promote { .. },
    RemoveVoter "expel" Request::RemoveVoter { .. },
    Invite "summon" Request::Invite { .. },
    ShutDownRemoved "retire" Request::ShutDownRemoved { .. },
    Ping "ping" Request::Ping,
    StateDigest "mark" Request::StateDigest { .. },
    Room "room" Request::Room { .. },
    Backup "backup" Request::Backup { .. },
    Reload "reload" Request::Reload { .. },
    LogLevel "log_level" Request::LogLevel { .. },
    Found "found" Request::Found { .. },
    Reaches "reaches" Request::Reaches { .. },
    Move "move" Request::Move { .. },
    ConfirmMember "confirm_member" Request::ConfirmMember { .. },
    Revoke "revoke" Request::Revoke { .. },
    FinishUpgrade "finish_upgrade" Request::FinishUpgrade { .. },
    Settings "settings" Request::Settings,
    ChangeSetting "change_setting" Request::ChangeSetting { .. },
    GetAt "get_at" Request::GetAt { .. },
    RangeAt "range_at" Request::RangeAt { .. },
    History "history" Request::History { .. },
    CompactHistory "compact_history" Request::CompactHistory { .. },
    Transact "transact" Request::Transact { .. },
    Watch "watch" Request::Watch { .. },
    Events "events" Request::Events { .. },
    #[cfg(coffee_future)]
    FutureTouch "future_touch" Request::FutureTouch(_),
}

/// How a request ended, as exposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestOutcome {
    /// It was carried out.
    Ok,
    /// A condition of the write did not hold, or a step of a transaction could not be taken.
    ConditionFalse,
    /// No leader, no quorum, or the node is starting or stopping.
    Unavailable,
    /// Rejected: too much was in flight.
    Overloaded,
    /// It is not valid.
    Invalid,
    /// Its role may not send it.
    Denied,
    /// The node does not exist, or the history does not reach back to the revision.
    NotFound,
    /// A safety check failed.
    Refused,
    /// It may or may not have been carried out.
    Unknown,
    /// This build does not know it.
    Unsupported,
}

impl RequestOutcome {
    /// All outcomes.
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::ConditionFalse,
        Self::Unavailable,
        Self::Overloaded,
        Self::Invalid,
        Self::Denied,
        Self::NotFound,
        Self::Refused,
        Self::Unknown,
        Self::Unsupported,
    ];

    /// Returns the exposed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ConditionFalse => "condition_false",
            Self::Unavailable => "unavailable",
            Self::Overloaded => "overloaded",
            Self::Invalid => "invalid",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Unsupported => "unsupported",
        }
    }

    /// Returns the outcome of a request with this result.
    pub fn of(result: &Result<Response, Rejection>) -> Self {
        match result {
            Ok(Response::Written(outcome) | Response::Transacted { outcome, .. }) => match outcome {
                Outcome::ConditionFalse { .. }
                | Outcome::Transacted { then: false, .. }
                | Outcome::TransactionFailed { .. } => Self::ConditionFalse,
                Outcome::Forgotten { .. } => Self::Unknown,
                Outcome::RequestIdReused => Self::Invalid,
                _ => Self::Ok,
            },
            Ok(_) => Self::Ok,
            Err(Rejection::Unavailable(_) | Rejection::NoCluster { .. } | Rejection::NoQuorum { .. }) => {
                Self::Unavailable
            }
            Err(Rejection::Overloaded) => Self::Overloaded,
            Err(Rejection::Invalid(_)) => Self::Invalid,
            Err(Rejection::Denied(_) | Rejection::OtherCluster { .. }) => Self::Denied,
            Err(Rejection::NotFound(_) | Rejection::Compacted { .. }) => Self::NotFound,
            Err(Rejection::Refused { .. } | Rejection::LeftOut { .. }) => Self::Refused,
            Err(Rejection::Unknown(_) | Rejection::Unreadable(_)) => Self::Unknown,
            Err(Rejection::Unsupported(_)) => Self::Unsupported,
        }
    }
}

/// Requests over the client protocol.
#[derive(Debug)]
pub struct RequestMetrics {
    kinds: Vec<KindMetrics>,
    /// Requests that are not answered yet.
    pub in_flight: Gauge,
    /// Bytes of keys and values in writes that are not answered yet.
    pub write_bytes_in_flight: Gauge,
    /// Requests rejected before they were examined.
    pub rejected_unread: Counter,
}

#[derive(Debug)]
struct KindMetrics {
    outcomes: [Counter; RequestOutcome::ALL.len()],
    durations: Histogram,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        let metrics = |_: &RequestKind| KindMetrics {
            outcomes: RequestOutcome::ALL.map(|_| Counter::default()),
            durations: Histogram::of_durations(),
        };
        Self {
            kinds: RequestKind::ALL.iter().map(metrics).collect(),
            in_flight: Gauge::default(),
            write_bytes_in_flight: Gauge::default(),
            rejected_unread: Counter::default(),
        }
    }
}

impl RequestMetrics {
    /// Counts an answered request.
    pub fn answered(&self, kind: RequestKind, outcome: RequestOutcome, took: Duration) {
        let metrics = &self.kinds[kind as usize];
        metrics.outcomes[outcome as usize].increment();
        metrics.durations.observe_duration(took);
    }

    /// Returns how many requests of a kind had this outcome.
    pub fn count(&self, kind: RequestKind, outcome: RequestOutcome) -> u64 {
        self.kinds[kind as usize].outcomes[outcome as usize].get()
    }

    /// Returns the durations of the requests of a kind.
    pub fn durations(&self, kind: RequestKind) -> &Histogram {
        &self.kinds[kind as usize].durations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_and_outcome_is_counted_for_itself() {
        let requests = RequestMetrics::default();
        for (number, kind) in RequestKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, number, "{kind:?} is at its own index");
            for outcome in RequestOutcome::ALL {
                assert_eq!(requests.count(*kind, outcome), 0);
                requests.answered(*kind, outcome, Duration::from_millis(1));
                assert_eq!(requests.count(*kind, outcome), 1, "{kind:?} {outcome:?}");
            }
            assert_eq!(requests.durations(*kind).read().count, RequestOutcome::ALL.len() as u64);
        }
    }

    #[test]
    fn outcomes_stand_where_their_numbers_say() {
        for (number, outcome) in RequestOutcome::ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, number);
        }
    }
}
