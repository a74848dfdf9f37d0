//! Tables for people: each column is as wide as its widest cell.

use super::colour;

/// Rows of cells, usually under a header.
#[derive(Debug, Default)]
pub(crate) struct TextTable {
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
    states: Option<usize>,
}

impl TextTable {
    /// A table with these headings.
    pub(crate) fn new<const N: usize>(header: [&str; N]) -> Self {
        Self { rows: vec![header.map(str::to_owned).into()], ..Self::default() }
    }

    /// A table of names and values.
    pub(crate) fn without_header() -> Self {
        Self::default()
    }

    /// Aligns these columns to the right, for numbers.
    pub(crate) fn right(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        self.right.extend(columns);
        self
    }

    /// Paints the states of nodes in this column.
    pub(crate) fn states(mut self, column: usize) -> Self {
        self.states = Some(column);
        self
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// Adds a column to the right of the others, with its heading.
    pub(crate) fn column(&mut self, heading: &str, cells: impl Iterator<Item = String>) {
        for (row, cell) in self.rows.iter_mut().zip(std::iter::once(heading.to_owned()).chain(cells)) {
            row.push(cell);
        }
    }

    /// The rows, each a line without trailing blanks.
    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|i| self.rows.iter().filter_map(|r| r.get(i)).map(|c| width(c)).max().unwrap_or(0))
            .collect();
        self.rows.iter().map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells = row.iter().zip(widths).enumerate().map(|(i, (cell, wide))| {
            let gap = " ".repeat(wide.saturating_sub(width(cell)));
            let cell = if self.states == Some(i) { colour::state(cell) } else { cell.clone() };
            if self.right.contains(&i) { format!("{gap}{cell}") } else { format!("{cell}{gap}") }
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    }
}

/// The columns of a terminal that a text takes, approximately: colours take
/// none, characters of East Asian scripts and most pictures two (Unicode Annex 11).
pub(crate) fn width(text: &str) -> usize {
    colour::strip(text).chars().map(columns).sum()
}

/// Returns the beginning of a text without colours that takes at most `max` columns.
pub(crate) fn cut(text: &str, max: usize) -> String {
    let mut left = max;
    let fits = |c: &char| {
        let fits = columns(*c) <= left;
        left = left.saturating_sub(columns(*c));
        fits
    };
    text.chars().take_while(fits).collect()
}

fn columns(c: char) -> usize {
    if is_combining(c) { 0 } else { 1 + usize::from(is_wide(c)) }
}

fn is_combining(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}')
}

fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2615}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = TextTable::new(["NAME", "LAG", "STATE"]).right([1]);
        table.row(["ming".into(), "0".into(), "up".into()]);
        table.row(["咖啡".into(), "12345".into(), String::new()]);
        assert_eq!(table.render(), "NAME    LAG  STATE\nming      0  up\n咖啡  12345\n");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!([0, 1, 2, 3, 9].map(|max| cut("a咖b", max)), ["", "a", "a", "a咖", "a咖b"]);
    }

    #[test]
    fn a_table_of_nothing_is_empty() {
        assert_eq!(TextTable::without_header().render(), "");
    }

    #[test]
    fn colours_do_not_change_the_widths() {
        let table = |up: String| {
            let mut table = TextTable::new(["NAME", "STATE", "LAG"]).right([2]).states(1);
            table.row(["ming".into(), up, "0".into()]);
            table.row(["hong".into(), "unreachable".into(), "-".into()]);
            table.render()
        };
        let painted = table(colour::green("up"));
        assert_eq!(painted.lines().nth(2), Some("hong  \x1b[31munreachable\x1b[0m    -"));
        assert_eq!(
            painted,
            table("up".into()).replace("ming  up", &format!("ming  {}", colour::green("up")))
        );
        assert_eq!(
            colour::strip(&painted),
            "NAME  STATE        LAG\nming  up             0\nhong  unreachable    -\n"
        );
    }
}
