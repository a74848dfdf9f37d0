//! The pages of a range of keys, one after another.

use coffee_client::{Client, Entry, Error, PageOptions};
use coffee_common::{
    id::Revision,
    key::{Key, KeyRange},
};

/// The note for pages of several revisions.
pub(crate) const MIXED: &str =
    "the keys are of several revisions: the history of the first was dropped meanwhile";

/// The pages of a range, all of one revision. Each is of its own if the cluster keeps no history, or too
/// little.
pub(crate) struct KeyPages<'a> {
    client: &'a Client,
    /// The keys that were not read yet.
    range: KeyRange,
    more: bool,
    revision: PageRevision,
}

enum PageRevision {
    /// That of the first page, which was not read yet.
    First,
    /// This one, which an earlier page was of.
    Same(Revision),
    /// This one.
    Wanted(Revision),
    /// Each has its own.
    Own,
    /// Each has its own, since that of the first was dropped from the history.
    Dropped,
}

impl<'a> KeyPages<'a> {
    pub(crate) fn new(client: &'a Client, range: KeyRange) -> Self {
        Self { client, range, more: true, revision: PageRevision::First }
    }

    /// The pages of a range, each as of its own revision: for one who changes what was read.
    pub(crate) fn changing(client: &'a Client, range: KeyRange) -> Self {
        Self { client, range, more: true, revision: PageRevision::Own }
    }

    /// The pages of a range as of a revision.
    pub(crate) fn at(client: &'a Client, range: KeyRange, revision: Revision) -> Self {
        Self { client, range, more: true, revision: PageRevision::Wanted(revision) }
    }

    /// The part of the range that was not read yet.
    pub(crate) fn rest(&self) -> &KeyRange {
        &self.range
    }

    /// Whether the pages are of several revisions, although they were to be of one.
    pub(crate) fn is_mixed(&self) -> bool {
        matches!(self.revision, PageRevision::Dropped)
    }

    /// Whether there may be keys that were not read yet.
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    /// Reads the next page; `None` after the last one.
    pub(crate) async fn next(&mut self, options: PageOptions) -> Result<Option<Vec<(Key, Entry)>>, Error> {
        if !self.more {
            return Ok(None);
        }
        loop {
            let (entries, upto) = match self.revision {
                PageRevision::Same(revision) | PageRevision::Wanted(revision) => {
                    match self.client.range_at(self.range.clone(), revision, options).await {
                        Ok(page) => (page.entries, page.upto),
                        Err(Error::Refused { .. } | Error::Unsupported(_))
                            if matches!(self.revision, PageRevision::Same(_)) =>
                        {
                            self.revision = PageRevision::Own;
                            continue;
                        }
                        Err(Error::Compacted { .. }) if matches!(self.revision, PageRevision::Same(_)) => {
                            self.revision = PageRevision::Dropped;
                            continue;
                        }
                        Err(error) => return Err(error),
                    }
                }
                PageRevision::First | PageRevision::Own | PageRevision::Dropped => {
                    let page = self.client.range(self.range.clone(), options).await?;
                    if matches!(self.revision, PageRevision::First) {
                        self.revision = PageRevision::Same(page.at);
                    }
                    (page.entries, page.upto)
                }
            };
            self.more = upto.is_some();
            if let Some(upto) = &upto {
                self.range = self.range.clone().after(upto);
            }
            if !entries.is_empty() || !self.more {
                return Ok(Some(entries));
            }
        }
    }
}
