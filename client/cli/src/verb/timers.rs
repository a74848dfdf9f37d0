//! `timers`: election timers that suit the round trips between the nodes.
//!
//! The nodes measure the round trips; this verb only reads what they report, and changes nothing.

use clap::{Args, Subcommand};
use coffee_common::{
    id::NodeName,
    protocol::{ClusterView, ElectionTimers},
};
use serde::Serialize;

use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, table::TextTable},
    wording,
};

/// The round trip up to which the default timers are suggested.
const DEFAULT_MAX_US: u64 = 100_000;

/// `timers ..`.
#[derive(Debug, Subcommand)]
pub(crate) enum TimersVerb {
    /// Measure the round trips between the nodes, and print the timers that suit them
    #[command(after_help = "\
The nodes report their round trips of the last minute. A link that is busy at
other times has a longer one then: run this at the busiest time, or name the
worst round trip with --round-trip. Nothing is changed; the timers are settings
of coffeed.toml that need a restart and must be the same on every node.")]
    Suggest(TimersArguments),
}

/// `timers suggest`.
#[derive(Debug, Args)]
pub(crate) struct TimersArguments {
    /// Worst round trip in milliseconds [default: the worst that the nodes measured in the last minute]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    round_trip: Option<u64>,
}

pub(crate) async fn run(verb: &TimersVerb, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    let TimersVerb::Suggest(arguments) = verb;
    let view = invocation.view(invocation.usual_timeout()).await?;
    let suggestion = Suggestion::new(&view, arguments.round_trip)?;
    invocation.printer.report(&suggestion);
    for other in &suggestion.differing {
        let ElectionTimers { heartbeat_interval_ms, election_timeout_min_ms, election_timeout_max_ms } =
            other.timers;
        invocation.printer.note(&format!(
            "warning: the timers of {} differ: heartbeat_interval_ms = {heartbeat_interval_ms}, \
             election_timeout_min_ms = {election_timeout_min_ms}, election_timeout_max_ms = {election_timeout_max_ms}",
            other.node
        ));
    }
    for name in &suggestion.not_measured {
        let note = format!("warning: {name} was not asked for its round trips: it does not answer");
        invocation.printer.note(&note);
    }
    Ok(ExitCode::Done)
}

#[derive(Serialize)]
struct Suggestion<'a> {
    round_trips: Vec<MeasuredTrip<'a>>,
    /// The round trip that the suggestion is for.
    worst_us: u64,
    /// The present timers; of nodes that differ, those that bear the least.
    timers: ElectionTimers,
    /// The nodes with other timers.
    differing: Vec<NodeTimers<'a>>,
    /// The worst round trip that they bear.
    round_trip_max_us: u64,
    enough: bool,
    suggested: ElectionTimers,
    not_measured: Vec<&'a NodeName>,
}

#[derive(Serialize)]
struct NodeTimers<'a> {
    node: &'a NodeName,
    timers: ElectionTimers,
}

#[derive(Serialize)]
struct MeasuredTrip<'a> {
    from: &'a NodeName,
    to: &'a NodeName,
    now_us: u64,
    worst_us: u64,
}

impl<'a> Suggestion<'a> {
    fn new(view: &'a ClusterView, round_trip_ms: Option<u64>) -> Result<Self, Failure> {
        let paces = || view.nodes.iter().filter_map(|node| Some((&node.name, node.pace.as_ref()?)));
        let round_trips: Vec<MeasuredTrip<'_>> = paces()
            .flat_map(|(from, pace)| {
                pace.round_trips.iter().map(move |trip| MeasuredTrip {
                    from,
                    to: &trip.peer,
                    now_us: trip.now_us,
                    worst_us: trip.worst_us,
                })
            })
            .collect();
        let worst = round_trips.iter().map(|trip| trip.worst_us).max();
        let worst_us = round_trip_ms.map(|ms| ms * 1000).or(worst).ok_or_else(|| {
            Failure::new(ExitCode::Failed, "no round trip is known: no two nodes are connected")
                .hint("name the worst one that you expect: --round-trip MS")
        })?;
        let shortest = paces().map(|(_, pace)| pace.timers).min_by_key(ElectionTimers::round_trip_max_us);
        let timers = shortest.unwrap_or_default();
        let differing: Vec<NodeTimers<'_>> = paces()
            .filter(|(_, pace)| pace.timers != timers)
            .map(|(node, pace)| NodeTimers { node, timers: pace.timers })
            .collect();
        let missing = view.nodes.iter().filter(|node| node.pace.is_none() && !node.state.is_outside());
        Ok(Self {
            round_trips,
            worst_us,
            timers,
            round_trip_max_us: timers.round_trip_max_us(),
            enough: worst_us <= timers.round_trip_max_us() && differing.is_empty(),
            differing,
            suggested: ElectionTimers::for_round_trip(worst_us.max(DEFAULT_MAX_US)),
            not_measured: missing.map(|node| &node.name).collect(),
        })
    }

    fn settings(timers: ElectionTimers) -> [(&'static str, u64); 3] {
        [
            ("heartbeat_interval_ms", timers.heartbeat_interval_ms),
            ("election_timeout_min_ms", timers.election_timeout_min_ms),
            ("election_timeout_max_ms", timers.election_timeout_max_ms),
        ]
    }

    fn verdict(&self) -> String {
        let (worst, bear) = (wording::short(self.worst_us), wording::short(self.round_trip_max_us));
        if self.enough {
            return format!("the worst round trip is {worst}, and the timers bear {bear}: they are enough\n");
        }
        let lack =
            if self.worst_us > self.round_trip_max_us { "are too short" } else { "differ between the nodes" };
        let lines: String = Self::settings(self.suggested)
            .iter()
            .map(|(name, value)| format!("{name} = {value}\n"))
            .collect();
        format!(
            "the worst round trip is {worst}, and the timers bear {bear}: they {lack}\n\
             set these in coffeed.toml on every node, then restart them ('coffeectl help rolling restart'):\n\n[timers]\n{lines}"
        )
    }
}

impl Printable for Suggestion<'_> {
    fn table(&self) -> String {
        let mut table = TextTable::new(["FROM", "TO", "NOW", "WORST"]).right([2, 3]);
        for trip in &self.round_trips {
            table.row([
                trip.from.to_string(),
                trip.to.to_string(),
                wording::short(trip.now_us),
                wording::short(trip.worst_us),
            ]);
        }
        format!("{}{}", table.render(), self.verdict())
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let now = Self::settings(self.timers);
        let rows = Self::settings(self.suggested).into_iter().zip(now);
        rows.map(|((name, suggested), (_, now))| {
            vec![name.to_owned(), now.to_string(), suggested.to_string()]
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::protocol::{NodePace, NodeState, RaftRole, RoundTrip};

    use super::*;
    use crate::{
        printer::{Format, tests::printed},
        sample_view::{name, node, view},
    };

    /// Two nodes in reach, and one that is not.
    fn measured(worst_us: u64) -> ClusterView {
        let pace = |peer| NodePace {
            round_trips: vec![RoundTrip { peer: name(peer), now_us: worst_us / 2, worst_us }],
            timers: ElectionTimers::for_round_trip(DEFAULT_MAX_US),
            ..NodePace::default()
        };
        let mut ming = node("ming", Some(RaftRole::Leader), NodeState::Up, None);
        let mut hong = node("hong", Some(RaftRole::Follower), NodeState::Up, None);
        (ming.pace, hong.pace) = (Some(pace("hong")), Some(pace("ming")));
        view(3, 2, vec![ming, hong, node("peng", None, NodeState::Unreachable, None)])
    }

    #[test]
    fn timers_that_are_too_short_are_replaced() {
        let view = measured(202_000);
        let suggestion = Suggestion::new(&view, None).unwrap();
        assert_eq!(
            printed(Format::Table, &suggestion),
            "\
FROM  TO       NOW   WORST
ming  hong  101 ms  202 ms
hong  ming  101 ms  202 ms
the worst round trip is 202 ms, and the timers bear 100 ms: they are too short
set these in coffeed.toml on every node, then restart them ('coffeectl help rolling restart'):

[timers]
heartbeat_interval_ms = 330
election_timeout_min_ms = 440
election_timeout_max_ms = 990
"
        );
        assert_eq!(
            printed(Format::Plain, &suggestion),
            "heartbeat_interval_ms\t150\t330\nelection_timeout_min_ms\t200\t440\nelection_timeout_max_ms\t450\t990\n"
        );
        let json = printed(Format::Json, &suggestion);
        assert!(
            json.contains(r#""round_trips":[{"from":"ming","to":"hong","now_us":101000,"worst_us":202000},"#),
            "{json}"
        );
        assert!(json.contains(r#""differing":[],"#), "{json}");
        assert!(json.contains(r#""enough":false,"suggested":{"heartbeat_interval_ms":330,"#), "{json}");
        assert!(json.ends_with("\"not_measured\":[\"peng\"]}\n"), "{json}");
    }

    #[test]
    fn timers_that_suit_are_left_alone() {
        let view = measured(4_000);
        let suggestion = Suggestion::new(&view, None).unwrap();
        assert!(suggestion.enough);
        assert_eq!(suggestion.suggested, suggestion.timers, "never shorter than the defaults");
        assert_eq!(
            suggestion.verdict(),
            "the worst round trip is 4.0 ms, and the timers bear 100 ms: they are enough\n"
        );
        assert!(!Suggestion::new(&view, Some(400)).unwrap().enough, "a busier time is expected");
    }

    /// The shortest timers decide which round trips the cluster bears, whichever node is asked.
    #[test]
    fn timers_that_differ_are_named() {
        let mut view = measured(80_000);
        let short = ElectionTimers::for_round_trip(60_000);
        let hong = view.nodes[1].pace.as_mut().unwrap();
        hong.timers = short;
        let suggestion = Suggestion::new(&view, None).unwrap();
        assert_eq!((suggestion.enough, suggestion.timers), (false, short));
        let differing: Vec<_> = suggestion.differing.iter().map(|other| other.node.as_str()).collect();
        assert_eq!(differing, ["ming"]);
        assert!(suggestion.verdict().starts_with(
            "the worst round trip is 80 ms, and the timers bear 60 ms: they are too short\nset these"
        ));
        let suggestion = Suggestion::new(&view, Some(40)).unwrap();
        assert!(!suggestion.enough);
        assert!(
            suggestion.verdict().contains("the timers bear 60 ms: they differ between the nodes\nset these")
        );
    }

    #[test]
    fn one_node_measures_nothing() {
        let alone = view(1, 1, vec![node("ming", Some(RaftRole::Leader), NodeState::Up, None)]);
        let failure = Suggestion::new(&alone, None).err().unwrap();
        assert_eq!(failure.code(), ExitCode::Failed);
        assert_eq!(failure.hints().len(), 1);
        assert!(Suggestion::new(&alone, Some(5)).is_ok());
    }
}
