//! An event of a node, as a line.

use coffee_common::{
    id::NodeName,
    protocol::{NodeEvent, NodeEvents},
};
use serde::Serialize;

use crate::{
    dates,
    printer::{Printable, escape},
    wording,
};

/// The columns of the longest kind that this version knows.
const KIND_WIDTH: usize = 15;

/// The columns of a time.
const TIME_WIDTH: usize = 20;

/// An event of a node.
#[derive(Debug, Serialize)]
pub(crate) struct EventRow {
    pub(crate) time: String,
    pub(crate) at_ms: u64,
    pub(crate) node: String,
    /// The start of the node that `number` is of.
    start: String,
    pub(crate) number: u64,
    pub(crate) kind: String,
    subject: String,
    term: Option<u64>,
    pub(crate) text: String,
    count: u64,
    /// When it first happened.
    first: String,
    /// The columns for the name of the node.
    #[serde(skip)]
    name_width: usize,
}

fn utc(ms: u64) -> String {
    dates::utc(i64::try_from(ms / 1000).unwrap_or(i64::MAX))
}

/// Returns the headings of the lines.
pub(super) fn header(name_width: usize) -> String {
    let width = name_width.max("NODE".len());
    format!("{:TIME_WIDTH$}  {:width$}  {:KIND_WIDTH$}  WHAT HAPPENED\n", "TIME", "NODE", "EVENT")
}

impl EventRow {
    /// The events that a node has told.
    pub(crate) fn all(told: NodeEvents, node: &NodeName, name_width: usize) -> impl Iterator<Item = Self> {
        let start = told.started_at_ms.to_string();
        told.events.into_iter().map(move |event| Self::new(event, node, &start, name_width))
    }

    /// Whether this is another event once more, with a higher count.
    pub(crate) fn repeats(&self, other: &Self) -> bool {
        let of = |row: &Self| {
            let Self { node, start, kind, subject, term, first, .. } = row;
            (node.clone(), start.clone(), kind.clone(), subject.clone(), *term, first.clone())
        };
        self.count > other.count && of(self) == of(other)
    }

    fn new(event: NodeEvent, node: &NodeName, start: &str, name_width: usize) -> Self {
        let NodeEvent { number, at_ms, kind, subject, term, text, count, first_ms } = event;
        Self {
            time: utc(at_ms),
            at_ms,
            node: node.to_string(),
            start: start.to_owned(),
            number,
            kind,
            subject,
            term,
            text,
            count,
            first: utc(first_ms),
            name_width,
        }
    }

    /// Returns the text with the term and the count.
    pub(crate) fn told(&self) -> String {
        let term = self.term.map(|term| format!(", term {term}")).unwrap_or_default();
        let times = match self.count {
            0 | 1 => String::new(),
            count => format!(" ({count} times since {})", self.first),
        };
        format!("{}{term}{times}", escape::shown(&self.text))
    }
}

impl Printable for EventRow {
    fn table(&self) -> String {
        let width = self.name_width.max("NODE".len());
        let (time, node, kind) = (&self.time, &self.node, escape::shown(&self.kind));
        format!("{time:TIME_WIDTH$}  {node:width$}  {kind:KIND_WIDTH$}  {}\n", self.told())
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![
            self.time.clone(),
            self.node.clone(),
            escape::field(&self.kind),
            escape::field(&self.subject),
            wording::or_nothing(self.term),
            self.count.to_string(),
            escape::field(&self.text),
        ]]
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::protocol::NodeEventKind;

    use super::*;
    use crate::printer::{Format, tests::printed};

    fn row(term: Option<u64>, text: &str, count: u64) -> EventRow {
        let event = NodeEvent {
            number: 17,
            at_ms: 1_795_399_453_700,
            kind: NodeEventKind::Follows.as_str().to_owned(),
            subject: "hong".to_owned(),
            term,
            text: text.to_owned(),
            count,
            first_ms: 1_795_399_413_000,
        };
        let node = "ming".parse().unwrap();
        let told = NodeEvents { node, started_at_ms: 1_795_000_000_000, events: vec![event] };
        EventRow::all(told, &"ming".parse().unwrap(), 6).next().unwrap()
    }

    #[test]
    fn golden() {
        assert_eq!(header(6), "TIME                  NODE    EVENT            WHAT HAPPENED\n");
        let follows = row(Some(7), "follows hong, after 612 ms", 1);
        assert_eq!(
            printed(Format::Table, &follows),
            "2026-11-23T02:04:13Z  ming    follows          follows hong, after 612 ms, term 7\n"
        );
        assert_eq!(
            printed(Format::Plain, &follows),
            "2026-11-23T02:04:13Z\tming\tfollows\thong\t7\t1\tfollows hong, after 612 ms\n"
        );
        assert_eq!(
            printed(Format::Json, &follows),
            "{\"apiVersion\":\"coffee/v1\",\"time\":\"2026-11-23T02:04:13Z\",\"at_ms\":1795399453700,\"node\":\"ming\",\
             \"start\":\"1795000000000\",\"number\":17,\"kind\":\"follows\",\"subject\":\"hong\",\"term\":7,\
             \"text\":\"follows hong, after 612 ms\",\"count\":1,\"first\":\"2026-11-23T02:03:33Z\"}\n"
        );
    }

    #[test]
    fn a_repeated_event_says_since_when() {
        assert_eq!(row(None, "no answer", 7).told(), "no answer (7 times since 2026-11-23T02:03:33Z)");
    }

    #[test]
    fn no_event_controls_a_terminal() {
        let hostile = row(None, "done\u{1b}[2J\nming\u{202e}", 1);
        for format in [Format::Table, Format::Plain] {
            let text = printed(format, &hostile);
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        }
    }

    #[test]
    fn all_kinds_fit_their_column() {
        assert_eq!(NodeEventKind::ALL.iter().map(|kind| kind.as_str().len()).max(), Some(KIND_WIDTH));
    }
}
