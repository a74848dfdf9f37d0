//! What becomes of requests: how many of each kind, how long each took.

use std::time::Duration;

use coffee_common::{
    command::Outcome,
    protocol::{Rejection, Request, Response},
};

use super::{Counter, Gauge, Histogram};

/// Declares the verbs: a name for each kind of request.
macro_rules! verbs {
    ($($verb:ident $name:literal $request:pat,)*) => {
        /// What is asked, without what it is asked of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Verb {
            $($verb,)*
        }

        impl Verb {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$verb,)*];

            /// What a request asks.
            pub fn of(request: &Request) -> Self {
                match request {
                    $($request => Self::$verb,)*
                }
            }

            /// Its name, as it is shown.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$verb => $name,)*
                }
            }
        }
    };
}

verbs! {
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
    Backup "backup" Request::Backup { .. },
    Reload "reload" Request::Reload,
    LogLevel "log_level" Request::LogLevel { .. },
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKind {
    /// It was done, or answered.
    Ok,
    /// A condition of the write did not hold.
    ConditionFalse,
    /// No leader, no quorum, or the node starts or stops.
    Unavailable,
    /// Turned away: too much at once.
    Overloaded,
    /// It makes no sense.
    Invalid,
    /// The caller may not.
    Denied,
    /// There is no such node.
    NotFound,
    /// A safety check stands against it.
    Refused,
    /// It may have been done.
    Unknown,
}

impl OutcomeKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::ConditionFalse,
        Self::Unavailable,
        Self::Overloaded,
        Self::Invalid,
        Self::Denied,
        Self::NotFound,
        Self::Refused,
        Self::Unknown,
    ];

    /// Its name, as it is shown.
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
        }
    }

    /// How a request with this answer ended.
    pub fn of(answer: &Result<Response, Rejection>) -> Self {
        match answer {
            Ok(Response::Written(Outcome::ConditionFalse { .. })) => Self::ConditionFalse,
            Ok(Response::Written(Outcome::Forgotten { .. })) => Self::Unknown,
            Ok(Response::Written(Outcome::RequestIdReused)) => Self::Invalid,
            Ok(_) => Self::Ok,
            Err(Rejection::Unavailable(_)) => Self::Unavailable,
            Err(Rejection::Overloaded) => Self::Overloaded,
            Err(Rejection::Invalid(_)) => Self::Invalid,
            Err(Rejection::Denied(_)) => Self::Denied,
            Err(Rejection::NotFound(_)) => Self::NotFound,
            Err(Rejection::Refused { .. }) => Self::Refused,
            Err(Rejection::Unknown(_)) => Self::Unknown,
        }
    }
}

/// The requests of clients.
#[derive(Debug)]
pub struct RequestMetrics {
    verbs: Vec<VerbMetrics>,
    /// Those that are not answered yet.
    pub in_flight: Gauge,
    /// Bytes of keys and values of writes that are not answered yet.
    pub write_bytes_in_flight: Gauge,
    /// Those that were turned away before anybody looked at what they ask.
    pub turned_away: Counter,
}

#[derive(Debug)]
struct VerbMetrics {
    outcomes: [Counter; OutcomeKind::ALL.len()],
    durations: Histogram,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        let verb = |_: &Verb| VerbMetrics {
            outcomes: OutcomeKind::ALL.map(|_| Counter::default()),
            durations: Histogram::of_durations(),
        };
        Self {
            verbs: Verb::ALL.iter().map(verb).collect(),
            in_flight: Gauge::default(),
            write_bytes_in_flight: Gauge::default(),
            turned_away: Counter::default(),
        }
    }
}

impl RequestMetrics {
    /// Counts a request that was answered.
    pub fn answered(&self, verb: Verb, outcome: OutcomeKind, took: Duration) {
        let verb = &self.verbs[verb as usize];
        verb.outcomes[outcome as usize].increment();
        verb.durations.observe_duration(took);
    }

    /// How many of a verb ended like this.
    pub fn count(&self, verb: Verb, outcome: OutcomeKind) -> u64 {
        self.verbs[verb as usize].outcomes[outcome as usize].get()
    }

    /// How long those of a verb took.
    pub fn durations(&self, verb: Verb) -> &Histogram {
        &self.verbs[verb as usize].durations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_and_outcome_is_counted_for_itself() {
        let requests = RequestMetrics::default();
        for (number, verb) in Verb::ALL.iter().enumerate() {
            assert_eq!(*verb as usize, number, "{verb:?} stands where its number says");
            for outcome in OutcomeKind::ALL {
                assert_eq!(requests.count(*verb, outcome), 0);
                requests.answered(*verb, outcome, Duration::from_millis(1));
                assert_eq!(requests.count(*verb, outcome), 1, "{verb:?} {outcome:?}");
            }
            assert_eq!(requests.durations(*verb).read().count, OutcomeKind::ALL.len() as u64);
        }
    }

    #[test]
    fn outcomes_stand_where_their_numbers_say() {
        for (number, outcome) in OutcomeKind::ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, number);
        }
    }
}
