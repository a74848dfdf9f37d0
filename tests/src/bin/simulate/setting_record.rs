//! The changes of a setting that one operator, and no other, has made, and its answers.

/// Why a call was not answered as asked.
#[derive(Debug)]
pub(crate) struct CallFailure {
    /// Whether nothing was done and nothing will be; if not, the outcome is unknown.
    pub(crate) is_nothing_done: bool,
    pub(crate) why: String,
}

impl CallFailure {
    /// Whether the feature level of the cluster is too low for the call.
    pub(crate) fn is_below_level(&self) -> bool {
        self.is_nothing_done && self.why.contains("needs feature level")
    }
}

/// The values of a setting, a number with the default 0.
#[derive(Default)]
pub(crate) struct SettingRecord {
    /// The value of the last change that was acknowledged.
    acknowledged: u64,
    /// The values of changes of which the operator does not know whether they were made.
    in_doubt: Vec<u64>,
    /// The answers, for people.
    answers: Vec<String>,
}

impl SettingRecord {
    /// Number of changes so far.
    pub(crate) fn changes(&self) -> u64 {
        self.answers.len() as u64
    }

    /// Notes the answer to a change.
    pub(crate) fn note(&mut self, value: u64, answer: &Result<(), CallFailure>) {
        self.answers.push(format!("{value}: {answer:?}"));
        match answer {
            Ok(()) => self.acknowledged = value,
            Err(failure) if failure.is_nothing_done => {}
            Err(_) => self.in_doubt.push(value),
        }
    }

    /// Checks that the cluster has what was acknowledged last, or what may have been set later.
    pub(crate) fn check(&self, found: Option<&str>) -> Result<(), String> {
        let mut possible = self.in_doubt.iter().chain([&self.acknowledged]);
        match possible.any(|value| found == Some(&*value.to_string())) {
            true => Ok(()),
            false => Err(format!("the setting is {found:?}, and an operator was told: {:?}", self.answers)),
        }
    }
}
