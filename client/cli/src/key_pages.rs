//! The pages of a range of keys, one after another.

use coffee_client::{Client, Error, Page, PageOptions};
use coffee_common::key::KeyRange;

/// The pages of a range, each read at its own revision.
pub(crate) struct KeyPages<'a> {
    client: &'a Client,
    /// The keys that were not read yet.
    range: KeyRange,
    more: bool,
}

impl<'a> KeyPages<'a> {
    pub(crate) fn new(client: &'a Client, range: KeyRange) -> Self {
        Self { client, range, more: true }
    }

    /// The part of the range that was not read yet.
    pub(crate) fn rest(&self) -> &KeyRange {
        &self.range
    }

    /// Whether there may be keys that were not read yet.
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    /// Reads the next page; `None` after the last one.
    pub(crate) async fn next(&mut self, options: PageOptions) -> Result<Option<Page>, Error> {
        if !self.more {
            return Ok(None);
        }
        let page = self.client.range(self.range.clone(), options).await?;
        let last = page.entries.last().map(|(key, _)| key);
        self.more = page.more && last.is_some();
        if let Some(last) = last {
            self.range = self.range.clone().after(last);
        }
        Ok(Some(page))
    }
}
