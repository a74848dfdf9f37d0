//! Whether what a load was told is what the cluster holds.

use std::fmt;

use coffee_client::{Client, Entry, Error, Revision};

use super::record::{Record, Writer};

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How many keys were read.
    pub keys: usize,
    /// How many writes nobody knows the outcome of: each may or may not count.
    pub unresolved: usize,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Acknowledged writes are not there.
    Lost {
        /// The key.
        key: String,
        /// How often it must have been set at least.
        expected: u64,
        /// How often it was.
        version: u64,
    },
    /// Writes took effect more than once, or although they were said not to.
    Doubled {
        /// The key.
        key: String,
        /// How often it can have been set at most.
        expected: u64,
        /// How often it was.
        version: u64,
    },
    /// The key holds an older value than the last one acknowledged, or none of this load.
    Behind {
        /// The key.
        key: String,
        /// The last counter that is known to have been written.
        expected: u64,
        /// What the key holds.
        value: String,
    },
    /// Two acknowledged writes of one writer have revisions in the wrong order.
    Disordered {
        /// The key.
        key: String,
        /// The later write, whose revision is not the greater one.
        counter: u64,
    },
}

/// Reads each key of the load and compares. Nobody else may have written
/// those keys, and the keys must not have been there before.
pub async fn verify(client: &Client, record: &Record) -> Result<Report, Error> {
    let mut report = Report::default();
    for writer in &record.writers {
        let entry = client.get(writer.key.clone()).await?;
        report.keys += 1;
        report.unresolved += writer.unresolved.len();
        report.findings.extend(judge(writer, entry.as_ref()));
    }
    Ok(report)
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys, {} writes unresolved", self.keys, self.unresolved)?;
        self.findings.iter().try_for_each(|finding| write!(f, "\n{finding:?}"))
    }
}

fn judge(writer: &Writer, entry: Option<&Entry>) -> Vec<Finding> {
    let key = || writer.key.clone();
    let known = (writer.acknowledged.len() + writer.resolved.len()) as u64;
    let most = known + writer.unresolved.len() as u64;
    let version = entry.map_or(0, |entry| entry.version);
    let mut findings = Vec::new();
    if version < known {
        findings.push(Finding::Lost { key: key(), expected: known, version });
    }
    if version > most {
        findings.push(Finding::Doubled { key: key(), expected: most, version });
    }
    findings.extend(judge_value(writer, entry));
    findings.extend(judge_order(writer));
    findings
}

/// The value must be that of the last write known to have been done, or of a
/// later one in doubt.
fn judge_value(writer: &Writer, entry: Option<&Entry>) -> Option<Finding> {
    let acknowledged = writer.acknowledged.iter().map(|ack| ack.counter);
    let expected = acknowledged.chain(writer.resolved.iter().copied()).max().unwrap_or(0);
    let value = entry.map(|entry| String::from_utf8_lossy(entry.value.as_bytes()).trim_end().to_owned());
    let value = value.unwrap_or_else(|| "0".into());
    let fits = value.parse().is_ok_and(|counter: u64| {
        counter == expected || counter > expected && writer.unresolved.contains(&counter)
    });
    (!fits).then(|| Finding::Behind { key: writer.key.clone(), expected, value })
}

fn judge_order(writer: &Writer) -> impl Iterator<Item = Finding> {
    let mut before = Revision(0);
    writer.acknowledged.iter().filter_map(move |ack| {
        let ordered = ack.revision > before;
        before = ack.revision;
        (!ordered).then(|| Finding::Disordered { key: writer.key.clone(), counter: ack.counter })
    })
}

#[cfg(test)]
mod tests {
    use coffee_client::Value;
    use tokio::time::Instant;

    use super::{super::record::Acknowledged, *};

    fn writer(acknowledged: &[(u64, u64)], resolved: &[u64], unresolved: &[u64]) -> Writer {
        let now = Instant::now();
        let acknowledged = acknowledged
            .iter()
            .map(|&(counter, at)| Acknowledged { counter, revision: Revision(at), begun: now, ended: now })
            .collect();
        Writer {
            key: "k".into(),
            acknowledged,
            failures: Vec::new(),
            resolved: resolved.into(),
            unresolved: unresolved.into(),
        }
    }

    fn findings(writer: &Writer, value: &str, version: u64) -> String {
        let entry = (version > 0).then(|| Entry {
            value: Value::new(format!("{value}   ")).expect("legal"),
            created: Revision(1),
            modified: Revision(9),
            version,
        });
        let word = |finding: &Finding| match finding {
            Finding::Lost { .. } => "lost",
            Finding::Doubled { .. } => "doubled",
            Finding::Behind { .. } => "behind",
            Finding::Disordered { .. } => "disordered",
        };
        judge(writer, entry.as_ref()).iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_as_it_was_told_is_clean() {
        assert_eq!(findings(&writer(&[], &[], &[]), "", 0), "");
        assert_eq!(findings(&writer(&[(1, 5), (2, 7)], &[], &[]), "2", 2), "");
        assert_eq!(findings(&writer(&[(1, 5), (3, 8)], &[2], &[]), "3", 3), "");
        for (value, version) in [("2", 2), ("3", 3)] {
            assert_eq!(findings(&writer(&[(1, 5), (2, 7)], &[], &[3]), value, version), "");
        }
        assert_eq!(
            findings(&writer(&[(1, 5), (3, 7)], &[], &[2]), "3", 2),
            "",
            "the one in doubt was not done"
        );
    }

    #[test]
    fn what_is_wrong_is_found() {
        let two = writer(&[(1, 5), (2, 7)], &[], &[]);
        assert_eq!(findings(&two, "", 0), "lost behind");
        assert_eq!(findings(&two, "1", 1), "lost behind");
        assert_eq!(findings(&two, "2", 3), "doubled");
        assert_eq!(findings(&two, "1", 2), "behind", "an older write was done again later");
        assert_eq!(findings(&two, "latte", 2), "behind");
        assert_eq!(findings(&writer(&[(1, 7), (2, 5)], &[], &[]), "2", 2), "disordered");
        assert_eq!(findings(&writer(&[(1, 5)], &[2], &[]), "1", 1), "lost behind");
        assert_eq!(findings(&writer(&[(2, 5)], &[], &[1]), "1", 2), "behind", "the one in doubt came after");
    }
}
