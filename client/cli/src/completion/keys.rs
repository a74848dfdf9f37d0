//! Keys to complete: one read of the node that is asked, bounded in size and time.

use std::time::Duration;

use coffee_client::PageOptions;
use coffee_common::{key::KeyRange, protocol::Consistency};

use crate::{options::ConnectionOptions, printer::escape, session::ClientSession, words};

/// The most keys that are read.
const KEYS_MAX: u32 = 50;

/// How long the prompt waits for them.
pub(crate) const PROMPT_WITHIN: Duration = Duration::from_millis(200);

/// How long a shell waits for them: it has no connection yet.
const SHELL_WITHIN: Duration = Duration::from_secs(1);

/// Keys that start with a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownKeys {
    /// The first of them.
    pub names: Vec<String>,
    /// Whether there may be more.
    pub more: bool,
}

impl KnownKeys {
    /// Leaves out keys that a line at the prompt would not show as they are, or would take for flags.
    pub(crate) fn for_prompt(self) -> Self {
        self.only(|key| escape::shown(key) == key)
    }

    /// Leaves out keys that some shell would quote, or split into words.
    fn for_shells(self) -> Self {
        self.only(|key| words::join([key]) == key && !key.contains([':', '=', '@']))
    }

    fn only(self, fits: impl Fn(&str) -> bool) -> Self {
        let known = self.names.len();
        let mut names = self.names;
        names.retain(|key| !key.starts_with('-') && fits(key));
        Self { more: self.more || names.len() < known, names }
    }
}

/// Reads keys that start with a prefix. There are none if the read fails or takes too long.
pub(crate) async fn read(session: &ClientSession, prefix: &str, within: Duration) -> KnownKeys {
    let options = PageOptions { limit: KEYS_MAX, keys_only: true, consistency: Consistency::Local };
    let read = async {
        let client = session.client(within).ok()?.needing_quorum();
        client.range(KeyRange::prefix(prefix), options).await.ok()
    };
    let Ok(Some(page)) = tokio::time::timeout(within, read).await else { return KnownKeys::default() };
    let names: Vec<String> =
        page.entries.iter().filter_map(|(key, _)| key.as_text().map(str::to_owned)).collect();
    let more = page.upto.is_some() || names.len() < page.entries.len();
    KnownKeys { names, more }
}

/// Returns candidates for a word of a shell's line that is a key. The word is one of them if there are other
/// keys, so that no shell takes the common beginning of these for that of all.
pub(crate) async fn candidates(connection: ConnectionOptions, word: &str) -> Vec<String> {
    let session = ClientSession::new(connection);
    let KnownKeys { mut names, more } = read(&session, word, SHELL_WITHIN).await.for_shells();
    session.close().await;
    if more && !names.is_empty() {
        names.push(word.to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_cannot_be_typed_are_left_out_and_known_to_exist() {
        let names = ["-x", "a:1", "a=b", "a@1", "it's", "order/1", "up\u{202e}down"];
        let known = KnownKeys { names: names.map(str::to_owned).into(), more: false };
        let typed = KnownKeys { names: names[1..6].iter().map(ToString::to_string).collect(), more: true };
        assert_eq!(known.clone().for_prompt(), typed);
        assert_eq!(known.for_shells(), KnownKeys { names: vec!["order/1".into()], more: true });
        let plain = KnownKeys { names: vec!["order/1".into()], more: false };
        assert_eq!((plain.clone().for_prompt(), plain.clone().for_shells()), (plain.clone(), plain));
    }
}
