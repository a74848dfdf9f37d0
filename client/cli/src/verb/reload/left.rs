//! The nodes that a reload has left as they were.

use coffee_common::id::{Address, NodeName};

use crate::{invocation::Invocation, words::Spoken};

/// The nodes that failed, in order.
#[derive(Debug, Default)]
pub(super) struct Left(Vec<LeftNode>);

#[derive(Debug)]
struct LeftNode {
    /// Its name, if it is known.
    name: Option<String>,
    address: String,
}

impl Left {
    /// Finds the names of the nodes that failed, by their position in `addresses`.
    pub(super) async fn new(
        named: &[NodeName],
        addresses: &[Address],
        failed: &[usize],
        invocation: &Invocation<'_>,
    ) -> Self {
        let view = match (failed, named) {
            ([_, ..], []) => invocation.view(invocation.usual_timeout()).await.ok(),
            _ => None,
        };
        let known = |address: &Address| {
            let node = view.as_ref()?.nodes.iter().find(|node| node.address == *address)?;
            Some(node.name.to_string())
        };
        let left = failed.iter().filter_map(|nth| {
            let address = addresses.get(*nth)?;
            let name = named.get(*nth).map(NodeName::to_string).or_else(|| known(address));
            Some(LeftNode { name, address: address.to_string() })
        });
        Self(left.collect())
    }

    /// Returns the names of the nodes, or their addresses.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().map(|node| node.name.as_ref().unwrap_or(&node.address).clone()).collect()
    }

    /// Returns the hints to print if not all of several nodes were reloaded.
    pub(super) fn hints(&self, named: &[NodeName], asked: usize, spoken: &Spoken) -> Vec<String> {
        if self.0.is_empty() || asked < 2 {
            return Vec::new();
        }
        let left = format!("not reloaded: {}", self.names().join(", "));
        let again: Option<Vec<String>> = self.0.iter().map(|node| node.name.clone()).collect();
        let again = again.map(|again| {
            let named: Vec<&str> = named.iter().map(NodeName::as_str).collect();
            format!("to try them again: {}", spoken.with_arguments(&named, &again))
        });
        std::iter::once(left).chain(again).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(nodes: &[(Option<&str>, &str)]) -> Left {
        let node = |(name, address): &(Option<&str>, &str)| LeftNode {
            name: name.map(str::to_owned),
            address: (*address).to_owned(),
        };
        Left(nodes.iter().map(node).collect())
    }

    #[test]
    fn the_nodes_are_named_with_the_command_that_tries_them_again() {
        let rest = left(&[(Some("hong"), "h:1"), (Some("hu"), "u:1")]);
        let spoken = Spoken::new(["coffeectl", "reload", "--certs", "c"]);
        assert_eq!(
            rest.hints(&[], 5, &spoken),
            ["not reloaded: hong, hu", "to try them again: coffeectl reload --certs c hong hu",]
        );
        let named = ["ming", "hong", "peng", "hu"].map(|name| name.parse().unwrap());
        let spoken = Spoken::new(["reload", "ming", "hong", "--as", "hong", "peng", "hu"]);
        assert_eq!(rest.hints(&named, 4, &spoken)[1], "to try them again: reload --as hong hong hu");
    }

    #[test]
    fn a_node_without_a_name_is_shown_by_its_address() {
        let rest = left(&[(Some("hong"), "h:1"), (None, "p:1")]);
        assert_eq!(rest.names(), ["hong", "p:1"]);
        assert_eq!(rest.hints(&[], 3, &Spoken::new(["reload"])), ["not reloaded: hong, p:1"]);
        assert!(left(&[(Some("hong"), "h:1")]).hints(&[], 1, &Spoken::new(["reload"])).is_empty());
        assert!(left(&[]).hints(&[], 5, &Spoken::new(["reload"])).is_empty());
    }
}
