//! `compact`: drops the history up to a revision.

use clap::Args;
use coffee_common::id::Revision;
use serde::Serialize;

use crate::{confirm, exit::ExitCode, failure::Failure, invocation::Invocation, printer::Printable};

/// `compact`.
#[derive(Debug, Args)]
pub(crate) struct CompactArguments {
    /// The first revision that can still be read afterwards
    #[arg(value_name = "REVISION")]
    upto: u64,
}

pub(crate) async fn run(
    arguments: &CompactArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let client = invocation.client(invocation.usual_timeout())?;
    if !invocation.options.yes {
        let plan = format!("what was before revision {} cannot be read any more\n", arguments.upto);
        confirm::confirm(&plan, invocation).await?;
    }
    let floor = client.compact(Revision(arguments.upto)).await.map_err(Failure::of_revision)?;
    invocation.printer.report(&Compaction { floor: floor.0 });
    Ok(ExitCode::Done)
}

/// The result of `compact`.
#[derive(Serialize)]
struct Compaction {
    /// The first revision that can be read.
    floor: u64,
}

impl Printable for Compaction {
    fn table(&self) -> String {
        format!("the history begins at revision {}\n", self.floor)
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![self.floor.to_string()]]
    }
}
