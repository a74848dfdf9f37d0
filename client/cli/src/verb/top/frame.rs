//! One look, as lines that fit a screen. Pure.

use serde::Serialize;

use super::sample::TopRow;
use crate::{
    dates,
    printer::{Printable, escape, screen::ScreenSize, table},
    verb::events::row::EventRow,
    wording,
};

/// The warnings that a screen has at most: `list` prints all of them.
const NOTES_MAX: usize = 3;

/// The columns that are shown on each screen, however narrow it is.
const COLUMNS_MIN: usize = 4;

/// A column: its heading, and its cell for a node.
type TopColumn = (&'static str, fn(&TopRow) -> String);

/// The columns, the most important ones first.
const COLUMNS: [TopColumn; 15] = [
    ("NAME", |row| row.name.clone()),
    ("ROLE", |row| wording::or_nothing(row.role)),
    ("STATE", |row| row.state.to_owned()),
    ("LAG", |row| wording::or_nothing(row.lag)),
    ("WRITE/S", |row| wording::or_nothing(row.writes_per_s.map(wording::whole))),
    ("READ/S", |row| wording::or_nothing(row.reads_per_s.map(wording::whole))),
    ("P99", |row| wording::or_nothing(row.commit_p99_us.map(wording::short))),
    ("SYNC", |row| wording::or_nothing(row.sync_p99_us.map(wording::short))),
    ("DISK", |row| wording::or_nothing(row.disk_free_bytes.map(wording::size))),
    ("CERT", |row| wording::or_nothing(row.certificate_days_left.map(|days| format!("{days} d")))),
    ("ELECT", |row| wording::or_nothing(row.elections)),
    ("RTT", |row| wording::or_nothing(row.round_trip_us.map(wording::short))),
    ("STALL", |row| wording::or_nothing(row.stalled_ms.map(|ms| format!("{ms} ms")))),
    ("VERSION", |row| wording::or_nothing(row.version.as_deref())),
    ("ADDRESS", |row| row.address.clone()),
];

/// The columns of numbers.
const NUMBERS: std::ops::Range<usize> = 3..13;

/// The column of the nodes' states.
const STATE: usize = 2;

/// A look.
#[derive(Serialize)]
pub(super) struct TopFrame<'a> {
    time: String,
    summary: String,
    nodes: Vec<TopRow>,
    warnings: Vec<String>,
    events: &'a [EventRow],
    #[serde(skip)]
    size: ScreenSize,
}

impl<'a> TopFrame<'a> {
    /// Returns the look at this time, in milliseconds since 1970.
    pub(super) fn new(
        now_ms: u64,
        summary: String,
        nodes: Vec<TopRow>,
        warnings: Vec<String>,
        events: &'a [EventRow],
        size: ScreenSize,
    ) -> Self {
        let time = dates::utc(i64::try_from(now_ms / 1000).unwrap_or(i64::MAX));
        Self { time, summary, nodes, warnings, events, size }
    }

    /// Returns the table with as many columns as fit.
    fn nodes(&self) -> String {
        let of = |count: usize| {
            let mut nodes = table::TextTable::new([COLUMNS[0].0]).right(NUMBERS).states(STATE);
            self.nodes.iter().for_each(|node| nodes.row([(COLUMNS[0].1)(node)]));
            for (heading, cell) in &COLUMNS[1..count] {
                nodes.column(heading, self.nodes.iter().map(cell));
            }
            nodes.render()
        };
        let fits = |rendered: &String| rendered.lines().all(|line| table::width(line) <= self.size.columns);
        let widest = (COLUMNS_MIN..=COLUMNS.len()).rev().map(of).find(fits);
        widest.unwrap_or_else(|| of(COLUMNS_MIN))
    }

    fn fit(&self, line: &str) -> String {
        table::cut(line, self.size.columns)
    }
}

impl Printable for TopFrame<'_> {
    fn table(&self) -> String {
        let mut lines = vec![self.fit(&format!("{}  {}", self.time, self.summary)), String::new()];
        lines.extend(self.nodes().lines().map(str::to_owned));
        let notes = self.warnings.iter().take(NOTES_MAX).map(|note| self.fit(&escape::shown(note)));
        lines.extend(notes);
        // The last line stays empty: a newline there would scroll.
        let left = self.size.rows.saturating_sub(lines.len() + 2);
        let shown = &self.events[self.events.len().saturating_sub(left)..];
        if !shown.is_empty() {
            lines.push(String::new());
            lines.extend(shown.iter().map(|event| self.fit(event.table().trim_end())));
        }
        lines.truncate(self.size.rows.saturating_sub(1).max(1));
        self.size.draw(&lines)
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let fields = |row: &TopRow| COLUMNS.iter().map(|(_, cell)| cell(row)).collect();
        self.nodes.iter().map(fields).collect()
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::protocol::{NodeEvent, NodeEvents};

    use super::*;
    use crate::printer::{Format, tests::printed};

    fn node(name: &str, role: &'static str, state: &'static str) -> TopRow {
        let up = state == "up";
        TopRow {
            name: name.to_owned(),
            role: Some(role),
            state,
            lag: up.then_some(0),
            writes_per_s: up.then_some(1204.4),
            reads_per_s: up.then_some(31.0),
            commit_p99_us: (role == "leader").then_some(3_400),
            sync_p99_us: up.then_some(1_200),
            disk_free_bytes: up.then_some(12 << 30),
            certificate_days_left: up.then_some(361),
            elections: up.then_some(2),
            round_trip_us: (role == "follower" && up).then_some(310),
            stalled_ms: up.then_some(12),
            version: up.then(|| "0.1.0".to_owned()),
            address: "10.0.0.1:7400".to_owned(),
        }
    }

    fn events() -> Vec<EventRow> {
        let event = |(number, kind, text): (u64, &str, &str)| NodeEvent {
            number,
            at_ms: 1_795_399_453_000 + number * 1000,
            kind: kind.to_owned(),
            subject: String::new(),
            term: None,
            text: text.to_owned(),
            count: 1,
            first_ms: 0,
        };
        let events = [
            (1, "leads", "leads now"),
            (2, "act", "admin ops transfer hong: done"),
            (
                3,
                "peer-lost",
                "cannot connect to peng: peng at 10.0.0.3:7400 does not answer: no response in time",
            ),
        ];
        let node: coffee_common::id::NodeName = "ming".parse().unwrap();
        let told = NodeEvents { node: node.clone(), started_at_ms: 1, events: events.map(event).to_vec() };
        EventRow::all(told, &node, 4).collect()
    }

    fn shown(columns: usize, rows: usize, events: &[EventRow]) -> String {
        let nodes = vec![
            node("ming", "leader", "up"),
            node("hong", "follower", "up"),
            node("peng", "follower", "unreachable"),
        ];
        let summary = "2 of 3 voters in reach, none may be lost; leader ming, term 7".to_owned();
        let warnings = vec!["warning: the disk of hong has 90 MiB left".to_owned()];
        let size = ScreenSize { columns, rows };
        printed(Format::Table, &TopFrame::new(1_795_399_460_000, summary, nodes, warnings, events, size))
    }

    #[test]
    fn a_screen_of_80_columns() {
        assert_eq!(
            lines(&shown(80, 24, &events())),
            [
                "2026-11-23T02:04:20Z  2 of 3 voters in reach, none may be lost; leader ming, ter",
                "",
                "NAME  ROLE      STATE        LAG  WRITE/S  READ/S     P99    SYNC    DISK   CERT",
                "ming  leader    up             0     1204      31  3.4 ms  1.2 ms  12 GiB  361 d",
                "hong  follower  up             0     1204      31       -  1.2 ms  12 GiB  361 d",
                "peng  follower  unreachable    -        -       -       -       -       -      -",
                "warning: the disk of hong has 90 MiB left",
                "",
                "2026-11-23T02:04:14Z  ming  leads            leads now",
                "2026-11-23T02:04:15Z  ming  act              admin ops transfer hong: done",
                "2026-11-23T02:04:16Z  ming  peer-lost        cannot connect to peng: peng at 10.",
            ]
        );
    }

    #[test]
    fn a_screen_of_140_columns() {
        assert_eq!(
            lines(&shown(140, 24, &events()))[2..6],
            [
                "NAME  ROLE      STATE        LAG  WRITE/S  READ/S     P99    SYNC    DISK   CERT  ELECT     RTT  STALL  VERSION  ADDRESS",
                "ming  leader    up             0     1204      31  3.4 ms  1.2 ms  12 GiB  361 d      2       -  12 ms  0.1.0    10.0.0.1:7400",
                "hong  follower  up             0     1204      31       -  1.2 ms  12 GiB  361 d      2  0.3 ms  12 ms  0.1.0    10.0.0.1:7400",
                "peng  follower  unreachable    -        -       -       -       -       -      -      -       -      -  -        10.0.0.1:7400",
            ]
        );
    }

    /// The lines of a screen, each of which is erased before it is written.
    fn lines(screen: &str) -> Vec<String> {
        let text = screen.replace("\x1b[H", "").replace("\x1b[K", "").replace("\x1b[J", "");
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_last_events_fill_a_low_screen() {
        let events = events();
        let low = lines(&shown(80, 10, &events));
        assert_eq!(low.len(), 9, "{low:#?}");
        assert!(low[8].contains("peer-lost"), "{low:#?}");
        assert_eq!(lines(&shown(80, 7, &events)).len(), 6, "no event fits");
        assert_eq!(lines(&shown(20, 2, &events)).len(), 1);
        assert!(lines(&shown(20, 9, &events))[3].starts_with("ming  leader"));
    }

    #[test]
    fn the_printer_decides_about_colours() {
        let painted = TopFrame::new(
            0,
            String::new(),
            vec![node("peng", "follower", "unreachable")],
            vec![],
            &[],
            ScreenSize { columns: 80, rows: 24 },
        );
        assert!(painted.table().contains("\x1b[31munreachable\x1b[0m"));
        assert!(!printed(Format::Table, &painted).contains("\x1b[31m"), "as with NO_COLOR");
    }
}
