//! The synopsis of a manual page, with the values of the flags.

use clap::{Arg, ArgAction, Command};
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// Renders the section SYNOPSIS of a built command.
pub(super) fn render(command: &Command) -> String {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    let mut line = vec![bold(command.get_bin_name().unwrap_or_else(|| command.get_name()))];
    let shown = |arg: &&Arg| !arg.is_hide_set();
    for arg in command.get_arguments().filter(shown).filter(|arg| !arg.is_positional()) {
        line.push(roman(" "));
        line.extend(optional(flag(arg), !arg.is_required_set()));
    }
    for arg in command.get_positionals().filter(shown) {
        line.push(roman(" "));
        line.extend(optional(vec![italic(value_name(arg))], !arg.is_required_set()));
        if matches!(arg.get_action(), ArgAction::Append) {
            line.push(roman("..."));
        }
    }
    if command.get_subcommands().any(|verb| !verb.is_hide_set()) {
        let name = italic(command.get_subcommand_value_name().unwrap_or("COMMAND"));
        line.push(roman(" "));
        line.extend(optional(vec![name], !command.is_subcommand_required_set()));
    }
    roff.text(line);
    roff.to_roff()
}

fn optional(mut inlines: Vec<Inline>, is_optional: bool) -> Vec<Inline> {
    if is_optional {
        inlines.insert(0, roman("["));
        inlines.push(roman("]"));
    }
    inlines
}

/// `-o|--output FORMAT`.
fn flag(arg: &Arg) -> Vec<Inline> {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let mut inlines = Vec::new();
    for name in short.into_iter().chain(long) {
        if !inlines.is_empty() {
            inlines.push(roman("|"));
        }
        inlines.push(bold(name));
    }
    if arg.get_action().takes_values() {
        // A value that may be left out needs `=`.
        match arg.get_num_args().is_some_and(|count| count.min_values() == 0) {
            true => inlines.extend([roman("[="), italic(value_name(arg)), roman("]")]),
            false => inlines.extend([roman(" "), italic(value_name(arg))]),
        }
    }
    inlines
}

fn value_name(arg: &Arg) -> String {
    match arg.get_value_names() {
        Some(names) => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        None => arg.get_id().as_str().to_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_have_their_values() {
        let mut command = Command::new("brew")
            .bin_name("brew")
            .disable_help_flag(true)
            .arg(Arg::new("output").short('o').long("output").value_name("FORMAT"))
            .arg(Arg::new("check").long("check").value_name("DAYS").num_args(0..=1).require_equals(true))
            .arg(Arg::new("goal").long("for").value_name("GOAL").required(true))
            .arg(Arg::new("yes").long("yes").action(ArgAction::SetTrue))
            .arg(Arg::new("node").value_name("NODE").action(ArgAction::Append));
        command.build();
        let text =
            render(&command).replace("\\fB", "").replace("\\fI", "").replace("\\fR", "").replace("\\-", "-");
        assert!(
            text.ends_with("brew [-o|--output FORMAT] [--check[=DAYS]] --for GOAL [--yes] [NODE]...\n"),
            "{text}"
        );
    }
}
