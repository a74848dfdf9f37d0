//! Compares reports: which surviving node is most advanced, and what may be lost.
//!
//! Pure. A log is more advanced than another if its last entry has a later
//! term, or the same term and a higher index (Raft, section 5.4.1). An
//! acknowledged write is in the logs of a quorum. If every quorum contains a
//! survivor, the most advanced survivor has every acknowledged write, by the
//! argument for leader completeness (Raft, section 5.4.3).

use std::fmt::Write;

use coffeectl::{exit::ExitCode, failure::Failure};

use super::report::Report;

/// Returns the comparison as text.
pub(super) fn verdict(reports: &[Report]) -> Result<String, Failure> {
    check(reports)?;
    let mut ranked: Vec<&Report> = reports.iter().collect();
    ranked.sort_by_key(|report| std::cmp::Reverse((report.last_term, report.last_entry)));
    let mut text = table(&ranked);
    let Some(furthest) = ranked.first() else { return Ok(text) };
    let known = reports.iter().max_by_key(|report| report.membership_entry).unwrap_or(furthest);
    let _ = write!(text, "\n{}", chances(known, reports, furthest));
    Ok(text)
}

/// Rejects reports that cannot be compared.
fn check(reports: &[Report]) -> Result<(), Failure> {
    let refuse = |what: String, hint: &str| Err(Failure::new(ExitCode::Usage, what).hint(hint));
    for (n, report) in reports.iter().enumerate() {
        if report.broke_off {
            return refuse(
                format!("a recovery was interrupted on {}", report.name),
                "run `coffeed --config FILE recover --yes` there again; it resumes",
            );
        }
        if report.cluster != reports[0].cluster {
            return refuse(
                format!(
                    "{} belongs to the cluster {}, but {} to {}",
                    reports[0].name, reports[0].cluster, report.name, report.cluster
                ),
                "compare nodes of one cluster only; a recovered cluster already runs by itself",
            );
        }
        if reports[..n].iter().any(|other| other.name == report.name) {
            return refuse(
                format!("there are two reports of {}", report.name),
                "pass only the latest report of each node",
            );
        }
    }
    Ok(())
}

fn table(ranked: &[&Report]) -> String {
    let widest = ranked.iter().map(|report| report.name.as_str().len()).max().unwrap_or(0).max(4);
    let mut text = format!(
        "{:<widest$}  {:>12}  {:>6}  {:>12}  {:>12}  LAST WRITE\n",
        "NODE", "LAST ENTRY", "TERM", "COMMITTED", "APPLIED"
    );
    for report in ranked {
        let written = report.last_write.as_deref().unwrap_or("-");
        let _ = writeln!(
            text,
            "{:<widest$}  {:>12}  {:>6}  {:>12}  {:>12}  {}",
            report.name,
            report.last_entry,
            report.last_term,
            report.committed,
            report.applied,
            shown(written)
        );
    }
    text
}

/// Returns the printable part of untrusted text, up to 32 characters.
fn shown(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(32).collect()
}

/// Describes how many voters survive, by the latest membership that a report knows.
fn chances(known: &Report, reports: &[Report], furthest: &Report) -> String {
    let left =
        |set: &Vec<u64>| set.iter().filter(|id| reports.iter().any(|report| report.id == **id)).count();
    let sets: Vec<(usize, usize)> = known.voters.iter().map(|set| (left(set), set.len())).collect();
    let quorum = |voters: usize| voters / 2 + 1;
    let counted: Vec<String> =
        sets.iter().map(|(left, voters)| format!("{left} of {voters} voters")).collect();
    let counted = counted.join(" and ");
    let missing: Vec<&str> = known
        .members
        .iter()
        .filter(|member| reports.iter().all(|report| report.id != member.id))
        .map(|member| member.name.as_str())
        .collect();
    let missing = if missing.is_empty() { "none".to_owned() } else { missing.join(", ") };
    let mut text = format!("{counted} have a report; missing: {missing}\n");
    if sets.iter().all(|(left, voters)| *left >= quorum(*voters)) {
        text.push_str("these are a quorum: start them, and the cluster continues; no recovery is needed\n");
        return text;
    }
    if sets.iter().any(|(left, voters)| *left > voters - quorum(*voters)) {
        let _ = writeln!(
            text,
            "every quorum contains one of them: {} has all acknowledged writes",
            furthest.name
        );
    } else {
        let since =
            furthest.last_write.as_deref().map_or(String::new(), |at| format!(", made since {}", shown(at)));
        let _ = writeln!(
            text,
            "may be lost: acknowledged writes after entry {}{since}; the missing nodes may have them",
            furthest.last_entry
        );
    }
    let _ = writeln!(
        text,
        "most advanced: {name}\nnext, if no missing node can be brought back: on {name}, run coffeed --config FILE recover --yes",
        name = furthest.name
    );
    text
}

#[cfg(test)]
mod tests {
    use super::{super::report::tests::report, *};

    #[test]
    fn a_later_term_goes_before_a_longer_log() {
        let (hong, hu) = (report("hong", 4, (3, 4711)), report("hu", 19, (4, 4700)));
        let text = verdict(&[hong, hu]).unwrap();
        assert!(text.contains("most advanced: hu\n"), "{text}");
        assert!(text.contains("2 of 5 voters have a report; missing: ming, peng, long\n"), "{text}");
        assert!(
            text.contains(
                "may be lost: acknowledged writes after entry 4700, made since 2026-11-23T02:04:13Z"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_quorum_needs_no_recovery() {
        let reports = [("ming", 1), ("hong", 4), ("peng", 9)].map(|(name, id)| report(name, id, (3, 4711)));
        let text = verdict(&reports).unwrap();
        assert!(text.contains("no recovery is needed"), "{text}");
        assert!(!text.contains("--yes"), "{text}");
    }

    /// Two of four are not a quorum, but any three of the four include one of them.
    #[test]
    fn nothing_is_lost_where_every_quorum_has_one_of_them() {
        let mut reports = [("ming", 1), ("hong", 4)].map(|(name, id)| report(name, id, (3, 4711)));
        for report in &mut reports {
            report.voters = vec![vec![1, 4, 9, 14]];
        }
        let text = verdict(&reports).unwrap();
        assert!(text.contains("ming has all acknowledged writes\n"), "{text}");
        assert!(text.contains("recover --yes"), "{text}");
    }

    /// While membership changes, both sets have to agree.
    #[test]
    fn both_sets_of_a_change_count() {
        let mut reports =
            [("ming", 1), ("hong", 4), ("peng", 9)].map(|(name, id)| report(name, id, (3, 4711)));
        reports[0].voters = vec![vec![1, 4, 9], vec![1, 14, 19]];
        reports[0].membership_entry = 4711;
        let text = verdict(&reports).unwrap();
        assert!(text.contains("3 of 3 voters and 1 of 3 voters have a report"), "{text}");
        assert!(text.contains("recover --yes"), "{text}");
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let (hong, mut other) = (report("hong", 4, (3, 4711)), report("hu", 19, (3, 4711)));
        assert!(verdict(&[hong.clone(), hong.clone()]).is_err());
        other.cluster = "f".repeat(32);
        assert!(verdict(&[hong.clone(), other.clone()]).is_err());
        other.cluster.clone_from(&hong.cluster);
        other.broke_off = true;
        assert!(verdict(&[hong, other]).is_err());
    }
}
