//! Deletes the keys of runs.

use coffee_client::{Client, Error, PageOptions};
use coffee_common::{
    command::{Batch, Operation},
    key::KeyRange,
    limits::{BATCH_OPERATIONS_MAX, RANGE_KEYS_MAX},
    protocol::Consistency,
};
use serde::Serialize;

use super::PREFIX;
use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    key_pages::KeyPages,
    printer::{Printable, progress::ProgressLine},
};

/// How a page of keys is read.
const PAGE: PageOptions =
    PageOptions { limit: RANGE_KEYS_MAX, keys_only: true, consistency: Consistency::Linearizable };

pub(super) async fn run(invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    let client = invocation.client(invocation.usual_timeout())?;
    let progress = invocation.printer.progress();
    // Counting takes a page per thousand keys, deleting them far longer.
    let total = if progress.is_silent() { None } else { Some(count(&client, PREFIX).await?) };
    let deleted = delete(&client, PREFIX, total, progress).await?;
    invocation.printer.report(&Cleaned { changed: deleted > 0, deleted });
    Ok(ExitCode::Done)
}

/// Counts the keys with this prefix.
async fn count(client: &Client, prefix: &str) -> Result<u64, Error> {
    let mut pages = KeyPages::changing(client, KeyRange::prefix(prefix));
    let mut count = 0;
    while let Some(entries) = pages.next(PAGE).await? {
        count += entries.len() as u64;
    }
    Ok(count)
}

/// Deletes all keys with this prefix, and returns their number. `total` is the
/// number that the progress shows as the goal.
pub(super) async fn delete(
    client: &Client,
    prefix: &str,
    total: Option<u64>,
    mut progress: ProgressLine,
) -> Result<u64, Error> {
    let mut pages = KeyPages::changing(client, KeyRange::prefix(prefix));
    let goal = total.map(|total| format!(" of {total}")).unwrap_or_default();
    let mut deleted = 0;
    while let Some(entries) = pages.next(PAGE).await? {
        for keys in entries.chunks(BATCH_OPERATIONS_MAX) {
            let operations = keys.iter().map(|(key, _)| Operation::Delete(key.clone())).collect();
            client.batch(Batch { conditions: Vec::new(), operations }).await?;
            deleted += keys.len() as u64;
            progress.show(&format!("deleting keys: {deleted}{goal}"));
        }
    }
    Ok(deleted)
}

/// The result of `bench clean`.
#[derive(Serialize)]
struct Cleaned {
    changed: bool,
    #[serde(rename = "removed")]
    deleted: u64,
}

impl Printable for Cleaned {
    fn table(&self) -> String {
        format!("{} keys deleted\n", self.deleted)
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![self.deleted.to_string()]]
    }
}
