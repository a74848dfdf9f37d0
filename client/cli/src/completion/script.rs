//! The completion scripts of shells.
//!
//! Those for bash, zsh and fish ask `coffeectl complete` for the candidates, so
//! they know names and never change with the verbs. Its answer has one candidate
//! per line, a tab, and a description; `:files` and `:folders` stand for paths.

use clap::Command;
use clap_complete::Shell;

use super::ValueKind;

const BASH: &str = include_str!("script.bash");
const ZSH: &str = include_str!("script.zsh");
const FISH: &str = include_str!("script.fish");

/// Returns the script for a shell. `parser` serves the shells without names.
pub(crate) fn of(shell: Shell, mut parser: Command) -> String {
    match shell {
        Shell::Bash => BASH.to_owned(),
        Shell::Zsh => ZSH.to_owned(),
        Shell::Fish => FISH.to_owned(),
        shell => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut parser, "coffeectl", &mut script);
            String::from_utf8_lossy(&script).into_owned()
        }
    }
}

/// Returns the line with which the script is told to complete paths.
pub(crate) fn path_line(kind: Option<ValueKind>) -> &'static str {
    match kind {
        Some(ValueKind::File) => ":files\n",
        Some(ValueKind::Folder) => ":folders\n",
        _ => "",
    }
}
