//! Reads settings from a TOML file and locates errors in it.

use std::{fs::File, io::Read, ops::Range, path::Path};

use super::{ConfigError, ConfigLocation, Settings};

/// Maximum length of a configuration file.
const FILE_BYTES_MAX: u64 = 1 << 20;

impl Settings {
    /// Reads a file. Relative paths in it are resolved against the file's directory.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the file cannot be read or parsed.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = read_text(path).map_err(|(problem, hint)| {
            ConfigError::new(ConfigLocation::File { path: path.to_owned(), at: None }, problem, hint)
        })?;
        let settings = Self::parse(&text, path)?;
        Ok(settings.relative_to(path.parent().unwrap_or(Path::new(""))))
    }

    /// Parses the text of a file; `path` is used only in errors.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with line and column if the text is not a valid configuration.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let at = error.span().map(|span| position(text, &span));
            let (problem, hint) = explain(error.message());
            ConfigError::new(ConfigLocation::File { path: path.to_owned(), at }, problem, hint)
        })
    }
}

fn read_text(path: &Path) -> Result<String, (String, &'static str)> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => ("there is no such file".to_owned(), "name it with --config FILE"),
        _ => (format!("it cannot be read: {error}"), "let the user that runs coffeed read it"),
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err((format!("it is larger than {FILE_BYTES_MAX} bytes"), "name a configuration file"));
    }
    String::from_utf8(bytes).map_err(|_| ("it is not valid UTF-8".to_owned(), "name a configuration file"))
}

/// Returns line and column, counted from 1, of the start of a span.
fn position(text: &str, span: &Range<usize>) -> (usize, usize) {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Translates a parser's message into a problem and a hint.
fn explain(message: &str) -> (String, String) {
    // "unknown field `x`, expected one of `a`, `b`": serde's wording, which a test pins.
    let mut quoted = message.split('`').skip(1).step_by(2);
    match (message.starts_with("unknown field "), quoted.next()) {
        (true, Some("bootstrap")) => {
            ("unknown setting bootstrap".to_owned(), super::BOOTSTRAP_HINT.to_owned())
        }
        (true, Some(moved @ ("data_bytes_max" | "disk_free_bytes_min"))) => (
            format!("{moved} is a setting of the cluster"),
            format!("remove it, and run 'coffeectl settings set {moved} BYTES' once"),
        ),
        (true, Some(unknown)) => {
            let known: Vec<&str> = quoted.collect();
            let hint = nearest(unknown, &known).map_or_else(
                || format!("known here: {}", known.join(", ")),
                |meant| format!("did you mean {meant}?"),
            );
            (format!("unknown setting {unknown}"), hint)
        }
        _ => (
            message.trim_end().replace('\n', ", "),
            "deploy/coffeed.toml explains every setting; `coffeed --check-config` checks a file".to_owned(),
        ),
    }
}

/// Returns the known word that was probably meant.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |candidate: &str| edits(&word.to_lowercase(), candidate);
    let best = known.iter().copied().min_by_key(|candidate| distance(candidate))?;
    (distance(best) <= 1 + word.chars().count() / 4).then_some(best)
}

/// The number of insertions, deletions and replacements that turn one word into the
/// other (Wagner and Fischer, 1974).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}
