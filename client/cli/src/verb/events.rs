//! `events`: what happened at the nodes, merged by time.
//!
//! Each node remembers its own latest events until it restarts. All nodes are asked at the same time,
//! and those that do not answer are named.

pub(super) mod row;
mod since;
pub(super) mod source;

use std::time::Duration;

use clap::Args;
use coffee_client::Client;
use coffee_common::{clock, id::NodeName};
use tokio::time::{MissedTickBehavior, interval};

use self::{row::EventRow, since::Since, source::EventSources};
use crate::{exit::ExitCode, failure::Failure, invocation::Invocation, printer::Format};

pub(crate) const AFTER_HELP: &str = "\
A node remembers its latest 512 events, in memory: a restart forgets them, and its
log has more. An event that is repeated within a minute is one line with a count.
Times are UTC, by the clock of each node, so the order of events of different
nodes is only as good as their clocks.

--since takes a time ago (90s, 15m, 3h, 2d), a time of the last 24 hours (03:00)
or a moment (2026-12-01T03:00:00Z).

With -o plain the fields are the time, the node, the kind of the event, what it
is about, the term, how often it happened, and the text. With -o json each event
is a document of its own.

Acts, denials, backups, reloads and revocations are told to admins alone: they may
name clients and keys.

A node that does not answer is named, and decides the exit code. One that runs a
version without events does not know the request.";

/// The events that are shown without `-n` and `--since`.
const SHOWN: u32 = 50;

/// The pause between two looks with `--follow`.
const EVERY: Duration = Duration::from_secs(1);

/// The time that a node has to answer while it is followed.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How many looks the nodes themselves are looked up once, with `--follow`: some may be new.
const LOOKS_PER_LIST: u32 = 10;

/// `events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArguments {
    /// A node to ask instead of all; may be repeated
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<NodeName>,
    /// Show only events since this time
    #[arg(long, value_name = "TIME", value_parser = since::parse)]
    since: Option<Since>,
    /// Show only the latest events [default: 50, or all with --since]
    #[arg(short = 'n', long = "limit", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Go on with new events, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
}

pub(crate) async fn run(
    arguments: &EventsArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let mut sources = EventSources::default();
    sources.find(&arguments.nodes, invocation).await?;
    let client = invocation.client(invocation.usual_timeout())?;
    let limit = arguments.limit.unwrap_or(if arguments.since.is_some() { 0 } else { SHOWN });
    let grace = invocation.options.timeout.is_none().then_some(source::GRACE);
    let looked = sources.look(&client, limit, grace).await;
    let mut rows = looked.events;
    let since_ms = arguments.since.map_or(0, |since| since.at_ms(clock::now_ms()));
    rows.retain(|row| row.at_ms >= since_ms);
    let surplus = if limit == 0 { 0 } else { rows.len().saturating_sub(limit as usize) };
    rows.drain(..surplus);
    if invocation.printer.format() == Format::Table && (arguments.follow || !rows.is_empty()) {
        invocation.printer.text(&row::header(sources.name_width()));
    }
    report(&rows, invocation);
    for failure in &looked.failures {
        invocation.printer.failure(failure);
    }
    if arguments.follow {
        let shown = ShownEvents { limit, since_ms };
        let client = client.with_timeout(ANSWER_WITHIN);
        return follow(&arguments.nodes, sources, &client, shown, invocation).await;
    }
    Ok(looked.failures.first().map_or(ExitCode::Done, Failure::code))
}

/// Which of the events are shown that a node tells first.
#[derive(Clone, Copy)]
struct ShownEvents {
    limit: u32,
    since_ms: u64,
}

/// Prints new events until a signal or a closed pipe ends it.
async fn follow(
    names: &[NodeName],
    mut sources: EventSources,
    client: &Client,
    shown: ShownEvents,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looks = 0;
    while !invocation.printer.is_broken() {
        ticks.tick().await;
        looks += 1;
        if looks % LOOKS_PER_LIST == 0 {
            // The nodes that are known are followed on while no list is to be had.
            let _ = sources.find(names, invocation).await;
        }
        let mut looked = sources.look(client, shown.limit, Some(source::GRACE)).await;
        looked.events.retain(|row| row.at_ms >= shown.since_ms);
        report(&looked.events, invocation);
        for name in &looked.back {
            invocation.printer.note(&format!("{name} answers again"));
        }
        for failure in &looked.failures {
            invocation.printer.failure(failure);
        }
    }
    Ok(ExitCode::Done)
}

fn report(rows: &[EventRow], invocation: &mut Invocation<'_>) {
    for row in rows {
        if invocation.printer.is_broken() {
            return;
        }
        invocation.printer.report(row);
    }
}
