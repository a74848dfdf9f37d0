//! The operator's command, with placeholders for the node.
//!
//! A shell runs it, since a restart may take pipes, `&&` and quotes. Guards
//! that each replacement is a single word to the shell.

use coffee_common::id::Address;

use super::order::RestartTarget;
use crate::{failure::Failure, words};

/// The placeholders, as in the help.
const NODE: &str = "{node}";
const ADDRESS: &str = "{address}";
const HOST: &str = "{host}";

/// A command with placeholders for a node.
#[derive(Debug)]
pub(super) struct Template(String);

impl Template {
    /// Reads a command.
    ///
    /// # Errors
    ///
    /// If it has no placeholder: it would be the same for every node.
    pub(super) fn new(text: &str) -> Result<Self, Failure> {
        if [NODE, ADDRESS, HOST].iter().any(|place| text.contains(place)) {
            return Ok(Self(text.to_owned()));
        }
        Err(Failure::usage("--exec is the same command for every node").hint(
            "put a placeholder into it: {node} is the node's name, {address} HOST:PORT, {host} the host",
        ))
    }

    /// Returns the command for a node.
    pub(super) fn command(&self, stop: &RestartTarget) -> String {
        let quoted = |word: &str| words::join([word]);
        self.0
            .replace(NODE, &quoted(stop.name.as_str()))
            .replace(ADDRESS, &quoted(stop.address.as_str()))
            .replace(HOST, &quoted(host(&stop.address)))
    }
}

/// Returns the host of an address, without the brackets of IPv6.
fn host(address: &Address) -> &str {
    let host = address.as_str().rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use coffee_common::id::NodeName;

    use super::*;
    use crate::exit::ExitCode;

    fn command(template: &str, address: &str) -> String {
        let name = NodeName::new("hong").unwrap();
        let stop = RestartTarget { name, address: Address::new(address).unwrap(), leads: false };
        Template::new(template).unwrap().command(&stop)
    }

    #[test]
    fn the_node_is_put_in_wherever_it_is_named() {
        assert_eq!(
            command("ssh {host} restart {node} && log {node}", "hong.lan:7400"),
            "ssh hong.lan restart hong && log hong"
        );
        assert_eq!(command("x {address}", "10.0.0.1:7400"), "x 10.0.0.1:7400");
        assert_eq!(command("x ${HOME} {a,b} {host}", "[fe80::1]:7400"), "x ${HOME} {a,b} fe80::1");
        assert_eq!(command("x {address}", "[::1]:7400"), "x '[::1]:7400'");
    }

    #[test]
    fn a_command_that_names_no_node_is_refused() {
        for text in ["", "systemctl restart coffeed", "restart {nod}"] {
            assert_eq!(Template::new(text).map_err(|failure| failure.code()).err(), Some(ExitCode::Usage));
        }
    }
}
