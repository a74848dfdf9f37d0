//! The nodes that a failed reload did not ask, and the command that continues.

use coffee_common::id::{Address, NodeName};

use crate::{invocation::Invocation, words::Spoken};

/// The rest of a reload that failed at a node.
#[derive(Debug)]
pub(super) struct Left {
    /// The nodes after the failed one: names where they are known, else addresses.
    pub(super) not_asked: Vec<String>,
    /// The names of the failed node and of those after it; `None` if one is unknown.
    again: Option<Vec<String>>,
}

impl Left {
    /// Returns the rest after the `nth` address failed. Endpoints get their names from the cluster.
    pub(super) async fn new(
        named: &[NodeName],
        addresses: &[Address],
        nth: usize,
        invocation: &Invocation<'_>,
    ) -> Self {
        let (_, again) = addresses.split_at(nth);
        if !named.is_empty() {
            return Self::of(named.iter().skip(nth).map(|name| (Some(name.to_string()), String::new())));
        }
        let view = match again {
            [] | [_] => None,
            _ => invocation.view(invocation.usual_timeout()).await.ok(),
        };
        let name = |address: &Address| {
            let node = view.as_ref()?.nodes.iter().find(|node| node.address == *address)?;
            Some(node.name.to_string())
        };
        Self::of(again.iter().map(|address| (name(address), address.to_string())))
    }

    fn of(nodes: impl Iterator<Item = (Option<String>, String)>) -> Self {
        let nodes: Vec<_> = nodes.collect();
        let shown =
            |(name, address): &(Option<String>, String)| name.clone().unwrap_or_else(|| address.clone());
        Self {
            not_asked: nodes.iter().skip(1).map(shown).collect(),
            again: nodes.into_iter().map(|(name, _)| name).collect(),
        }
    }

    /// Returns the hints, or none if the failed node was the last one.
    pub(super) fn hints(&self, named: &[NodeName], spoken: &Spoken) -> Vec<String> {
        if self.not_asked.is_empty() {
            return Vec::new();
        }
        let not_asked = format!("not asked: {}", self.not_asked.join(", "));
        let again = self.again.as_ref().map(|again| {
            let named: Vec<&str> = named.iter().map(NodeName::as_str).collect();
            format!("to continue where it stopped: {}", spoken.with_arguments(&named, again))
        });
        std::iter::once(not_asked).chain(again).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(nodes: &[(Option<&str>, &str)]) -> Left {
        Left::of(nodes.iter().map(|(name, address)| (name.map(str::to_owned), (*address).to_owned())))
    }

    #[test]
    fn the_rest_is_named_with_the_command_that_continues() {
        let rest = left(&[(Some("hong"), "h:1"), (Some("peng"), "p:1"), (Some("hu"), "u:1")]);
        let spoken = Spoken::new(["coffeectl", "reload", "--certs", "c"]);
        assert_eq!(
            rest.hints(&[], &spoken),
            ["not asked: peng, hu", "to continue where it stopped: coffeectl reload --certs c hong peng hu",]
        );
        let named = ["ming", "hong", "peng", "hu"].map(|name| name.parse().unwrap());
        let spoken = Spoken::new(["reload", "ming", "hong", "--as", "hong", "peng", "hu"]);
        assert_eq!(
            rest.hints(&named, &spoken)[1],
            "to continue where it stopped: reload --as hong hong peng hu"
        );
    }

    #[test]
    fn a_node_without_a_name_is_shown_by_its_address() {
        let rest = left(&[(Some("hong"), "h:1"), (None, "p:1")]);
        assert_eq!(rest.hints(&[], &Spoken::new(["reload"])), ["not asked: p:1"]);
        assert!(left(&[(Some("hong"), "h:1")]).hints(&[], &Spoken::new(["reload"])).is_empty());
    }
}
