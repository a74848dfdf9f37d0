//! Checks that the cluster holds what the load was told.

use std::fmt;

use coffee_client::{Client, Entry, Error, Revision};

use super::record::{WriteRecord, WriterRecord};

/// Result of a verification.
#[derive(Debug, Clone, Default)]
pub struct Verification {
    /// Number of keys read.
    pub keys: usize,
    /// Number of writes whose outcome is unknown: each may or may not be applied.
    pub unresolved: usize,
    /// Violations found.
    pub findings: Vec<Violation>,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// Acknowledged writes are missing.
    Lost {
        /// The key.
        key: String,
        /// Minimum number of times it must have been set.
        expected: u64,
        /// Number of times it was set.
        version: u64,
    },
    /// Writes were applied more than once, or although they were rejected.
    Doubled {
        /// The key.
        key: String,
        /// Maximum number of times it can have been set.
        expected: u64,
        /// Number of times it was set.
        version: u64,
    },
    /// The key holds an older value than the last acknowledged one, or a foreign value.
    Outdated {
        /// The key.
        key: String,
        /// The last counter that is known to be written.
        expected: u64,
        /// The value of the key.
        value: String,
    },
    /// The revisions of two acknowledged writes of one writer are in the wrong order.
    Disordered {
        /// The key.
        key: String,
        /// The later write, whose revision is not greater.
        counter: u64,
    },
}

/// Reads each key of the load and compares. The keys must have been absent before, and
/// only the load may have written them.
pub async fn verify(client: &Client, record: &WriteRecord) -> Result<Verification, Error> {
    let mut report = Verification::default();
    for writer in &record.writers {
        let entry = client.get(writer.key.clone()).await?;
        report.keys += 1;
        report.unresolved += writer.unresolved.len();
        report.findings.extend(judge(writer, entry.as_ref()));
    }
    Ok(report)
}

impl Verification {
    /// Whether no violation was found.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys, {} writes unresolved", self.keys, self.unresolved)?;
        self.findings.iter().try_for_each(|finding| write!(f, "\n{finding:?}"))
    }
}

fn judge(writer: &WriterRecord, entry: Option<&Entry>) -> Vec<Violation> {
    let key = || writer.key.clone();
    let known = (writer.acknowledged.len() + writer.resolved.len()) as u64;
    let most = known + writer.unresolved.len() as u64;
    let version = entry.map_or(0, |entry| entry.version);
    let mut findings = Vec::new();
    if version < known {
        findings.push(Violation::Lost { key: key(), expected: known, version });
    }
    if version > most {
        findings.push(Violation::Doubled { key: key(), expected: most, version });
    }
    findings.extend(judge_value(writer, entry));
    findings.extend(judge_order(writer));
    findings
}

/// The value must be that of the last write known to be applied, or of a later one in
/// doubt.
fn judge_value(writer: &WriterRecord, entry: Option<&Entry>) -> Option<Violation> {
    let acknowledged = writer.acknowledged.iter().map(|ack| ack.counter);
    let expected = acknowledged.chain(writer.resolved.iter().copied()).max().unwrap_or(0);
    let value = entry.map(|entry| String::from_utf8_lossy(entry.value.as_bytes()).trim_end().to_owned());
    let value = value.unwrap_or_else(|| "0".into());
    let fits = value.parse().is_ok_and(|counter: u64| {
        counter == expected || counter > expected && writer.unresolved.contains(&counter)
    });
    (!fits).then(|| Violation::Outdated { key: writer.key.clone(), expected, value })
}

fn judge_order(writer: &WriterRecord) -> impl Iterator<Item = Violation> {
    let mut before = Revision(0);
    writer.acknowledged.iter().filter_map(move |ack| {
        let ordered = ack.revision > before;
        before = ack.revision;
        (!ordered).then(|| Violation::Disordered { key: writer.key.clone(), counter: ack.counter })
    })
}

#[cfg(test)]
mod tests {
    use coffee_client::Value;
    use tokio::time::Instant;

    use super::{super::record::Acknowledged, *};

    fn writer(acknowledged: &[(u64, u64)], resolved: &[u64], unresolved: &[u64]) -> WriterRecord {
        let now = Instant::now();
        let acknowledged = acknowledged
            .iter()
            .map(|&(counter, at)| Acknowledged { counter, revision: Revision(at), begun: now, ended: now })
            .collect();
        WriterRecord {
            key: "k".into(),
            acknowledged,
            failures: Vec::new(),
            resolved: resolved.into(),
            unresolved: unresolved.into(),
        }
    }

    fn findings(writer: &WriterRecord, value: &str, version: u64) -> String {
        let entry = (version > 0).then(|| Entry {
            value: Value::new(format!("{value}   ")).expect("legal"),
            created: Revision(1),
            modified: Revision(9),
            version,
        });
        let word = |finding: &Violation| match finding {
            Violation::Lost { .. } => "lost",
            Violation::Doubled { .. } => "doubled",
            Violation::Outdated { .. } => "outdated",
            Violation::Disordered { .. } => "disordered",
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
        assert_eq!(findings(&two, "", 0), "lost outdated");
        assert_eq!(findings(&two, "1", 1), "lost outdated");
        assert_eq!(findings(&two, "2", 3), "doubled");
        assert_eq!(findings(&two, "1", 2), "outdated", "an older write was done again later");
        assert_eq!(findings(&two, "latte", 2), "outdated");
        assert_eq!(findings(&writer(&[(1, 7), (2, 5)], &[], &[]), "2", 2), "disordered");
        assert_eq!(findings(&writer(&[(1, 5)], &[2], &[]), "1", 1), "lost outdated");
        assert_eq!(
            findings(&writer(&[(2, 5)], &[], &[1]), "1", 2),
            "outdated",
            "the one in doubt came after"
        );
    }
}
