//! Draws the comparison: operations per second over clients, both axes logarithmic, one
//! panel for writes and one for reads.

use std::fmt::Write;

use coffee_client::bench::Work;

use crate::{
    contestant::Both,
    load::{LoadRow, Results},
    options::CompareOptions,
};

const PANEL: (f64, f64) = (340.0, 260.0);
const MARGIN: (f64, f64) = (60.0, 46.0);
const COLOURS: [(&str, &str); 2] = [("coffeed", "#b5651d"), ("etcd", "#4a7ebb")];

/// Range of rates; each line is ten times the one below.
#[derive(Debug, Clone, Copy)]
struct Scale {
    low: i32,
    high: i32,
}

impl Scale {
    fn of(rates: impl Iterator<Item = f64>) -> Self {
        let (low, high) = rates
            .filter(|rate| *rate > 0.0)
            .fold((f64::MAX, 1.0_f64), |(low, high), rate| (low.min(rate), high.max(rate)));
        let low = low.min(high).log10().floor();
        #[expect(clippy::cast_possible_truncation, reason = "rates lie between 1 and 10^9")]
        Self { low: low as i32, high: (high.log10().ceil() as i32).max(low as i32 + 1) }
    }

    fn y(self, rate: f64) -> f64 {
        let share = (rate.max(1e-9).log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        PANEL.1 * (1.0 - share.clamp(0.0, 1.0))
    }
}

pub(crate) fn render(results: &Results, options: &CompareOptions, etcd_version: &str) -> String {
    let width = 2.0 * (PANEL.0 + MARGIN.0) + 20.0;
    let height = PANEL.1 + 2.0 * MARGIN.1 + 20.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let right = PANEL.0 + 2.0 * MARGIN.0;
    for (left, work, title) in [
        (MARGIN.0, Work::Put, "durable writes per second"),
        (right, Work::Get, "linearizable reads per second"),
    ] {
        let _ = writeln!(svg, "<g transform=\"translate({left} {})\">", MARGIN.1);
        let rows: Vec<&LoadRow> = results.rows.iter().filter(|row| row.work == work).collect();
        svg += &panel(&rows, title);
        svg += "</g>\n";
    }
    let note = format!(
        "coffeed {} and etcd {etcd_version}, three nodes each on one machine, mTLS, values of {} bytes",
        env!("CARGO_PKG_VERSION"),
        options.value_bytes
    );
    svg += &text(width / 2.0, height - 8.0, "middle", &note);
    svg + "</svg>\n"
}

fn panel(rows: &[&LoadRow], title: &str) -> String {
    let rates = |row: &&LoadRow| {
        let Both { coffeed, etcd } = row.samples(|turn| turn.rate);
        [coffeed.median(), etcd.median()]
    };
    let scale = Scale::of(rows.iter().flat_map(rates));
    let mut svg = text(PANEL.0 / 2.0, -16.0, "middle", title);
    for power in scale.low..=scale.high {
        let y = scale.y(10_f64.powi(power));
        let _ = writeln!(svg, "<path d=\"M0 {y:.1} H{}\" stroke=\"#dddddd\"/>", PANEL.0);
        svg += &text(-6.0, y + 4.0, "end", &format!("{:.0}", 10_f64.powi(power)));
    }
    for (position, row) in rows.iter().enumerate() {
        svg += &text(x(position, rows.len()), PANEL.1 + 18.0, "middle", &row.clients.to_string());
    }
    svg += &text(PANEL.0 / 2.0, PANEL.1 + 38.0, "middle", "clients, each waiting for its answer");
    for (side, (label, colour)) in COLOURS.into_iter().enumerate() {
        let point = |(position, row)| {
            let rate = rates(row)[side];
            (x(position, rows.len()), scale.y(rate), rate)
        };
        let points: Vec<(f64, f64, f64)> = rows.iter().enumerate().map(point).collect();
        svg += &line(&points, label, colour, side == 0);
    }
    svg
}

#[expect(clippy::cast_precision_loss, reason = "a handful of positions")]
fn x(position: usize, count: usize) -> f64 {
    PANEL.0 * (position as f64 + 0.5) / count as f64
}

fn text(x: f64, y: f64, anchor: &str, words: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#333333\">{words}</text>\n")
}

/// Draws a line through labelled points; labels are above for one side and below for the
/// other.
fn line(points: &[(f64, f64, f64)], label: &str, colour: &str, above: bool) -> String {
    let path: Vec<String> = points.iter().map(|(x, y, _)| format!("{x:.1},{y:.1}")).collect();
    let mut svg = format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
        path.join(" ")
    );
    let shift = if above { -8.0 } else { 18.0 };
    for (n, (x, y, rate)) in points.iter().enumerate() {
        let name = if n == 0 { format!("{label} ") } else { String::new() };
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{colour}\">{name}{rate:.0}</text>",
            y + shift
        );
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_spans_what_it_shows() {
        let scale = Scale::of([850.0, 41_000.0].into_iter());
        assert_eq!((scale.low, scale.high), (2, 5));
        assert!((scale.y(100.0) - PANEL.1).abs() < 1e-9 && scale.y(100_000.0).abs() < 1e-9);
        assert!(scale.y(41_000.0) < scale.y(850.0));
        let flat = Scale::of([100.0].into_iter());
        assert!(flat.high > flat.low);
    }
}
