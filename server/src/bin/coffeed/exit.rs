//! How the daemon ends: its exit codes are an interface, like its flags.
//!
//! They are some of `coffeectl`'s, with the same numbers, and never change
//! their meaning. The unit file in `deploy/` counts on them: what a restart
//! cannot heal (2, 7) is not restarted, and neither is a clean end (0).

use coffee_client::cli::exit::ExitCode;

/// Every code that the daemon ends with, and what it means there.
const TABLE: [(ExitCode, &str); 6] = [
    (ExitCode::Done, "stopped, or taken out of the cluster by an operator"),
    (ExitCode::Failed, "failed; a restart may help"),
    (ExitCode::Usage, "usage, configuration, or data that does not fit it or is damaged"),
    (ExitCode::Denied, "certificate or key files"),
    (ExitCode::Interrupted, "a second SIGINT cut the stop short"),
    (ExitCode::Terminated, "a second SIGTERM cut the stop short"),
];

/// Every code, in order, with what it means.
pub(crate) fn rows() -> impl Iterator<Item = (u8, &'static str)> {
    TABLE.iter().map(|(code, meaning)| (code.number(), *meaning))
}

/// The table for people.
pub(crate) fn help() -> String {
    let lines = rows().map(|(number, meaning)| format!("\n  {number:>3}  {meaning}"));
    format!("Exit codes:{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_that_units_and_scripts_rely_on() {
        assert_eq!(TABLE.map(|(code, _)| code.number()), [0, 1, 2, 7, 130, 143]);
        assert!(help().ends_with("\n  143  a second SIGTERM cut the stop short"), "{}", help());
    }
}
