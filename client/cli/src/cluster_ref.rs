//! How users name a cluster: by its id, or by its name in the certificates.

use std::{fmt, str::FromStr};

use coffee_common::id::{ClusterId, ClusterName};
use serde::{Deserialize, Serialize};

/// A cluster as it is given with `--cluster` or in a context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ClusterRef {
    /// Its id: the cluster that was founded, and no later one of the same name.
    Id(ClusterId),
    /// Its name in the certificates of its nodes and clients.
    Name(ClusterName),
}

impl FromStr for ClusterRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = text.parse().map(Self::Id);
        id.or_else(|_| ClusterName::new(text).map(Self::Name)).map_err(|_| {
            format!(
                "{text:?} is neither the id of a cluster, 32 hexadecimal digits, nor a name, such as shops"
            )
        })
    }
}

impl TryFrom<String> for ClusterRef {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ClusterRef> for String {
    fn from(cluster: ClusterRef) -> Self {
        cluster.to_string()
    }
}

impl fmt::Display for ClusterRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_an_id_and_a_label_is_a_name() {
        let id = "00000000000000000000000000c0ffee";
        assert_eq!(id.parse(), Ok(ClusterRef::Id(ClusterId(0xc0ffee))));
        assert_eq!("shops".parse(), Ok(ClusterRef::Name(ClusterName::default())));
        for text in [id, "shops", "c0ffee"] {
            assert_eq!(text.parse::<ClusterRef>().map(String::from), Ok(text.to_owned()));
        }
        for bad in ["", "Shops", "a.b", "shops/"] {
            assert!(bad.parse::<ClusterRef>().is_err(), "{bad}");
        }
    }
}
