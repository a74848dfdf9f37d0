//! HTML under construction.
//!
//! Guards that no text becomes markup: only literals of this program enter as they are.

use std::fmt::Write;

use coffee_common::text::{MESSAGE_BYTES_MAX, harmless};

/// A part of a page.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Adds markup.
    pub(super) fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds text, for an element or a quoted attribute: escaped, on one line, without control characters,
    /// and cut to [`MESSAGE_BYTES_MAX`] bytes.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for c in harmless(text, MESSAGE_BYTES_MAX).chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        self
    }

    /// Adds a number with at most one decimal.
    pub(super) fn number(&mut self, number: f64) -> &mut Self {
        let _ = write!(self.0, "{}", (number * 10.0).round() / 10.0);
        self
    }

    /// Returns the markup.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Escapes a text, for fuzzing.
#[cfg(any(test, fuzzing))]
pub fn assert_escaped(text: &str) {
    let mut html = Html::default();
    html.text(text);
    let escaped = html.finish();
    assert!(!escaped.contains(['<', '>', '"', '\'', '\n', '\r', '\0']), "{escaped:?}");
    let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
    for (_, after) in escaped.match_indices('&').map(|(at, _)| escaped.split_at(at + 1)) {
        assert!(known.iter().any(|name| after.starts_with(name)), "{escaped:?}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_never_becomes_markup() {
        let mut html = Html::default();
        html.markup("<p title=\"").text("\"><script>alert('x')</script>&amp;\r\n\u{202e}").markup("\">");
        assert_eq!(
            html.finish(),
            "<p title=\"&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;  \u{fffd}\">"
        );
    }

    #[test]
    fn numbers_are_short() {
        let shown = |number| {
            let mut html = Html::default();
            html.number(number);
            html.finish()
        };
        assert_eq!([0.0, 12.34, 1e6, 2.96].map(shown), ["0", "12.3", "1000000", "3"]);
    }

    proptest! {
        #[test]
        fn any_text_is_escaped(text in any::<String>()) {
            assert_escaped(&text);
        }
    }
}
