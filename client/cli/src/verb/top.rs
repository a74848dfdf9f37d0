//! `top`: the nodes, their rates and the last events, on one screen that is drawn again and again.

mod frame;
mod sample;

use std::time::Duration;

use clap::Args;
use coffee_common::clock;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use self::{frame::TopFrame, sample::TopSample};
use super::{
    events::{
        row::EventRow,
        source::{EventSources, GRACE},
    },
    list,
};
use crate::{
    duration,
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::screen::{FullScreen, ScreenSize},
    warnings, wording,
};

pub(crate) const AFTER_HELP: &str = "\
WRITE/S and READ/S count the requests that a node has answered since the last
look, and ELECT its elections since it started. P99 is the time from the proposal
of a write until it is applied, at the leader, and SYNC that of a sync of the log,
both of the last 10 s. Columns that do not fit the terminal are left out.

q or Ctrl-C ends it. Without a terminal, with --once or with another format it
prints one look and ends; that takes the interval, since rates need two.";

/// The events that a look has at most, if the terminal is not larger.
const EVENTS: usize = 10;

/// The events of each node that are asked for at first.
const EVENTS_ASKED: u32 = 50;

/// The events that are kept to be shown.
const EVENTS_KEPT: usize = 200;

/// How many looks the nodes are looked up once.
const LOOKS_PER_LIST: u32 = 10;

/// `top`.
#[derive(Debug, Args)]
pub(crate) struct TopArguments {
    /// The time between two looks
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration::parse)]
    interval: Duration,
    /// Print one look, and end
    #[arg(long)]
    once: bool,
}

pub(crate) async fn run(
    arguments: &TopArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let mut looks = Looks::default();
    let screen = if arguments.once { None } else { invocation.printer.full_screen() };
    let Some(screen) = screen else {
        let due = Instant::now() + arguments.interval;
        looks.look(invocation).await?;
        sleep_until(due).await;
        looks.look(invocation).await?;
        let frame = looks.frame(ScreenSize::UNBOUNDED, EVENTS);
        invocation.printer.report(&frame);
        return Ok(ExitCode::Done);
    };
    tokio::select! {
        ended = repeat(arguments.interval, &screen, &mut looks, invocation) => ended,
        () = screen.quit() => Ok(ExitCode::Done),
    }
}

/// Draws one look after another, until its future is dropped. A cluster that cannot be reached for a while
/// is waited for.
async fn repeat(
    every: Duration,
    screen: &FullScreen,
    looks: &mut Looks,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !invocation.printer.is_broken() {
        ticks.tick().await;
        match looks.look(invocation).await {
            Ok(()) => {}
            Err(failure) if failure.code() == ExitCode::Unavailable => looks.failed(&failure),
            Err(failure) => return Err(failure),
        }
        let frame = looks.frame(screen.size(), EVENTS_KEPT);
        invocation.printer.report(&frame);
    }
    Ok(ExitCode::Done)
}

/// The last two looks, and the events so far.
#[derive(Default)]
struct Looks {
    before: Option<TopSample>,
    now: Option<TopSample>,
    sources: EventSources,
    events: Vec<EventRow>,
    failure: Option<String>,
    count: u32,
}

impl Looks {
    async fn look(&mut self, invocation: &Invocation<'_>) -> Result<(), Failure> {
        let timeout = invocation.usual_timeout();
        let mut view = invocation.view(timeout).await?;
        view.nodes = list::in_order(view.nodes, &invocation.session.connection().endpoints);
        if self.count.is_multiple_of(LOOKS_PER_LIST) {
            self.sources.follow(&view, &[]);
        }
        self.count = self.count.wrapping_add(1);
        // A node that does not answer is in the table.
        let looked = self.sources.look(&invocation.client(timeout)?, EVENTS_ASKED, Some(GRACE)).await;
        self.add(looked.events);
        let surplus = self.events.len().saturating_sub(EVENTS_KEPT);
        self.events.drain(..surplus);
        self.before = self.now.replace(TopSample { view, at: Instant::now() });
        self.failure = None;
        Ok(())
    }

    /// Adds events in the order of their times. One that is repeated replaces its line.
    fn add(&mut self, told: Vec<EventRow>) {
        self.events.retain(|old| !told.iter().any(|new| new.repeats(old)));
        self.events.extend(told);
        self.events.sort_by(|a, b| (a.at_ms, &a.node, a.number).cmp(&(b.at_ms, &b.node, b.number)));
    }

    fn failed(&mut self, failure: &Failure) {
        self.failure = Some(format!("error: {}", failure.message()));
    }

    /// Returns the present look for a screen of this size.
    fn frame(&self, size: ScreenSize, events: usize) -> TopFrame<'_> {
        let notes: Vec<String> = match (&self.failure, &self.now) {
            (Some(failure), _) => vec![failure.clone()],
            (None, Some(now)) => warnings::of_cluster(&now.view).iter().map(ToString::to_string).collect(),
            (None, None) => Vec::new(),
        };
        let rows = sample::rows(self.before.as_ref(), self.now.as_ref());
        let events = &self.events[self.events.len().saturating_sub(events)..];
        let summary = self.now.as_ref().map(|now| wording::summary(&now.view)).unwrap_or_default();
        TopFrame::new(clock::now_ms(), summary, rows, notes, events, size)
    }
}
