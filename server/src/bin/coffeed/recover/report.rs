//! A report of one node's data, as a file to be compared on another machine.
//!
//! TOML, for people to read. Untrusted: everything in it is checked when it is
//! read.

use std::{fs, path::Path};

use coffee_common::{
    command::MemberState,
    id::{Address, ClusterId, NodeName},
    limits::NODES_MAX,
};
use coffeectl::{dates, exit::ExitCode, failure::Failure};
use coffeed::storage::recover::Survivor;
use serde::{Deserialize, Serialize};

/// The report version that this build writes and reads.
const FORMAT: u32 = 1;

/// Maximum length of a report, in bytes.
const BYTES_MAX: u64 = 64 << 10;

/// A report of one node's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    /// The version of the report.
    format: u32,
    /// The node.
    pub(super) name: NodeName,
    /// The id of this incarnation of the node.
    pub(super) id: u64,
    /// Its cluster.
    pub(super) cluster: String,
    /// Its state in its cluster.
    standing: String,
    /// The term of its last vote.
    pub(super) vote_term: u64,
    /// The index of its last log entry; 0 if it has none.
    pub(super) last_entry: u64,
    /// The term of that entry.
    pub(super) last_term: u64,
    /// The index of the last applied entry.
    pub(super) applied: u64,
    /// The index of the last entry known to be committed: a lower bound.
    pub(super) committed: u64,
    /// When its last write was proposed, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) last_write: Option<String>,
    /// Whether a recovery was interrupted here; it must be run again first.
    pub(super) broke_off: bool,
    /// The index of the entry that set the membership.
    pub(super) membership_entry: u64,
    /// The ids of the voters; two sets while the membership changes.
    pub(super) voters: Vec<Vec<u64>>,
    /// All members.
    pub(super) members: Vec<ReportedMember>,
}

/// A member of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportedMember {
    /// Its node id.
    pub(super) id: u64,
    /// Its name.
    pub(super) name: NodeName,
    /// Its advertised address.
    pub(super) address: Address,
}

impl Report {
    pub(super) fn new(survivor: &Survivor) -> Self {
        let membership = survivor.membership.membership();
        let index = |id: Option<coffeed::raft_types::LogId>| id.map_or(0, |id| id.index);
        Self {
            format: FORMAT,
            name: survivor.identity.name.clone(),
            id: survivor.identity.id.0,
            cluster: survivor.identity.cluster.to_string(),
            standing: match survivor.identity.standing {
                MemberState::Joining => "joining",
                MemberState::Member => "member",
                MemberState::Shutdown | MemberState::Announced => "shutdown",
            }
            .to_owned(),
            vote_term: survivor.vote.map_or(0, |vote| vote.leader_id().term),
            last_entry: index(survivor.last),
            last_term: survivor.last.map_or(0, |last| last.leader_id.term),
            applied: index(survivor.applied),
            committed: index(survivor.committed.max(survivor.applied)),
            last_write: survivor
                .last_write_ms
                .map(|ms| dates::utc(i64::try_from(ms / 1000).unwrap_or(i64::MAX))),
            broke_off: survivor.broke_off,
            membership_entry: index(*survivor.membership.log_id()),
            voters: membership
                .get_joint_config()
                .iter()
                .map(|set| set.iter().map(|id| id.0).collect())
                .collect(),
            members: membership
                .nodes()
                .map(|(id, member)| ReportedMember {
                    id: id.0,
                    name: member.name.clone(),
                    address: member.address.clone(),
                })
                .collect(),
        }
    }

    pub(super) fn to_text(&self) -> Result<String, Failure> {
        let text = toml::to_string(self)
            .map_err(|error| Failure::new(ExitCode::Failed, format!("cannot print the report: {error}")))?;
        Ok(format!(
            "# The data of {}. Nothing was changed. Compare this report with those of the other nodes:\n\
             #   coffeed recover compare REPORT..\n{text}",
            self.name
        ))
    }

    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let unusable = |why: String| {
            Failure::new(ExitCode::Usage, format!("{shown} is not a valid report: {why}"))
                .hint("make one with `coffeed --config FILE recover`")
        };
        let length = fs::metadata(path).map_err(|error| unusable(error.to_string()))?.len();
        if length > BYTES_MAX {
            return Err(unusable(format!("it is {length} bytes long")));
        }
        let text = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        Self::parse(&text).map_err(unusable)
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let report: Self = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let set_is_valid = |set: &Vec<u64>| {
            !set.is_empty() && set.iter().all(|id| report.members.iter().any(|member| member.id == *id))
        };
        if report.format != FORMAT {
            return Err(format!("it has format {}; this build knows format {FORMAT}", report.format));
        }
        if report.cluster.parse::<ClusterId>().is_err() {
            return Err("its cluster id is not valid".to_owned());
        }
        if report.members.len() > NODES_MAX
            || report.voters.is_empty()
            || !report.voters.iter().all(set_is_valid)
        {
            return Err("its voters are not valid".to_owned());
        }
        Ok(report)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A report of one of five nodes with this last entry.
    pub(in crate::recover) fn report(name: &str, id: u64, (last_term, last_entry): (u64, u64)) -> Report {
        let members = [("ming", 1), ("hong", 4), ("peng", 9), ("long", 14), ("hu", 19)];
        Report {
            format: FORMAT,
            name: name.parse().unwrap(),
            id,
            cluster: ClusterId(0xc0ffee).to_string(),
            standing: "member".to_owned(),
            vote_term: last_term,
            last_entry,
            last_term,
            applied: last_entry - 2,
            committed: last_entry - 1,
            last_write: Some("2026-11-23T02:04:13Z".to_owned()),
            broke_off: false,
            membership_entry: 21,
            voters: vec![members.map(|(_, id)| id).into()],
            members: members
                .map(|(name, id)| ReportedMember {
                    id,
                    name: name.parse().unwrap(),
                    address: format!("{name}:7400").parse().unwrap(),
                })
                .into(),
        }
    }

    #[test]
    fn a_report_comes_back() {
        let hong = report("hong", 4, (3, 4711));
        let text = hong.to_text().unwrap();
        assert!(text.starts_with("# The data of hong."), "{text}");
        assert!(text.contains("last_entry = 4711\n"), "{text}");
        assert_eq!(Report::parse(&text), Ok(hong));
    }

    #[test]
    fn other_files_are_rejected() {
        let good = report("hong", 4, (3, 4711)).to_text().unwrap();
        for (from, to) in [
            ("format = 1", "format = 2"),
            ("cluster = \"0", "cluster = \"x"),
            ("voters = [[1,", "voters = [[2,"),
            ("voters = [[1, 4, 9, 14, 19]]", "voters = []"),
            ("name = \"hong\"", "name = \"HONG\""),
            ("vote_term", "vote_tern"),
        ] {
            assert!(good.contains(from), "{from}: {good}");
            assert!(Report::parse(&good.replacen(from, to, 1)).is_err(), "{to}");
        }
    }
}
