//! The results of the checks, as they are printed.

use coffee_common::id::NodeName;
use serde::Serialize;

use crate::{
    printer::{Printable, colour, escape, table::TextTable},
    warnings::{Severity, Topic},
    wording,
};

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CheckRow {
    pub(super) topic: Topic,
    /// The node that was checked; `None` for the cluster, and for this side.
    pub(super) node: Option<NodeName>,
    /// `None` if there is no problem.
    pub(super) problem: Option<Severity>,
    pub(super) detail: String,
    /// The next step; empty if there is no problem.
    pub(super) hint: String,
}

impl CheckRow {
    pub(super) fn pass(topic: Topic, node: Option<&NodeName>, detail: impl Into<String>) -> Self {
        Self { topic, node: node.cloned(), problem: None, detail: detail.into(), hint: String::new() }
    }

    pub(super) fn warn(
        topic: Topic,
        node: Option<&NodeName>,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { problem: Some(Severity::Warn), hint: hint.into(), ..Self::pass(topic, node, detail) }
    }

    pub(super) fn fail(
        topic: Topic,
        node: Option<&NodeName>,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { problem: Some(Severity::Fail), hint: hint.into(), ..Self::pass(topic, node, detail) }
    }

    fn result(&self) -> &'static str {
        match self.problem {
            None => "PASS",
            Some(Severity::Warn) => "WARN",
            Some(Severity::Fail) => "FAIL",
        }
    }
}

/// All checks of a run.
#[derive(Debug, Serialize)]
pub(super) struct DoctorReport {
    passed: usize,
    warned: usize,
    failed: usize,
    checks: Vec<CheckDocument>,
}

/// A check in JSON.
#[derive(Debug, Serialize)]
struct CheckDocument {
    check: &'static str,
    node: Option<String>,
    result: &'static str,
    detail: String,
    hint: Option<String>,
}

impl DoctorReport {
    /// Puts the checks of a topic together.
    pub(super) fn new(mut checks: Vec<CheckRow>) -> Self {
        checks.sort_by_key(|row| row.topic);
        let count = |problem| checks.iter().filter(|row| row.problem == problem).count();
        let document = |row: &CheckRow| CheckDocument {
            check: row.topic.as_str(),
            node: row.node.as_ref().map(ToString::to_string),
            result: row.result(),
            detail: row.detail.clone(),
            hint: row.problem.map(|_| row.hint.clone()),
        };
        Self {
            passed: count(None),
            warned: count(Some(Severity::Warn)),
            failed: count(Some(Severity::Fail)),
            checks: checks.iter().map(document).collect(),
        }
    }

    pub(super) fn fails(&self) -> bool {
        self.failed > 0
    }
}

impl Printable for DoctorReport {
    fn table(&self) -> String {
        let mut table = TextTable::new(["CHECK", "NODE", "RESULT", "DETAIL"]);
        for check in &self.checks {
            table.row([
                check.check.to_owned(),
                wording::or_nothing(check.node.as_ref()),
                colour::result(check.result),
                escape::shown(&check.detail),
            ]);
        }
        let rendered = table.render();
        let mut lines = rendered.split_inclusive('\n');
        let mut text = lines.next().unwrap_or_default().to_owned();
        for (line, check) in lines.zip(&self.checks) {
            text.push_str(line);
            if let Some(hint) = &check.hint {
                text.push_str(&format!("  hint: {}\n", escape::shown(hint)));
            }
        }
        let Self { passed, warned, failed, .. } = self;
        format!("{text}{} checks: {passed} PASS, {warned} WARN, {failed} FAIL\n", self.checks.len())
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let fields = |check: &CheckDocument| {
            vec![
                check.check.to_owned(),
                wording::or_nothing(check.node.as_ref()),
                check.result.to_owned(),
                escape::field(&check.detail),
                check.hint.as_deref().map_or_else(|| wording::NOTHING.to_owned(), escape::field),
            ]
        };
        self.checks.iter().map(fields).collect()
    }
}
