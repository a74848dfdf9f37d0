//! The identity of a node, a text file in its data directory.

use std::path::Path;

use coffee_common::{
    command::MemberState,
    feature_level::{FeatureLevel, LEVEL_MAX, LEVEL_MIN},
    id::{Address, ClusterId, NodeId, NodeName},
};
use serde::Deserialize;

use super::error::{DataDirError, FORMAT};

/// The identity of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeIdentity {
    /// The cluster that it belongs to.
    pub cluster: ClusterId,
    /// Its id in Raft.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// Its state in the cluster, as far as the node knows.
    pub standing: MemberState,
    /// The members to ask: for admission after its data was set aside, for a vote
    /// while it joins. Empty otherwise.
    pub rejoin: Vec<Address>,
    /// The highest feature level of its data.
    pub level: FeatureLevel,
}

/// The fields that decide whether the others can be read.
#[derive(Deserialize)]
struct WrittenBy {
    format: u64,
    level: Option<FeatureLevel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityFields {
    format: u64,
    cluster: String,
    id: u64,
    name: NodeName,
    standing: String,
    level: FeatureLevel,
    #[serde(default)]
    rejoin: Vec<Address>,
    checksum: String,
}

impl NodeIdentity {
    /// The identity of a node without data that joins or founds a cluster. The level of the cluster is
    /// noted when its first data arrives.
    pub fn joining(cluster: ClusterId, id: NodeId, name: NodeName, rejoin: Vec<Address>) -> Self {
        Self { cluster, id, name, standing: MemberState::Joining, rejoin, level: LEVEL_MIN }
    }

    /// Encodes the file.
    pub(super) fn to_text(&self) -> String {
        let standing = word(self.standing);
        let Self { cluster, id, name, level, .. } = self;
        format!(
            "# Written by coffeed. Do not edit: a node that is mistaken about this loses data.\n\
             format = {FORMAT}\ncluster = \"{cluster}\"\nid = {id}\nname = \"{name}\"\n\
             standing = \"{standing}\"\nlevel = {level}\n{}checksum = \"{}\"\n",
            self.rejoin_line(),
            self.checksum()
        )
    }

    /// Decodes the file.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, DataDirError> {
        let damaged = |what: String| DataDirError::Damaged { path: path.to_owned(), what };
        // In a newer format, or of a higher level, no other field is certain.
        let WrittenBy { format, level } =
            toml::from_str(text).map_err(|error| damaged(error.message().to_owned()))?;
        match level {
            _ if format < FORMAT => return Err(DataDirError::Older { path: path.to_owned(), format }),
            Some(level) if level > LEVEL_MAX => {
                return Err(DataDirError::NewerLevel { path: path.to_owned(), level });
            }
            _ if format > FORMAT => return Err(DataDirError::Newer { path: path.to_owned(), format }),
            _ => {}
        }
        let fields: IdentityFields =
            toml::from_str(text).map_err(|error| damaged(error.message().to_owned()))?;
        let identity = Self {
            cluster: fields
                .cluster
                .parse()
                .map_err(|_| damaged("the cluster is not a valid identifier".into()))?,
            id: NodeId(fields.id),
            name: fields.name,
            standing: standing(&fields.standing).ok_or_else(|| damaged("the standing is unknown".into()))?,
            rejoin: fields.rejoin,
            level: fields.level,
        };
        if fields.format != FORMAT || fields.checksum != identity.checksum() {
            return Err(damaged("its checksum does not match".into()));
        }
        Ok(identity)
    }

    /// A line only if there are addresses.
    fn rejoin_line(&self) -> String {
        if self.rejoin.is_empty() {
            return String::new();
        }
        let quoted: Vec<String> = self.rejoin.iter().map(|address| format!("\"{address}\"")).collect();
        format!("rejoin = [{}]\n", quoted.join(", "))
    }

    fn checksum(&self) -> String {
        let Self { cluster, id, name, level, .. } = self;
        let all =
            format!("{FORMAT} {cluster} {id} {name} {level} {}{}", word(self.standing), self.rejoin_line());
        format!("{:08x}", crc32c::crc32c(all.as_bytes()))
    }
}

fn word(standing: MemberState) -> &'static str {
    match standing {
        MemberState::Joining => "joining",
        MemberState::Member => "member",
        MemberState::Shutdown => "shutdown",
        // Never of the node itself.
        MemberState::Announced => "announced",
    }
}

fn standing(word_of: &str) -> Option<MemberState> {
    [MemberState::Joining, MemberState::Member, MemberState::Shutdown]
        .into_iter()
        .find(|standing| word(*standing) == word_of)
}
