//! Takes away the keys of runs.

use coffee_client::{Client, Error, PageOptions};
use coffee_common::{
    command::{Batch, Operation},
    key::KeyRange,
    limits::{BATCH_OPERATIONS_MAX, RANGE_KEYS_MAX},
    protocol::Consistency,
};
use serde::Serialize;

use super::PREFIX;
use crate::{exit::ExitCode, failure::Failure, invocation::Invocation, printer::Printable};

pub(super) async fn run(invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    let client = invocation.client(invocation.usual_timeout())?;
    let removed = remove(&client, PREFIX).await?;
    invocation.printer.report(&Cleaned { changed: removed > 0, removed });
    Ok(ExitCode::Done)
}

/// Takes all keys away that start with this; says how many there were.
pub(super) async fn remove(client: &Client, prefix: &str) -> Result<u64, Error> {
    let mut range = KeyRange::prefix(prefix);
    let options =
        PageOptions { limit: RANGE_KEYS_MAX, keys_only: true, consistency: Consistency::Linearizable };
    let mut removed = 0;
    loop {
        let page = client.range(range.clone(), options).await?;
        let Some((last, _)) = page.entries.last() else { return Ok(removed) };
        range = range.after(last);
        for keys in page.entries.chunks(BATCH_OPERATIONS_MAX) {
            let operations = keys.iter().map(|(key, _)| Operation::Delete(key.clone())).collect();
            client.batch(Batch { conditions: Vec::new(), operations }).await?;
        }
        removed += page.entries.len() as u64;
        if !page.more {
            return Ok(removed);
        }
    }
}

/// What `bench clean` did.
#[derive(Serialize)]
struct Cleaned {
    changed: bool,
    removed: u64,
}

impl Printable for Cleaned {
    fn table(&self) -> String {
        format!("{} keys taken away\n", self.removed)
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![self.removed.to_string()]]
    }
}
