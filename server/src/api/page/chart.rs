//! Charts of the last 15 minutes, as inline SVG.

use super::html::Html;
use crate::metrics::SAMPLES_MAX;

const HEIGHT: f64 = 40.0;

/// A row of values, one per sample; `None` where there was nothing to measure.
pub(super) struct Chart<'a> {
    pub(super) title: &'static str,
    pub(super) values: Vec<Option<f64>>,
    /// Returns a value with its unit.
    pub(super) show: &'a dyn Fn(f64) -> String,
    /// The text beside the title: the last value, unless another one says more.
    pub(super) summary: Option<String>,
}

impl Chart<'_> {
    /// Adds the chart to a page.
    pub(super) fn write(&self, html: &mut Html) {
        let highest = self.values.iter().flatten().copied().fold(0.0, f64::max);
        let last = self.values.last().copied().flatten().map_or_else(|| "-".to_owned(), self.show);
        let summary = self.summary.as_ref().unwrap_or(&last);
        html.markup("<figure><figcaption><span>").text(self.title).markup("</span> <strong>").text(summary);
        html.markup("</strong></figcaption><svg viewBox=\"0 0 180 42\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"");
        html.text(&format!("{}: {summary}, at most {}", self.title, (self.show)(highest)));
        html.markup("\"><path d=\"M0 41.5H180\" class=\"base\"/><path class=\"line\" d=\"");
        self.write_line(html, highest);
        html.markup("\"/></svg><p class=\"most\">15 min, at most ").text(&(self.show)(highest));
        html.markup("</p></figure>");
    }

    /// The newest value is at the right edge. A value without neighbours is a point.
    fn write_line(&self, html: &mut Html, highest: f64) {
        let first = SAMPLES_MAX.saturating_sub(self.values.len());
        let mut goes_on = false;
        for (place, value) in self.values.iter().enumerate() {
            let Some(value) = value else {
                goes_on = false;
                continue;
            };
            let height = if highest > 0.0 { value / highest * HEIGHT } else { 0.0 };
            html.markup(if goes_on { "L" } else { "M" }).number((first + place + 1) as f64).markup(" ");
            html.number(HEIGHT + 1.0 - height);
            if !goes_on {
                html.markup("h0");
            }
            goes_on = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(values: Vec<Option<f64>>) -> String {
        let mut html = Html::default();
        Chart { title: "reads", values, show: &|value| format!("{value}/s"), summary: None }.write(&mut html);
        html.finish()
    }

    #[test]
    fn a_line_ends_at_the_right_edge_and_has_gaps() {
        let html = drawn(vec![Some(4.0), Some(2.0), None, Some(0.0)]);
        assert!(html.contains("d=\"M177 1h0L178 21M180 41h0\""), "{html}");
        assert!(html.contains("aria-label=\"reads: 0/s, at most 4/s\""), "{html}");
    }

    #[test]
    fn nothing_is_a_chart_too() {
        let html = drawn(Vec::new());
        assert!(html.contains("class=\"line\" d=\"\"") && html.contains("<strong>-</strong>"), "{html}");
    }
}
