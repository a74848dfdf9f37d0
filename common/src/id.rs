//! Identifiers of nodes, clusters, clients, requests and revisions.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};

use crate::limits::{ADDRESS_BYTES_MAX, NAME_BYTES_MAX};

/// Why a text is not a valid identifier of this module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is not a valid [`NodeName`] or [`ClusterName`].
    #[error(
        "{0:?} is not a valid name: use 1 to {NAME_BYTES_MAX} of a-z, 0-9 and '-', with no '-' at either end"
    )]
    Name(String),
    /// The text is not a valid [`Address`].
    #[error("{0:?} is not a valid address: use HOST:PORT, such as 10.0.0.1:7400 or shop-1.example.net:7400")]
    Address(String),
    /// The text is not a valid [`ClusterId`] or [`ClientId`].
    #[error("{0:?} is not a valid identifier: use 32 hexadecimal digits")]
    Hex(String),
    /// The text is not a valid [`RequestId`].
    #[error("{0:?} is not a valid request id: use one that coffeectl printed")]
    Request(String),
}

/// The name of a node, such as `ming`: a DNS label in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// Creates a name from text.
    ///
    /// # Errors
    /// The text is not 1 to [`NAME_BYTES_MAX`] of a-z, 0-9 and `-`, or has a `-` at either end.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        label(text.into()).map(Self)
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a cluster in the certificates of its nodes and clients, such as `shops`: a DNS label
/// in lower case.
///
/// It says for which cluster a certificate was issued. Unlike the [`ClusterId`] it is chosen by the
/// operator, before there is a cluster.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct ClusterName(Arc<str>);

impl ClusterName {
    /// Creates a name from text.
    ///
    /// # Errors
    /// The text is not 1 to [`NAME_BYTES_MAX`] of a-z, 0-9 and `-`, or has a `-` at either end.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        label(text.into()).map(Self)
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ClusterName {
    /// Returns `shops`, the name for those who run a single cluster.
    fn default() -> Self {
        Self("shops".into())
    }
}

/// Returns a DNS label in lower case (RFC 1123, section 2.1).
fn label(text: String) -> Result<Arc<str>, IdError> {
    let legal = (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if legal { Ok(text.into()) } else { Err(IdError::Name(text)) }
}

/// The address of a node: `HOST:PORT`, where the host is a name or an IP address (IPv6 in
/// brackets).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(Arc<str>);

impl Address {
    /// Creates an address from text.
    ///
    /// # Errors
    /// The text is not a host and a port from 1, or is longer than [`ADDRESS_BYTES_MAX`].
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        let legal = text.len() <= ADDRESS_BYTES_MAX
            && match text.rsplit_once(':') {
                Some((host, port)) => legal_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0),
                None => false,
            };
        if legal { Ok(Self(text.into())) } else { Err(IdError::Address(text)) }
    }

    /// Returns the address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether this is an IP address or a host name: labels of letters, digits and inner hyphens (RFC
/// 952; RFC 1123, section 2.1). So no address is taken for an option of a command.
fn legal_host(host: &str) -> bool {
    if let Some(v6) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return v6.parse::<std::net::Ipv6Addr>().is_ok();
    }
    // A name may end with the dot of the root.
    host.strip_suffix('.').unwrap_or(host).split('.').all(|label| {
        (1..=NAME_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

impl From<std::net::SocketAddr> for Address {
    fn from(address: std::net::SocketAddr) -> Self {
        Self(address.to_string().into())
    }
}

/// The id of a node in Raft. Never used twice in a cluster: the first node is 1, and each later one
/// takes the log index of the command that admitted it. A vote of a node whose data was wiped
/// therefore never counts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u64);

impl NodeId {
    /// The id of a cluster's founder. Every later id is the index of the log entry that
    /// added the node; a new cluster's first entries add none.
    pub const FOUNDER: Self = Self(1);
}

/// The id of a cluster: 128 random bits, drawn when it is founded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClusterId(pub u128);

impl From<u64> for NodeId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

/// The id of a client: 128 random bits, drawn when it starts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientId(pub u128);

/// The log index of the command that last changed a key; 0 is before the first entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Revision(pub u64);

/// Identifies a write, so that retries apply it at most once.
///
/// `client` and `sequence` identify the write. `after` is a revision that the cluster had reached
/// before the write was first sent, so the write cannot have been applied at or before it. A
/// replica that remembers every request since some revision can therefore tell for certain that a
/// request it does not remember was never applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestId {
    /// The client that writes.
    pub client: ClientId,
    /// The number of the write among those of the client.
    pub sequence: u64,
    /// A revision that was reached before the write was first sent.
    pub after: Revision,
}

impl ClusterId {
    /// Draws a new id.
    ///
    /// # Errors
    /// The system has no random numbers to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        random_u128().map(Self)
    }
}

impl ClientId {
    /// Draws a new id.
    ///
    /// # Errors
    /// The system has no random numbers to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        random_u128().map(Self)
    }
}

fn random_u128() -> Result<u128, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(u128::from_le_bytes(bytes))
}

fn parse_hex_u128(text: &str) -> Result<u128, IdError> {
    let legal = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    legal.then(|| u128::from_str_radix(text, 16).ok()).flatten().ok_or_else(|| IdError::Hex(text.to_owned()))
}

/// Implements `FromStr`, `TryFrom<String>`, `Into<String>`, `Serialize`, `Display` and `Debug` for
/// validated text.
macro_rules! text_traits {
    ($name:ident) => {
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().into()
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
text_traits!(NodeName);
text_traits!(ClusterName);
text_traits!(Address);

/// Implements `Display`, `Debug` and `FromStr` for 128 bits in hexadecimal.
macro_rules! hex_traits {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex_u128(text).map(Self)
            }
        }
    };
}
hex_traits!(ClusterId);
hex_traits!(ClientId);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for RequestId {
    /// Prints `CLIENT-SEQUENCE-AFTER`, as [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.client, self.sequence, self.after)
    }
}

impl FromStr for RequestId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let parse = || {
            let mut parts = text.split('-');
            let client = parts.next()?.parse().ok()?;
            let sequence = parts.next()?.parse().ok()?;
            let after = Revision(parts.next()?.parse().ok()?);
            parts.next().is_none().then_some(Self { client, sequence, after })
        };
        parse().ok_or_else(|| IdError::Request(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["ming", "shop-1", "a", "7", &"n".repeat(63)] {
            assert!(NodeName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "Ming", "-a", "a-", "a.b", "a b", "ä", &"n".repeat(64)] {
            assert!(NodeName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses() {
        for good in ["127.0.0.1:7400", "[::1]:7400", "shop-1.example.net:1", "shop--1:1", "Shop.net.:1"] {
            assert!(Address::new(good).is_ok(), "{good}");
        }
        for bad in ["", "ming", "ming:", "ming:0", "ming:65536", ":7400", "::1:7400", "[zz]:7400", "a b:1"] {
            assert!(Address::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_address_looks_like_an_option() {
        let long = format!("{}:1", "n".repeat(NAME_BYTES_MAX + 1));
        for bad in ["-oX:7400", "--help:1", "-:1", "a.-b:1", "a-.b:1", "a-:1", ".:1", "a..b:1", ".a:1", &long]
        {
            assert!(Address::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn request_ids_print_as_they_parse() {
        let id = RequestId { client: ClientId(0xc0ffee), sequence: 7, after: Revision(4711) };
        assert_eq!(id.to_string(), "00000000000000000000000000c0ffee-7-4711");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "7",
            "c0ffee-7-4711",
            "00000000000000000000000000c0ffee-7",
            "00000000000000000000000000c0ffee-7-1-2",
        ] {
            assert!(bad.parse::<RequestId>().is_err(), "{bad}");
        }
    }
}
