//! Prometheus' text format, version 0.0.4. Knows the format and no metric.
//!
//! Hand-written, since it is two lines per family and one per sample. The crates for it bring their
//! own counters, whose histograms take a lock per observation.

use std::fmt::Write;

use crate::metrics::HistogramSnapshot;

/// The type of a metric.
#[derive(Debug, Clone, Copy)]
pub(super) enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

impl MetricKind {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Label names and values.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// An exposition under construction.
#[derive(Debug, Default)]
pub(super) struct Text(String);

/// A metric to which samples are added.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Text {
    /// Starts a metric. All its samples must be added to the returned family.
    pub(super) fn family(&mut self, name: &'static str, kind: MetricKind, help: &str) -> Family<'_> {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {}", kind.name());
        Family { text: &mut self.0, name }
    }

    /// Adds a counter with one sample.
    pub(super) fn counter(&mut self, name: &'static str, help: &str, value: u64) {
        self.family(name, MetricKind::Counter, help).sample(&[], value);
    }

    /// Adds a gauge with one sample.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str, value: impl SampleValue) {
        self.family(name, MetricKind::Gauge, help).sample(&[], value);
    }

    /// Adds a histogram without labels.
    pub(super) fn histogram(&mut self, name: &'static str, help: &str, reading: &HistogramSnapshot) {
        self.family(name, MetricKind::Histogram, help).histogram(&[], reading);
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl SampleValue) {
        self.line("", labels, None, value);
    }

    pub(super) fn histogram(&mut self, labels: Labels<'_>, reading: &HistogramSnapshot) {
        for (bound, count) in &reading.buckets {
            self.line("_bucket", labels, Some(*bound), *count);
        }
        self.line("_bucket", labels, Some(f64::INFINITY), reading.count);
        self.line("_sum", labels, None, reading.sum);
        self.line("_count", labels, None, reading.count);
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<f64>, value: impl SampleValue) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let mut open = '{';
        for (name, value) in labels {
            let _ = write!(self.text, "{open}{name}=\"");
            escape(self.text, value);
            self.text.push('"');
            open = ',';
        }
        if let Some(bound) = bound {
            let _ = write!(self.text, "{open}le=\"");
            bound.write(self.text);
            self.text.push('"');
            open = ',';
        }
        self.text.push_str(if open == ',' { "} " } else { " " });
        value.write(self.text);
        self.text.push('\n');
    }
}

/// A sample's value.
pub(super) trait SampleValue {
    fn write(self, text: &mut String);
}

impl SampleValue for u64 {
    fn write(self, text: &mut String) {
        let _ = write!(text, "{self}");
    }
}

impl SampleValue for bool {
    fn write(self, text: &mut String) {
        text.push(if self { '1' } else { '0' });
    }
}

impl SampleValue for f64 {
    fn write(self, text: &mut String) {
        match self {
            f64::INFINITY => text.push_str("+Inf"),
            // Nine digits exceed the resolution of any clock. Further ones are binary rounding errors.
            number => {
                let digits = format!("{number:.9}");
                text.push_str(digits.trim_end_matches('0').trim_end_matches('.'));
            }
        }
    }
}

fn escape(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_the_format_says() {
        let mut text = Text::default();
        text.counter("a_total", "How many.", 7);
        text.gauge("b", "Whether.", true);
        let mut family = text.family("c_seconds", MetricKind::Histogram, "How long.");
        let reading = HistogramSnapshot { buckets: vec![(0.000_05, 1), (2.5, 3)], count: 4, sum: 10.0 };
        family.histogram(&[("verb", "a\"b\\c\nd")], &reading);
        let expected = "# HELP a_total How many.\n# TYPE a_total counter\na_total 7\n\
            # HELP b Whether.\n# TYPE b gauge\nb 1\n\
            # HELP c_seconds How long.\n# TYPE c_seconds histogram\n\
            c_seconds_bucket{verb=\"a\\\"b\\\\c\\nd\",le=\"0.00005\"} 1\n\
            c_seconds_bucket{verb=\"a\\\"b\\\\c\\nd\",le=\"2.5\"} 3\n\
            c_seconds_bucket{verb=\"a\\\"b\\\\c\\nd\",le=\"+Inf\"} 4\n\
            c_seconds_sum{verb=\"a\\\"b\\\\c\\nd\"} 10\n\
            c_seconds_count{verb=\"a\\\"b\\\\c\\nd\"} 4\n";
        assert_eq!(text.finish(), expected);
    }
}
