//! The list of `list --watch`: again and again, until a signal or a closed pipe ends it.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::report;
use crate::{exit::ExitCode, failure::Failure, invocation::Invocation};

/// Prints the list once in `every`. A cluster that cannot be reached for a while is waited for.
pub(super) async fn run(every: Duration, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !invocation.printer.is_broken() {
        ticks.tick().await;
        let view = invocation.view(invocation.usual_timeout()).await;
        invocation.printer.clear();
        match view {
            Ok(view) => report(view, invocation),
            Err(failure) if failure.code() == ExitCode::Unavailable => invocation.printer.failure(&failure),
            Err(failure) => return Err(failure),
        }
    }
    Ok(ExitCode::Done)
}
