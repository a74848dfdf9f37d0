//! Asks for confirmation before a change that cannot be undone.

use std::io;

use crate::{exit::ExitCode, failure::Failure, invocation::Invocation};

/// Shows the plan and asks for confirmation.
///
/// # Errors
///
/// If the answer is not yes, or no terminal is there to ask at.
pub(crate) async fn confirm(plan: &str, invocation: &mut Invocation<'_>) -> Result<(), Failure> {
    invocation.printer.aside(plan);
    if !invocation.can_ask {
        return Err(Failure::new(
            ExitCode::Refused,
            "nothing was changed: confirmation is missing, and there is no terminal to ask at",
        )
        .hint(format!("to confirm: {}", invocation.spoken.with(&["--yes"]))));
    }
    invocation.printer.aside("go on? [y/N] ");
    if is_yes(&answer().await?) {
        Ok(())
    } else {
        Err(Failure::new(ExitCode::Refused, "nothing was changed: it was not confirmed"))
    }
}

/// Reads the answer on another thread, so that Ctrl-C still works.
async fn answer() -> Result<String, Failure> {
    let read = || {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    };
    let unreadable = |error: String| Failure::new(ExitCode::Refused, format!("nothing was changed: {error}"));
    tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| unreadable(error.to_string()))?
        .map_err(|error| unreadable(error.to_string()))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for yes in ["y\n", "Y", " yes \n", "YES"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n", "no", "yep", "yes please"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
