//! `coffeed versions`: what this build reads and writes.

use clap::Args;
use coffee_common::{
    feature_level::{LEVEL_MAX, LEVEL_MIN, LEVELS, LevelFeatures},
    protocol::{ALPN_CLIENT, ALPN_PEER},
};
use coffeectl::{
    exit::ExitCode,
    failure::Failure,
    printer::{Format, Printable, Printer},
};
use coffeed::{
    node::VERSION,
    storage::formats::{DataFormat, FORMATS},
};
use serde::Serialize;

/// Arguments of `coffeed versions`.
#[derive(Debug, Clone, Args)]
pub(crate) struct VersionsArguments {
    /// Format of the output
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// Prints the versions. Needs no configuration.
pub(crate) fn run(arguments: &VersionsArguments) -> Result<ExitCode, Failure> {
    let mut printer = Printer::standard(arguments.output);
    printer.report(&Versions::of_this_build());
    printer.finish()?;
    Ok(ExitCode::Done)
}

/// Returns the versions in short, as comments of a configuration.
pub(crate) fn comments() -> String {
    let levels = match (LEVEL_MIN, LEVEL_MAX) {
        (min, max) if min == max => format!("feature level {max}"),
        (min, max) => format!("feature levels {min} to {max}"),
    };
    let formats = FORMATS.map(|format| format!("{} {}", format.name, format.version)).join(", ");
    format!("# coffeed {VERSION}: {levels}\n# formats: {formats}\n")
}

#[derive(Serialize)]
struct Versions {
    version: &'static str,
    level_min: u32,
    level_max: u32,
    levels: &'static [LevelFeatures],
    formats: [DataFormat; FORMATS.len()],
    client_protocol: String,
    peer_protocol: String,
}

impl Versions {
    fn of_this_build() -> Self {
        let name = |alpn: &[u8]| String::from_utf8_lossy(alpn).into_owned();
        Self {
            version: VERSION,
            level_min: LEVEL_MIN.0,
            level_max: LEVEL_MAX.0,
            levels: LEVELS,
            formats: FORMATS,
            client_protocol: name(ALPN_CLIENT),
            peer_protocol: name(ALPN_PEER),
        }
    }

    fn rows(&self) -> Vec<(String, String)> {
        let row = |name: &str, value: &dyn ToString| (name.to_owned(), value.to_string());
        let mut rows = vec![row("version", &self.version)];
        let level = |known: &LevelFeatures| {
            let LevelFeatures { level, version, brought } = known;
            (format!("feature level {level}"), format!("since {version}: {brought}"))
        };
        rows.extend(self.levels.iter().map(level));
        rows.extend(
            self.formats.iter().map(|format| row(format.name, &format!("format {}", format.version))),
        );
        rows.push(row("client protocol", &self.client_protocol));
        rows.push(row("peer protocol", &self.peer_protocol));
        rows
    }
}

impl Printable for Versions {
    fn table(&self) -> String {
        let rows = self.rows();
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        rows.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
    }

    fn plain(&self) -> Vec<Vec<String>> {
        self.rows().into_iter().map(|(name, value)| vec![name, value]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_shown_with_its_version() {
        let versions = Versions::of_this_build();
        let table = versions.table();
        let first = format!(
            "version          {VERSION}\nfeature level 1  since 0.1.0: everything of the first release\n"
        );
        assert!(table.starts_with(&first), "{table}");
        assert!(table.contains("\ndata directory   format 3\n"), "{table}");
        assert!(table.ends_with("peer protocol    coffee-peer/1\n"), "{table}");
        assert_eq!(versions.plain().len(), table.lines().count());
    }
}
