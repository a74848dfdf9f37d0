//! The words and units that several verbs share.

use std::{fmt::Display, time::Duration};

pub(crate) use coffee_common::units::{size, span};
use coffee_common::{
    id::NodeName,
    protocol::{ClusterView, NodeState, RevocationListStatus},
};

use crate::printer::table::TextTable;

/// Returns the state as it reads after "is".
pub(crate) fn condition(state: NodeState) -> &'static str {
    match state {
        NodeState::OtherCluster => "in another cluster",
        state => state.as_str(),
    }
}

/// Returns names in a row.
pub(crate) fn names<'a>(names: impl IntoIterator<Item = &'a NodeName>) -> String {
    names.into_iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ")
}

/// Returns a number of keys.
pub(crate) fn keys(count: u64) -> String {
    if count == 1 { "1 key".to_owned() } else { format!("{count} keys") }
}

/// Returns a number of changes.
pub(crate) fn changes(count: u64) -> String {
    if count == 1 { "1 change".to_owned() } else { format!("{count} changes") }
}

/// Adds a column with the numbers of the nodes' revocation lists, once there are any.
pub(crate) fn with_list_numbers<'a>(
    table: &mut TextTable,
    lists: impl Iterator<Item = &'a [RevocationListStatus]> + Clone,
) {
    if lists.clone().all(<[_]>::is_empty) {
        return;
    }
    table.column("CRL", lists.map(list_numbers));
}

/// Returns the numbers of a node's revocation lists.
pub(crate) fn list_numbers(lists: &[RevocationListStatus]) -> String {
    let numbers: Vec<String> = lists.iter().map(|list| list.number.to_string()).collect();
    if numbers.is_empty() { NOTHING.to_owned() } else { numbers.join(",") }
}

/// Returns what is known about the cluster of a node that shows none.
pub(crate) fn no_cluster(node: &str, is_starting: bool) -> String {
    if is_starting {
        return format!("{node} is opening its data: ask another node, or wait");
    }
    format!("{node} belongs to no cluster: 'boot {node}' adds it to one, 'init {node}' founds one")
}

/// Returns the strength of a cluster in one line, which operators read first.
pub(crate) fn summary(view: &ClusterView) -> String {
    if view.cluster.is_none() {
        let is_starting = view.nodes.iter().any(|node| node.state == NodeState::Starting);
        return no_cluster(view.asked.as_str(), is_starting);
    }
    view.strength()
}

/// The text for an unknown or absent value.
pub(crate) const NOTHING: &str = "-";

/// Returns the text of a value, or [`NOTHING`].
pub(crate) fn or_nothing(thing: Option<impl Display>) -> String {
    thing.map_or_else(|| NOTHING.to_owned(), |thing| thing.to_string())
}

/// Returns the quorum of this many voters.
pub(crate) fn quorum(voters: u32) -> u32 {
    voters / 2 + 1
}

/// Returns a rate without a fraction.
pub(crate) fn whole(rate: f64) -> String {
    format!("{rate:.0}")
}

/// Returns a short duration in milliseconds, with at least three digits.
pub(crate) fn milliseconds(time: Duration) -> String {
    microseconds(time.as_micros())
}

/// Returns a number of microseconds in milliseconds, with at least three digits.
pub(crate) fn microseconds(us: u128) -> String {
    match us {
        0..10_000 => format!("{}.{:02} ms", us / 1000, us % 1000 / 10),
        10_000..100_000 => format!("{}.{} ms", us / 1000, us % 1000 / 100),
        _ => format!("{} ms", us / 1000),
    }
}

/// Returns a number of microseconds for a narrow column.
pub(crate) fn short(us: u64) -> String {
    match us {
        0..10_000 => format!("{}.{} ms", us / 1000, us % 1000 / 100),
        10_000..10_000_000 => format!("{} ms", us / 1000),
        _ => format!("{} s", us / 1_000_000),
    }
}

/// Returns the whole days until a time, in seconds since 1970; negative if it has passed.
pub(crate) fn days_until(seconds: u64) -> i64 {
    let at = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    (at(seconds) - at(coffee_common::clock::now_ms() / 1000)).div_euclid(86_400)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns the time `days` days and an hour from now, in seconds since 1970.
    pub(crate) fn in_days(days: i64) -> u64 {
        let now = i64::try_from(coffee_common::clock::now_ms() / 1000).unwrap();
        (now + days * 86_400 + 3_600).unsigned_abs()
    }

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (5 << 20, "5 MiB"),
            (9 << 30, "9216 MiB"),
            (10 << 30, "10 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn spans() {
        for (ms, text) in [
            (12, "12 ms"),
            (9_999, "9999 ms"),
            (61_000, "61 s"),
            (600_000, "10 min"),
            (90_000_000, "25 h"),
            (864_000_000, "10 days"),
        ] {
            assert_eq!(span(ms), text);
        }
    }

    #[test]
    fn short_times() {
        for (us, text) in
            [(0, "0.0 ms"), (9_960, "9.9 ms"), (10_000, "10 ms"), (310_999, "310 ms"), (12_000_000, "12 s")]
        {
            assert_eq!(short(us), text);
        }
    }

    #[test]
    fn quorums() {
        assert_eq!([1, 2, 3, 4, 5].map(quorum), [1, 2, 2, 3, 3]);
    }
}
